"""Energy and time of a sample: sourced figures times measured counts, with their span.

``static = P_static × chips × duration`` and ``dynamic = Σ energy × count`` per the profile's own
formula. A figure that is not published makes no estimate; none is taken from another chip.
"""

from collections.abc import Mapping
from dataclasses import replace

from neurorobust.chips.costs import Alternative, Law
from neurorobust.chips.formula import parse
from neurorobust.chips.leaf import Leaf
from neurorobust.chips.schema import Profile
from neurorobust.fit.layers import Network
from neurorobust.fit.placement import Placement
from neurorobust.fit.result import NOTHING, Costs, Estimate

GIVE_SAMPLES = "needs the activity of the network: give samples"


def costs(
    network: Network, profile: Profile, placement: Placement, run: Mapping[str, float] | None
) -> Costs:
    """What one sample costs.

    Args:
        network: The network.
        profile: The chip.
        placement: Where the network goes; without a place for all of it there is no estimate.
        run: Facts of a run, or None where no activity was measured.
    """
    found = Costs()
    fixed = {k: v for k, v in network.facts().items() if not isinstance(v, str)}
    counts = fixed | dict(run or {})
    placed = placement.whole or placement.method in ("none", "closed")
    homeless = Estimate(
        why="the network has no place on the chip, so it has no cost there", lack="no place"
    )
    if profile.timing is not None:
        latency = _estimate(profile.timing.latency, counts) if placed else homeless
        found = replace(found, latency=latency, latency_of=profile.timing.of)
    if profile.energy is None:
        return found
    energy = profile.energy
    real_time = network.steps * network.dt_s
    paced = found.latency if profile.timing and profile.timing.of == "sample" else NOTHING
    duration = real_time if paced.value is None else paced.value
    dynamic = static = homeless
    if placed:
        dynamic = _spread(energy.dynamic, energy.alternatives, counts)
        static = _static(energy.static, placement, duration, paced)
    return replace(
        found,
        static=static,
        dynamic=dynamic,
        total=_total(static, dynamic),
        duration_s=duration,
        boundary=energy.boundary,
        averages={name: _words(leaf) for name, leaf in energy.average_only.items()},
    )


def evaluate(law: Law, counts: Mapping[str, float]) -> float | None:
    """The value of a law in SI units; None if a count in it is not known."""
    if law.use is None:
        return None
    formula = parse(law.use)
    figures = {name: leaf.number for name, leaf in law.figures.items()}
    values = dict(counts) | {name: n for name, n in figures.items() if n is not None}
    return formula(values) if formula.names <= values.keys() else None


def _estimate(law: Law, counts: Mapping[str, float]) -> Estimate:
    if law.use is None:
        return _unpublished(law.why)
    for name, leaf in law.figures.items():
        if leaf.value is None:
            return _unpublished(f"{name}: {leaf.why}")
    value = evaluate(law, counts)
    if value is None:
        return Estimate(why=GIVE_SAMPLES, lack="needs samples", basis=_basis(law))
    low, high = (value * factor for factor in law.band)
    return Estimate(value=value, low=low, high=high, basis=_basis(law))


def _unpublished(why: str | None) -> Estimate:
    return Estimate(why=f"no public figure: {why}", lack="no public figure")


def _spread(law: Law, others: list[Alternative], counts: Mapping[str, float]) -> Estimate:
    """The law's value, with a span that takes in the other sets of figures."""
    main = _estimate(law, counts)
    if main.value is None:
        return main
    spans = [main, *(_estimate(other, counts) for other in others)]
    names = ", ".join(other.name for other in others)
    return replace(
        main,
        low=min(span.low for span in spans if span.low is not None),
        high=max(span.high for span in spans if span.high is not None),
        basis=f"{main.basis}; span with {names}" if names else main.basis,
    )


def _static(leaf: Leaf, placement: Placement, duration: float, paced: Estimate) -> Estimate:
    power = leaf.number
    if power is None:
        return _unpublished(leaf.why)
    energy = power * max(placement.chips, 1) * duration
    low, high = leaf.band or (1.0, 1.0)
    if paced.value:
        low *= (paced.low or paced.value) / paced.value
        high *= (paced.high or paced.value) / paced.value
    return Estimate(value=energy, low=energy * low, high=energy * high, basis=_words(leaf))


def _total(static: Estimate, dynamic: Estimate) -> Estimate:
    parts = (static, dynamic)
    for part in parts:
        if part.value is None:
            return Estimate(why=part.why, lack=part.lack)
    value, low, high = (
        sum(getattr(part, end) or 0.0 for part in parts) for end in ("value", "low", "high")
    )
    return Estimate(value=value, low=low, high=high, basis="static and dynamic")


def _basis(law: Law) -> str:
    figures = ", ".join(f"{name} {_words(leaf)}" for name, leaf in law.figures.items())
    return f"{law.valid}: {figures}" if law.valid and figures else law.valid or figures


def _words(leaf: Leaf) -> str:
    if leaf.value is None:
        return f"unknown: {leaf.why}"
    held = f", {leaf.condition}" if leaf.condition else ""
    unit = "" if leaf.unit == "1" else f" {leaf.unit}"
    return f"{leaf.value}{unit} ({leaf.evidence}, {leaf.source}{held})"
