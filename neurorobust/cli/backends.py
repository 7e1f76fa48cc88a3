"""``neurorobust backends``: the support table, generated from what every backend declares."""

from typing import Any

from rich.text import Text

from neurorobust.cli import options
from neurorobust.cli.console import console, print_json, say
from neurorobust.render import console as terminal


def backends(as_json: options.AsJson = False) -> None:
    """Show what every backend can run, and the reason for everything that it cannot."""
    from neurorobust.backends import backend_names

    table = {name: _backend(name) for name in backend_names()}
    if as_json:
        print_json(table)
    else:
        _print(table)


def _backend(name: str) -> dict[str, Any]:
    """Whether it runs here, and per rung every feature, with the reason of a gap."""
    from neurorobust.backends import get_backend, known_features
    from neurorobust.errors import BackendUnavailable

    try:
        backend = get_backend(name)
    except BackendUnavailable as error:
        return {"available": False, "reason": str(error), "rungs": {}}
    capabilities, missing = backend.capabilities(), backend.missing()
    return {
        "available": missing is None,
        "reason": missing,
        "versions": {} if missing else dict(backend.versions()),
        "missing_rungs": dict(capabilities.missing_rungs),
        "rungs": {
            rung: {
                "features": {f: support.gaps.get(f) for f in known_features(rung)},
                "limits": list(support.limits),
                "deviations": list(map(str, support.deviations)),
            }
            for rung, support in capabilities.rungs.items()
        },
    }


def _print(table: dict[str, Any]) -> None:
    """One table per rung, then the reasons."""
    from neurorobust.backends import SIMULATED, known_features

    for rung in SIMULATED:
        lanes = {
            name: entry["rungs"][rung] for name, entry in table.items() if rung in entry["rungs"]
        }
        shown = terminal.table("feature", *lanes, title=f"rung {rung}")
        for column in shown.columns[1:]:
            column.justify = "center"
        notes: dict[str, list[str]] = {}
        yes = Text("yes", "green")
        for feature in known_features(rung):
            cells = list[Text]()
            for name, lane in lanes.items():
                reason = lane["features"][feature]
                if reason:
                    notes.setdefault(reason, []).append(f"{name}: {feature}")
                note = f" {list(notes).index(reason) + 1}" if reason else ""
                cells.append(Text.assemble(("no", "red"), note) if reason else yes)
            shown.add_row(feature, *cells)
        console.print(shown)
        for number, (reason, where) in enumerate(notes.items(), 1):
            say(f"  {number}. {'; '.join(where)}: {reason}")
        for name, lane in lanes.items():
            for text in lane["limits"]:
                say(f"  {name}, limit: {text}")
            for text in lane["deviations"]:
                say(f"  {name} deviates: {text}")
        console.print()
    for name, entry in table.items():
        for rung, reason in entry.get("missing_rungs", {}).items():
            say(f"{name}: no rung {rung} ({reason})")
        if not entry["available"]:
            say(f"{name} cannot run here: {entry['reason']}")
