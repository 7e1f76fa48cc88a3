"""How busy a network is: events per neuron, measured on samples."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from neurorobust.backends import run
from neurorobust.data.stimulus import encode
from neurorobust.engine.host import sent
from neurorobust.errors import InvalidInput
from neurorobust.fit.layers import Network, Synapse
from neurorobust.fit.placement import Placement
from neurorobust.ir import Array, FixedInput, Header, Model, Program

BACKEND = "torch"
GRID_TOLERANCE = 0.01
"""Of a step between two levels: what float32 loses on the way."""


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """Events of a sample, on average over samples.

    Attributes:
        samples: How many were run.
        steps: Time steps of a sample.
        events: Per layer, and for the input, events of every neuron in a sample, flat.
        input_peak: Largest input of a step, as the chip gets it.
        seed: Of the spikes that a Bernoulli coding draws.
    """

    samples: int
    steps: int
    events: Mapping[str, Array]
    input_peak: float
    seed: int


def measure(model: Model, samples: Array, *, seed: int = 0) -> Activity:
    """Run samples and count events.

    Args:
        model: A Graph (in floats) or a Program (in integers).
        samples: (B, ...), or (B, T, ...) where the coding is ``events``.
        seed: Of the spikes that a Bernoulli coding draws.

    Raises:
        InvalidInput: for samples that the model cannot take, or none.
    """
    stimulus = encode(model, samples, rng=np.random.default_rng(seed))
    if not len(stimulus) or not stimulus.steps:
        msg = f"samples have shape {samples.shape}; give at least one sample of at least one step"
        raise InvalidInput(msg)
    _check_grid(model.header, samples)
    spikes = run(model, stimulus, backend=BACKEND, record=["spikes"]).spikes
    events = {
        name: np.abs(array.astype(np.int64)).sum(axis=1).mean(axis=0).ravel()
        for name, array in spikes.items()
    }
    shown = stimulus
    if isinstance(model, Program) and model.host is not None:
        shown = sent(model.host, model.shapes[model.input], stimulus)
    values, source = shown.values, model.nodes[model.input]
    if isinstance(source, FixedInput):
        values = np.rint((values - source.offset) * source.scale).clip(source.low, source.high)
    repeats = shown.steps if shown.static else 1
    events[model.input] = repeats * (values != 0).sum(axis=1).mean(axis=0).ravel()
    peak = float(np.abs(values).max()) if values.size else 0.0
    return Activity(len(stimulus), stimulus.steps, events, peak, seed)


def _check_grid(header: Header, samples: Array) -> None:
    """Refuse values between the levels of a sensor that has whole ones.

    Raises:
        InvalidInput: naming the first such value.
    """
    if header.levels is None or header.coding == "bernoulli":
        return
    low, high = header.bounds
    step = (high - low) / (header.levels - 1)
    units = (np.asarray(samples, np.float64) - low) / step
    off = np.abs(units - np.rint(units)) > GRID_TOLERANCE
    if off.any():
        raise InvalidInput(
            f"samples have {int(off.sum())} value(s) between the model's {header.levels} levels "
            f"from {low:g} to {high:g}, the first is {np.asarray(samples)[off][0]:g}; round them "
            "to the levels, or state others in the header"
        )


def run_facts(network: Network, placement: Placement, activity: Activity) -> dict[str, float]:
    """Facts of the scope ``run``; those of cores are absent where not every layer has a place.

    Within a layer, work is taken as spread evenly over its cores.
    """
    facts: dict[str, float] = {
        "updates": float(sum(layer.size for layer in network.layers) * activity.steps),
        "spikes": float(
            sum(activity.events[n.name].sum() for n in network.layers if n.name in activity.events)
        ),
        "layers": len(network.layers),
        "steps": activity.steps,
        "dt": network.dt_s,
    }
    facts["input_events"] = float(activity.events[network.input].sum())
    facts["input_peak"] = activity.input_peak
    synops = {
        layer.name: sum(_synops(s, activity.events) for s in layer.synapses)
        for layer in network.layers
    }
    facts["synops"] = float(sum(synops.values()))
    if placement.whole and placement.cores:
        facts |= {"cores": len(placement.cores), "chips": placement.chips}
        at = {layer.layer: layer.cores for layer in placement.layers}
        facts["messages"] = float(
            sum(
                activity.events[s.source].sum() * len(at[layer.name])
                for layer in network.layers
                for s in layer.synapses
                if s.source in activity.events
            )
        )
        sizes = {layer.name: float(layer.size) for layer in network.layers}
        facts["core_updates"] = _busiest(sizes, at)
        facts["core_synops"] = _busiest(synops, at) / activity.steps
    return facts


def _synops(synapse: Synapse, events: Mapping[str, Array]) -> float:
    """Events times the synapses they reach, exact at the borders of maps."""
    if synapse.source not in events:
        return 0.0
    high, wide = np.array(synapse.rows.fan_out), np.array(synapse.columns.fan_out)
    counted = events[synapse.source].reshape(synapse.shape_in[0], len(high), len(wide))
    per_filter = np.einsum("cyx,y,x->", counted.astype(np.float64), high, wide)
    return float(synapse.shape_out[0] / synapse.groups * per_filter)


def _busiest(work: Mapping[str, float], at: Mapping[str, tuple[int, ...]]) -> float:
    load: dict[int, float] = {}
    for name, amount in work.items():
        for core in at[name]:
            load[core] = load.get(core, 0.0) + amount / len(at[name])
    return max(load.values())
