"""Does it fit: every network on every chip, as checked, with root causes only."""

from collections.abc import Iterable, Mapping, Sequence
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
        broken: Rules that are broken, root causes only.
        unchecked: How many rules nobody can tell.
        energy: Per sample, and its span.
        latency: Of a sample, and its span.
    """

    model: str
    chip: str
    ok: bool
    cores: str
    broken: tuple[str, ...]
    unchecked: int
    energy: Entry
    latency: Entry


def fit_rows(view: View) -> tuple[FitRow, ...]:
    """As the manifest says, without the rules that hold."""
    rows = []
    for check in view.manifest.checks:
        results = [_result(row) for row in check.get("results") or ()]
        costs, placement = check.get("costs") or {}, check.get("placement") or {}
        rows.append(
            FitRow(
                model=str(check.get("model") or ""),
                chip=str(check.get("chip") or check.get("profile") or ""),
                ok=bool(check.get("ok")),
                cores=_cores(placement),
                broken=tuple(_broken([r for r in results if r.status == "fail"])),
                unchecked=sum(r.status == "unchecked" for r in results),
                energy=_cost(costs.get("total") or {}, "J"),
                latency=_cost(costs.get("latency") or {}, "s"),
            )
        )
    return tuple(rows)


def _result(row: Mapping[str, Any]) -> Result:
    known = {field.name for field in fields(Result)}
    return Result(**{name: value for name, value in row.items() if name in known})


def _broken(failed: Sequence[Result]) -> Iterable[str]:
    """One line per rule, the worst place first."""
    by_rule: dict[str, list[Result]] = {}
    for result in failed:
        by_rule.setdefault(result.constraint, []).append(result)
    for rule, results in by_rule.items():
        worst = min(results, key=_left)
        places = ", ".join(dict.fromkeys(r.layer for r in results if r.layer))
        detail = words.against(worst) or worst.note
        yield f"{rule}: {detail}{f' ({places})' if places else ''}"


def _left(result: Result) -> float:
    if isinstance(result.headroom, int | float) and isinstance(result.limit, int | float):
        return result.headroom / (abs(result.limit) or 1)
    return 0.0


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
