"""Layers to train: a torch Sequential over time, with our neurons in it.

Values are time first, (T, B, ...), or (1, B, ...) as long as they are the same in every step;
layers without memory then see them once.
"""

from torch import Tensor, nn

from neurorobust import ir
from neurorobust.engine.dynamics import Integrator, Neuron, li_sequence
from neurorobust.engine.estimators.shapes import SURROGATES
from neurorobust.engine.estimators.temporal import SurrogateSpikes


class LIF(nn.Module):
    """A LIF population with a surrogate gradient.

    Args:
        node: Its law.
        surrogate: See ``neurorobust.engine.estimators.shapes``.
        width: Width of the surrogate.
    """

    def __init__(self, node: ir.LIF, surrogate: str = "arctan", width: float = 0.5) -> None:
        super().__init__()
        self.node = node
        self.spikes = SurrogateSpikes(SURROGATES[surrogate], width, detach_reset=True)

    def forward(self, x: Tensor, steps: int) -> Tensor:
        """Spikes (T, B, ...)."""
        return self.spikes.sequence("", Neuron.of(self.node, x), x, steps, membrane=False)[0]


class LI(nn.Module):
    """A leaky integrator.

    Args:
        node: Its law.
    """

    def __init__(self, node: ir.LI) -> None:
        super().__init__()
        self.node = node

    def forward(self, x: Tensor, steps: int) -> Tensor:
        """Membranes (T, B, ...)."""
        return li_sequence(Integrator.of(self.node, x), x, steps)


class SpikingSequential(nn.Sequential):
    """Layers in a chain; plain torch layers are applied to all steps at once."""

    def forward(self, x: Tensor, steps: int) -> Tensor:  # type: ignore[override]
        """Values of the last layer, (T, B, ...), for static inputs (B, ...)."""
        return self.run(x.unsqueeze(0), steps)

    def run(self, x: Tensor, steps: int) -> Tensor:
        """Values of the last layer, (T, B, ...), for a stimulus (T or 1, B, ...)."""
        for layer in self:
            if isinstance(layer, LIF | LI):
                x = layer(x, steps)
            else:
                x = layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return x
