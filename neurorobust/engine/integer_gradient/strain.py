"""How hard a stimulus strains the integers of a Program: what arithmetic attacks maximise.

Per sample, summed over neurons and steps, with ``L = 2^23``, the current ``u`` before it wraps, the
membrane ``h`` before reset and the threshold ``theta``:

===========  ==========================================  ===========================================
strain       provokes                                    value
===========  ==========================================  ===========================================
wrap         currents that wrap                          ``r^8 / (1 + r^8)``, ``r = |u| / L``
saturation   membranes that are clipped                  ``r^8 / (1 + r^8)``, ``r = |h| / L``
rounding     spikes that rounding turns                  ``exp(-|h - theta| / (0.2 theta))``
===========  ==========================================  ===========================================

The first two count softly: a half for a state at its limit, 1 beyond, and far below it a gradient
that follows the largest states. A membrane that comes to its threshold is above it on one rung and
below it on another (a theta below one integer counts as one).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from neurorobust.engine.integer_gradient.led import Led
from neurorobust.engine.integer_gradient.target import IntegerTarget
from neurorobust.engine.network import EXACT, Network, Spikes, Trace
from neurorobust.errors import InvalidInput
from neurorobust.ir import Program
from neurorobust.ir.fixed import STATE_LIMIT, STATE_ONE
from neurorobust.names import known_name

POWER = 8
CLOSE = 0.2
"""Distance from the threshold, in thresholds, at which the strain of rounding falls to 1/e."""


class StrainedTarget(IntegerTarget):
    """An IntegerTarget whose only score is a strain, (B, 1), differentiable by any temporal law.

    Args:
        program: The model.
        strain: A name in ``STRAINS``.
        device: Where to run.

    Raises:
        InvalidInput: if no strain has this name.
    """

    def __init__(
        self, program: Program, strain: str, *, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(program, device=device)
        self.strain = STRAINS[known_name(strain, STRAINS, "strain")]

    def run(
        self, x: Tensor, steps: int, spikes: Spikes = EXACT, trace: Trace | None = None
    ) -> Tensor:
        """The strain of a stimulus.

        Raises:
            InvalidInput: for a law without membranes, such as those of rate gradients.
        """
        seen = Trace() if trace is None else trace
        _, led = self.lead(x, steps, spikes)
        Network.run(self, x, steps, led, seen)
        if missing := sorted(set(self.of_program.units) - set(seen.membrane)):
            raise InvalidInput(
                f"this gradient has no membranes ({', '.join(missing)}); take a temporal one, such "
                "as stbp, pdsg or assg"
            )
        return self.strain(self, led, seen)[:, None]


def _wrap(target: StrainedTarget, led: Led, seen: Trace) -> Tensor:
    total = torch.zeros((), dtype=target.like.dtype, device=target.like.device)
    for name, parts in led.arrived.items():
        alpha, u = target.neurons[name].alpha, None
        for a in torch.cat(parts).expand(len(seen.membrane[name]), *parts[0].shape[1:]):
            u = STATE_ONE * a if alpha is None or u is None else alpha * u + STATE_ONE * a
            total = total + _beyond(u[None])
    for name, neuron in target.integrators.items():
        if (unit := target.of_program.units.get(name)) is not None:
            v = seen.membrane[name]
            before = torch.cat([torch.zeros_like(v[:1]), v[:-1]])
            total = total + _beyond(unit * (v - neuron.beta * before - neuron.bias))
    return total


def _saturation(target: StrainedTarget, _led: Led, seen: Trace) -> Tensor:
    units = target.of_program.units
    counts = [_beyond(unit * seen.membrane[name]) for name, unit in units.items()]
    return torch.stack(counts).sum(0)


def _rounding(target: StrainedTarget, led: Led, seen: Trace) -> Tensor:
    total = torch.zeros((), dtype=target.like.dtype, device=target.like.device)
    for name in led.drives:
        theta = target.neurons[name].threshold
        width = CLOSE * theta.clamp(min=1 / target.of_program.units[name])
        away = (seen.membrane[name] - theta).abs() / width
        total = total + torch.exp(-away).flatten(2).sum((0, 2))
    return total


def _beyond(state: Tensor) -> Tensor:
    """Soft count of the states (T, B, ...) in integers that are beyond their limit, (B,)."""
    power = (state.abs() / STATE_LIMIT).pow(POWER)
    return (power / (1 + power)).flatten(2).sum((0, 2))


STRAINS: dict[str, Callable[[StrainedTarget, Led, Trace], Tensor]] = {
    "wrap": _wrap,
    "saturation": _saturation,
    "rounding": _rounding,
}
"""Strains by name."""
