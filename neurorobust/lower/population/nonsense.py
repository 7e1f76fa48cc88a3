"""What a scaled population could only pretend to compute; refused before anything runs."""

from collections.abc import Iterator
from math import prod

import numpy as np

from neurorobust.errors import Refusal
from neurorobust.ir import LIF, Array, FixedLIF
from neurorobust.ir.fixed import DECAY_ONE, STATE_ONE
from neurorobust.ir.thresholds import thresholds
from neurorobust.lower.population.scaled import Population
from neurorobust.lower.population.scaling import Scaled

_WAYS = {
    "weight bits": "take more weight bits, or the scaling 'mse'",
    "weight percentile": "take more weight bits, or another percentile",
    "weight error": "take more weight bits, or the scaling 'max_abs'",
    "spikes": "take more weight bits, or the scaling 'max_abs'",
    "bias": "its largest bias leaves no room: train with smaller biases, or take the input coding "
    "'bias'",
    "threshold": "its threshold is too far above its weights: scale the weights in training",
    "input current": "its largest current leaves no room: take the input coding 'host'",
    "synaptic current": "the sum of its inputs could wrap: take fewer or smaller inputs, or "
    "the input coding 'bias' or 'host' for a first layer",
    "readout range": "its sum over the steps could saturate: take fewer steps or inputs",
    "membrane range": "its sum over the steps could saturate: compare with '>'",
}


_OWN = ("weight bits", "weight percentile", "weight error", "spikes", "no weights")
"""What decides a scale by the weights' own bits; any other bound takes resolution from them."""
SNR_MIN_DB = 6.0
SNR_LOST_DB = 12.0
"""A synapse with less of the first, weights over their rounding, is refused if another bound took
more than the second, two bits; what few bits lose by themselves is what was asked for."""
DEAD_MAX = 0.5
"""Largest share of neurons that such a bound may leave dead."""


def nonsense(found: Scaled) -> Iterator[Refusal]:
    """What came to nothing: each with value, limit and a way out."""
    population, scale = found.population, found.scale
    way = _WAYS.get(found.limited_by, "take more bits")
    limit = f"the scale {scale:.4g} is limited by {found.limited_by}: {way}"
    empty = list(_empty_synapses(population, scale, limit))
    yield from empty
    yield from _lost_decays(population)
    taken = found.limited_by not in _OWN and scale < population.weight_bounds[-1] / 4
    if taken and not empty:
        yield from _drowned_synapses(population, scale, limit)
    if not isinstance(population.node, LIF):
        return
    threshold = population.node.threshold
    lost = (threshold * scale <= 0.5) & ((threshold > 0) | population.closed)
    if lost.any():
        smallest = float(threshold[lost].min()) if threshold.ndim else float(threshold)
        why = (
            f"threshold {smallest:.4g} rounds to 0 ({smallest * scale:.3g} integer steps), so that "
            "anything would fire it"
        )
        yield Refusal(population.name, "threshold lost", why, limit)
    elif not empty and dead(population, scale).all():
        yield _dead(population, population.node, limit)
    elif not empty and taken:
        yield from _silenced(population, population.node, scale, limit)


def _empty_synapses(population: Population, scale: float, limit: str) -> Iterator[Refusal]:
    for key, weight in population.weights.items():
        largest = float(np.abs(weight).max())
        if not largest:
            why = f"all its {weight.size} weights are 0"
            yield Refusal(key, "weights lost", why, "leave it out")
        elif not population.integers(key, scale).any():
            most = largest * scale * 2.0 ** -population.exponent(key, scale)
            why = (
                f"all its {weight.size} weights round to 0 (the largest is {most:.3g}, "
                f"the grid has steps of {population.grids[key].step})"
            )
            yield Refusal(key, "weights lost", why, limit)
        elif (top := _largest_sum(population, key, scale)) < 1:
            why = f"its largest sum, {top:.3g} integer steps, is floored to 0"
            yield Refusal(key, "weights lost", why, limit)


def _largest_sum(population: Population, key: str, scale: float) -> float:
    down_up = population.reach({key: population.acting(scale)[key]}, 0.0)
    return float(max(np.max(side) for side in down_up))


def _drowned_synapses(population: Population, scale: float, limit: str) -> Iterator[Refusal]:
    """Synapses that a bound other than their own bits leaves little of."""
    alone = population.tuned({})
    for key, weight in population.weights.items():
        kept = _snr_db(weight, population.acting(scale)[key] / scale)
        fine = population.grids[key].high / float(np.abs(weight).max())
        could = _snr_db(weight, alone.integers(key, fine) / fine)
        if kept < SNR_MIN_DB and could - kept > SNR_LOST_DB:
            why = (
                f"its weights stand {kept:.3g} dB above their rounding, at least {SNR_MIN_DB:g} "
                f"are needed ({population.limits.weight_bits} bits alone give {could:.3g})"
            )
            yield Refusal(key, "weights drowned", why, limit)


def _snr_db(weight: Array, kept: Array) -> float:
    lost = float(((kept - weight) ** 2).sum())
    return 10 * float(np.log10(float((weight**2).sum()) / lost)) if lost else np.inf


def _lost_decays(population: Population) -> Iterator[Refusal]:
    node, one = population.node, population.limits.decay_one
    decays = {"beta": node.beta, "alpha": getattr(node, "alpha", None)}
    for name, decay in decays.items():
        if decay is None:
            continue
        kept = np.rint(one * (1 - decay)) if name == "beta" else one - np.rint(one * decay)
        lost = (decay < 1) & (kept == 0)
        if lost.any():
            value = float(np.broadcast_to(decay, lost.shape)[lost].max())
            why = (
                f"{name} {value:.6g} becomes 1, so that nothing decays (decays have steps of "
                f"1/{one})"
            )
            way_out = "take more decay bits, or train with 1 where nothing should decay"
            yield Refusal(population.name, "decay lost", why, way_out)


def _silenced(population: Population, node: LIF, scale: float, limit: str) -> Iterator[Refusal]:
    """A population of which most neurons can fire in floats only."""
    lost = dead(population, scale) & (_highest_exact(population, node) > node.threshold)
    count, size = int(np.broadcast_to(lost, population.shape).sum()), prod(population.shape)
    if count > DEAD_MAX * size:
        why = (
            f"no input can fire {count} of {size} neurons that can fire in floats, at most "
            f"{DEAD_MAX:.0%} may be lost"
        )
        yield Refusal(population.name, "silenced", why, limit)


def _highest_exact(population: Population, node: LIF) -> Array:
    """The bound of a membrane from above, in floats."""
    current = np.zeros(()) if node.alpha is None else node.alpha
    reach = population.reach(population.weights, population.drive)
    return population.highest(reach, population.bias, current, node.beta)


def dead(population: Population, scale: float) -> Array:
    """Neurons that nothing can fire within T steps, over all inputs; of a shape that broadcasts."""
    neuron = population.neuron(scale)
    assert isinstance(neuron, FixedLIF)  # noqa: S101  # the caller's case
    down, up = population.reach(population.acting(scale), population.current(scale))
    top = population.highest(
        (down * STATE_ONE, up * STATE_ONE),
        neuron.bias_mant * 2.0**neuron.bias_exp,
        (DECAY_ONE - 1 - neuron.du) / DECAY_ONE,
        1 - neuron.dv / DECAY_ONE,
    )
    still: Array = top <= thresholds(neuron)[0]
    return still


def _dead(population: Population, node: LIF, limit: str) -> Refusal:
    exact = float(_highest_exact(population, node).max())
    threshold = float(node.threshold.min())
    why = (
        f"no input can fire it within {population.steps} steps (in floats its membrane reaches "
        f"{exact:.4g} at most, the threshold is {threshold:.4g}): "
    )
    if exact <= threshold:
        why += "it is dead there, too"
        return Refusal(population.name, "dead", why, "lower its threshold or train it to fire")
    return Refusal(population.name, "dead", why + "it can fire there", limit)
