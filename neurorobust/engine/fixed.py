"""A Program on torch: the integer law of ``neurorobust.ir.fixed``, batched, on CPU or GPU.

Sums over synapses run as float64 matrix products where the bounds prove them exact (below 2^53) and
in 16-bit slices of the weights otherwise. Neurons run in float64 too where the largest input proves
that no 32-bit wrap can happen (``_Neuron.fits``), and in int64 otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from neurorobust.engine.edges import arriving, arriving_at
from neurorobust.engine.network import readout
from neurorobust.errors import InvalidInput
from neurorobust.ir import FixedConv2d, FixedDense, FixedInput, FixedLIF, Flatten, Output, Program
from neurorobust.ir.fixed import DECAY_ONE, STATE_LIMIT, STATE_SHIFT, FixedNeuron

EXACT_DOUBLE = 1 << 53


def wrap(x: Tensor, bits: int) -> Tensor:
    """Two's-complement wrap of int64 values."""
    half = 1 << (bits - 1)
    return ((x + half) & ((1 << bits) - 1)) - half


def trunc_shift(x: Tensor, bits: int) -> Tensor:
    """``x / 2^bits`` rounded towards zero."""
    return torch.where(x < 0, -(-x >> bits), x >> bits)


@dataclass(slots=True, eq=False)
class FixedTrace:
    """Per node and time first (T, B, ...), int64: spikes, and membranes before reset."""

    spikes: dict[str, Tensor] = field(default_factory=dict)
    membrane: dict[str, Tensor] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Neuron:
    du: Tensor
    dv: Tensor
    bias: Tensor
    limit: Tensor | None
    """Threshold in membrane units, or None for an integrator."""

    def step(self, u: Tensor, v: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        """Current and membrane (before reset) after one step."""
        x = trunc_shift(u * (DECAY_ONE - 1 - self.du), 12) + wrap(a << STATE_SHIFT, 32)
        u = _wrap_once(wrap(x, 32))
        v = wrap(trunc_shift(v * (DECAY_ONE - self.dv), 12) + u + self.bias, 32)
        return u, v.clamp(-(STATE_LIMIT - 1), STATE_LIMIT - 1)

    def fire(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Output and membrane after reset."""
        if self.limit is None:
            return v, v
        s = v > self.limit
        return s.to(v.dtype), v.masked_fill(s, 0)

    def fits(self, a: Tensor) -> bool:
        """Whether these inputs, and the bias, leave every sum below 2^31 and one wrap enough.

        Then a current stays within 2^23, and so do its products of 12 bits within 2^53.
        """
        largest = int(a.abs().max()) if a.numel() else 0
        return largest << STATE_SHIFT <= 2 * STATE_LIMIT and int(self.bias.abs().max()) < 1 << 30

    def sequence(self, a: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Outputs and membranes (before reset) of all steps, for an input (T or 1, B, ...)."""
        if not self.fits(a):
            return self._wide_sequence(a, steps)
        x = (a << STATE_SHIFT).double()
        kept_u = (DECAY_ONE - 1 - self.du).double() / DECAY_ONE
        kept_v = (DECAY_ONE - self.dv).double() / DECAY_ONE
        bias, current = self.bias.double(), bool((kept_u != 0).any())
        u, v = _wrap_once(x[0]), torch.zeros_like(x[0])
        outputs, membranes = [], []
        for t in range(steps):
            if current and t:
                u = _wrap_once((u * kept_u).trunc_() + x[t if len(x) > 1 else 0])
            elif t and len(x) > 1:
                u = _wrap_once(x[t])
            h = (v * kept_v).trunc_().add_(u).add_(bias).clamp_(-(STATE_LIMIT - 1), STATE_LIMIT - 1)
            s, v = self.fire(h)
            outputs.append(s)
            membranes.append(h)
        return torch.stack(outputs).long(), torch.stack(membranes).long()

    def _wide_sequence(self, a: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        u = v = torch.zeros_like(a[0])
        outputs, membranes = [], []
        for t in range(steps):
            u, h = self.step(u, v, a[t if len(a) > 1 else 0])
            s, v = self.fire(h)
            outputs.append(s)
            membranes.append(h)
        return torch.stack(outputs), torch.stack(membranes)


def _wrap_once(x: Tensor) -> Tensor:
    """One wrap by 2^24 into (-2^23, 2^23]; a value beyond three times that stays outside."""
    span = 2 * STATE_LIMIT
    return torch.where(x > STATE_LIMIT, x - span, torch.where(x <= -STATE_LIMIT, x + span, x))


class FixedNetwork:
    """Executes a Program.

    Args:
        program: The model.
        device: Where to run.
    """

    def __init__(self, program: Program, *, device: torch.device | str = "cpu") -> None:
        self.program, self.device = program, torch.device(device)
        self.maps: dict[str, Callable[[Tensor], Tensor]] = {}
        self.neurons: dict[str, _Neuron] = {}
        for name, node in program.nodes.items():
            if isinstance(node, FixedNeuron):
                self.neurons[name] = self._neuron(node)
            elif isinstance(node, FixedDense):
                self.maps[name] = self._dense(node)
            elif isinstance(node, FixedConv2d):
                self.maps[name] = self._conv(node)
            elif isinstance(node, Flatten):
                self.maps[name] = lambda x: x.flatten(1)

    def run(self, x: Tensor, steps: int, trace: FixedTrace | None = None) -> Tensor:
        """Scores (B, classes), float64, of a stimulus (B, T or 1, ...) of input values."""
        codes = self.encode(x.to(self.device)).transpose(0, 1)
        whole = self._stepwise if self.program.recurrent else self._layerwise
        values = whole(codes, steps, trace)
        node = self.program.nodes[self.program.output]
        assert isinstance(node, Output)  # noqa: S101  # holds for every checked Program
        return readout(node.readout, values.double(), steps) * self.program.score_unit

    def encode(self, x: Tensor) -> Tensor:
        """Integers from input values, int64."""
        node = self.program.nodes[self.program.input]
        assert isinstance(node, FixedInput)  # noqa: S101  # holds for every checked Program
        scaled = (x.double() - node.offset) * node.scale
        return scaled.round().clamp(node.low, node.high).long()

    def _layerwise(self, x: Tensor, steps: int, trace: FixedTrace | None) -> Tensor:
        program, out = self.program, {self.program.input: x}
        for name in program.order:
            if name == program.input:
                continue
            value = wrap(arriving(program, name, out, steps), 32)
            if name in self.neurons:
                value, h = self.neurons[name].sequence(value, steps)
                self._note(trace, name, value, h)
            elif name in self.maps:
                value = self.maps[name](value.flatten(0, 1)).unflatten(0, value.shape[:2])
            out[name] = value
        return out[program.output]

    def _stepwise(self, x: Tensor, steps: int, trace: FixedTrace | None) -> Tensor:
        program = self.program
        history: dict[str, list[Tensor]] = {name: [] for name in program.nodes}
        membranes: dict[str, list[Tensor]] = {name: [] for name in self.neurons}
        state: dict[str, tuple[Tensor, Tensor]] = {}
        for t in range(steps):
            for name in program.order:
                if name == program.input:
                    history[name].append(x[t if len(x) > 1 else 0])
                    continue
                value = wrap(arriving_at(program, name, history, t, x), 32)
                if name in self.neurons:
                    neuron, zero = self.neurons[name], torch.zeros_like(value)
                    u, v = state.get(name, (zero, zero))
                    u, h = neuron.step(u, v, value)
                    value, v = neuron.fire(h)
                    state[name] = u, v
                    membranes[name].append(h)
                elif name in self.maps:
                    value = self.maps[name](value)
                history[name].append(value)
        for name, recorded in membranes.items():
            self._note(trace, name, torch.stack(history[name]), torch.stack(recorded))
        return torch.stack(history[program.output])

    def _note(self, trace: FixedTrace | None, name: str, value: Tensor, membrane: Tensor) -> None:
        if trace is not None:
            trace.membrane[name] = membrane
            if self.program.nodes[name].spiking:
                trace.spikes[name] = value

    def _tensor(self, value: "np.typing.ArrayLike") -> Tensor:
        return torch.tensor(np.asarray(value, dtype=np.int64), device=self.device)

    def _neuron(self, node: FixedNeuron) -> _Neuron:
        mant, exp = self._tensor(node.bias_mant), self._tensor(node.bias_exp)
        bias = torch.where(
            exp >= 0, wrap(mant << exp.clamp(min=0), 32), mant >> (-exp).clamp(min=0)
        )
        limit = self._tensor(node.vth) << STATE_SHIFT if isinstance(node, FixedLIF) else None
        return _Neuron(self._tensor(node.du), self._tensor(node.dv), bias, limit)

    def _dense(self, node: FixedDense) -> Callable[[Tensor], Tensor]:
        weight = self._tensor(node.effective_weight)
        exact = _exact(weight, F.linear)

        def dense(x: Tensor) -> Tensor:
            total = exact(x if node.message_bits else (x != 0).long())
            if node.weight_exp > 0:
                return wrap(wrap(total, 32) << node.weight_exp, 32)
            return wrap(total, 32) >> -node.weight_exp

        return dense

    def _conv(self, node: FixedConv2d) -> Callable[[Tensor], Tensor]:
        def conv(x: Tensor, weight: Tensor) -> Tensor:
            return F.conv2d(x, weight, None, node.stride, node.padding, node.dilation, node.groups)

        exact = _exact(self._tensor(node.weight), conv)
        return lambda x: wrap(exact(x), 24)


def _exact(
    weight: Tensor, product: Callable[[Tensor, Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """``product(x, weight)`` in int64 modulo 2^64, through exact float64 products."""
    low = wrap(weight, 16)
    whole, slices = weight.double(), (low.double(), ((weight - low) >> 16).double())

    def bound(w: Tensor, x: Tensor) -> float:
        if not x.numel():
            return 0.0
        return float(w.abs().flatten(1).sum(1).max() * x.abs().max())

    def exact(x: Tensor) -> Tensor:
        real = x.double()
        if bound(whole, real) < EXACT_DOUBLE:
            return product(real, whole).round().long()
        if max(bound(part, real) for part in slices) >= EXACT_DOUBLE:
            msg = (
                f"a sum over {weight[0].numel()} inputs of up to {real.abs().max():.0f} exceeds "
                "what is computed exactly; lower the payloads or split the synapse"
            )
            raise InvalidInput(msg)
        fine, coarse = (product(real, part).round().long() for part in slices)
        return fine + (coarse << 16)

    return exact
