"""What every attack is: subclasses propose, the base legalises and measures."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from neurorobust.attacks.threat import Linf
from neurorobust.engine.network import Network
from neurorobust.engine.surrogate import Estimator, assert_forward_identity
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array

BATCH = 256
"""Samples crafted at once. Gradients of different samples are independent of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Crafted:
    """Adversarial samples, and what the surrogate makes of them.

    Attributes:
        clean: Shape (B, ...), on the sensor's grid to the last bit.
        adversarial: Shape (B, ...), legal under the threat model.
        clean_decision: Shape (B,).
        adversarial_decision: Shape (B,), measured on the legal samples.
    """

    clean: Array
    adversarial: Array
    clean_decision: Array
    adversarial_decision: Array


class Attack(ABC):
    """Hyper-parameters in the constructor, data in the call."""

    name: ClassVar[str]
    revision: ClassVar[int] = 1
    """Raised when the same request gives other samples, so that stored sets are not mistaken."""

    @property
    @abstractmethod
    def estimator(self) -> Estimator | None:
        """Where gradients come from; None for an attack without."""

    @abstractmethod
    def parameters(self) -> Mapping[str, Any]:
        """Everything that changes the result besides model, data, threat and seed."""

    @abstractmethod
    def propose(
        self, target: "Target", x: Tensor, y: Tensor, threat: Linf, generator: torch.Generator
    ) -> Tensor:
        """Adversarial candidates for samples (B, ...); they need not be on the sensor's grid.

        The generator goes on from batch to batch: one draw per value, in the order of the samples,
        does not depend on the size of the batches.
        """

    @final
    def __call__(
        self, network: Network, x: Array, y: Array, threat: Linf, *, seed: int = 0
    ) -> Crafted:
        """Attack all samples.

        Args:
            network: The surrogate.
            x: Clean samples, (B, ...), within the bounds and on the sensor's grid.
            y: Labels, (B,).
            threat: What the attacker may do.
            seed: Of everything random; the result does not depend on the size of the batches.

        Raises:
            InvalidInput: for a model without direct coding, no samples, samples of another shape or
                outside the bounds, labels out of range, or an estimator whose forward pass differs
                from inference.
        """
        target = Target(network, self.estimator)
        # In double precision whatever the network's: single would leave the ball by rounding.
        clean = torch.as_tensor(x).to(network.like.device, torch.float64)
        labels = torch.as_tensor(y)
        self._check(target, clean, labels, threat)
        clean = threat.legalise(clean, clean)  # single-precision data lie beside the grid
        if self.estimator is not None:
            steps = network.graph.header.steps
            assert_forward_identity(self.estimator, network, clean[:8, None], steps)
        parts = []
        generator = torch.Generator().manual_seed(seed)
        for start in range(0, len(clean), BATCH):
            chunk = slice(start, start + BATCH)
            x_chunk, y_chunk = clean[chunk], labels[chunk].to(clean.device)
            proposed = self.propose(target, x_chunk, y_chunk, threat, generator)
            legal = threat.legalise(proposed, x_chunk)
            parts.append((legal, target.decide(x_chunk), target.decide(legal)))
        adversarial, before, after = (torch.cat(part).cpu() for part in zip(*parts, strict=True))
        if bad := threat.violations(adversarial, clean.cpu()):
            msg = f"{self.name}: {bad} value(s) left the ball, the bounds or the sensor's grid"
            raise InvalidInput(msg)
        kept = clean.cpu().numpy()
        return Crafted(kept, adversarial.double().numpy(), before.numpy(), after.numpy())

    @staticmethod
    def _check(target: "Target", x: Tensor, y: Tensor, threat: Linf) -> None:
        header, shape = target.network.graph.header, target.shape
        if header.coding != "direct":
            msg = f"the model takes {header.coding} coding; attacks are defined for direct coding"
            raise InvalidInput(msg)
        if not len(x) or x.shape[1:] != shape:
            msg = f"clean samples have shape {tuple(x.shape)}; give at least one of shape {shape}"
            raise InvalidInput(msg)
        if threat.bounds[0] < header.bounds[0] or threat.bounds[1] > header.bounds[1]:
            msg = (
                f"the threat's bounds {threat.bounds} exceed those of the model, {header.bounds}; "
                "use Linf.of(graph.header, epsilon)"
            )
            raise InvalidInput(msg)
        free = Linf(epsilon=threat.epsilon, bounds=threat.bounds, levels=threat.levels)
        if not torch.isfinite(x).all() or free.violations(x, x):
            low, high = threat.bounds
            msg = (
                f"clean samples must be finite, within {low:g}..{high:g} and on the sensor's grid; "
                f"they span {x.min():g}..{x.max():g}"
            )
            raise InvalidInput(msg)
        if y.shape != x.shape[:1] or ((y < 0) | (y >= target.classes)).any():
            msg = (
                f"labels must be {len(x)} numbers in 0..{target.classes - 1}, "
                f"got shape {tuple(y.shape)} with range {y.min()}..{y.max()}"
            )
            raise InvalidInput(msg)


class Target:
    """A surrogate as an attack sees it: decisions, and the gradient of a loss."""

    def __init__(self, network: Network, estimator: Estimator | None) -> None:
        self.network, self.estimator = network, estimator
        self.steps = network.graph.header.steps
        (self.classes,) = network.graph.shapes[network.graph.output]
        self.shape = network.graph.shapes[network.graph.input]

    def decide(self, x: Tensor) -> Tensor:
        """Decisions by inference, (B,)."""
        with torch.no_grad():
            return self.network.run(x[:, None], self.steps).argmax(1)

    def gradient(self, x: Tensor, y: Tensor) -> Tensor:
        """Gradient of the cross-entropy at ``x``, per sample, (B, ...).

        Raises:
            InvalidInput: if there is no gradient or it is not finite.
        """
        if self.estimator is None:
            msg = "this attack has no gradient estimator"
            raise InvalidInput(msg)
        x = x.detach().requires_grad_()
        scores = self.estimator.scores(self.network, x[:, None], self.steps)
        if not scores.requires_grad:
            msg = (
                f"the {self.estimator.name} scores have no gradient by the input; a readout by the "
                "first spike has none, attack a copy of the model that counts spikes"
            )
            raise InvalidInput(msg)
        loss = torch.nn.functional.cross_entropy(scores, y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
        if not torch.isfinite(gradient).all():
            bad = int((~torch.isfinite(gradient)).flatten(1).any(1).sum())
            msg = (
                f"the {self.estimator.name} gradient of {bad} sample(s) is NaN or infinite; "
                "use a wider surrogate or detach the reset"
            )
            raise InvalidInput(msg)
        return gradient
