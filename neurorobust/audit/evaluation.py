"""What is audited: a model, the gradients and the attack it was evaluated with, and its records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from neurorobust.attacks import Attack, Pgd, Threat
from neurorobust.engine.estimators import Estimator
from neurorobust.ir import Array

MakeAttack = Callable[[Estimator], Attack]
"""An attack class, or a function that binds its parameters: ``partial(Pgd, steps=20)``."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Reported:
    """What an evaluation made elsewhere found at one radius, in the order of the samples.

    Attributes:
        epsilon: The radius.
        adversarial: The samples it returned, (B, ...).
        fooled: Where it says that it succeeded, bool (B,), if it says so.
    """

    epsilon: float
    adversarial: Array
    fooled: Array | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Replay:
    """A backend to which the attacks were carried.

    Attributes:
        name: Of the backend.
        decision: Its decisions on the clean samples, (B,).
        weights: Content hash of the model it ran, if known.
        steps: Time steps it ran, if known.
        inputs: The clean samples it was given, (B, ...), if known.
        coding_seed: Seed of its spike encoder, if it has one.
    """

    name: str
    decision: Array
    weights: str = ""
    steps: int | None = None
    inputs: Array | None = None
    coding_seed: int | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Evaluation:
    """How a model was evaluated.

    Attributes:
        x: Clean samples, (B, ...).
        y: Labels, (B,).
        threat: What the attacker may do.
        attack: The attack under audit.
        sample: Index of each sample in its data set, (B,).
        seed: Of everything random.
        reported: Results of an evaluation made elsewhere; without them the attack is run here.
        replays: Backends to which attacks were carried.
        split: Name of the split that the samples are of.
        tuned_on: Split on which anything was tuned, besides what estimators record.
        storage_levels: Values per input that the stored samples can have; None takes those of the
            threat.
        coding_seed: Seed of the spike encoder, for comparison with replays.
        queries: Of the gradient-free attack.
    """

    x: Array
    y: Array
    threat: Threat
    attack: MakeAttack = Pgd
    sample: Array = field(default_factory=lambda: np.empty(0, np.int64))
    seed: int = 0
    reported: Sequence[Reported] = ()
    replays: Sequence[Replay] = ()
    split: str = "test"
    tuned_on: str | None = None
    storage_levels: int | None = None
    coding_seed: int | None = None
    queries: int = 1000
