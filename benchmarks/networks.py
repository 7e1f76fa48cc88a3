"""The networks that are timed: as Programs, and as Graphs of the same structure."""

import numpy as np

from neurorobust import ir
from neurorobust.data import Stimulus

DV, VTH = 400, 200


def dense_program(steps: int) -> ir.Program:
    """784-256-10 with random 8-bit weights."""
    rng = np.random.default_rng(0)
    return _program(
        steps,
        input=_spikes((784,)),
        fc1=_dense(rng, 256, 784),
        lif1=_lif(),
        fc2=_dense(rng, 10, 256),
        lif2=_lif(),
        output=ir.Output(),
    )


def conv_program(steps: int) -> ir.Program:
    """2x34x34 - c8 - sum-pool 2 - c16 - dense 10, a population behind each."""
    rng = np.random.default_rng(0)
    return _program(
        steps,
        input=_spikes((2, 34, 34)),
        conv1=_conv(rng, 8, 2),
        lif1=_lif(),
        pool=ir.FixedConv2d(weight=np.full((8, 1, 2, 2), 100), stride=(2, 2), groups=8),
        lif2=_lif(),
        conv2=_conv(rng, 16, 8),
        lif3=_lif(),
        flat=ir.Flatten(),
        fc=_dense(rng, 10, 16 * 17 * 17),
        lif4=_lif(),
        output=ir.Output(),
    )


def as_graph(program: ir.Program) -> ir.Graph:
    """The network in floats: the same weights and decays, thresholds in the units of its sums."""
    nodes: dict[str, ir.Node] = {}
    for name, node in program.nodes.items():
        if isinstance(node, ir.FixedInput):
            nodes[name] = ir.Input(shape=node.shape)
        elif isinstance(node, ir.FixedDense):
            nodes[name] = ir.Affine(weight=node.effective_weight.astype(np.float64))
        elif isinstance(node, ir.FixedConv2d):
            nodes[name] = ir.Conv2d(
                weight=node.weight.astype(np.float64),
                stride=node.stride,
                padding=node.padding,
                groups=node.groups,
            )
        elif isinstance(node, ir.FixedLIF):
            beta = 1 - node.dv / 4096
            nodes[name] = ir.LIF(beta=beta, threshold=node.vth.astype(np.float64), compare=">")
        else:
            nodes[name] = node
    return ir.Graph.chain(program.header, **nodes)


def events(program: ir.Program, samples: int, density: float = 0.1) -> Stimulus:
    """Random spikes."""
    rng, steps = np.random.default_rng(1), program.header.steps
    shape = samples, steps, *program.input_shape
    return Stimulus((rng.random(shape) < density).astype(np.float64), steps)


def _program(steps: int, **nodes: ir.Node) -> ir.Program:
    return ir.Program.chain(ir.Header(dt_s=1e-3, steps=steps, coding="events"), nodes)


def _spikes(shape: tuple[int, ...]) -> ir.FixedInput:
    return ir.FixedInput(shape=shape, scale=1.0, high=1)


def _lif() -> ir.FixedLIF:
    return ir.FixedLIF(dv=np.array(DV), vth=np.array(VTH))


def _dense(rng: np.random.Generator, out: int, in_: int) -> ir.FixedDense:
    return ir.FixedDense(weight=rng.integers(-128, 128, (out, in_)) & ~1)


def _conv(rng: np.random.Generator, out: int, in_: int) -> ir.FixedConv2d:
    return ir.FixedConv2d(weight=rng.integers(-128, 128, (out, in_, 3, 3)) & ~1, padding=(1, 1))
