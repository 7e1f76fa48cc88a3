"""RGA: the rate gradient approximation.

The gain is the slope of the static rate-current curve of the neuron, in two segments through
``(0, 0)``, ``((1-l) t, g (1-l) t)`` and ``(b t, 1)`` for decay ``l`` and threshold ``t``::

    F'(I) = g                                    0 <= I <= (1-l) t
          = (1 - g t + g t l) / ((b + l - 1) t)  (1-l) t < I <= b t
          = 0                                    elsewhere

Two variants exist. ``poster`` is the formula above: half-open segments. ``code`` is what the
authors released: the threshold is taken as 1 whatever the model's, and a current exactly on the
knee (or 0 without leak) gets both slopes, because both segments are closed there.

Reference: Bu, Ding, Hao, Yu, Rate gradient approximation attack threats deep spiking neural
networks, CVPR 2023; its official release.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neurorobust.engine.dynamics import Neuron
from neurorobust.engine.estimators.rate import RateEstimator, holds, mean_current
from neurorobust.methods import option

BETA_BY_RESET = {"hard": 2.0, "soft": 1.0, "none": 1.0}
"""Current (in thresholds) at which the rate saturates: the release has 2 for hard reset; with soft
reset the rate of an IF neuron is 1 from one threshold on."""


@dataclass(frozen=True)
class Rga(RateEstimator):
    """Gradient of the firing rate by the mean input current.

    Attributes:
        gamma: Slope below the knee; keeps silent neurons from having no gradient. At least 0.
        beta: Saturating current in thresholds; None takes 2 for hard and 1 for other resets.
        variant: ``poster`` or ``code``.
    """

    name: ClassVar[str] = "rga"
    title: ClassVar[str] = "RGA"
    cited: ClassVar[tuple[str, ...]] = ("bu2023rate",)

    gamma: float = option(0.2, low=0)
    beta: float | None = option(None, above=0)
    variant: str = option("poster", among=("poster", "code"))

    def gain(
        self, neuron: Neuron, drive: Tensor, spikes: Tensor, response: Tensor | None = None
    ) -> Tensor:
        """``F'`` at the mean current, times the DC gain from input to current."""
        current, slope = mean_current(neuron, drive)
        beta = BETA_BY_RESET[neuron.node.reset] if self.beta is None else self.beta
        threshold = (
            torch.ones_like(neuron.threshold) if self.variant == "code" else neuron.threshold
        )
        return slope * rate_slope(
            current, neuron.beta, threshold, self.gamma, beta, closed=self.variant == "code"
        )


def rate_slope(
    current: Tensor, decay: Tensor, threshold: Tensor, gamma: float, beta: float, *, closed: bool
) -> Tensor:
    """``F'(I)`` of the module's docstring.

    Args:
        current: Mean current I, any shape.
        decay: Membrane decay, broadcastable.
        threshold: Broadcastable, above 0.
        gamma: Slope below the knee.
        beta: Saturating current in thresholds; must exceed ``1 - decay``.
        closed: Whether the upper segment includes the knee.
    """
    knee = (1 - decay) * threshold
    upper = (1 - gamma * threshold + gamma * threshold * decay) / ((beta + decay - 1) * threshold)
    # Where knee and saturation meet, the upper slope is infinite on nothing.
    finite = torch.where(torch.isfinite(upper), upper, torch.zeros_like(upper))
    below = holds(torch.ge, current, 0).mul_(holds(torch.le, current, knee)).mul_(gamma)
    above = holds(torch.ge if closed else torch.gt, current, knee)
    above.mul_(holds(torch.le, current, beta * threshold)).mul_(finite)
    return below.add_(above)
