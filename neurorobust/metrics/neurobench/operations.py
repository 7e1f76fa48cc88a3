"""The metrics of NeuroBench by exact counting, from what was recorded of a run.

Every count is a whole number; a ratio is taken once, at the end. Two definitions of a synaptic
operation stand side by side: by the call, as NeuroBench has it, and by the event.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from neurorobust.ir import LIF, Array, FixedLIF, FixedTernaryLIF, Node
from neurorobust.metrics.synapses import FanOut, Synapse, acting_weight


@dataclass(frozen=True, slots=True)
class Operations:
    """Synaptic operations.

    Attributes:
        macs: Effective multiply-accumulates: a value times a weight, neither of them 0.
        acs: Effective accumulates: a weight added for a spike.
        dense: What would be done if nothing were 0.
    """

    macs: int = 0
    acs: int = 0
    dense: int = 0

    def __add__(self, other: "Operations") -> "Operations":
        return Operations(self.macs + other.macs, self.acs + other.acs, self.dense + other.dense)


@dataclass(frozen=True, slots=True)
class Activations:
    """Outputs of a population, over steps and samples.

    Attributes:
        values: All of them.
        nonzero: Those that are not 0.
        spikes: Their spikes; above ``nonzero`` where a neuron fires several times in a step.
    """

    values: int = 0
    nonzero: int = 0
    spikes: int = 0

    def __add__(self, other: "Activations") -> "Activations":
        return Activations(
            self.values + other.values, self.nonzero + other.nonzero, self.spikes + other.spikes
        )

    @property
    def sparsity(self) -> float:
        """Share of zeros; 0 without any value."""
        return (self.values - self.nonzero) / self.values if self.values else 0.0


@dataclass(frozen=True, slots=True)
class Connections:
    """Weights of a layer.

    Attributes:
        weights: All of them.
        zeros: Those that are 0.
    """

    weights: int = 0
    zeros: int = 0

    def __add__(self, other: "Connections") -> "Connections":
        return Connections(self.weights + other.weights, self.zeros + other.zeros)

    @property
    def sparsity(self) -> float:
        """Share of zeros; 0 without any weight."""
        return self.zeros / self.weights if self.weights else 0.0


def operations_by_call(values: Array, fans: Iterable[FanOut]) -> Operations:
    """NeuroBench's definition: a call is one step of one batch.

    All its operations are ACs if every value of the call is 0, 1 or -1, and MACs otherwise.

    Args:
        values: What arrives at the layer, (B, T, ...), one batch.
        fans: Of the layer; delays of synapses do not matter here.
    """
    fans = tuple(fans)
    connected = sum(fan.connected for fan in fans)
    active = (values != 0).sum(0)
    per_call = (active * connected).reshape(len(active), -1).sum(1)
    size = np.abs(values)
    spikes = ((size == 0) | (size == 1)).all(axis=(0, *range(2, values.ndim)))
    return Operations(
        macs=int(per_call[~spikes].sum()),
        acs=int(per_call[spikes].sum()),
        dense=_dense(values, fans),
    )


def operations_by_event(
    events: Array | None, graded: Array | None, fans: Iterable[FanOut]
) -> Operations:
    """Our definition: a spike costs one AC per synapse with weight, a graded value one MAC.

    Several spikes in a step cost as many ACs; what a delay carries beyond the last step, nothing.

    Args:
        events: Spikes arriving, (B, T, ...), whole numbers; averages of spikes as their sums.
        graded: Other values arriving, (B, T, ...).
        fans: Of the layer.
    """
    fans, acs, macs = tuple(fans), 0, 0
    for fan in fans:
        if events is not None:
            acs += _reached(events, fan)
        if graded is not None:
            macs += _reached(graded != 0, fan)
    shown = events if events is not None else graded
    return Operations(macs=macs, acs=acs, dense=0 if shown is None else _dense(shown, fans))


def activations(spikes: Array) -> Activations:
    """Outputs (B, T, ...) of a spiking population; the spikes of -1 count, too."""
    spent = int(np.abs(spikes.astype(np.int64)).sum())
    return Activations(spikes.size, int(np.count_nonzero(spikes)), spent)


def connections(node: Synapse) -> Connections:
    """Weights of a layer; biases are none."""
    weight = acting_weight(node)
    return Connections(weight.size, weight.size - int(np.count_nonzero(weight)))


def membrane_updates(v: Array) -> int:
    """Changes of membranes from step to step; in the first step all of them count.

    Args:
        v: Membranes after reset, (B, T, ...).
    """
    first = v[:, 0].size
    return int(first + np.count_nonzero(v[:, 1:] != v[:, :-1]))


def after_reset(node: Node, h: Array, spikes: Array | None) -> Array:
    """Membranes after reset from those before it and the spikes, all (B, T, ...)."""
    if isinstance(node, FixedLIF | FixedTernaryLIF) and spikes is not None:
        return np.where(spikes != 0, 0, h)
    if not isinstance(node, LIF) or spikes is None:
        return h
    v = h
    if node.reset_timing == "same" and node.reset == "hard":
        v = np.where(spikes > 0, node.reset_to, h)
    elif node.reset_timing == "same" and node.reset == "soft":
        v = h - node.reset_to * spikes
    return v if node.v_min is None else np.maximum(v, node.v_min)


def _reached(amount: Array, fan: FanOut) -> int:
    """Amounts of each input times its synapses, as far as they act within the steps."""
    steps = max(amount.shape[1] - fan.delay, 0)
    total = amount[:, :steps].sum(axis=(0, 1), dtype=np.int64)
    return int((total * fan.connected).sum())


def _dense(values: Array, fans: Iterable[FanOut]) -> int:
    samples, steps = values.shape[:2]
    synapses = sum(int(fan.dense.sum()) for fan in fans)
    return int(samples * steps * synapses)
