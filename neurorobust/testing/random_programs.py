"""Random Programs, at the extremes of every range as often as within."""

from collections.abc import Collection
from typing import Any

import numpy as np

from neurorobust import ir
from neurorobust.ir.fixed import DELAY_MAX
from neurorobust.testing.draws import Draws, Wiring

TOP = (1 << 17) - 1
"""The highest threshold."""
PAYLOADS = (1, 4, 255, 1 << 16, 1 << 17, (1 << 23) - 1)
"""Upper ends of the inputs, from spikes to the widest payload; 64 2^17 is the end of a current."""


def random_program(rng: np.random.Generator, *, avoid: Collection[str] = ()) -> ir.Program:
    """One to four layers of integer neurons.

    Args:
        rng: Source of all choices.
        avoid: Features of ``neurorobust.backends.known_features("quantised")`` to leave out.
    """
    draws = Draws(rng, avoid)
    wiring = Wiring(draws)
    conv = draws.chance(0.4, "FixedConv2d")
    shape: ir.Shape = (2, draws.whole(3, 6), draws.whole(3, 6)) if conv else (draws.whole(2, 20),)
    high = PAYLOADS[draws.whole(0, len(PAYLOADS) - 1)]
    at = wiring.add(_input(draws, shape, high))
    payload = high
    if draws.chance(0.2, "input straight to neurons"):
        at, payload = _fire(draws, wiring, shape, at)
    for _ in range(draws.whole(1, 2) if conv else 0):
        node = _conv2d(draws, shape, payload)
        shape = node.output_shape(shape)
        at, payload = _fire(draws, wiring, shape, wiring.add(node, at))
    if len(shape) > 1:
        at, shape = wiring.add(ir.Flatten(), at), (int(np.prod(shape)),)
    source, source_shape, source_payload = at, shape, payload
    for _ in range(draws.whole(1, 2)):
        width = draws.whole(2, 10)
        sources = [wiring.add(_dense(draws, (width, *shape), payload), at)]
        if draws.chance(0.3, "sum of several edges"):
            skip = _dense(draws, (width, *source_shape), source_payload)
            sources.append(wiring.add(skip, source))
        at, payload = _fire(draws, wiring, (width,), *sources)
        if draws.chance(0.4, "recurrence", "edge delays", "sum of several edges"):
            loop = wiring.add(_dense(draws, (width, width), payload))
            before = draws.whole(0, 1)
            wiring.connect(at, loop, least=before)
            wiring.connect(loop, at, least=1 - before)
        shape = (width,)
    classes = draws.whole(2, 4)
    at = wiring.add(_dense(draws, (classes, *shape), payload), at)
    spiking = not draws.chance(0.4, "FixedLI")
    if spiking:
        at, _ = _fire(draws, wiring, (classes,), at)
    else:
        at = wiring.add(ir.FixedLI(**_dynamics(draws, (classes,))), at)
    wiring.finish(ir.Output(readout=draws.readout(spiking=spiking)), at)
    return ir.Program(
        header=ir.Header(
            dt_s=1e-3,
            steps=draws.whole(64, 70) if draws.chance(0.05) else draws.whole(3, 12),
            coding="direct" if draws.chance(0.3) else "events",
            bounds=(-1e9, 1e9),
        ),
        nodes=wiring.nodes,
        edges=tuple(wiring.edges),
        score_unit=float(2.0 ** draws.whole(-8, 2)),
    )


def _fire(draws: Draws, wiring: Wiring, population: ir.Shape, *sources: str) -> tuple[str, int]:
    """A spiking population behind its sources: its name, and the largest payload it may send."""
    if draws.chance(0.25, "FixedTernaryLIF"):
        # Spikes of both signs are spikes to some synapses and payloads to others.
        return wiring.add(_ternary(draws, population), *sources), 2
    return wiring.add(_lif(draws, population), *sources), 1


def _lif(draws: Draws, population: ir.Shape) -> ir.FixedLIF:
    """Decays at their ends or within; thresholds that some membranes hit exactly."""
    shape = draws.per_neuron(population)
    vth = draws.rng.choice([0, 2, 4, 10, 50, 254, 4000, TOP], shape)
    return ir.FixedLIF(vth=vth, **_dynamics(draws, population))


def _ternary(draws: Draws, population: ir.Shape) -> ir.FixedTernaryLIF:
    """Thresholds apart, equal, or both on one side of 0."""
    low, high = np.sort(draws.rng.choice([-TOP, -254, -10, -2, 0, 2, 10, 254, TOP], 2))
    if draws.chance(0.3):
        low = high
    shape = draws.per_neuron(population)
    below, above = draws.rng.integers(0, 3, (2, *shape))
    return ir.FixedTernaryLIF(
        vth_low=np.maximum(low - below, -TOP),
        vth_high=np.minimum(high + above, TOP),
        **_dynamics(draws, population),
    )


def _dynamics(draws: Draws, population: ir.Shape) -> dict[str, Any]:
    def some(ends: list[int], low: int, high: int) -> ir.Array:
        shape = draws.per_neuron(population)
        inside = draws.rng.integers(low, high + 1, shape)
        return np.where(draws.rng.random(shape) < 0.5, draws.rng.choice(ends, shape), inside)

    fields: dict[str, Any] = {
        "du": some([-1, 0, 4095], 0, 4095),
        "dv": some([0, 128, 4096], 0, 4096),
    }
    if draws.chance(0.5):
        extreme = draws.chance(0.3)
        fields["bias_mant"] = (
            some([-(1 << 15), (1 << 15) - 1, 0], -(1 << 15), (1 << 15) - 1)
            if extreme
            else some([0], -200, 400)
        )
        fields["bias_exp"] = some([-8, 7], -8, 7) if extreme else some([0], -2, 3)
    if draws.chance(0.25, "periodic reset"):
        interval = draws.whole(1, 5)
        fields |= {"reset_interval": interval, "reset_offset": draws.whole(0, interval - 1)}
    return fields


def _input(draws: Draws, shape: ir.Shape, high: int) -> ir.FixedInput:
    low = 0 if draws.chance(0.5) else -high
    scale = 2.0 ** draws.whole(-2, 4)
    return ir.FixedInput(
        shape=shape, offset=draws.whole(-2, 2) / 4, scale=scale, low=low, high=high
    )


def _dense(draws: Draws, shape: ir.Shape, payload: int) -> ir.FixedDense:
    mode: Any = ("mixed", "mixed", "exc", "inh")[draws.whole(0, 3)]
    # Beyond the range of a weight now and then: what is clipped is part of the law.
    span = 400 if draws.chance(0.2) else 120
    weight = draws.rng.integers(-span // 2, span + 1, shape) * (-1 if mode == "inh" else 1)
    graded = payload > 1 and draws.chance(0.8, "FixedDense graded messages")
    fields: dict[str, Any] = {
        "weight_exp": draws.whole(-8, 7) if draws.chance(0.4) else 0,
        "weight_bits": draws.whole(1, 8) if draws.chance(0.4) else 8,
        "sign_mode": mode,
        "message_bits": 24 if graded else 0,
    }
    if draws.chance(0.3, "FixedDense sparse storage"):
        kept = draws.rng.random(shape) < (0.02 if draws.chance(0.5) else 0.3)
        kept.flat[draws.whole(0, kept.size - 1)] = True
        weight, fields["storage"] = np.where(kept, weight, 0), "sparse"
    if draws.chance(0.25, "FixedDelayDense"):
        longest = (0, 1, 3, 7, DELAY_MAX)[draws.whole(0, 4)]
        return ir.FixedDelayDense(
            weight=weight, delay=draws.rng.integers(0, longest + 1, shape), **fields
        )
    return ir.FixedDense(weight=weight, **fields)


def _conv2d(draws: Draws, shape: ir.Shape, payload: int) -> ir.FixedConv2d:
    groups = 2 if draws.chance(0.4) else 1
    kernel = (draws.whole(1, min(3, shape[1])), draws.whole(1, min(3, shape[2])))
    taps = kernel[0] * kernel[1] * shape[0] // groups
    # Lava computes the sum in floating point and casts it to int32, which is defined below 2^31.
    largest = min((1 << 31) // (taps * payload + 1), 1 << 23 if draws.chance(0.3) else 128)
    return ir.FixedConv2d(
        weight=draws.rng.integers(
            -largest // 2, largest, (2 * draws.whole(1, 2), shape[0] // groups, *kernel)
        ),
        stride=(draws.whole(1, 2), draws.whole(1, 2)),
        padding=(draws.whole(0, 1), draws.whole(0, 2)),
        dilation=(2, 1) if shape[1] >= 2 * kernel[0] and draws.chance(0.3) else (1, 1),
        groups=groups,
    )
