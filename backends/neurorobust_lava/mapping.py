"""A Program or Graph → Lava processes, and where its samples lie in time.

Layout: images are (W, H, C) in Lava and (C, H, W) here, so convolutions are flipped and transposed
and the columns of a Dense behind a Flatten are reordered.

Time: every synapse takes one step on Lava and none here. A node is therefore ``layer`` steps late,
and an edge of ``delay`` steps between nodes of layers a and b has to wait
``b - a - 1 + delay >= 0`` steps on Lava. Loops with less delay than synapses have no such layers.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurorobust.errors import Unsupported
from neurorobust.ir import (
    LI,
    LIF,
    Affine,
    Array,
    Conv2d,
    FixedDense,
    FixedLIF,
    Flatten,
    Model,
    Node,
    Program,
    Shape,
)
from neurorobust.ir.fixed import STATE_SHIFT, FixedNeuron
from neurorobust_lava.network import (
    Connection,
    Conv,
    DelayDense,
    Dense,
    LavaNetwork,
    LifReset,
    Process,
    SignMode,
    Sink,
    Source,
)

NEVER = 1 << 17
"""Threshold mantissa that a saturated membrane cannot exceed: an integrator."""
UNREACHED = 1e300
"""The same in floats."""
MAX_DELAY = 62
PAYLOAD_BITS = 24
"""Lava takes a message for a mere spike unless it is told that messages have bits."""
SIGN_MODES: dict[str, SignMode] = {
    "mixed": "mixed",
    "exc": "excitatory",
    "inh": "inhibitory",
}


@dataclass(frozen=True, slots=True)
class Path:
    """From a population (or the input) through Flatten into a synapse, or from there on."""

    source: str
    target: str
    delay: int
    flattened: bool


@dataclass(frozen=True, slots=True)
class Mapping:
    """A network for Lava with the layer of every population.

    Attributes:
        network: Builds the processes for a reset interval in steps and the nodes to record.
        layers: Synapses between the source and each population.
        chained: Whether samples may follow each other without clearing delay lines and loops.
    """

    network: Callable[[int, Collection[str]], LavaNetwork]
    layers: dict[str, int]
    chained: bool


def to_lava(shape: Shape) -> Shape:
    """(C, H, W) → (W, H, C); one axis stays."""
    return shape[::-1]


def image_to_lava(values: Array, axes: int) -> Array:
    """Reverse the last ``axes`` axes of an array."""
    lead = values.ndim - axes
    return values.transpose(*range(lead), *range(values.ndim - 1, lead - 1, -1))


def map_model(model: Model) -> Mapping:
    """Find the processes of a Program or a (folded) Graph.

    Raises:
        Unsupported: naming the edge, loop or neuron that Lava cannot express.
    """
    synapses = _synapses(model)
    layers = _layers(model, synapses)
    chained = not model.recurrent and not any(edge.delay for edge in model.edges)
    if not chained:
        _require_quiet_start(model, layers)
    waits = _waits(model, synapses, layers)

    def build(interval: int, recorded: Collection[str]) -> LavaNetwork:
        processes: list[Process] = [Source(model.input, to_lava(model.shapes[model.input]))]
        connections: list[Connection] = []
        for name, paths in synapses.items():
            made, entry = _synapse(model, name, paths, waits[name])
            processes += made
            connections += entry
            (target,) = {edge.target for edge in model.outgoing(name)}
            connections.append(Connection(name, target))
        for name, layer in layers.items():
            if name == model.input:
                continue
            offset = (layer + 1) % interval
            processes.append(_population(model, name, interval, offset))
            if name in recorded:
                sink = f"{name}.spikes"
                processes.append(Sink(sink, to_lava(model.shapes[name])))
                connections.append(Connection(name, sink))
        tag = "fixed_pt" if isinstance(model, Program) else "floating_pt"
        return LavaNetwork(tag, tuple(processes), tuple(connections))  # type: ignore[arg-type]

    return Mapping(build, layers, chained)


def _synapses(model: Model) -> dict[str, list[Path]]:
    """Paths into every synapse."""
    kinds = (Affine, Conv2d, FixedDense)
    found: dict[str, list[Path]] = {}
    for name, node in model.nodes.items():
        if isinstance(node, kinds):
            found[name] = list(_paths_into(model, name))
            targets = {edge.target for edge in model.outgoing(name)}
            if len(targets) != 1 or not _is_population(model.nodes[next(iter(targets))]):
                msg = f"{name}: feeds {sorted(targets)}; on Lava a synapse feeds one population"
                raise Unsupported(msg)
        elif _is_population(node):
            for edge in model.incoming(name):
                if not isinstance(model.nodes[edge.source], kinds):
                    kind = model.nodes[edge.source].kind
                    msg = f"{name}: is fed by {kind} {edge.source!r}; Lava needs a synapse between"
                    raise Unsupported(msg)
    return found


def _paths_into(model: Model, name: str, delay: int = 0, *, flat: bool = False) -> "list[Path]":
    found = []
    for edge in model.incoming(name):
        node, waited = model.nodes[edge.source], delay + edge.delay
        if isinstance(node, Flatten):
            found += _paths_into(model, edge.source, waited, flat=True)
        elif edge.source == model.input or _is_population(node):
            found.append(Path(edge.source, name, waited, flat))
        else:
            msg = (
                f"edge {edge.source} -> {edge.target}: {node.kind} feeds a synapse; no form on Lava"
            )
            raise Unsupported(msg)
    return found


def _is_population(node: Node) -> bool:
    return isinstance(node, LIF | LI | FixedNeuron)


def _hops(model: Model, synapses: dict[str, list[Path]]) -> list[tuple[str, str, int]]:
    """Population to population with the delay of the whole way."""
    return [
        (path.source, edge.target, path.delay + edge.delay)
        for name, paths in synapses.items()
        for path in paths
        for edge in model.outgoing(name)
    ]


def _layers(model: Model, synapses: dict[str, list[Path]]) -> dict[str, int]:
    """The smallest layers in which no edge has to act before its spikes."""
    layers = {model.input: 0} | {
        name: 0 for name in model.order if _is_population(model.nodes[name])
    }
    hops = _hops(model, synapses)
    for _ in range(len(layers) + 1):
        moved = False
        for source, target, delay in hops:
            least = layers[source] + 1 - delay
            if layers[target] < least:
                layers[target], moved = least, True
        if not moved:
            return layers
    msg = (
        "a loop has fewer steps of delay than synapses; on Lava every synapse takes a step: "
        "give the loop's edges at least that much delay"
    )
    raise Unsupported(msg)


def _waits(
    model: Model, synapses: dict[str, list[Path]], layers: dict[str, int]
) -> dict[str, list[int]]:
    """Steps every path has to wait on Lava besides the one of its synapse."""
    waits: dict[str, list[int]] = {}
    for name, paths in synapses.items():
        (edge,) = model.outgoing(name)
        behind = edge.delay + layers[edge.target] - 1
        waits[name] = [behind - layers[path.source] + path.delay for path in paths]
        if max(waits[name]) > MAX_DELAY:
            msg = f"{name}: must wait {max(waits[name])} steps; Lava delays by at most {MAX_DELAY}"
            raise Unsupported(msg)
    return waits


def _synapse(
    model: Model, name: str, paths: list[Path], waits: list[int]
) -> tuple[list[Process], list[Connection]]:
    """The process of a synapse, and what lies before it where its paths wait differently."""
    node = model.nodes[name]
    together = len(set(waits)) == 1 and not isinstance(node, Conv2d)
    shared = waits[0] if together else 0
    processes: list[Process] = [_process(model, name, node, paths, shared)]
    connections = []
    for number, (path, wait) in enumerate(zip(paths, waits, strict=True)):
        left = wait - shared
        if not left:
            connections.append(Connection(path.source, name))
            continue
        # A relay is a synapse too: it takes one of the steps that are to be waited.
        relay = f"{name}.wait{number}"
        processes.append(_relay(model, relay, path, left - 1))
        connections += [Connection(path.source, relay), Connection(relay, name)]
    return processes, connections


def _relay(model: Model, name: str, path: Path, delay: int) -> Process:
    size = int(np.prod(model.shapes[path.source]))
    fixed = isinstance(model, Program)
    identity = np.eye(size, dtype=np.int64 if fixed else np.float64)
    delays = np.full((size, size), delay)
    mode: SignMode | None = "excitatory" if fixed else None
    return DelayDense(name, identity, delays, sign_mode=mode, num_message_bits=PAYLOAD_BITS)


def _process(model: Model, name: str, node: Node, paths: list[Path], delay: int) -> Process:
    if isinstance(node, Conv2d):
        channels, height, width = model.shapes[paths[0].source]
        return Conv(
            name,
            np.ascontiguousarray(node.weight[:, :, ::-1, ::-1].transpose(0, 3, 2, 1)),
            input_shape=(width, height, channels),
            stride=_swap(node.stride),
            padding=_swap(node.padding),
            dilation=_swap(node.dilation),
            groups=node.groups,
            num_message_bits=PAYLOAD_BITS,
        )
    assert isinstance(node, Affine | FixedDense)  # noqa: S101  # the synapses there are
    weight = _stored(node) if isinstance(node, FixedDense) else node.weight
    if any(path.flattened for path in paths):
        # Column (c, h, w) of the weights meets place (w, h, c) of Lava's flat population.
        shape = model.shapes[paths[0].source]
        order = np.arange(weight.shape[1]).reshape(shape)
        weight = weight[:, image_to_lava(order, len(shape)).ravel()]
    settings: dict[str, Any] = {"num_message_bits": PAYLOAD_BITS}
    if isinstance(node, FixedDense):
        settings = {
            "weight_exp": node.weight_exp,
            "num_weight_bits": node.weight_bits,
            "num_message_bits": node.message_bits,
            "sign_mode": SIGN_MODES[node.sign_mode],
        }
    if not delay:
        return Dense(name, weight, **settings)
    return DelayDense(name, weight, np.full(weight.shape, delay), **settings)


def _stored(node: FixedDense) -> Array:
    """Weights within the range of their sign mode; Lava itself drops the bits it does not keep."""
    low, high = {"mixed": (-256, 255), "exc": (0, 255), "inh": (-255, 0)}[node.sign_mode]
    clipped: Array = np.clip(node.weight.astype(np.int64), low, high)
    return clipped


def _population(model: Model, name: str, interval: int, offset: int) -> LifReset:
    node, shape = model.nodes[name], model.shapes[name]

    def laid(value: Array) -> int | float | Array:
        if value.ndim == 0:
            return value.item()  # type: ignore[no-any-return]
        return np.ascontiguousarray(image_to_lava(np.broadcast_to(value, shape), len(shape)))

    common = {"reset_interval": interval, "reset_offset": offset}
    if isinstance(node, FixedNeuron):
        vth = laid(node.vth.astype(np.int64)) if isinstance(node, FixedLIF) else NEVER
        fixed = {
            n: laid(getattr(node, n).astype(np.int64))
            for n in ("du", "dv", "bias_mant", "bias_exp")
        }
        return LifReset(name, to_lava(shape), **common, **fixed, vth=vth)  # type: ignore[arg-type]
    assert isinstance(node, LIF | LI)  # noqa: S101  # the populations there are
    alpha = node.alpha if isinstance(node, LIF) and node.alpha is not None else np.zeros(())
    return LifReset(
        name,
        to_lava(shape),
        **common,
        du=laid(1 - alpha.astype(np.float64)),
        dv=laid(1 - node.beta.astype(np.float64)),
        bias_mant=laid(node.bias.astype(np.float64)),
        vth=laid(node.threshold.astype(np.float64)) if isinstance(node, LIF) else UNREACHED,
    )


def _require_quiet_start(model: Model, layers: dict[str, int]) -> None:
    """Delay lines and loops remember spikes from before a population's first step.

    Raises:
        Unsupported: if a bias alone could fire a neuron in the steps before its first.
    """
    for name, layer in layers.items():
        node = model.nodes[name]
        if isinstance(node, FixedLIF):
            drive = node.bias_mant.astype(np.int64) * 2.0 ** node.bias_exp.astype(np.int64)
            limit = node.vth.astype(np.int64) << STATE_SHIFT
        elif isinstance(node, LIF):
            drive, limit = node.bias, node.threshold
        else:
            continue
        if (layer * np.maximum(drive, 0) > limit).any():
            msg = (
                f"{name}: its bias can fire it in the {layer} step(s) before its first input, and "
                "delays or loops would carry these spikes into the sample"
            )
            raise Unsupported(msg)


def _swap(pair: Shape) -> tuple[int, int]:
    height, width = pair
    return width, height
