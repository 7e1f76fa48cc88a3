"""Random Graphs: dense and convolutional, with everything that a Graph can say.

The same seed and the same features to avoid give the same network on every machine.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from neurorobust import ir
from neurorobust.testing.draws import Draws, Wiring

RESETS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("LIF hard reset", {"reset": "hard"}),
    ("LIF soft reset", {"reset": "soft"}),
    ("LIF no reset", {"reset": "none"}),
    ("LIF hard reset in the next step", {"reset": "hard", "reset_timing": "next"}),
    ("LIF soft reset in the next step", {"reset": "soft", "reset_timing": "next"}),
)


def random_graph(
    rng: np.random.Generator, *, avoid: Collection[str] = (), grid: bool = False
) -> ir.Graph:
    """A network of one to three layers of neurons.

    Args:
        rng: Source of all choices.
        avoid: Features of ``neurorobust.backends.known_features("float")`` that must not occur.
        grid: All numbers on a coarse binary grid, so that ties are common and sums exact.
    """
    draws = Draws(rng, avoid, grid)
    wiring = Wiring(draws)
    shape, make = _family(draws)
    at = wiring.add(ir.Input(shape=shape))
    for _ in range(draws.whole(1, 2) if make is not _affine else 0):
        node = make(draws, shape)
        shape = node.output_shape(shape)
        at = wiring.add(node, at)
        if not grid and draws.chance(0.4, "BatchNorm"):
            at = wiring.add(_batch_norm(draws, shape[0]), at)
        at = wiring.add(random_lif(draws, shape), at)
        op = ("avg", "sum", "max")[draws.whole(0, 2)]
        feature = "Pool2d max" if op == "max" else "Pool2d avg or sum"
        if make is _conv2d and min(shape[1:]) >= 3 and draws.chance(0.6, feature):
            pool = _pool(draws, op)
            shape = pool.output_shape(shape)
            at = wiring.add(pool, at)
    if len(shape) > 1:
        at, shape = wiring.add(ir.Flatten(), at), (int(np.prod(shape)),)
    flat_source = (at, shape)
    for _ in range(draws.whole(1, 2)):
        at, shape = _dense_layer(wiring, at, shape, flat_source)
    classes = draws.whole(2, 4)
    at = wiring.add(_affine(draws, shape, classes), at)
    spiking = not draws.chance(0.4, "LI")
    last: ir.Node = random_lif(draws, (classes,)) if spiking else _integrator(draws)
    at = wiring.add(last, at)
    wiring.finish(ir.Output(readout=draws.readout(spiking=spiking)), at)
    return ir.Graph(header=_header(draws), nodes=wiring.nodes, edges=tuple(wiring.edges))


def random_lif(draws: Draws, population: ir.Shape) -> ir.LIF:
    """A population in which any field may differ from its default."""

    def shape() -> ir.Shape:
        return draws.per_neuron(population)

    known = [fields for feature, fields in RESETS if feature not in draws.avoid]
    fields: dict[str, Any] = dict(known[draws.whole(0, len(known) - 1)])
    fields["beta"] = draws.decay(shape())
    fields["threshold"] = draws.uniform(0.5, 1.5, shape())
    if draws.chance(0.3, "LIF synaptic current (alpha)"):
        fields["alpha"] = draws.decay(shape()) * 0.5
    if draws.chance(0.3, "LIF compare >="):
        fields["compare"] = ">="
    if draws.chance(0.3, "LIF bias"):
        fields["bias"] = draws.uniform(-0.1, 0.2, shape())
    if draws.chance(0.2, "LIF initial state"):
        fields["v_init"] = draws.uniform(-1, 1, shape())
    if draws.chance(0.2):
        fields["gain_in"] = draws.rng.choice([0.5, 1.0, 2.0], shape())
    if draws.chance(0.2):
        fields["gain_syn"] = draws.rng.choice([0.5, 1.0, 2.0], shape())
    if draws.chance(0.2, "LIF lower bound (v_min)"):
        fields["v_min"] = draws.uniform(-0.5, 0, shape())
    if fields["reset"] == "soft" and draws.chance(0.3):
        fields["reset_value"] = draws.uniform(0.25, 1, shape())
    if fields["reset"] == "hard" and draws.chance(0.3, "LIF hard reset to other than 0"):
        fields["reset_value"] = draws.uniform(-0.5, 0.25, shape())
    if "reset_timing" not in fields:
        if fields["reset"] == "hard" and draws.chance(0.2, "LIF refractory steps"):
            fields["refractory"] = draws.whole(1, 3)
        if draws.chance(0.2, "LIF several spikes per step"):
            fields["max_spikes"] = draws.whole(2, 4)
            # Counting divides by the threshold: on the grid the quotient must be exact as well.
            fields["threshold"] = np.array(0.5) if draws.grid else fields["threshold"]
    return ir.LIF(**fields)


def _dense_layer(
    wiring: Wiring, at: str, shape: ir.Shape, skip: tuple[str, ir.Shape]
) -> tuple[str, ir.Shape]:
    """Affine and LIF, with a skip connection and a loop of its own now and then."""
    draws = wiring.draws
    width = draws.whole(3, 8)
    sources = [wiring.add(_affine(draws, shape, width), at)]
    if draws.chance(0.4, "sum of several edges"):
        sources.append(wiring.add(_affine(draws, skip[1], width), skip[0]))
    name = wiring.add(random_lif(draws, (width,)), *sources)
    if draws.chance(0.4, "recurrence", "edge delays", "sum of several edges"):
        loop = ir.Affine(
            weight=draws.uniform(-0.6, 0.6, (width, width)),
            bias=draws.uniform(-0.2, 0.2, (width,)) if draws.chance(0.5) else None,
        )
        before = draws.whole(0, 1)  # the delay sits before or behind the weights
        back = wiring.add(loop)
        wiring.connect(name, back, least=before)
        wiring.connect(back, name, least=1 - before)
    return name, (width,)


def _family(draws: Draws) -> tuple[ir.Shape, Any]:
    if draws.chance(0.4, "Conv2d"):
        return (draws.whole(1, 2) * 2, draws.whole(5, 7), draws.whole(5, 7)), _conv2d
    if draws.chance(0.25, "Conv1d"):
        return (2, draws.whole(6, 10)), _conv1d
    return (draws.whole(2, 8),), _affine


def _affine(draws: Draws, shape: ir.Shape, width: int) -> ir.Affine:
    bias = draws.uniform(-0.2, 0.3, (width,)) if draws.chance(0.5) else None
    return ir.Affine(weight=draws.weights((width, *shape)), bias=bias)


def _conv2d(draws: Draws, shape: ir.Shape) -> ir.Conv2d:
    groups = 2 if draws.chance(0.3) else 1
    out = 2 * draws.whole(1, 2)
    kernel = (min(draws.whole(1, 3), shape[1]), min(draws.whole(1, 3), shape[2]))
    dilation = (2, 1) if shape[1] >= 2 * kernel[0] and draws.chance(0.3) else (1, 1)
    return ir.Conv2d(
        weight=draws.weights((out, shape[0] // groups, *kernel)),
        bias=draws.uniform(-0.2, 0.3, (out,)) if draws.chance(0.5) else None,
        stride=(draws.whole(1, 2), draws.whole(1, 2)),
        padding=(draws.whole(0, 2), draws.whole(0, 1)),
        dilation=dilation,
        groups=groups,
    )


def _conv1d(draws: Draws, shape: ir.Shape) -> ir.Conv1d:
    groups = 2 if draws.chance(0.3) else 1
    return ir.Conv1d(
        weight=draws.weights((2, shape[0] // groups, min(draws.whole(1, 3), shape[1]))),
        bias=draws.uniform(-0.2, 0.3, (2,)) if draws.chance(0.5) else None,
        stride=(draws.whole(1, 2),),
        padding=(draws.whole(0, 1),),
        dilation=(draws.whole(1, 2),) if shape[1] >= 5 else (1,),
        groups=groups,
    )


def _batch_norm(draws: Draws, channels: int) -> ir.BatchNorm:
    size = (channels,)
    return ir.BatchNorm(
        mean=draws.uniform(-0.2, 0.2, size),
        var=draws.uniform(0.5, 2.0, size),
        scale=draws.uniform(0.5, 1.5, size),
        shift=draws.uniform(-0.2, 0.4, size),
    )


def _pool(draws: Draws, op: Any) -> ir.Pool2d:
    # On the grid an average over three would not be exact.
    kernel = (2, 2) if draws.grid else (draws.whole(2, 3), draws.whole(2, 3))
    padding = (draws.whole(0, 1), 0)
    return ir.Pool2d(op=op, kernel=kernel, stride=(draws.whole(1, 2), 2), padding=padding)


def _integrator(draws: Draws) -> ir.LI:
    return ir.LI(
        beta=draws.decay(()),
        gain_in=draws.rng.choice([0.5, 1.0, 2.0], ()),
        bias=draws.uniform(-0.1, 0.1),
        v_init=draws.uniform(-1, 1) if draws.chance(0.3, "LI initial state") else np.zeros(()),
    )


def _header(draws: Draws) -> ir.Header:
    given = ir.Header(
        dt_s=1e-3,
        steps=draws.whole(4, 12),
        coding="direct" if draws.chance(0.5) else "events",
        bounds=(-1.0, 2.0),
    )
    return replace(given, mean=(0.25,), std=(0.5,)) if draws.chance(0.3) else given
