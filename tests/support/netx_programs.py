"""Random Programs that a ``.net`` file can hold, and their stimuli."""

from math import prod

import numpy as np

from neurorobust import ir

KINDS = ("dense", "conv", "delay", "recurrent", "bias", "graded", "block", "signed", "covering")
STEPS = 24


class ProgramWriter:
    """Adds random layers to a Program, one after the other."""

    def __init__(self, rng: np.random.Generator, shape, *, reset: int = 0, bias=False):
        self.rng, self.shape, self.bias = rng, shape, bias
        self.reset = {"reset_interval": reset} if reset else {}
        self.nodes = {}
        self.edges = []
        self.last = ""
        self.count = 0

    def source(self, **fields) -> None:
        self._add("input", ir.FixedInput(shape=self.shape, **fields))

    def _add(self, name, node, *sources) -> str:
        self.nodes[name] = node
        self.edges += [ir.Edge(source, name) for source in sources]
        self.last = name
        return name

    def neuron(self, drive: float, *sources, du=None) -> str:
        """A population whose threshold suits inputs of this size."""
        rng, shape = self.rng, self.shape
        per = (shape[0],) + (1,) * (len(shape) - 1)
        one = rng.integers(0, 3)
        size = [(), per, shape][one]
        decay = rng.choice([4095, 2000, 700])
        bias = {}
        if self.bias:
            bound = max(int(drive / 3), 1)
            low = 2 if self.bias == "up" else -bound
            bias = {"bias_mant": rng.integers(low, bound + 3, per), "bias_exp": np.array(6)}
        return self._add(
            f"lif{self.count}",
            ir.FixedLIF(
                du=rng.integers(decay - 100, decay + 1, size) if du is None else np.array(du),
                dv=rng.integers(0, 1500, size),
                vth=rng.integers(int(drive) + 1, int(2 * drive) + 3, size),
                **bias,
                **self.reset,
            ),
            *sources,
        )

    def weights(self, shape, mode="mixed"):
        high = int(self.rng.choice([6, 30, 120, 254]))
        value = self.rng.integers(-high, high + 1, shape)
        if mode != "mixed":
            value = np.abs(value) * (1 if mode == "exc" else -1)
        else:
            value.flat[:2] = (-2, 2)
            value = value // 2 * 2
        return value

    def dense(self, out: int, *, delay=False, recurrent=False, mode="mixed", bits=0) -> None:
        self.count += 1
        if len(self.shape) > 1:
            self._add(f"flatten{self.count}", ir.Flatten(), self.last)
        weight = self.weights((out, prod(self.shape)), mode)
        fields = {"weight": weight, "sign_mode": mode, "message_bits": bits}
        if delay:
            node = ir.FixedDelayDense(**fields, delay=self.rng.integers(0, 7, weight.shape))
        else:
            node = ir.FixedDense(**fields)
        self.shape = (out,)
        drive = np.abs(weight).sum(1).mean() / 6 * (1 << max(bits - 1, 0))
        name = self.neuron(drive, self._add(f"dense{self.count}", node, self.last))
        if recurrent:
            back = f"recurrent{self.count}"
            self.nodes[back] = ir.FixedDense(weight=self.weights((out, out)) // 8 * 2)
            self.edges += [ir.Edge(name, back, 1), ir.Edge(back, name)]

    def conv(self, channels: int, *, pooling=False) -> None:
        self.count += 1
        rng, c = self.rng, self.shape[0]
        if pooling:
            weight, groups = np.full((c, 1, 2, 2), int(rng.integers(8, 64))), c
            stride, padding, dilation = (2, 2), (0, 0), (1, 1)
        else:
            groups = int(rng.choice([g for g in (1, 2) if c % g == 0 and channels % g == 0]))
            weight = self.weights((channels, c // groups, *rng.integers(1, 4, 2)))
            stride, padding = tuple(rng.integers(1, 3, 2)), tuple(rng.integers(0, 2, 2))
            dilation = tuple(rng.integers(1, 3, 2))
        pairs = [tuple(int(n) for n in pair) for pair in (stride, padding, dilation)]
        node = ir.FixedConv2d(
            weight=weight, stride=pairs[0], padding=pairs[1], dilation=pairs[2], groups=groups
        )
        self.shape = node.output_shape(self.shape)
        drive = np.abs(weight).reshape(len(weight), -1).sum(1).mean() / 5
        self.neuron(drive, self._add(f"conv{self.count}", node, self.last))

    def program(self) -> ir.Program:
        if len(self.shape) > 1:
            self._add("flatten", ir.Flatten(), self.last)
        self._add("output", ir.Output(), self.last)
        header = ir.Header(dt_s=1e-3, steps=STEPS, coding="events")
        return ir.Program(header=header, nodes=self.nodes, edges=tuple(self.edges))


def random_program(kind: str, seed: int) -> ir.Program:
    """A Program of a kind."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    n = int(rng.integers(4, 20))
    image = kind in {"conv", "block"}
    shape = (int(rng.choice([1, 2, 4])), *map(int, rng.integers(7, 11, 2))) if image else (n,)
    reset = STEPS if kind in {"bias", "block", "covering"} else 0
    write = ProgramWriter(rng, shape, reset=reset, bias=bool(reset))
    if kind == "block":
        write.source(scale=float(rng.integers(20, 80)), high=200)
        write.bias = False
        write.neuron(150, "input", du=4095)
        write.bias = True
    elif kind == "graded":
        write.source(scale=255.0, high=255)
    else:
        write.source(scale=1.0, high=1)
    if image:
        write.conv(int(rng.choice([2, 4])))
        write.conv(4, pooling=True)
        write.dense(6)
    elif kind == "covering":
        write.bias = "up"
        weight = -(2 ** rng.integers(0, 5, (5, n)))
        weight[0, 0] = -16
        write.count, write.shape = 1, (5,)
        node = ir.FixedDense(weight=weight, sign_mode="inh")
        write.neuron(40, write._add("dense1", node, write.last))
        write.dense(6)
    else:
        first = {"delay": kind == "delay", "recurrent": kind == "recurrent"}
        mode = str(rng.choice(["exc", "inh", "mixed"])) if kind == "signed" else "mixed"
        write.dense(int(rng.integers(5, 16)), bits=8 * (kind == "graded"), mode=mode, **first)
        # What a bias makes fire before the data would travel on in loops and delays.
        free = kind != "bias"
        write.dense(int(rng.integers(5, 16)), recurrent=free and bool(rng.integers(0, 2)))
        write.dense(5, delay=free and bool(rng.integers(0, 2)))
    return write.program()


def stimulus(program: ir.Program, seed: int) -> np.ndarray:
    """Integers for the input, (T, *shape)."""
    rng = np.random.default_rng([99, seed])
    node = program.nodes[program.input]
    shape = (STEPS, *node.shape)
    if isinstance(program.nodes[program.outgoing(program.input)[0].target], ir.FixedLIF):
        return np.broadcast_to(rng.integers(0, node.high + 1, node.shape), shape)
    if node.high > 1:
        return rng.integers(0, node.high + 1, shape)
    return (rng.random(shape) < 0.35).astype(np.int64)
