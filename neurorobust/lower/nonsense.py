"""What a scaled population could only pretend to compute; refused before anything runs."""

from collections.abc import Iterator

import numpy as np

from neurorobust.ir import LIF, Array, FixedLIF
from neurorobust.ir.fixed import DECAY_ONE
from neurorobust.lower.population import STATE_ONE, Population
from neurorobust.lower.scaling import Scaled

_WAYS = {
    "weight bits": "take more weight bits, or scaling='mse'",
    "weight percentile": "take more weight bits, or another percentile",
    "weight error": "take more weight bits, or scaling='max_abs'",
    "spikes": "take more weight bits, or scaling='max_abs'",
    "bias": "its largest bias leaves no room: train with smaller biases, or input_coding='bias'",
    "threshold": "its threshold is too far above its weights: scale the weights in training",
    "input current": "its largest current leaves no room: take input_coding='host'",
    "synaptic current": "the sum of its inputs could wrap: take fewer or smaller inputs, or "
    "input_coding='bias' or 'host' for a first layer",
    "readout range": "its sum over the steps could saturate: take fewer steps or inputs",
    "membrane range": "its sum over the steps could saturate: set compare to '>'",
}


def nonsense(found: Scaled) -> Iterator[tuple[str, str]]:
    """Nodes that came to nothing, and why: each with value, limit and a way out."""
    population, scale = found.population, found.scale
    way = _WAYS.get(found.limited_by, "take more bits")
    limit = f"the scale {scale:.4g} is limited by {found.limited_by}: {way}"
    empty = list(_empty_synapses(population, scale, limit))
    yield from empty
    if not isinstance(population.node, LIF):
        return
    threshold = population.node.threshold
    lost = (threshold * scale <= 0.5) & ((threshold > 0) | population.closed)
    if lost.any():
        smallest = float(threshold[lost].min()) if threshold.ndim else float(threshold)
        why = (
            f"threshold {smallest:.4g} rounds to 0 ({smallest * scale:.3g} integer steps), so that "
            f"anything would fire it; {limit}"
        )
        yield population.name, why
    elif not empty and dead(population, scale).all():
        yield population.name, _dead_sentence(population, scale, limit)


def _empty_synapses(population: Population, scale: float, limit: str) -> Iterator[tuple[str, str]]:
    for key, weight in population.weights.items():
        largest = float(np.abs(weight).max())
        if not largest:
            yield key, f"all its {weight.size} weights are 0; leave it out"
        elif not population.integers(key, scale).any():
            why = (
                f"all its {weight.size} weights round to 0 (the largest is {largest * scale:.3g}, "
                f"the grid has steps of {population.grids[key].step}); {limit}"
            )
            yield key, why


def dead(population: Population, scale: float) -> Array:
    """Neurons that nothing can fire within T steps, over all inputs; of a shape that broadcasts."""
    neuron = population.neuron(scale)
    assert isinstance(neuron, FixedLIF)  # noqa: S101  # the caller's case
    weights = {key: population.integers(key, scale) for key in population.weights}
    top = population.highest(
        _times(population.reach(weights, population.current(scale)), STATE_ONE),
        neuron.bias_mant * 2.0**neuron.bias_exp,
        (DECAY_ONE - 1 - neuron.du) / DECAY_ONE,
        1 - neuron.dv / DECAY_ONE,
    )
    still: Array = top <= neuron.vth.astype(np.int64) * STATE_ONE
    return still


def _dead_sentence(population: Population, scale: float, limit: str) -> str:
    node, neuron = population.node, population.neuron(scale)
    assert isinstance(node, LIF)  # noqa: S101  # the caller's case
    assert isinstance(neuron, FixedLIF)  # noqa: S101
    current = np.zeros(()) if node.alpha is None else node.alpha
    reach = population.reach(population.weights, population.drive)
    exact = float(population.highest(reach, population.bias, current, node.beta).max())
    threshold = float(node.threshold.min())
    there = (
        "it is dead there, too; lower its threshold or train it to fire"
        if exact <= threshold
        else f"it can fire there; {limit}"
    )
    return (
        f"no input can fire it within {population.steps} steps (in floats its membrane reaches "
        f"{exact:.4g} at most, the threshold is {threshold:.4g}): {there}"
    )


def _times(pair: tuple[Array, Array], factor: int) -> tuple[Array, Array]:
    return pair[0] * factor, pair[1] * factor
