"""Random Graphs that a NIR profile carries: everything its readers take, nothing else."""

from typing import Any

import numpy as np

from neurorobust import ir
from neurorobust.testing.draws import Draws, Wiring


def random_nir_graph(
    rng: np.random.Generator, profile: str, *, grid: bool = False, steps: int = 20
) -> ir.Graph:
    """Two or three layers of neurons, some with a skip connection, convolution or recurrence.

    Args:
        rng: Source of all choices.
        profile: ``portable``, ``snntorch`` or ``norse``.
        grid: Weights on a grid and decays that are powers of two, so that ties are common.
        steps: T.
    """
    draws = Draws(rng, (), grid)
    wiring = Wiring(Draws(rng, ("edge delays",), grid))
    soft = profile == "norse" and draws.chance(0.3)
    shape: ir.Shape = (draws.whole(1, 2), 6, 6) if draws.chance(0.3) else (draws.whole(3, 8),)
    at = wiring.add(ir.Input(shape=shape))
    if len(shape) == 3:
        at, shape = _image_layer(wiring, at, shape, profile, soft=soft)
    for _ in range(draws.whole(1, 2)):
        width = draws.whole(3, 8)
        at, shape = _dense_layer(wiring, at, shape, width, profile, soft=soft)
        if draws.chance(0.3):
            at = _residual_layer(wiring, at, shape, profile, soft=soft)
    fc = wiring.add(_affine(draws, shape, 4), at)
    last = wiring.add(_neurons(draws, (4,), profile, soft=soft), fc)
    wiring.finish(ir.Output(), last)
    header = ir.Header(dt_s=1e-3, steps=steps, coding="events")
    return ir.Graph(header=header, nodes=wiring.nodes, edges=tuple(wiring.edges))


def _image_layer(
    wiring: Wiring, at: str, shape: ir.Shape, profile: str, *, soft: bool
) -> tuple[str, ir.Shape]:
    draws = wiring.draws
    conv = ir.Conv2d(
        weight=draws.weights((3, shape[0], 3, 3)),
        bias=draws.uniform(-0.2, 0.3, (3,)) if draws.chance(0.5) else None,
        padding=(draws.whole(0, 1), draws.whole(0, 1)),
        stride=(draws.whole(1, 2), 1),
    )
    shape = conv.output_shape(shape)
    at = wiring.add(conv, at)
    at = wiring.add(_neurons(draws, shape, profile, soft=soft), at)
    if draws.chance(0.6):
        average = profile == "snntorch" and draws.chance(0.5)
        pool = ir.Pool2d(op="avg" if average else "sum", kernel=(2, 2), stride=(2, 2))
        at, shape = wiring.add(pool, at), pool.output_shape(shape)
    return wiring.add(ir.Flatten(), at), (int(np.prod(shape)),)


def _dense_layer(
    wiring: Wiring, at: str, shape: ir.Shape, width: int, profile: str, *, soft: bool
) -> tuple[str, ir.Shape]:
    draws = wiring.draws
    fc = wiring.add(_affine(draws, shape, width), at)
    name = wiring.add(_neurons(draws, (width,), profile, soft=soft), fc)
    if profile == "norse" and draws.chance(0.3):
        back = wiring.add(_affine(draws, (width,), width), name)
        wiring.edges.append(ir.Edge(back, name, 1))
    return name, (width,)


def _residual_layer(wiring: Wiring, at: str, shape: ir.Shape, profile: str, *, soft: bool) -> str:
    """Neurons that get what the layer before gave, weighted and as it is."""
    draws = wiring.draws
    fc = wiring.add(_affine(draws, shape, shape[0]), at)
    return wiring.add(_neurons(draws, shape, profile, soft=soft), fc, at)


def _affine(draws: Draws, shape: ir.Shape, width: int) -> ir.Affine:
    bias = draws.uniform(-0.2, 0.3, (width,)) if draws.chance(0.5) else None
    return ir.Affine(weight=draws.weights((width, *shape)), bias=bias)


def _neurons(draws: Draws, shape: ir.Shape, profile: str, *, soft: bool) -> ir.LIF:
    each = shape if profile != "portable" and draws.chance(0.4) else ()
    fields: dict[str, Any] = {
        "beta": _decay(draws, each),
        "threshold": draws.uniform(0.5, 1.5, shape if profile == "norse" and each else ()),
        "compare": ">=" if draws.chance(0.4) else ">",
        "reset": "soft" if soft else "hard",
    }
    if draws.chance(0.3) or (soft and (fields["beta"] == 1).any()):
        # Beside soft resets Norse resets every CubaLIF softly, so that here all neurons are soft.
        fields["alpha"] = _decay(draws, each) / 2
    if draws.chance(0.3):
        fields["gain_in"] = draws.rng.choice([0.5, 2.0])
    return ir.LIF(**fields)


def _decay(draws: Draws, shape: ir.Shape) -> ir.Array:
    if draws.grid:
        return draws.rng.choice([0.0, 0.5, 0.5, 0.75, 1.0], shape)
    return np.where(draws.rng.random(shape) < 0.2, 1.0, draws.rng.uniform(0.3, 0.97, shape))
