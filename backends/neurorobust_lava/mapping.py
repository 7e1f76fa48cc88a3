"""A wired Program or Graph → Lava processes.

Images are (W, H, C) in Lava and (C, H, W) here, so convolutions are flipped and transposed and the
columns of a Dense behind a Flatten are reordered. Times are those of ``wiring``.
"""

from collections.abc import Collection
from typing import Any

import numpy as np

from neurorobust.ir import (
    LI,
    LIF,
    Affine,
    Array,
    Conv2d,
    FixedDense,
    FixedLIF,
    Model,
    Node,
    Program,
    Shape,
)
from neurorobust.ir.fixed import FixedNeuron
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
    Tag,
)
from neurorobust_lava.wiring import LOW_FLOAT, LOW_INTEGER, Path, Wiring

NEVER = 1 << 17
"""Threshold mantissa that a saturated membrane cannot exceed: an integrator."""
UNREACHED = 1e300
"""The same in floats."""
PAYLOAD_BITS = 24
"""Lava takes a message for a mere spike unless it is told that messages have bits."""
SIGN_MODES: dict[str, SignMode] = {
    "mixed": "mixed",
    "exc": "excitatory",
    "inh": "inhibitory",
}


def to_lava(shape: Shape) -> Shape:
    """(C, H, W) → (W, H, C); one axis stays."""
    return shape[::-1]


def image_to_lava(values: Array, axes: int) -> Array:
    """Reverse the last ``axes`` axes of an array."""
    lead = values.ndim - axes
    return values.transpose(*range(lead), *range(values.ndim - 1, lead - 1, -1))


def build(model: Model, wiring: Wiring, interval: int, recorded: Collection[str]) -> LavaNetwork:
    """The processes of a wired model.

    Args:
        model: A Program, or a Graph with everything folded.
        wiring: Its layers and waits.
        interval: Steps from one reset to the next.
        recorded: Populations whose spikes are kept, in sinks named ``<population>.spikes``.
    """
    processes: list[Process] = [Source(model.input, to_lava(model.shapes[model.input]))]
    connections: list[Connection] = []
    for name, paths in wiring.synapses.items():
        made, entry = _synapse(model, name, paths, wiring.waits[name])
        (edge,) = model.outgoing(name)
        processes += made
        connections += [*entry, Connection(name, edge.target)]
    for name, layer in wiring.layers.items():
        if name == model.input:
            continue
        quiet = not wiring.chained and model.nodes[name].spiking
        processes.append(_population(model, name, interval, layer, quiet=quiet))
        if name in recorded:
            sink = f"{name}.spikes"
            processes.append(Sink(sink, to_lava(model.shapes[name])))
            connections.append(Connection(name, sink))
    tag: Tag = "fixed_pt" if isinstance(model, Program) else "floating_pt"
    return LavaNetwork(tag, tuple(processes), tuple(connections))


def _synapse(
    model: Model, name: str, paths: list[Path], waits: list[int]
) -> tuple[list[Process], list[Connection]]:
    """The process of a synapse, and what lies before it where its paths wait differently."""
    node = model.nodes[name]
    # Lava's Conv has no delay, and its DelayDense wraps sums of payloads in another place.
    delayable = isinstance(node, Affine) or (isinstance(node, FixedDense) and not node.message_bits)
    together = delayable and len(set(waits)) == 1
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


def _population(model: Model, name: str, interval: int, layer: int, *, quiet: bool) -> LifReset:
    """A population that is reset in its first step of every sample.

    Args:
        model: The model.
        name: The population.
        interval: Steps from one reset to the next.
        layer: Steps by which it is late.
        quiet: Whether it starts far below its threshold, so that a bias fires nothing before.
    """
    node, shape = model.nodes[name], model.shapes[name]

    def laid(value: Array) -> int | float | Array:
        if value.ndim == 0:
            return value.item()  # type: ignore[no-any-return]
        return np.ascontiguousarray(image_to_lava(np.broadcast_to(value, shape), len(shape)))

    settings: dict[str, Any] = {
        "reset_interval": interval,
        "reset_offset": (layer + 1) % interval,
    }
    if isinstance(node, FixedNeuron):
        integers = ("du", "dv", "bias_mant", "bias_exp")
        settings |= {key: laid(getattr(node, key).astype(np.int64)) for key in integers}
        settings["vth"] = laid(node.vth.astype(np.int64)) if isinstance(node, FixedLIF) else NEVER
        settings["v"] = LOW_INTEGER if quiet else 0
        return LifReset(name, to_lava(shape), **settings)
    assert isinstance(node, LIF | LI)  # noqa: S101  # the populations there are
    alpha = node.alpha if isinstance(node, LIF) and node.alpha is not None else np.zeros(())
    return LifReset(
        name,
        to_lava(shape),
        **settings,
        du=laid(1 - alpha.astype(np.float64)),
        dv=laid(1 - node.beta.astype(np.float64)),
        bias_mant=laid(node.bias.astype(np.float64)),
        vth=laid(node.threshold.astype(np.float64)) if isinstance(node, LIF) else UNREACHED,
        v=LOW_FLOAT if quiet else 0.0,
    )


def _swap(pair: Shape) -> tuple[int, int]:
    height, width = pair
    return width, height
