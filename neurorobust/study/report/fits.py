"""Does it fit: every network on every chip, as checked, with root causes only."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from neurorobust.fit import words
from neurorobust.fit.result import Result
from neurorobust.render import looks
from neurorobust.render.numbers import Entry
from neurorobust.study.report.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRow:
    """A network on a chip.

    Attributes:
        model: Name of the network.
        chip: Name of the chip.
        ok: Whether no rule is broken.
        cores: Used, of how many; why there is none.
        broken: Rules that are broken, root causes only, and the ways out.
        unchecked: How many rules nobody can tell.
        energy: Per sample, and its span.
        latency: Of a sample, and its span.
    """

    model: str
    chip: str
    ok: bool
    cores: str
    broken: tuple[tuple[str, str], ...]
    unchecked: int
    energy: Entry
    latency: Entry


def fit_rows(view: View) -> tuple[FitRow, ...]:
    """As the manifest says, without the rules that hold."""
    rows = []
    for entry in view.manifest.checks:
        check = entry["check"]
        results = [_result(row) for row in check.get("results") or ()]
        costs, placement = check.get("costs") or {}, check.get("placement") or {}
        rows.append(
            FitRow(
                model=str(entry["model"]),
                chip=str(check.get("chip") or check.get("profile") or ""),
                ok=bool(check.get("ok")),
                cores=_cores(placement),
                broken=tuple(words.reasons(r for r in results if r.status == "fail")),
                unchecked=sum(r.status == "unchecked" for r in results),
                energy=_cost(costs.get("total") or {}, "J"),
                latency=_cost(costs.get("latency") or {}, "s"),
            )
        )
    return tuple(rows)


def _result(row: Mapping[str, Any]) -> Result:
    known = {field.name for field in fields(Result)}
    return Result(**{name: value for name, value in row.items() if name in known})


def _cores(placement: Mapping[str, Any]) -> str:
    used, of, chips = (placement.get(name) for name in ("cores", "cores_per_chip", "chips"))
    if not used or not of:
        return str(placement.get("why") or "")
    if chips and chips > 1:
        return f"{looks.integer(used)} cores on {chips} chips"
    return f"{looks.integer(used)} of {looks.integer(of)} core{'s' * (of != 1)}"


def _cost(estimate: Mapping[str, Any], unit: str) -> Entry:
    value = estimate.get("value")
    if value is None:
        return Entry(counts=str(estimate.get("why") or ""))
    text, low, high = (words.quantity(estimate.get(n), unit) for n in ("value", "low", "high"))
    return Entry(text, "" if low == high else f"{low} to {high}", "", float(value))
