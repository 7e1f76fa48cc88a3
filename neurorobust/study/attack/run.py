"""Many attacks on one network: every attack at every radius, frozen, and the worst case of all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurorobust.attacks.request import Crafter, Request
from neurorobust.attacks.sets import AttackSet, craft
from neurorobust.attacks.target import EOT, VOTES, Scored
from neurorobust.attacks.threats import Threat
from neurorobust.data import Samples
from neurorobust.methods import spelling
from neurorobust.metrics.intervals import Proportion
from neurorobust.metrics.success import Right, conditional
from neurorobust.progress import Silent, Stages
from neurorobust.study.results import begin
from neurorobust.study.stages import Clock

MANIFEST = "attacks.json"


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One attack at one radius.

    Attributes:
        attacks: The frozen set.
        reused: Whether it was there already.
        wall_s: How long it took.
    """

    attacks: AttackSet
    reused: bool
    wall_s: float

    @property
    def name(self) -> str:
        """The attack with its unusual parameters."""
        return spelling(self.attacks.request["attack"])

    @property
    def gradient(self) -> str:
        """The estimator with its unusual parameters."""
        return spelling(self.attacks.request["gradient"])

    @property
    def success(self) -> Proportion:
        """Wrong under attack, of the samples right when clean."""
        outcomes = self.attacks.outcomes
        return conditional(outcomes.clean, outcomes.attacked)

    @property
    def accuracy(self) -> Proportion:
        """Right under attack, of all samples."""
        right = self.attacks.outcomes.clean & self.attacks.outcomes.attacked
        return Proportion(int(right.sum()), len(right))

    def row(self) -> dict[str, Any]:
        """Everything countable, as JSON values."""
        attacks, found = self.attacks, self.success
        low, high = found.interval
        mean = {
            key: None if (value := getattr(attacks, key)) is None else float(value.mean())
            for key in ("queries", "gradients")
        }
        return {
            "attack": self.name,
            "gradient": self.gradient,
            "knowledge": str(attacks.knowledge),
            "threat": attacks.threat.name,
            "epsilon": attacks.epsilon,
            "samples": len(attacks.label),
            "right": found.n,
            "fooled": found.count,
            "success": found.rate,
            "success_low": low,
            "success_high": high,
            "accuracy": self.accuracy.rate,
            **mean,
            "reused": self.reused,
            "wall_s": self.wall_s,
            "set": attacks.content_hash,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Attacked:
    """What was crafted.

    Attributes:
        network: What was attacked.
        samples: On what.
        trials: By radius, then attack.
    """

    network: Scored
    samples: Samples
    trials: tuple[Trial, ...]

    @property
    def withstood(self) -> Mapping[float, Right]:
        """Samples right when clean and under every attack, bool (B,), by radius."""
        found: dict[float, Right] = {}
        for trial in self.trials:
            outcomes, at = trial.attacks.outcomes, trial.attacks.epsilon
            found[at] = found.get(at, outcomes.clean) & outcomes.attacked
        return dict(sorted(found.items()))

    @property
    def worst(self) -> Mapping[float, Proportion]:
        """How many withstood every attack, of all samples, by radius."""
        return {at: Proportion(int(w.sum()), len(w)) for at, w in self.withstood.items()}


def attack_all(
    crafters: Sequence[Crafter],
    threats: Sequence[Threat],
    network: Scored,
    samples: Samples,
    *,
    folder: Path,
    stages: Stages = Silent(),  # noqa: B008  # it holds nothing
    seed: int = 0,
    eot: int = EOT,
    votes: int = VOTES,
) -> Attacked:
    """Craft every attack at every radius; what the folder holds already is reused.

    Args:
        crafters: Attacks and ensembles.
        threats: One per radius.
        network: What is attacked.
        samples: On what.
        folder: Where sets are kept.
        stages: Told about progress; silent by default.
        seed: Of everything random.
        eot: Draws per gradient, where the coding is stochastic.
        votes: Draws per decision, where the coding is stochastic.

    Raises:
        InvalidFile: if the folder cannot be written or holds a damaged set.
    """
    begin(folder, MANIFEST)
    made, clock = [], Clock(stages)
    for threat in threats:
        request = Request(
            network,
            samples.values,
            samples.labels,
            threat,
            seed=seed,
            sample=samples.sample,
            eot=eot,
            votes=votes,
        )
        for crafter in crafters:
            what = f"{crafter.name} {crafter.gradient_record()['name']}"
            with clock.stage(f"{what}, {threat.name} {threat.epsilon:.4g}") as progress:
                attacks, reused = craft(crafter, request, folder, progress=progress)
            made.append(Trial(attacks, reused, clock.rows[-1]["wall_s"]))
    return Attacked(network, samples, tuple(made))
