"""The support table, generated from the capabilities every backend declares."""

from typing import Any

from rich.console import Console
from rich.table import Table

from neurorobust.backends import backend_names, get_backend, known_features
from neurorobust.errors import BackendUnavailable
from neurorobust.study.lanes import RUNGS


def support_table() -> dict[str, Any]:
    """Per backend: whether it runs here, and per rung every feature, with the reason of a gap."""
    return {name: _backend(name) for name in backend_names()}


def _backend(name: str) -> dict[str, Any]:
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


def print_support(console: Console, table: dict[str, Any]) -> None:
    """One table per rung, then the reasons."""
    for rung in RUNGS:
        lanes = {
            name: entry["rungs"][rung] for name, entry in table.items() if rung in entry["rungs"]
        }
        shown = Table(title=f"rung {rung}", title_justify="left")
        shown.add_column("feature")
        for name in lanes:
            shown.add_column(name, justify="center")
        notes: dict[str, list[str]] = {}
        for feature in known_features(rung):
            cells = []
            for name, lane in lanes.items():
                reason = lane["features"][feature]
                if reason:
                    notes.setdefault(reason, []).append(f"{name}: {feature}")
                cells.append(
                    f"[red]no[/] {list(notes).index(reason) + 1}" if reason else "[green]yes[/]"
                )
            shown.add_row(feature, *cells)
        console.print(shown)
        for number, (reason, where) in enumerate(notes.items(), 1):
            console.print(f"  {number}. {'; '.join(where)}: {reason}", markup=False, soft_wrap=True)
        for name, lane in lanes.items():
            for text in lane["limits"]:
                console.print(f"  {name}, limit: {text}", markup=False, soft_wrap=True)
            for text in lane["deviations"]:
                console.print(f"  {name} deviates: {text}", markup=False, soft_wrap=True)
        console.print()
    for name, entry in table.items():
        for rung, reason in entry.get("missing_rungs", {}).items():
            console.print(f"{name}: no rung {rung} ({reason})", markup=False, soft_wrap=True)
        if not entry["available"]:
            console.print(
                f"{name} cannot run here: {entry['reason']}", markup=False, soft_wrap=True
            )
