"""A Program as the chain of populations that a ``.net`` file describes."""

from dataclasses import dataclass

import numpy as np

from neurorobust import ir
from neurorobust.formats.netx.reading.neurons import Population
from neurorobust.ir.fixed import DELAY_MAX, STATE_SHIFT, FixedNeuron

SILENT_MANTISSA = (1 << 18) - 1
"""Threshold of a population that only integrates: no membrane of 24 bits reaches it."""


class NoExactForm(ValueError):
    """Something of a Program that a ``.net`` file cannot hold, and the way out."""


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """``y[t] = sum_j weight[:, j] x[j][t - delay[:, j]]``.

    Attributes:
        weight: Integers, (out, in).
        delay: Steps, (out, in); 0 where the weight is 0.
    """

    weight: ir.Array
    delay: ir.Array

    @property
    def delayed(self) -> bool:
        """Whether some synapse waits."""
        return bool(self.delay.any())


@dataclass(frozen=True, slots=True, eq=False)
class Stage(Population):
    """A population and the synapses that drive it.

    Attributes:
        name: Node of the population.
        before: Shape of the population, or input, that feeds it.
        feed: Synapses from before; None where the input itself drives the population.
        recurrent: Synapses from the population to itself, one step later; None without.
    """

    name: str
    before: ir.Shape
    feed: Matrix | ir.FixedConv2d | None
    recurrent: Matrix | None

    def signature(self) -> list[ir.Array]:
        """What is computed, in a form that does not depend on how it is written."""
        own = (self.du, self.dv, self.vth, self.bias_mant)
        values = [np.broadcast_to(value, self.shape).ravel() for value in own]
        feed = self.feed
        if isinstance(feed, ir.FixedConv2d) and (made := as_matrix(feed, int(np.prod(self.shape)))):
            feed = made
        if isinstance(feed, ir.FixedConv2d):
            geometry = (*feed.stride, *feed.padding, *feed.dilation, feed.groups)
            values += [feed.weight, np.array(geometry)]
        for synapse in (feed, self.recurrent):
            if isinstance(synapse, Matrix):
                values += [synapse.weight, synapse.delay]
        return values


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """A Program, population by population.

    Attributes:
        source: The input.
        stages: All populations, in order.
        graded: Whether inputs count by their value, not as one spike each.
        reset: (interval, offset) of all populations; (0, 0) for none.
    """

    source: ir.FixedInput
    stages: tuple[Stage, ...]
    graded: bool
    reset: tuple[int, int]

    @property
    def block(self) -> bool:
        """Whether the first population takes the input without synapses."""
        return self.stages[0].feed is None

    @property
    def top(self) -> int:
        """Largest magnitude of an input as it counts."""
        return max(abs(self.source.low), self.source.high) if self.graded else 1


def chain(program: ir.Program) -> Chain:
    """Take a Program apart.

    Raises:
        NoExactForm: naming the first thing that is no chain of populations in netx's terms.
    """
    if program.host is not None:
        msg = (
            "has a part on the host, for which a netx file has no place; lower with the input "
            "coding 'graded', or in Python export program.with_(host=None), the part on the chip"
        )
        raise NoExactForm(msg)
    names = [n for n in program.order if isinstance(program.nodes[n], FixedNeuron)]
    before = program.input
    stages = []
    graded: set[bool] = set()
    for name in names:
        stages.append(_stage(program, name, before, graded))
        before = name
    if not stages:
        raise NoExactForm("has no population")
    origin, delay = _origin(program, program.output)
    if origin != before or delay:
        msg = f"{program.output}: reads {origin}; netx gives the spikes of the last layer only"
        raise NoExactForm(msg)
    for stage in stages[:-1]:
        if isinstance(program.nodes[stage.name], ir.FixedLI):
            msg = f"{stage.name}: an integrator sends membranes; netx sends spikes between layers"
            raise NoExactForm(msg)
    source = program.nodes[program.input]
    assert isinstance(source, ir.FixedInput)  # noqa: S101  # holds for every checked Program
    if len(graded) > 1:
        msg = f"{names[0]}: takes its input once as payloads and once as spikes; choose one"
        raise NoExactForm(msg)
    return Chain(source, tuple(stages), graded == {True}, _reset(program, names))


def _stage(program: ir.Program, name: str, before: str, graded: set[bool]) -> Stage:
    node = program.nodes[name]
    if not isinstance(node, ir.FixedLIF | ir.FixedLI):
        raise NoExactForm(f"{name}: a {node.kind} has no counterpart in netx; use FixedLIF")
    feed: list[tuple[str, ir.FixedDense, int]] = []
    back: list[tuple[str, ir.FixedDense, int]] = []
    convs: list[ir.FixedConv2d] = []
    direct = False
    for edge in program.incoming(name):
        synapse = program.nodes[edge.source]
        if isinstance(synapse, ir.FixedInput) and before == edge.source and not edge.delay:
            direct = True
            continue
        if not isinstance(synapse, ir.FixedDense | ir.FixedConv2d):
            raise NoExactForm(f"{name}: {edge.source} ({synapse.kind}) feeds it without a synapse")
        origin, delay = _origin(program, edge.source)
        delay += edge.delay
        if origin not in (before, name):
            msg = f"{edge.source}: comes from {origin}, not from {before}; netx holds chains only"
            raise NoExactForm(msg)
        if isinstance(synapse, ir.FixedConv2d):
            if delay or origin == name:
                msg = f"{edge.source}: netx ignores delays and recurrence of convolutions"
                raise NoExactForm(msg)
            convs.append(synapse)
        else:
            (back if origin == name else feed).append((edge.source, synapse, delay))
        if origin == program.input:
            graded |= _graded(program, synapse)
    if direct + len(convs) + bool(feed) != 1:
        msg = f"{name}: needs one kind of synapse: a convolution, dense ones, or the input itself"
        raise NoExactForm(msg)
    made = matrix(feed) if feed else convs[0] if convs else None
    vth = node.vth if isinstance(node, ir.FixedLIF) else np.array(SILENT_MANTISSA)
    return Stage(
        name=name,
        shape=program.shapes[name],
        before=program.shapes[before],
        du=node.du,
        dv=node.dv,
        vth=vth,
        bias_mant=_bias(name, node),
        feed=made,
        recurrent=_recurrent(name, made, back) if back else None,
    )


def _origin(program: ir.Program, synapse: str) -> tuple[str, int]:
    """Where the spikes of a synapse come from, and how late."""
    name, delay = synapse, 0
    while name == synapse or isinstance(program.nodes[name], ir.Flatten):
        edges = program.incoming(name)
        if len(edges) > 1:
            msg = f"{name}: adds up {len(edges)} inputs; netx connects layers one by one"
            raise NoExactForm(msg)
        name, delay = edges[0].source, delay + edges[0].delay
    return name, delay


def _graded(program: ir.Program, synapse: ir.FixedDense | ir.FixedConv2d) -> set[bool]:
    """Whether a synapse counts the input's values; empty where the input is 0 or 1 anyway."""
    source = program.nodes[program.input]
    assert isinstance(source, ir.FixedInput)  # noqa: S101  # holds for every checked Program
    if source.low >= 0 and source.high <= 1:
        return set()
    return {isinstance(synapse, ir.FixedConv2d) or synapse.message_bits > 0}


def _recurrent(
    name: str, feed: Matrix | ir.FixedConv2d | None, back: list[tuple[str, ir.FixedDense, int]]
) -> Matrix:
    made = matrix(back)
    if not isinstance(feed, Matrix):
        raise NoExactForm(f"{name}: netx has recurrence in dense layers only")
    if feed.delayed or (made.delay != (made.weight != 0)).any():
        msg = f"{name}: netx handles delays beside recurrence wrongly; use edges of delay 1 only"
        raise NoExactForm(msg)
    return made


def _bias(name: str, node: FixedNeuron) -> ir.Array:
    mant, exp = node.bias_mant.astype(np.int64), node.bias_exp.astype(np.int64)
    bias = np.where(exp >= 0, mant << exp.clip(0), mant >> (-exp).clip(0))
    made = np.asarray(bias >> STATE_SHIFT)
    wide = np.iinfo(np.int16)
    if (bias != made << STATE_SHIFT).any() or made.min() < wide.min or made.max() > wide.max:
        raise NoExactForm(
            f"{name}: biases span {bias.min()}..{bias.max()}; netx holds multiples of 64 within "
            f"{wide.min << STATE_SHIFT}..{wide.max << STATE_SHIFT}; train with smaller biases"
        )
    return made


def _reset(program: ir.Program, names: list[str]) -> tuple[int, int]:
    resets = set()
    for name in names:
        node = program.nodes[name]
        assert isinstance(node, FixedNeuron)  # noqa: S101  # the caller's selection
        resets.add((node.reset_interval, node.reset_offset))
    if len(resets) > 1:
        msg = f"populations reset differently ({sorted(resets)}); netx resets all alike"
        raise NoExactForm(msg)
    return resets.pop()


def matrix(parts: list[tuple[str, ir.FixedDense, int]]) -> Matrix:
    """The sum of dense nodes, each with its name and the delay of its edges.

    Raises:
        NoExactForm: if their sum is no integer matrix with one delay per synapse.
    """
    weight = np.zeros(parts[0][1].weight.shape, np.int64)
    delay = np.zeros_like(weight)
    for name, node, late in parts:
        own = _integers(name, node)
        waits = np.where(own != 0, late, 0)
        if isinstance(node, ir.FixedDelayDense):
            waits = waits + np.where(own != 0, node.delay, 0)
        if (waits > DELAY_MAX).any():
            raise NoExactForm(f"{name}: waits {waits.max()} steps; netx holds {DELAY_MAX}")
        if ((weight != 0) & (own != 0) & (waits != delay)).any():
            msg = f"{name}: a second synapse between the same neurons has another delay; add a node"
            raise NoExactForm(msg)
        weight, delay = weight + own, np.where(own != 0, waits, delay)
    return Matrix(weight, np.where(weight != 0, delay, 0))


def _integers(name: str, node: ir.FixedDense) -> ir.Array:
    weight = node.effective_weight
    if node.weight_exp >= 0:
        return weight << node.weight_exp
    if (weight & ((1 << -node.weight_exp) - 1)).any():
        raise NoExactForm(
            f"{name}: its weights have the exponent {node.weight_exp}, which floors their sums, "
            f"netx has whole weights only; keep the weights multiples of {1 << -node.weight_exp}"
        )
    return weight >> -node.weight_exp


def as_matrix(node: ir.FixedConv2d, outputs: int) -> Matrix | None:
    """A convolution with one output per channel, which is a matrix on the flattened input."""
    single = node.groups == 1 and not any(node.padding) and len(node.weight) == outputs
    if not single:
        return None
    weight = node.weight.reshape(outputs, -1).astype(np.int64)
    return Matrix(weight, np.zeros_like(weight))
