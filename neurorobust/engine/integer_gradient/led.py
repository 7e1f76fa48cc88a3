"""A law of firing that is led along a known run.

What a neuron receives is replaced by what it must have received for the membranes of that run,
rounding and overflows included; gradients pass as if nothing had been replaced. A float network so
led meets the very membranes and spikes of the integer engine, and every gradient estimator sees
them.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from neurorobust.engine.dynamics import Neuron, State
from neurorobust.engine.integer import FixedTrace
from neurorobust.engine.integer_gradient.as_graph import bias_of
from neurorobust.engine.network import Spikes
from neurorobust.ir import FixedLIF, Program
from neurorobust.ir.fixed import DECAY_ONE, STATE_ONE


class Led(Spikes):
    """Another law, led.

    Args:
        law: How nodes fire, with its backward rule.
        drives: What each led node is to receive, (T, B, ...); other nodes are left alone.

    Attributes:
        arrived: What really arrived at each led node, (T or 1, B, ...) each, in order.
    """

    def __init__(self, law: Spikes, drives: Mapping[str, Tensor]) -> None:
        self.law, self.drives = law, drives
        self.arrived: dict[str, list[Tensor]] = {name: [] for name in drives}

    def step(self, name: str, neuron: Neuron, state: State, x: Tensor) -> tuple[Tensor, Tensor]:
        """One step of the law."""
        if name in self.drives:
            t = len(self.arrived[name])
            self.arrived[name].append(x[None])
            x = self.drives[name][t] + (x - x.detach())
        return self.law.step(name, neuron, state, x)

    def sequence(
        self, name: str, neuron: Neuron, x: Tensor, steps: int, *, membrane: bool
    ) -> tuple[Tensor, Tensor | None]:
        """All steps of the law."""
        if name in self.drives:
            self.arrived[name].append(x)
            x = self.drives[name] + (x - x.detach())
        return self.law.sequence(name, neuron, x, steps, membrane=membrane)


def drives(program: Program, ran: FixedTrace, like: Tensor) -> dict[str, Tensor]:
    """What the LIF nodes of a Program's Graph must receive to follow a run, (T, B, ...).

    With membranes ``h`` before and ``v`` after reset::

        u[t] = h[t] - B - v[t-1] (4096 - dv) / 4096
        a[t] = (u[t] - u[t-1] (4095 - du) / 4096) / 64

    A membrane exactly at its threshold is taken half an integer lower, which the rounding of floats
    cannot turn into a spike.

    Args:
        program: What ran.
        ran: Its spikes and membranes.
        like: Device and dtype.
    """

    def tensor(values: object) -> Tensor:
        return torch.tensor(values).to(like)

    found = {}
    for name, node in program.of_kind(FixedLIF):
        h = ran.membrane[name].transpose(0, 1).to(like)
        fired = ran.spikes[name].transpose(0, 1).to(like)
        h = h - 0.5 * (h == STATE_ONE * tensor(node.vth)).to(like)
        u = h - tensor(bias_of(node)) - _before(h * (1 - fired)) * _kept(tensor(node.dv), DECAY_ONE)
        found[name] = (u - _before(u) * _kept(tensor(node.du), DECAY_ONE - 1)) / STATE_ONE
    return found


def _before(x: Tensor) -> Tensor:
    """One step earlier, zeros at first."""
    return torch.cat([torch.zeros_like(x[:1]), x[:-1]])


def _kept(decay: Tensor, one: int) -> Tensor:
    return (one - decay) / DECAY_ONE
