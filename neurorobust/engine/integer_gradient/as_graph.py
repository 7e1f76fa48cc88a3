"""A Program as the float Graph of the same law without rounding, wraps and saturation.

With ``a`` what a synapse gives, ``S`` the scale of a population (integers per membrane unit) and
``B`` its bias, the integer law divided by ``64 S`` is that of a LIF node::

    alpha = (4095 - du) / 4096      beta = (4096 - dv) / 4096
    gain_in = 1 / S                 bias = B / (64 S)               threshold = vth / S

``S`` is that of lowering, so that membranes and widths of surrogates are in the units of the
network that was trained; in a Program without a lowering report it is the largest ``vth``.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from neurorobust import ir
from neurorobust.errors import InvalidInput
from neurorobust.ir.fixed import DECAY_ONE, STATE_ONE, FixedDelayDense, FixedNeuron


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Quantiser(ir.Node):
    """The law of a FixedInput within a Graph; the host's flat values get the chip's shape.

    Attributes:
        input: What it stands for.
    """

    input: ir.FixedInput

    def output_shape(self, input_shape: ir.Shape) -> ir.Shape:
        """That of the chip's input."""
        return self.input.shape


@dataclass(frozen=True, eq=False, kw_only=True)
class ProgramGraph(ir.Graph):
    """The Graph of a Program, known by the Program's hash: what is crafted on it names the Program.

    Attributes:
        program: Whose law it is.
        units: Of every neuron node, integers of the membrane per unit of the Graph's membrane.
    """

    program: ir.Program
    units: dict[str, float] = field(default_factory=dict)

    @cached_property
    def content_hash(self) -> str:
        """That of the Program."""
        return self.program.content_hash


def as_graph(program: ir.Program) -> ProgramGraph:
    """The float Graph of a Program, its host's part in front.

    Synapses with delays become one per delay, a filtered readout two integrators in a row. Only an
    ``IntegerTarget`` runs it, for the Quantiser between host and chip.

    Raises:
        InvalidInput: for ternary neurons, which no node of a Graph is.
    """
    return _Translation(program).graph()


class _Translation:
    """Nodes and edges in the making.

    Attributes:
        ins: Of every node of the Program, where its input goes and how many steps it waits.
        outs: Where its output comes from.
    """

    def __init__(self, program: ir.Program) -> None:
        self.program = program
        self.nodes: dict[str, ir.Node] = {}
        self.edges: list[ir.Edge] = []
        self.units: dict[str, float] = {}
        self.ins: dict[str, list[tuple[str, int]]] = {}
        self.outs: dict[str, list[str]] = {}
        self.scales = {row.get("layer"): row.get("scale") for row in program.report}
        sources = [edge.source for edge in program.incoming(program.output)]
        readers = {edge.target for name in sources for edge in program.outgoing(name)}
        alone = readers == {program.output}
        self.read_out = alone and all(isinstance(program.nodes[n], ir.FixedLI) for n in sources)
        """Whether integrators can give scores, not integers."""

    def graph(self) -> ProgramGraph:
        program = self.program
        header = self._before(program.host)
        for name, node in program.nodes.items():
            self.ins[name], self.outs[name] = [(name, 0)], [name]
            self._add(name, node)
        for edge in program.edges:
            for source in self.outs[edge.source]:
                for target, wait in self.ins[edge.target]:
                    self.edges.append(ir.Edge(source, target, edge.delay + wait))
        return ProgramGraph(
            header=header,
            nodes=self.nodes,
            edges=tuple(self.edges),
            program=program,
            units=self.units,
        )

    def _before(self, host: ir.Graph | None) -> ir.Header:
        """What comes before the chip's input; the header of the whole."""
        program, given = self.program, self.program.input
        if host is None:
            name = self._fresh("sensor")
            self.nodes[name] = ir.Input(shape=program.shapes[given])
            self.edges.append(ir.Edge(name, given))
            return program.header
        names = {name: self._fresh(f"host.{name}") for name in host.nodes} | {host.output: given}
        self.nodes |= {names[n]: node for n, node in host.nodes.items() if n != host.output}
        self.edges += [ir.Edge(names[e.source], names[e.target], e.delay) for e in host.edges]
        return replace(program.header, mean=host.header.mean, std=host.header.std)

    def _add(self, name: str, node: ir.Node) -> None:
        match node:
            case ir.FixedInput():
                self.nodes[name] = Quantiser(input=node)
            case FixedDelayDense():
                self._delayed(name, node)
            case ir.FixedDense():
                self.nodes[name] = ir.Affine(weight=_weight(node))
            case ir.FixedConv2d():
                self.nodes[name] = ir.Conv2d(
                    weight=node.weight.astype(np.float64),
                    stride=node.stride,
                    padding=node.padding,
                    dilation=node.dilation,
                    groups=node.groups,
                )
            case ir.FixedLIF():
                self.nodes[name] = self._lif(name, node)
            case ir.FixedLI():
                self._integrator(name, node)
            case ir.FixedTernaryLIF():
                raise InvalidInput(
                    f"{name}: ternary neurons have no gradient here; attack this Program by its "
                    "scores, with Queried"
                )
            case _:
                self.nodes[name] = node
        if isinstance(node, ir.Output) and node.readout != "first":
            self._score(name)  # the step of a first spike has no gradient to scale

    def _delayed(self, name: str, node: FixedDelayDense) -> None:
        waits = [int(wait) for wait in np.unique(node.delay)]
        parts = {wait: self._fresh(f"{name}.{wait}") for wait in waits}
        for wait, part in parts.items():
            self.nodes[part] = ir.Affine(weight=np.where(node.delay == wait, _weight(node), 0.0))
        self.ins[name] = [(part, wait) for wait, part in parts.items()]
        self.outs[name] = list(parts.values())

    def _lif(self, name: str, node: ir.FixedLIF) -> ir.LIF:
        scale = float(self.scales.get(name) or max(int(node.vth.max()), 1))
        self.units[name] = unit = scale * STATE_ONE
        alpha, beta = _decays(node)
        return ir.LIF(
            beta=beta,
            alpha=alpha if alpha.any() else None,
            gain_in=np.array(1 / scale),
            bias=bias_of(node) / unit,
            threshold=node.vth / scale,
        )

    def _integrator(self, name: str, node: ir.FixedLI) -> None:
        factor = self.program.score_unit if self.read_out else 1.0
        self.units[name] = 1 / factor
        alpha, beta = _decays(node)
        self.nodes[name] = ir.LI(
            beta=beta, gain_in=np.array(STATE_ONE * factor), bias=bias_of(node) * factor
        )
        if alpha.any():
            current = self._fresh(f"{name}.current")
            self.nodes[current] = ir.LI(beta=alpha)
            self.edges.append(ir.Edge(current, name))
            self.ins[name] = [(current, 0)]

    def _score(self, name: str) -> None:
        """Scores in the unit of the Program, where no integrator gives them."""
        (classes,) = self.program.shapes[name]
        if self.read_out or self.program.score_unit == 1:
            return
        one, zero = np.ones(classes), np.zeros(classes)
        factor = one * self.program.score_unit
        unit = self._fresh("score_unit")
        self.nodes[unit] = ir.BatchNorm(mean=zero, var=one, scale=factor, shift=zero, eps=1e-300)
        self.edges.append(ir.Edge(unit, name))
        self.ins[name] = [(unit, 0)]

    def _fresh(self, name: str) -> str:
        while name in self.nodes or name in self.program.nodes:
            name += "_"
        return name


def require_no_reset(program: ir.Program, steps: int) -> None:
    """Refuse states that are reset within the run: no node of a Graph does that.

    Raises:
        InvalidInput: naming the node and its first reset after the start.
    """
    for name, node in program.nodes.items():
        if not isinstance(node, FixedNeuron) or not node.reset_interval:
            continue
        first = node.reset_offset or node.reset_interval
        if first < steps:
            raise InvalidInput(
                f"{name}: its state is reset before step {first} of {steps}, which has no gradient "
                f"here; show at most {first} steps, or attack by scores, with Queried"
            )


def bias_of(node: FixedNeuron) -> ir.Array:
    """``B``, in integers of the membrane."""
    mant, exp = node.bias_mant.astype(np.int64), node.bias_exp.astype(np.int64)
    bias: ir.Array = mant << np.maximum(exp, 0) >> np.maximum(-exp, 0)
    return bias


def _decays(node: FixedNeuron) -> tuple[ir.Array, ir.Array]:
    """``alpha`` and ``beta``."""
    return (DECAY_ONE - 1 - node.du) / DECAY_ONE, (DECAY_ONE - node.dv) / DECAY_ONE


def _weight(node: ir.FixedDense) -> ir.Array:
    weight: ir.Array = node.effective_weight * 2.0**node.weight_exp
    return weight
