"""Integer neurons on tensors: for GPUs. Every wrap is written out in int64."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neurorobust.engine.integer.products import wrap
from neurorobust.engine.integer.trace import Watched
from neurorobust.ir import Array, FixedLIF, Shape
from neurorobust.ir.fixed import DECAY_ONE, STATE_LIMIT, STATE_SHIFT, FixedNeuron, FixedTernaryLIF

TOP = STATE_LIMIT - 1
NEVER = (1 << 31) - 1
"""Beyond every membrane."""


@dataclass(frozen=True, slots=True, eq=False)
class NeuronLaw:
    """Parameters of a population, one row each: integers of shape (N,) in the order of ``shape``.

    Attributes:
        kept: ``4095 - du`` and ``4096 - dv``.
        bias: As it is added.
        above: Fires +1 where the membrane is larger.
        below: Fires -1 where the membrane is smaller.
    """

    kept: tuple[Array, Array]
    bias: Array
    above: Array
    below: Array

    @classmethod
    def of(cls, node: FixedNeuron, shape: Shape) -> "NeuronLaw":
        """Parameters of every neuron, in C order."""

        def each(values: Array | int) -> Array:
            return np.broadcast_to(np.asarray(values, np.int64), shape).reshape(-1)

        mant, exp = each(node.bias_mant), each(node.bias_exp)
        above, below = each(NEVER), each(-NEVER)
        if isinstance(node, FixedLIF):
            above = each(node.vth) << STATE_SHIFT
        elif isinstance(node, FixedTernaryLIF):
            above, below = each(node.vth_high) << STATE_SHIFT, each(node.vth_low) << STATE_SHIFT
        return cls(
            (DECAY_ONE - 1 - each(node.du), DECAY_ONE - each(node.dv)),
            mant << np.maximum(exp, 0) >> np.maximum(-exp, 0),
            above,
            below,
        )


class Population:
    """One population; values are (B, T or 1, N) in C order.

    Args:
        node: Its law.
        shape: Of the population.
        device: Where to compute.
    """

    def __init__(self, node: FixedNeuron, shape: Shape, device: torch.device) -> None:
        law = NeuronLaw.of(node, shape)

        def tensor(values: Array) -> Tensor:
            return torch.tensor(values, device=device)

        self.kept_u, self.kept_v = map(tensor, law.kept)
        self.bias, self.above, self.below = map(tensor, (law.bias, law.above, law.below))
        self.interval, self.offset = node.reset_interval, node.reset_offset
        self.spiking, self.device = node.spiking, device
        self.dtype = torch.int8 if node.spiking else torch.int32

    def takes(self, *, watched: bool) -> torch.dtype:
        """What arrives before it wraps."""
        return torch.int64

    def rest(self, samples: int) -> list[Tensor]:
        """Current and membrane at the start."""
        zeros = torch.zeros(samples, len(self.bias), dtype=torch.int64, device=self.device)
        return [zeros, zeros]

    def advance(
        self, state: list[Tensor], x: Tensor, out: Tensor, steps: range, seen: Watched
    ) -> None:
        """Fill ``out``, and what is ``seen``, in these steps; change the state.

        Args:
            state: From ``rest``.
            x: What arrives before it wraps to 32 bits, (B, T or 1, N), int64.
            out: Spikes, or membranes of an integrator.
            steps: Which steps.
            seen: Overflows are added; membranes are those before reset.
        """
        (u, v), (counters, membrane) = state, seen
        for t in steps:
            if self.interval and t % self.interval == self.offset:
                u = v = torch.zeros_like(u)
            total = x[:, t if x.shape[1] > 1 else 0]
            drive = wrap(total, 32)
            shifted = drive << STATE_SHIFT
            exact = _decayed(u, self.kept_u) + wrap(shifted, 32)
            u = wrap(exact, 32)
            high, low = u > STATE_LIMIT, u <= -STATE_LIMIT
            if counters is not None:
                lost = (drive != total) | (wrap(shifted, 32) != shifted) | (u != exact)
                counters.wrapped.add_((lost | high | low).sum(1))
            u = u + 2 * STATE_LIMIT * (low.long() - high.long())
            free = wrap(_decayed(v, self.kept_v) + u + self.bias, 32)
            h = free.clamp(-TOP, TOP)
            if counters is not None:
                counters.saturated.add_((h != free).sum(1))
            s = (h > self.above).long() - (h < self.below).long()
            v = h.masked_fill(s != 0, 0)
            out[:, t] = s if self.spiking else h
            if membrane is not None:
                membrane[:, t] = h
        state[:] = u, v


def _decayed(x: Tensor, kept: Tensor) -> Tensor:
    """``trunc0(x kept / 4096)``."""
    return torch.div(x * kept, DECAY_ONE, rounding_mode="trunc")
