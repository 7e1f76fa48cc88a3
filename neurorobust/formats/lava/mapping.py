"""A wired Program or Graph → Lava processes.

Images are (W, H, C) in Lava and (C, H, W) here, so convolutions are flipped and transposed and the
columns of a Dense behind a Flatten are reordered. Times are those of ``wiring``.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from neurorobust import ir
from neurorobust.formats.lava import network as lava
from neurorobust.formats.lava.schedule import Schedule
from neurorobust.formats.lava.wiring import SYNAPSES, Path, Wiring
from neurorobust.ir.fixed import STATE_LIMIT, STATE_SHIFT

MAX_DELAY = 62
LOW_INTEGER = -(STATE_LIMIT - 1)
LOW_FLOAT = -1e30
NEVER = 1 << 17
"""Threshold mantissa that a saturated membrane cannot exceed: an integrator."""
UNREACHED = 1e300
"""The same in floats."""
PAYLOAD_BITS = 24
"""Lava takes a message for a mere spike unless it is told that messages have bits."""
SIGN_MODES: dict[str, lava.SignMode] = {
    "mixed": "mixed",
    "exc": "excitatory",
    "inh": "inhibitory",
}


def quiet_start(node: ir.Node) -> ir.Array | float:
    """The membrane, farthest from its thresholds, from which a population waits for its input."""
    if isinstance(node, ir.FixedTernaryLIF):
        middle = (node.vth_low.astype(np.int64) + node.vth_high) << (STATE_SHIFT - 1)
        return np.asarray(middle.clip(LOW_INTEGER, -LOW_INTEGER))
    return LOW_INTEGER if isinstance(node, ir.FixedNeuron) else LOW_FLOAT


def to_lava(shape: ir.Shape) -> ir.Shape:
    """(C, H, W) → (W, H, C); one axis stays."""
    return shape[::-1]


def image_to_lava(values: ir.Array, axes: int) -> ir.Array:
    """Reverse the last ``axes`` axes of an array."""
    lead = values.ndim - axes
    return values.transpose(*range(lead), *range(values.ndim - 1, lead - 1, -1))


def build(
    model: ir.Model, wiring: Wiring, schedule: Schedule, recorded: Collection[str]
) -> lava.LavaNetwork:
    """The processes of a wired model.

    Args:
        model: A Program, or a Graph with everything folded.
        wiring: Its layers and waits.
        schedule: When each sample is shown.
        recorded: Populations whose spikes are kept, in sinks named ``<population>.spikes``.
    """
    processes: list[lava.Process] = [lava.Source(model.input, to_lava(model.shapes[model.input]))]
    connections: list[lava.Connection] = []
    for name, paths in wiring.paths.items():
        waits, shared = wiring.waits[name], 0
        if isinstance(model.nodes[name], SYNAPSES):
            shared = _shared_wait(model.nodes[name], waits)
            processes.append(_synapse(model, name, paths, shared))
            (edge,) = model.outgoing(name)
            connections.append(lava.Connection(name, edge.target))
        for number, (path, wait) in enumerate(zip(paths, waits, strict=True)):
            if wait == shared:
                connections.append(lava.Connection(path.source, name))
                continue
            # A relay is a synapse too: it takes one of the steps that are to be waited.
            relay = f"{name}.wait{number}"
            ordered = path.flattened and not isinstance(model.nodes[name], SYNAPSES)
            processes.append(_relay(model, relay, path, wait - shared - 1, ordered=ordered))
            connections += [lava.Connection(path.source, relay), lava.Connection(relay, name)]
    for name, layer in wiring.layers.items():
        if name == model.input:
            continue
        quiet = layer > 0 and not wiring.chained and model.nodes[name].spiking
        processes += _population(model, name, schedule, layer, quiet=quiet)
        if name in recorded:
            sink = f"{name}.spikes"
            processes.append(lava.Sink(sink, to_lava(model.shapes[name])))
            connections.append(lava.Connection(name, sink))
    tag: lava.Tag = "fixed_pt" if isinstance(model, ir.Program) else "floating_pt"
    return lava.LavaNetwork(tag, tuple(processes), tuple(connections))


def periodic(node: ir.Node, schedule: Schedule) -> tuple[int, int] | None:
    """Interval and first step of the resets within a sample of this length, if there are any."""
    if not isinstance(node, ir.FixedNeuron) or not node.reset_interval:
        return None
    interval, first = node.reset_interval, node.reset_offset
    if first >= schedule.steps:
        return None
    return (interval, first) if first + interval < schedule.steps else (schedule.period, first)


def _shared_wait(node: ir.Node, waits: list[int]) -> int:
    """Steps that the synapse itself waits for all its ways."""
    own = int(node.delay.max()) if isinstance(node, ir.FixedDelayDense) else 0
    alone = isinstance(node, ir.Conv2d) or len(set(waits)) > 1 or own + waits[0] > MAX_DELAY
    return 0 if alone else waits[0]


def _relay(model: ir.Model, name: str, path: Path, delay: int, *, ordered: bool) -> lava.Process:
    """One synapse per place; with ``ordered`` into the order of a Flatten."""
    shape = model.shapes[path.source]
    size = int(np.prod(shape))
    fixed = isinstance(model, ir.Program)
    identity = np.eye(size, dtype=np.int64 if fixed else np.float64)
    weights = identity[:, _places(shape)] if ordered else identity
    mode: lava.SignMode | None = "excitatory" if fixed else None
    settings: dict[str, Any] = {"sign_mode": mode, "num_message_bits": PAYLOAD_BITS}
    return lava.DelaySparse(name, weights, delays=np.full((size, size), delay), **settings)


def _synapse(model: ir.Model, name: str, paths: list[Path], wait: int) -> lava.Synapse:
    """The process of a synapse that waits for all its ways."""
    node = model.nodes[name]
    if isinstance(node, ir.Conv2d):
        channels, height, width = model.shapes[paths[0].source]
        return lava.Conv(
            name,
            np.ascontiguousarray(node.weight[:, :, ::-1, ::-1].transpose(0, 3, 2, 1)),
            input_shape=(width, height, channels),
            stride=_swap(node.stride),
            padding=_swap(node.padding),
            dilation=_swap(node.dilation),
            groups=node.groups,
            num_message_bits=PAYLOAD_BITS,
        )
    assert isinstance(node, ir.Affine | ir.FixedDense)  # noqa: S101  # the synapses there are
    weight = _stored(node) if isinstance(node, ir.FixedDense) else node.weight
    delay = np.full(weight.shape, wait)
    if isinstance(node, ir.FixedDelayDense):
        delay += node.delay
    if any(path.flattened for path in paths):
        places = _places(model.shapes[paths[0].source])
        weight, delay = weight[:, places], delay[:, places]
    if not isinstance(node, ir.FixedDense):
        if not wait:
            return lava.Dense(name, weight, num_message_bits=PAYLOAD_BITS)
        return lava.DelayDense(name, weight, delays=delay, num_message_bits=PAYLOAD_BITS)
    settings: dict[str, Any] = {
        "weight_exp": node.weight_exp,
        "num_weight_bits": node.weight_bits,
        "num_message_bits": node.message_bits,
        "sign_mode": SIGN_MODES[node.sign_mode],
    }
    sparse = node.storage == "sparse"
    if not delay.any():
        return (lava.Sparse if sparse else lava.Dense)(name, weight, **settings)
    # Lava's DelayDense does not wrap the sums of payloads where the law does.
    return (lava.DelaySparse if sparse or node.message_bits else lava.DelayDense)(
        name, weight, delays=delay, **settings
    )


def _places(shape: ir.Shape) -> ir.Array:
    """For each place of Lava's flat population (w, h, c) the column (c, h, w) of the weights."""
    order = np.arange(int(np.prod(shape))).reshape(shape)
    return image_to_lava(order, len(shape)).ravel()


def _stored(node: ir.FixedDense) -> ir.Array:
    """Weights within the range of their sign mode; Lava itself drops the bits it does not keep."""
    low, high = {"mixed": (-256, 255), "exc": (0, 255), "inh": (-255, 0)}[node.sign_mode]
    clipped: ir.Array = np.clip(node.weight.astype(np.int64), low, high)
    return clipped


def _population(
    model: ir.Model, name: str, schedule: Schedule, layer: int, *, quiet: bool
) -> list[lava.Process]:
    """A population that is reset in its first step of every sample.

    Args:
        model: The model.
        name: The population.
        schedule: When each sample is shown.
        layer: Steps by which it is late.
        quiet: Whether it waits far from its thresholds, so that a bias fires nothing before.
    """
    node, shape = model.nodes[name], model.shapes[name]

    def laid(value: ir.Array) -> int | float | ir.Array:
        if value.ndim == 0:
            return value.item()  # type: ignore[no-any-return]
        return np.ascontiguousarray(image_to_lava(np.broadcast_to(value, shape), len(shape)))

    start = laid(np.asarray(quiet_start(node))) if quiet else 0
    period = schedule.period
    if not isinstance(node, ir.FixedNeuron):
        assert isinstance(node, ir.LIF | ir.LI)  # noqa: S101  # the other populations there are
        alpha = node.alpha if isinstance(node, ir.LIF) and node.alpha is not None else np.zeros(())
        vth = laid(node.threshold.astype(np.float64)) if isinstance(node, ir.LIF) else UNREACHED
        return [
            lava.LifReset(
                name,
                to_lava(shape),
                reset_interval=period,
                reset_offset=(layer + 1) % period,
                du=laid(1 - alpha.astype(np.float64)),
                dv=laid(1 - node.beta.astype(np.float64)),
                bias_mant=laid(node.bias.astype(np.float64)),
                vth=vth,
                v=float(start) if quiet else 0.0,
            )
        ]
    integers = ("du", "dv", "bias_mant", "bias_exp")
    settings: dict[str, Any] = {key: laid(getattr(node, key).astype(np.int64)) for key in integers}
    settings["v"] = start
    again = periodic(node, schedule)
    each_sample = lava.Reset(f"{name}.start", name, period, (layer - 1) % period)
    if isinstance(node, ir.FixedTernaryLIF):
        high, low = (laid(vth.astype(np.int64)) for vth in (node.vth_high, node.vth_low))
        made: list[lava.Process] = [
            lava.TernaryLif(name, to_lava(shape), vth_hi=high, vth_lo=low, **settings),
            each_sample,
        ]
        if again:
            interval, first = again
            resets = replace(each_sample, name=f"{name}.reset", interval=interval)
            made.append(replace(resets, offset=(first + layer - 1) % interval))
        return made
    settings["vth"] = laid(node.vth.astype(np.int64)) if isinstance(node, ir.FixedLIF) else NEVER
    interval, first = again or (period, 0)
    settings |= {"reset_interval": interval, "reset_offset": (first + layer + 1) % interval}
    lif = lava.LifReset(name, to_lava(shape), **settings)
    return [lif] if (interval, first) == (period, 0) else [lif, each_sample]


def _swap(pair: ir.Shape) -> tuple[int, int]:
    height, width = pair
    return width, height
