"""The attacked model as an attack sees it: scores, decisions, and the gradient of a loss."""

from contextlib import nullcontext
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from neurorobust.attacks.draws import Draws
from neurorobust.attacks.losses import LOSSES, Loss
from neurorobust.backends import Executable
from neurorobust.data import Stimulus
from neurorobust.engine.estimators.base import Estimator, differentiable, finite
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput
from neurorobust.ir import LI, Model, Output

EOT, VOTES = 10, 10
"""Draws per gradient and per decision, where the coding is stochastic."""


class Scored(Protocol):
    """What can be attacked by its scores: a Network, or a Queried backend."""

    @property
    def graph(self) -> Model:
        """The model, a Graph or a Program."""
        ...

    like: Tensor

    def run(self, x: Tensor, steps: int) -> Tensor:
        """Scores (B, classes) of a stimulus (B, T or 1, ...)."""
        ...


class Queried:
    """A compiled model of any backend, by its scores alone.

    Args:
        model: The Graph or Program that was compiled.
        executable: What its backend made of it.
    """

    def __init__(self, model: Model, executable: Executable) -> None:
        self.graph, self.executable = model, executable
        self.like = torch.empty((), dtype=torch.float64)

    def run(self, x: Tensor, steps: int) -> Tensor:
        """Scores (B, classes) of a stimulus (B, T or 1, ...)."""
        result = self.executable.run(Stimulus(x.detach().cpu().numpy(), steps))
        return torch.from_numpy(result.scores)


class Target:
    """A surrogate as an attack sees it.

    With bernoulli coding the input is drawn anew each time: gradients pass the draw unchanged
    (straight through) and are averaged over ``eot`` draws, decisions are the majority of ``votes``.

    Args:
        network: What is attacked.
        estimator: Where gradients come from; None for scores only.
        eot: Draws per gradient, of stochastic coding only.
        votes: Draws per decision, of stochastic coding only.

    Reference:
        Athalye, Engstrom, Ilyas, Kwok, Synthesizing robust adversarial examples, ICML 2018 (EOT).
    """

    def __init__(
        self, network: Scored, estimator: Estimator | None, *, eot: int = EOT, votes: int = VOTES
    ) -> None:
        if eot < 1 or votes < 1:
            msg = f"eot is {eot} and votes is {votes}; at least one draw each is needed"
            raise InvalidInput(msg)
        self.network, self.estimator = network, estimator
        header, model = network.graph.header, network.graph
        self.steps, self.coding, self.bounds = header.steps, header.coding, header.bounds
        (self.classes,) = model.shapes[model.output]
        self.shape = model.shapes[model.input]
        self.stochastic = self.coding == "bernoulli"
        self.eot, self.votes = (eot, votes) if self.stochastic else (1, 1)
        self.scale = _scale(model)

    def present(self, x: Tensor, draws: Draws | None = None, *, crafting: bool = False) -> Tensor:
        """The stimulus (B, T or 1, ...) of samples, differentiable in them.

        Args:
            x: Samples, (B, ...).
            draws: Source of spikes.
            crafting: Whether it is for the estimator, which may want more steps drawn.

        Raises:
            InvalidInput: if the coding draws spikes and there is nothing to draw from.
        """
        if self.coding == "direct":
            return x[:, None]
        if self.coding == "events":
            return x
        if draws is None:
            raise InvalidInput("bernoulli coding draws spikes: give draws=Draws(seed, samples)")
        low, high = self.bounds
        chance = (x - low) / (high - low)
        steps = self.steps
        if crafting and self.estimator is not None:
            steps = self.estimator.steps_drawn(steps)
        drawn = draws.spikes(chance.detach(), steps)
        return drawn + (chance - chance.detach())[:, None]

    def length(self, stimulus: Tensor) -> int:
        """Number of steps to run: events bring their own."""
        return stimulus.shape[1] if self.coding == "events" else self.steps

    def look(self, x: Tensor, draws: Draws | None = None) -> tuple[Tensor, Tensor]:
        """Scores (B, classes), averaged over the votes, and the decision of most votes, (B,)."""
        scores = torch.stack([self._infer(x, draws) for _ in range(self.votes)])
        decided = torch.nn.functional.one_hot(scores.argmax(2), self.classes).sum(0).argmax(1)
        return scores.mean(0), decided

    def scores(self, x: Tensor, draws: Draws | None = None) -> Tensor:
        """Scores by inference, (B, classes)."""
        return self.look(x, draws)[0]

    def decide(self, x: Tensor, draws: Draws | None = None) -> Tensor:
        """Decisions by inference, (B,)."""
        return self.look(x, draws)[1]

    def gradient(self, x: Tensor, y: Tensor, draws: Draws | None = None) -> Tensor:
        """Gradient of the cross-entropy at ``x``, per sample, (B, ...).

        Raises:
            InvalidInput: if there is no gradient or it is not finite.
        """
        return self.ascent(x, y, draws=draws)[1]

    def ascent(
        self,
        x: Tensor,
        y: Tensor,
        wanted: Tensor | None = None,
        *,
        loss: Loss = LOSSES["ce"],
        draws: Draws | None = None,
    ) -> tuple[Tensor, Tensor]:
        """A loss at ``x``, (B,), and its gradient, (B, ...); see ``losses``.

        Raises:
            InvalidInput: if there is no gradient or it is not finite.
        """
        value = torch.zeros(len(x), dtype=x.dtype, device=x.device)
        total = torch.zeros_like(x)
        for draw in range(self.eot):
            at = x.detach().requires_grad_()
            frozen = self.estimator.frozen() if draw and self.estimator else nullcontext()
            with frozen:
                scores = self.differentiable(at, draws)
            # In double: a sure sample's cross-entropy is 0 in single, and so is its gradient.
            here = loss(scores.double() * self.scale, y, wanted)
            (gradient,) = torch.autograd.grad(here.sum(), at)
            value, total = value + here.detach().to(value) / self.eot, total + gradient / self.eot
        return value, self._finite(total)

    def jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B, classes) and their gradients (B, classes, ...) at ``x``.

        Raises:
            InvalidInput: if there is no gradient or it is not finite.
        """
        at = x.detach().requires_grad_()
        scores = self.differentiable(at)
        rows = [
            torch.autograd.grad(scores[:, c].sum(), at, retain_graph=True)[0]
            for c in range(self.classes)
        ]
        return scores.detach(), self._finite(torch.stack(rows, 1))

    def differentiable(self, x: Tensor, draws: Draws | None = None) -> Tensor:
        """Scores (B, classes) with the gradient of the estimator.

        Raises:
            InvalidInput: if there is no estimator, the model gives scores only, or its scores have
                no gradient.
        """
        if self.estimator is None:
            raise InvalidInput("this attack has no gradient estimator")
        if not isinstance(self.network, Network):
            raise InvalidInput(
                "a queried backend gives scores, not gradients; use an attack without, such as "
                "square, or craft on the Network of the float graph"
            )
        stimulus = self.present(x, draws, crafting=True)
        scores = self.estimator.scores(self.network, stimulus, self.length(stimulus))
        return differentiable(self.estimator.name, scores)

    def _infer(self, x: Tensor, draws: Draws | None) -> Tensor:
        with torch.no_grad():
            stimulus = self.present(x, draws)
            return self.network.run(stimulus, self.length(stimulus))

    def _finite(self, gradient: Tensor) -> Tensor:
        return finite(self.estimator.name if self.estimator else "none", gradient)


def _scale(model: Model) -> float:
    """Factor on scores in a loss: what sums over the steps saturates a cross-entropy.

    A count becomes a rate, and an integrator is divided by its gain for a constant input.
    """
    steps = model.header.steps
    if next(node.readout for _, node in model.of_kind(Output)) == "count":
        return 1 / steps
    sources = (model.nodes[edge.source] for edge in model.incoming(model.output))
    gains = [
        float(np.max(np.abs(node.gain_in) * sum(node.beta**k for k in range(steps))))
        for node in sources
        if isinstance(node, LI)
    ]
    return 1 / max(1.0, *gains) if gains else 1.0
