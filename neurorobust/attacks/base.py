"""What every attack is: subclasses propose, the base legalises and measures."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from neurorobust.attacks.case import Case
from neurorobust.attacks.crafted import Crafted
from neurorobust.attacks.draws import Draws
from neurorobust.attacks.knowledge import Knowledge
from neurorobust.attacks.parts import Parts
from neurorobust.attacks.target import EOT, VOTES, Scored, Target
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


class Attack(ABC):
    """Hyper-parameters in the constructor, data in the call."""

    name: ClassVar[str]
    revision: ClassVar[int] = 1
    """Raised when the same request gives other samples, so that stored sets are not mistaken."""
    threats: tuple[type[Threat], ...] = (Linf, L2)
    """Threat models the attack is defined for."""
    targetable: bool = True
    """Whether it can aim at a wanted class."""
    knowledge: Knowledge = Knowledge.WHITE_BOX
    """What it needs to know of the model it is crafted on."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in vars(cls):
            ATTACKS[cls.name] = cls

    @property
    @abstractmethod
    def estimator(self) -> Estimator | None:
        """Where gradients come from; None for an attack without."""

    @abstractmethod
    def parameters(self) -> Mapping[str, Any]:
        """Everything that changes the result besides model, data, threat and seed."""

    def gradient_record(self) -> dict[str, Any]:
        """The estimator with its parameters, for records and cache keys."""
        return {"name": "none"} if self.estimator is None else self.estimator.describe()

    @abstractmethod
    def propose(self, case: Case) -> Tensor:
        """Adversarial candidates for the case's samples (B, ...); they need not be on the grid.

        What is looked at by ``case.see`` is recorded. Random numbers come from ``case.draws``.
        """

    @final
    def __call__(
        self,
        network: Scored,
        x: Array,
        y: Array,
        threat: Threat,
        *,
        seed: int = 0,
        sample: Array | None = None,
        wanted: Array | None = None,
        eot: int = EOT,
        votes: int = VOTES,
        parts: Parts | None = None,
        progress: Progress | None = None,
    ) -> Crafted:
        """Attack all samples.

        Args:
            network: The surrogate, or for attacks without gradients a queried backend.
            x: Clean samples within the bounds and on the sensor's grid: (B, ...), or (B, T, ...)
                for a model that takes events.
            y: Labels, (B,).
            threat: What the attacker may do.
            seed: Of everything random, from 0.
            sample: Index of each sample in its data set, (B,); positions by default. A sample's
                result depends on seed and index, not on batches, order or the other samples.
            wanted: Classes to reach, (B,); None for any other than the label.
            eot: Draws per gradient, where the coding is stochastic.
            votes: Draws per decision, where the coding is stochastic.
            parts: Where finished batches are kept, and found again after an interruption.
            progress: Called as ``(attack, done, total)`` with the samples that are finished.

        Raises:
            InvalidInput: for a threat the attack is not defined for, no samples, samples of another
                shape or outside the bounds, labels out of range, or an estimator whose forward pass
                differs from inference.
        """
        target = Target(network, self.estimator, eot=eot, votes=votes)
        # In double precision whatever the network's: single would leave the ball by rounding.
        clean = torch.as_tensor(x).to(network.like.device, torch.float64)
        labels = torch.as_tensor(y)
        ends = None if wanted is None else torch.as_tensor(wanted)
        index = np.arange(len(clean)) if sample is None else np.asarray(sample)
        self._check(target, clean, labels, threat)
        self._check_aim(target, labels, ends)
        _require_labels("sample", index, clean)
        clean = threat.legalise(clean, clean)  # single-precision data lie beside the grid
        if self.estimator is not None and isinstance(network, Network):
            stimulus = target.present(clean[:8], Draws(seed, index[:8]), crafting=True)
            steps = stimulus.shape[1] if target.coding == "events" else target.steps
            assert_forward_identity(self.estimator, network, stimulus, steps)
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
                draws=Draws(seed, index[rows]),
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
            msg = (
                f"the threat's bounds {threat.bounds} exceed those of the model, {header.bounds}; "
                f"use {type(threat).__name__}.of(graph.header, epsilon)"
            )
            raise InvalidInput(msg)
        if timed and threat.levels is None and isinstance(threat, Linf | L2):
            msg = (
                f"{threat.name} without levels gives fractions of events; state the levels of the "
                "counts in the header, or use the threat events"
            )
            raise InvalidInput(msg)
        if not torch.isfinite(x).all() or threat.outside(x).any():
            low, high = threat.bounds
            msg = (
                f"clean samples must be finite, within {low:g}..{high:g} and on the sensor's grid; "
                f"they span {x.min():g}..{x.max():g}"
            )
            raise InvalidInput(msg)
        _require_labels("labels", y.numpy(), x, target.classes)

    def _check_aim(self, target: Target, y: Tensor, wanted: Tensor | None) -> None:
        if wanted is None:
            return
        if not self.targetable:
            msg = f"{self.name} cannot aim at a class; leave wanted out"
            raise InvalidInput(msg)
        _require_labels("wanted", wanted.numpy(), y, target.classes)
        if same := int((wanted == y).sum()):
            msg = f"wanted is the label of {same} sample(s), which nothing has to be done for"
            raise InvalidInput(msg)


class GradientAttack(Attack):
    """Base of attacks with an estimator.

    Args:
        gradient: The estimator.
    """

    def __init__(self, gradient: Estimator) -> None:
        self._estimator = gradient

    @property
    def estimator(self) -> Estimator:
        """Where gradients come from."""
        return self._estimator


def record(attack: Attack) -> dict[str, Any]:
    """Name, revision and parameters of an attack, with its estimator, as part of another."""
    own = {"name": attack.name, "revision": attack.revision, **attack.parameters()}
    return own | {"gradient": attack.gradient_record()}


def _require_labels(what: str, values: Array, x: Tensor, classes: int | None = None) -> None:
    whole = np.issubdtype(values.dtype, np.integer) or np.issubdtype(values.dtype, np.bool_)
    fits = values.shape == tuple(x.shape[:1]) and whole
    top = classes if classes is not None else np.inf
    if not fits or ((values < 0) | (values >= top)).any():
        limit = "from 0" if classes is None else f"in 0..{classes - 1}"
        span = f" with range {values.min()}..{values.max()}" if values.size else ""
        msg = (
            f"{what} must be {len(x)} numbers {limit}, "
            f"got {values.dtype} of shape {values.shape}{span}"
        )
        raise InvalidInput(msg)
