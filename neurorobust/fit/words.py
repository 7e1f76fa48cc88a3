"""Numbers and verdicts of a check as people read them, the same in console, figure and page."""

from collections.abc import Iterable, Sequence

from neurorobust.chips.leaf import SI
from neurorobust.fit.result import Check, Estimate, Result
from neurorobust.render.looks import integer

_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))


def quantity(value: float | None, unit: str) -> str:
    """A value in SI units with a prefix: ``2.82 ms``; ``–`` for none."""
    if value is None:
        return "–"
    if not value:
        return f"0 {unit}"
    factor, prefix = next(((f, p) for f, p in _PREFIXES if abs(value) >= f * 0.9995), _PREFIXES[-1])
    return f"{value / factor:.3g} {prefix}{unit}"


def span(estimate: Estimate, unit: str) -> str:
    """``0.153 mJ (0.107 to 0.306 mJ)``, or only the value where the span is a point."""
    text, low, high = (
        quantity(value, unit) for value in (estimate.value, estimate.low, estimate.high)
    )
    return text if low == high else f"{text} ({low} to {high})"


def amount(value: object) -> str:
    """A use or limit; lists as ``1, 2 or 4``."""
    if isinstance(value, tuple | list):
        words = [amount(item) for item in value]
        return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.4g}"
    if isinstance(value, int | float):
        return integer(int(value)) if abs(value) < 1e15 else f"{value:.3g}"
    return "–" if value is None else str(value)


def against(result: Result) -> str:
    """Use against limit: ``802 816 of 65 536 words``, ``soft, allowed: hard``.

    A limit that is not the chip's own says whose it is: ``soft, Lava's LIF: hard``.
    """
    plural = "" if result.unit in SI or "/" in result.unit else "s"
    unit = "" if result.unit == "1" else f" {result.unit}{plural}"
    if result.used is None:
        return ""
    if result.headroom is None:
        return f"{amount(result.used)}{unit}, {result.of or 'allowed'}: {amount(result.limit)}"
    if result.sense == "least":
        return f"{amount(result.used)}{unit}, at least {amount(result.limit)}"
    if result.of:
        most = amount(result.limit) if result.limit else "none"
        return f"{amount(result.used)}{unit}, {result.of}: {most}"
    if result.limit == 0:
        return "not allowed" if result.used == 1 else f"{amount(result.used)}{unit}, allowed: none"
    return f"{amount(result.used)} of {amount(result.limit)}{unit}"


def verdict(check: Check) -> str:
    """One line: whether it fits, on how many cores, or how many rules fail."""
    if not check.ok:
        rules = len({r.constraint for r in check.failed})
        return f"does not fit: {rules} rule{'s' if rules > 1 else ''} broken"
    return f"fits{f' on {used}' if (used := cores(check)) else ''}"


def cores(check: Check) -> str:
    """``9 of 128 cores``, ``384 cores on 3 chips``, or nothing where no core is known."""
    placement = check.placement
    if not placement.whole or not placement.cores_per_chip:
        return ""
    used = len(placement.cores)
    if placement.chips > 1:
        return f"{integer(used)} cores on {placement.chips} chips"
    noun = "core" if placement.cores_per_chip == 1 else "cores"
    return f"{integer(used)} of {integer(placement.cores_per_chip)} {noun}"


def reasons(failed: Iterable[Result]) -> list[tuple[str, str]]:
    """What fails, one line per rule or reason with the places, and what to do about it."""
    found: dict[tuple[str, str], list[Result]] = {}
    for result in failed:
        spoken = result.note if result.used is None else ""
        found.setdefault((result.constraint, spoken), []).append(result)
    lines: list[tuple[str, str]] = []
    for (constraint, _), results in found.items():
        most = worst(results)
        places = ", ".join(dict.fromkeys(r.layer for r in results if r.layer))
        detail = against(most) or most.note
        line = f"{constraint}: {detail}{f' ({places})' if places else ''}"
        lines.append((line, most.advice))
    return lines


def lacking(check: Check) -> list[tuple[str, str]]:
    """Energies and times without a number: names that share a reason, and the reason."""
    costs = check.costs
    named = (
        ("static energy", costs.static),
        ("dynamic energy", costs.dynamic),
        ("total energy", costs.total),
        ("latency", costs.latency),
    )
    found: dict[str, list[str]] = {}
    for name, estimate in named:
        if estimate.value is None:
            found.setdefault(estimate.why, []).append(name)
    return [(listing(names), why) for why, names in found.items()]


def unknown(check: Check) -> list[tuple[str, str, str]]:
    """What could not be checked, once per rule: its name, the places, and why."""
    found: dict[tuple[str, str], list[str]] = {}
    for result in check.unchecked:
        found.setdefault((result.constraint, result.note), []).append(result.layer)
    return [
        (constraint, ", ".join(dict.fromkeys(filter(None, layers))), why)
        for (constraint, why), layers in found.items()
    ]


def listing(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def share(part: float) -> str:
    """Of a whole, in percent: ``12 %``, and never 0 where there is some."""
    return f"{100 * part:.0f} %" if part >= 0.005 or not part else "< 1 %"


def worst(results: Sequence[Result]) -> Result:
    """The one that is furthest from its limit."""
    return min(results, key=_ratio)


def _ratio(result: Result) -> float:
    if isinstance(result.headroom, int | float) and isinstance(result.limit, int | float):
        return result.headroom / (abs(result.limit) or 1)
    return 0.0
