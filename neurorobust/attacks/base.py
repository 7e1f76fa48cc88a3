"""What every attack is: subclasses propose, the base legalises and measures."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from neurorobust.attacks.case import Case
from neurorobust.attacks.checkpoint import Parts
from neurorobust.attacks.draws import Draws
from neurorobust.attacks.request import Crafted, Crafter, Request
from neurorobust.attacks.target import Target
from neurorobust.attacks.threats import L2, Linf, Threat
from neurorobust.engine.estimators import Estimator, assert_forward_identity
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array
from neurorobust.progress import Progress

BATCH, DEVICE_BATCH = 64, 512
"""Samples crafted at once, on a processor's caches and elsewhere. Nothing found depends on it."""

ATTACKS: dict[str, type["Attack"]] = {}
"""Attacks by name."""


@dataclass(frozen=True)
class Attack(Crafter):
    """One way to look for adversarial samples."""

    registry: ClassVar[dict[str, type[Any]]] = ATTACKS

    @property
    def estimator(self) -> Estimator | None:
        """Where gradients come from; None for an attack without."""
        return None

    def gradient_record(self) -> dict[str, Any]:
        """The estimator with its parameters."""
        return {"name": "none"} if self.estimator is None else self.estimator.describe()

    def record(self) -> dict[str, Any]:
        """With the estimator: as part of another attack."""
        return self.describe() | {"gradient": self.gradient_record()}

    @abstractmethod
    def propose(self, case: Case) -> Tensor:
        """Adversarial candidates for the case's samples (B, ...); they need not be on the grid.

        What is looked at by ``case.see`` is recorded. Random numbers come from ``case.draws``.
        """

    @final
    def answer(
        self, request: Request, *, parts: Parts | None = None, progress: Progress | None = None
    ) -> Crafted:
        """Attack all samples of a request, batch by batch; see the call."""
        network, threat, index = request.network, request.threat, request.index
        target = Target(network, self.estimator, eot=request.eot, votes=request.votes)
        # In double precision whatever the network's: single would leave the ball by rounding.
        clean = torch.as_tensor(request.x).to(network.like.device, torch.float64)
        labels = torch.as_tensor(request.y)
        ends = None if request.wanted is None else torch.as_tensor(request.wanted)
        self._check(target, clean, labels, threat)
        self._check_aim(target, labels, ends)
        require_labels("sample", index, clean)
        clean = threat.legalise(clean, clean)  # single-precision data lie beside the grid
        if self.estimator is not None and isinstance(network, Network):
            stimulus = target.present(clean[:8], Draws(request.seed, index[:8]), crafting=True)
            assert_forward_identity(self.estimator, network, stimulus, target.length(stimulus))
        done, device = [], clean.device
        size = BATCH if device.type == "cpu" else DEVICE_BATCH
        for start in range(0, len(clean), size):
            if progress:
                progress(self.name, start, len(clean))
            rows = slice(start, start + size)
            kept = parts.load(start, len(clean[rows])) if parts else None
            if kept is not None:
                done.append(kept)
                continue
            case = Case(
                target,
                clean[rows],
                labels[rows].to(device, torch.int64),
                threat,
                draws=Draws(request.seed, index[rows]),
                wanted=None if ends is None else ends[rows].to(device, torch.int64),
            )
            done.append(self._attack(case))
            if parts:
                parts.save(start, done[-1])
        made = Crafted.joined(done)
        if bad := threat.violations(torch.from_numpy(made.adversarial), clean.cpu()):
            msg = f"{self.name}: {bad} value(s) left the budget, the bounds or the sensor's grid"
            raise InvalidInput(msg)
        return made

    def _attack(self, case: Case) -> Crafted:
        raw = self.propose(case)
        before = case.target.decide(case.x, case.draws)
        legal = case.threat.legalise(raw, case.x)
        after = case.target.decide(legal, case.draws)
        case.log.queries += 2 * case.target.votes
        every = np.arange(len(case))
        case.log.looks.append((every, case.reached(after).cpu().numpy()))
        fooled, count = case.log.outcomes()
        aim = case.wanted if case.strict else None
        wanted = np.full(len(case), -1) if aim is None else aim.cpu().numpy()
        rest = (legal, before, after, raw.detach(), case.log.queries, case.log.gradients)
        adversarial, clean_decision, decision, proposed, queries, gradients = (
            part.cpu().numpy() for part in rest
        )
        return Crafted(
            clean=case.x.cpu().numpy(),
            adversarial=adversarial,
            clean_decision=clean_decision,
            adversarial_decision=decision,
            raw=proposed,
            fooled=fooled,
            iterates=count,
            queries=queries,
            gradients=gradients,
            wanted=wanted,
        )

    def _check(self, target: Target, x: Tensor, y: Tensor, threat: Threat) -> None:
        header, shape = target.network.graph.header, target.shape
        if not isinstance(threat, self.threats):
            known = ", ".join(sorted(t.name for t in self.threats))
            msg = f"{self.name} is not defined for the threat {threat.name}; it is for {known}"
            raise InvalidInput(msg)
        timed = header.coding == "events"
        given = x.shape[1 + timed :]
        if not len(x) or given != shape or (timed and not x.shape[1]):
            axes = f"(T, {', '.join(map(str, shape))})" if timed else shape
            msg = f"clean samples have shape {tuple(x.shape)}; give at least one of shape {axes}"
            raise InvalidInput(msg)
        if threat.bounds[0] < header.bounds[0] or threat.bounds[1] > header.bounds[1]:
            raise InvalidInput(
                f"the threat's bounds {threat.bounds} exceed those of the model, {header.bounds}; "
                f"use {type(threat).__name__}.of(graph.header, epsilon)"
            )
        if timed and threat.levels is None and isinstance(threat, Linf | L2):
            raise InvalidInput(
                f"{threat.name} without levels gives fractions of events; state the levels of the "
                "counts in the header, or use the threat events"
            )
        if not torch.isfinite(x).all() or threat.outside(x).any():
            low, high = threat.bounds
            raise InvalidInput(
                f"clean samples must be finite, within {low:g}..{high:g} and on the sensor's grid; "
                f"they span {x.min():g}..{x.max():g}"
            )
        require_labels("labels", y.numpy(), x, target.classes)

    def _check_aim(self, target: Target, y: Tensor, wanted: Tensor | None) -> None:
        if wanted is None:
            return
        if not self.targetable:
            raise InvalidInput(f"{self.name} cannot aim at a class; leave wanted out")
        require_labels("wanted", wanted.numpy(), y, target.classes)
        if same := int((wanted == y).sum()):
            msg = f"wanted is the label of {same} sample(s), which nothing has to be done for"
            raise InvalidInput(msg)


@dataclass(frozen=True)
class GradientAttack(Attack):
    """Base of attacks with gradients.

    Attributes:
        gradient: Where they come from.
    """

    family: ClassVar[str] = "gradient"

    gradient: Estimator

    @property
    def estimator(self) -> Estimator:
        """Where gradients come from."""
        return self.gradient


def require_labels(what: str, values: Array, x: Tensor, classes: int | None = None) -> None:
    """Refuse what is not one whole number per sample, from 0, below the number of classes."""
    whole = np.issubdtype(values.dtype, np.integer) or np.issubdtype(values.dtype, np.bool_)
    fits = values.shape == tuple(x.shape[:1]) and whole
    top = classes if classes is not None else np.inf
    if not fits or ((values < 0) | (values >= top)).any():
        limit = "from 0" if classes is None else f"in 0..{classes - 1}"
        span = f" with range {values.min()}..{values.max()}" if values.size else ""
        raise InvalidInput(
            f"{what} must be {len(x)} numbers {limit}, "
            f"got {values.dtype} of shape {values.shape}{span}"
        )
