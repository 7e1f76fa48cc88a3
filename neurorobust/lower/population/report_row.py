"""One row of the lowering report: what a population lost."""

from typing import Any

import numpy as np

from neurorobust.ir import LIF, Array
from neurorobust.ir.fixed import DECAY_ONE, STATE_ONE, FixedLIF
from neurorobust.lower.population.nonsense import dead
from neurorobust.lower.population.scaled import Grid, Population
from neurorobust.lower.population.scaling import Scaled


def report_row(found: Scaled) -> dict[str, Any]:
    """Plain values by column; see docs/lowering.md for what they mean."""
    population, scale = found.population, found.scale
    row: dict[str, Any] = {
        "layer": population.name,
        "synapses": ", ".join(population.synapses) or "the input itself",
        "scale": scale,
        "limited_by": found.limited_by,
        "weight_bits": population.limits.weight_bits,
        **_weights(population, scale),
        **_decays(population, scale),
    }
    mantissa, exponent = population.bias_integers(scale)
    kept = mantissa * 2.0**exponent / (scale * STATE_ONE)
    row["bias_exponent"] = exponent
    row["bias_error_max"] = float(np.abs(kept - population.bias).max())
    if isinstance(population.node, LIF):
        neuron = population.neuron(scale)
        assert isinstance(neuron, FixedLIF)  # noqa: S101  # what a LIF becomes
        threshold = neuron.vth.astype(np.int64) + population.closed
        row["threshold"] = int(threshold.max())
        row["threshold_error_max"] = _largest(threshold / scale - population.node.threshold)
        silent = np.broadcast_to(dead(population, scale), population.shape)
        row["dead_neurons"] = int(silent.sum())
    return row


def _weights(population: Population, scale: float) -> dict[str, Any]:
    error = size = squares = lost = 0.0
    bits = clipped = 0
    exponents = []
    for key, acting in population.acting(scale).items():
        weight = population.weights[key]
        difference = acting / scale - weight
        error, size = max(error, _largest(difference)), max(size, _largest(weight))
        squares += float((weight**2).sum())
        lost += float((difference**2).sum())
        bits = max(bits, _bits(population.integers(key, scale), population.grids[key]))
        clipped += population.clipped(key, scale)
        exponents.append(str(population.exponent(key, scale)))
    return {
        "weight_bits_used": bits,
        "weight_exponent": ", ".join(exponents),
        "sign_mode": ", ".join(grid.mode for grid in population.grids.values()),
        "weights_clipped": clipped,
        "weight_error_max": error / size if size else 0.0,
        "weight_snr_db": 10 * float(np.log10(squares / lost)) if lost and squares else None,
    }


def _bits(integers: Array, grid: Grid) -> int:
    """Bits of the grid's steps: magnitudes, or two's complement where signs are mixed."""
    low, high = int(integers.min()) // grid.step, int(integers.max()) // grid.step
    if grid.mode == "mixed":
        return max(high.bit_length() if high > 0 else 0, (~low).bit_length() if low < 0 else 0) + 1
    return max(high, -low).bit_length()


def _decays(population: Population, scale: float) -> dict[str, Any]:
    neuron, node = population.neuron(scale), population.node
    errors = {"decay_error_max": _largest(1 - neuron.dv / DECAY_ONE - node.beta)}
    if isinstance(node, LIF) and node.alpha is not None:
        kept = (DECAY_ONE - 1 - neuron.du) / DECAY_ONE
        errors["current_decay_error_max"] = _largest(kept - node.alpha)
    return errors


def _largest(value: Array) -> float:
    return float(np.abs(value).max())
