"""When neurons start from rest, and when they do not."""

from collections.abc import Iterator

import numpy as np

from neurorobust.formats.netx.lint.case import Case
from neurorobust.formats.netx.lint.finding import Seen, rule
from neurorobust.formats.netx.reading.layers import InputBlock
from neurorobust.formats.netx.reading.neurons import Population
from neurorobust.formats.netx.reading.synapses import Conv, Dense
from neurorobust.ir.fixed import DECAY_ONE, STATE_LIMIT, STATE_SHIFT


def _offset_due(case: Case) -> int:
    return 0 if case.block else 1


@rule(
    "reset-off-by-one",
    "error",
    avoid="reset_offset=1 where the first layer has synapses, 0 behind an input population",
)
def offset(case: Case) -> Seen:
    """A reset that does not fall between two stimuli."""
    interval = case.call.reset_interval
    if interval is None or not case.plan.layers:
        return
    late = (case.call.reset_offset - _offset_due(case)) % interval
    if late:
        early = interval - late
        when = f"{late} step(s) after" if late <= early else f"{early} step(s) before"
        what = f"reset_offset={case.call.reset_offset} resets every layer {when} a stimulus begins"
        yield None, f"{what} there; reset_offset={_offset_due(case)} resets between stimuli"


def _lead_in(population: Population, steps: int) -> tuple[int, int]:
    """Largest membrane after, and neurons that fired in, so many steps of bias alone."""
    bias = np.broadcast_to(population.bias_mant, population.shape).astype(np.int64) << STATE_SHIFT
    v, fired = np.zeros_like(bias), np.zeros(population.shape, bool)
    for _ in range(steps):
        product = v * (DECAY_ONE - population.dv)
        v = np.sign(product) * (np.abs(product) // DECAY_ONE) + bias
        v = v.clip(1 - STATE_LIMIT, STATE_LIMIT - 1)
        spikes = v > population.vth << STATE_SHIFT
        fired |= spikes
        v = np.where(spikes, 0, v)
    return int(np.abs(v).max()), int(fired.sum())


def _biased(case: Case) -> Iterator[tuple[int, Dense | Conv, int, int, int]]:
    """Layers behind synapses with a bias: latency, layer, largest membrane, neurons fired."""
    for latency, layer in enumerate(case.plan.layers, 0 if case.block else 1):
        if not isinstance(layer, InputBlock) and layer.population.bias_mant.any():
            reached, fired = _lead_in(layer.population, latency)
            yield latency, layer, reached, int(layer.population.vth.min()) << STATE_SHIFT, fired


@rule(
    "bias-before-data",
    "warning",
    avoid="use reset_interval with reset_offset=1, or set u and v of all layers to 0 after step 1",
)
def lead_in(case: Case) -> Seen:
    """Biases that act before the first data arrive, behind a first layer with synapses."""
    if case.block or case.call.reset_interval is not None:
        return
    for latency, layer, reached, threshold, fired in _biased(case):
        if reached or fired:
            what = f"the bias acts {latency} step(s) before data arrive: the membrane is up to"
            yield layer.index, f"{what} {reached} of {threshold}, {fired} neuron(s) have fired"


@rule(
    "bias-spikes-travel",
    "warning",
    avoid="train biased layers without recurrence, and without delays behind them",
)
def lead_in_travels(case: Case) -> Seen:
    """Spikes of biases before the first data, which a reset does not stop."""
    if case.call.reset_interval is None:
        return
    after = dict(zip(case.plan.layers, case.plan.layers[1:], strict=False))
    for _, layer, _, _, fired in _biased(case):
        behind = after.get(layer)
        loops = isinstance(layer, Dense) and layer.recurrent is not None
        waits = isinstance(behind, Dense) and behind.delay is not None
        if fired and (loops or waits):
            how = (
                "its recurrence" if loops else f"the delays of layer {getattr(behind, 'index', 0)}"
            )
            what = f"{fired} neuron(s) fire by their bias before data arrive, and {how}"
            yield layer.index, f"{what} carry these spikes past the first reset"
