"""A network with an estimator as a torch module, which is what other libraries attack."""

import torch
from torch import Tensor, nn

from neurorobust.attacks.target import Target
from neurorobust.engine.estimators import Estimator
from neurorobust.engine.network import Network
from neurorobust.errors import Unsupported


class ScoresModule(nn.Module):
    """Scores (B, classes) of samples (B, ...), with the gradient of the estimator.

    Always as in evaluation, whatever ``train`` is called with. Averages an estimator keeps follow
    the calls.

    Args:
        network: The surrogate.
        estimator: Where gradients come from.

    Raises:
        Unsupported: for a model that draws its input: other libraries do not average over draws.
    """

    def __init__(self, network: Network, estimator: Estimator) -> None:
        super().__init__()
        coding = network.graph.header.coding
        if coding == "bernoulli":
            msg = "other libraries' attacks do not average over bernoulli draws; use neurorobust's"
            raise Unsupported(msg)
        self.target = Target(network, estimator)

    def forward(self, x: Tensor) -> Tensor:
        """Scores, differentiable in ``x`` where gradients are on."""
        if x.requires_grad and torch.is_grad_enabled():
            return self.target.differentiable(x)
        return self.target.scores(x)
