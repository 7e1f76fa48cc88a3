"""A network as chips see it: layers of neurons, and the groups of synapses that feed each.

A group is everything between two populations: at most one weight array, with poolings before or
after it, seen through Flatten; a batch norm right behind a linear map counts as folded into it.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal

from neurorobust.chips.facts import TEXTS
from neurorobust.fit.axis import Axis
from neurorobust.fit.weights import Weights
from neurorobust.ir import Shape

Map = Literal["dense", "conv", "one-to-one"]
Pool = Literal["none", "avg", "sum", "max"]


_TOLD = ("leaky", "filtered", "memory", "biased", "refractory", "max_spikes", "bounded")
"""What rules may ask of a layer's neurons."""


@dataclass(frozen=True, kw_only=True)
class Synapse:
    """A group of synapses from one population to another.

    Attributes:
        name: Of the node with the weights, or of the source where there is none.
        source: Layer or input it reads.
        reads: ``input`` or ``layer``.
        map: ``dense``, ``conv`` or ``one-to-one``.
        shape_in: Channels, height, width of the source.
        shape_out: Filters, height, width of the layer.
        rows, columns: The vertical and the horizontal axis, poolings included.
        kernel, stride, padding, dilation: Of the weights alone, (height, width).
        groups: Blocks of channels.
        pool: Kind of pooling on the way.
        pool_kernel, pool_stride: Of the pooling before the weights.
        pool_after: Poolings between weights and neurons.
        weights: Facts of the weights; None for a group of ones.
        delay: Longest delay in steps.
    """

    name: str
    source: str
    reads: Literal["input", "layer"]
    map: Map
    shape_in: Shape
    shape_out: Shape
    rows: Axis
    columns: Axis
    kernel: Shape = (1, 1)
    stride: Shape = (1, 1)
    padding: Shape = (0, 0)
    dilation: Shape = (1, 1)
    groups: int = 1
    pool: Pool = "none"
    pool_kernel: Shape = (1, 1)
    pool_stride: Shape = (1, 1)
    pool_after: int = 0
    weights: Weights | None = None
    delay: int = 0

    @property
    def fan_in(self) -> int:
        """Most synapses of a neuron."""
        return self.shape_in[0] // self.groups * self.rows.fan_in * self.columns.fan_in

    @property
    def fan_out(self) -> int:
        """Most synapses that leave a source."""
        reach = max(self.rows.fan_out) * max(self.columns.fan_out)
        return self.shape_out[0] // self.groups * reach

    @property
    def synapses(self) -> int:
        """Connections, shared weights counted apart."""
        channels = self.shape_in[0] // self.groups * self.shape_out[0]
        return channels * self.rows.pairs * self.columns.pairs

    @property
    def shared(self) -> bool:
        """Whether positions share weights."""
        return self.map == "conv"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A population of neurons.

    Attributes:
        name: Of the node.
        shape: Channels, height, width.
        neuron: ``LIF``, ``IF``, ``LI``, ``I`` or another kind's name.
        role: ``output`` if it feeds the output, else ``hidden``.
        synapses: Groups that feed it.
        targets: Groups that it feeds.
        fan_out: Most synapses that leave one of its neurons.
        reset, reset_timing, compare: As the neuron's node says.
        leaky, filtered, biased, bounded: What its neurons have.
        refractory: Steps of rest after a spike.
        max_spikes: Most spikes of a step.
        memory: Whether a state outlives the step.
    """

    name: str
    shape: Shape
    neuron: str
    role: Literal["hidden", "output"]
    synapses: tuple[Synapse, ...]
    targets: int
    fan_out: int
    reset: str = "none"
    reset_timing: str = "same"
    compare: str = "none"
    leaky: bool = False
    filtered: bool = False
    biased: bool = False
    bounded: bool = False
    refractory: int = 0
    max_spikes: int = 1
    memory: bool = True

    @property
    def size(self) -> int:
        """Neurons."""
        return prod(self.shape)

    @property
    def recurrent(self) -> bool:
        """Whether it feeds itself."""
        return any(synapse.source == self.name for synapse in self.synapses)

    def facts(self) -> dict[str, float | str]:
        """Facts of the scope ``layer``, and its words."""
        return {
            "neurons": self.size,
            "synapses": sum(s.synapses for s in self.synapses),
            "sources": len(self.synapses),
            "targets": self.targets,
            "fan_in": sum(s.fan_in for s in self.synapses),
            "fan_out": self.fan_out,
            "delay": max((s.delay for s in self.synapses), default=0),
            **{name: int(getattr(self, name)) for name in (*_TOLD, "recurrent")},
            **{name: getattr(self, name) for name in TEXTS["layer"]},
        }


@dataclass(frozen=True, kw_only=True)
class Network:
    """What a chip has to take in.

    Attributes:
        name: Of the model.
        content_hash: Of the model.
        input: Name of the input.
        input_shape: Of the input as the chip sees it.
        coding: Of the input.
        dt_s: Seconds per step.
        steps: Time steps.
        layers: In order of execution.
        faults: What no chip's rule can speak of: kinds of nodes or wirings that have no layer.
        host: What is computed outside the chip.
    """

    name: str
    content_hash: str
    input: str
    input_shape: Shape
    coding: str
    dt_s: float
    steps: int
    layers: tuple[Layer, ...]
    faults: tuple[tuple[str, str], ...] = ()
    host: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Layer]:
        """Layers by name."""
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def looped(self) -> frozenset[str]:
        """Layers from which some path leads back to themselves."""
        reads = {layer.name: {s.source for s in layer.synapses} for layer in self.layers}
        found = set()
        for name, sources in reads.items():
            seen: set[str] = set()
            ahead = set(sources)
            while ahead - seen:
                seen |= ahead
                ahead = {s for at in ahead for s in reads.get(at, ())}
            if name in seen:
                found.add(name)
        return frozenset(found)

    def facts(self) -> dict[str, float | str]:
        """Facts of the scope ``network``, and its words."""
        hidden = [layer for layer in self.layers if layer.role == "hidden"]
        output = [layer for layer in self.layers if layer.role == "output"]
        names = {layer.name for layer in hidden}
        inner = [s for layer in hidden for s in layer.synapses if s.source in names]
        size = sum(layer.size for layer in hidden)
        shape = self.input_shape
        return {
            "layers": len(self.layers),
            "neurons": sum(layer.size for layer in self.layers),
            "synapses": sum(s.synapses for layer in self.layers for s in layer.synapses),
            "hidden_neurons": size,
            "output_neurons": sum(layer.size for layer in output),
            "output_sources": sum(prod(s.shape_in) for layer in output for s in layer.synapses),
            "input_size": prod(shape),
            "input_channels": shape[0],
            "input_height": shape[1] if len(shape) == 3 else 1,
            "input_width": shape[-1] if len(shape) > 1 else 1,
            "recurrent_fan_out": sum(s.synapses for s in inner) / size if size else 0,
            "recurrent": int(bool(self.looped)),
            "recurrent_output": int(any(layer.name in self.looped for layer in output)),
            "steps": self.steps,
            "dt": self.dt_s,
            "coding": self.coding,
        }


def synapse_facts(
    synapse: Synapse, weight_bits: int, asked: Collection[str] | None = None
) -> dict[str, float | str]:
    """Facts of the scope ``synapse``, and its words.

    Args:
        synapse: The group.
        weight_bits: Bits that weights on no grid will have on the chip.
        asked: Facts that will be read; what takes long to find is left out if it is not among
            them. None asks for all.
    """
    weights = synapse.weights
    bits = weights.bits if weights else 1
    slow: dict[str, Callable[[], int]] = {
        "distinct": lambda: weights.distinct if weights else 1,
        "axon_copies": lambda: weights.copies if weights else 1,
    }
    return {
        **geometry(synapse),
        "weights": weights.count if weights else 0,
        "weight_bits": weight_bits if bits is None else bits,
        **{name: find() for name, find in slow.items() if asked is None or name in asked},
        "rows": 2 if weights and weights.signed else 1,
        "shared": int(synapse.shared),
        "delay": synapse.delay,
        "fan_in": synapse.fan_in,
        "fan_out": synapse.fan_out,
        "synapses": synapse.synapses,
        "map": synapse.map,
        "pool": synapse.pool,
        "reads": synapse.reads,
    }


def geometry(synapse: Synapse) -> dict[str, float | str]:
    """Sizes of maps, kernel and pooling."""
    sizes = {
        "c": synapse.shape_in[1:],
        "f": synapse.shape_out[1:],
        "k": synapse.kernel,
        "s": synapse.stride,
        "p": synapse.padding,
        "pool_": synapse.pool_kernel,
        "pool_s": synapse.pool_stride,
    }
    return {
        "c": synapse.shape_in[0],
        "f": synapse.shape_out[0],
        **{f"{name}y": high for name, (high, _) in sizes.items()},
        **{f"{name}x": wide for name, (_, wide) in sizes.items()},
        "dilation": max(synapse.dilation),
        "groups": synapse.groups,
        "pool_after": synapse.pool_after,
    }
