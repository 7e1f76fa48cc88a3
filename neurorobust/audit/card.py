"""What an audit found: one finding per check, and the card that gathers them."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from neurorobust.metrics import Proportion

HELD = frozenset({"C5", "C6", "C7", "C8", "C9", "C10", "C11", "C12", "C19", "C20"})
"""Checks that hold the attack against something; without any, its number is worth nothing."""

Evidence = Mapping[str, Any]
"""Numbers, texts, and lists and mappings of them, as JSON has them."""


class Status(StrEnum):
    """How a check ended."""

    GREEN = "green"
    """Nothing found."""
    AMBER = "amber"
    """To be known when the number is read."""
    RED = "red"
    """The number does not mean what it says."""
    NOT_APPLICABLE = "not applicable"
    """Something that the check needs is not there."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a check saw.

    Attributes:
        status: How it ended.
        summary: One sentence with the deciding numbers.
        evidence: All numbers.
    """

    status: Status
    summary: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Finding:
    """One check on one evaluation.

    Attributes:
        id: ``C1`` to ``C22``.
        title: What is checked.
        trigger: What sets it off.
        status: How it ended.
        summary: One sentence with the deciding numbers.
        evidence: All numbers.
        remedy: What to do if it was set off.
    """

    id: str
    title: str
    trigger: str
    status: Status
    summary: str
    evidence: Evidence
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """Success at one radius.

    Attributes:
        epsilon: The radius.
        attack: Samples broken by the attack under audit.
        noise: Highest mean share of samples broken by any kind of noise.
    """

    epsilon: float
    attack: Proportion
    noise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationCard:
    """All findings on one evaluation, and its number, unless a check withholds it.

    Attributes:
        subject: Name of the model.
        content_hash: Of the model, if it has one.
        threat: Record of the threat.
        attack: Record of the attack under audit.
        gradients: Names of the gradients under audit.
        samples: Samples of the slice.
        right: Of these, decided rightly when clean.
        survived: Of these, broken by nothing that was run at this radius.
        by_attack: Right samples broken, by what broke them.
        ladder: Success over the radius.
        findings: In the order of their ids.
        seed: Of everything random.
        wall_s: How long the audit took.
    """

    subject: str
    content_hash: str
    threat: Mapping[str, Any]
    attack: Mapping[str, Any]
    gradients: tuple[str, ...]
    samples: int
    right: int
    survived: int
    by_attack: Mapping[str, Proportion]
    ladder: tuple[Rung, ...]
    findings: tuple[Finding, ...]
    seed: int
    wall_s: float

    def of(self, status: Status) -> tuple[Finding, ...]:
        """Findings that ended so."""
        return tuple(finding for finding in self.findings if finding.status is status)

    def __getitem__(self, check: str) -> Finding:
        """The finding of a check by its id."""
        return next(finding for finding in self.findings if finding.id == check)

    @property
    def ok(self) -> bool:
        """Whether no check is red."""
        return not self.of(Status.RED)

    @property
    def headline(self) -> Proportion | None:
        """Accuracy in the worst case over all that was run; None if a check withholds it."""
        return None if self.withheld else Proportion(self.survived, self.samples)

    @property
    def doubt(self) -> str:
        """Why there is no headline; empty if there is one."""
        if reds := [f"{finding.id} {finding.title}" for finding in self.of(Status.RED)]:
            return ", ".join(reds)
        held = any(f.id in HELD and f.status is not Status.NOT_APPLICABLE for f in self.findings)
        return "" if held else "no check held the attack against anything"

    @property
    def withheld(self) -> str:
        """The same, in place of the headline."""
        return self.doubt and f"withheld: {self.doubt}"

    def as_json(self) -> dict[str, Any]:
        """The card in what JSON has; numbers that are not finite become None."""
        told = {
            "subject": self.subject,
            "content_hash": self.content_hash,
            "threat": dict(self.threat),
            "attack": dict(self.attack),
            "gradients": list(self.gradients),
            "samples": self.samples,
            "right": self.right,
            "headline": _rate(self.headline),
            "withheld": self.withheld,
            "by_attack": {name: _rate(found) for name, found in self.by_attack.items()},
            "ladder": [
                {"epsilon": r.epsilon, "attack": _rate(r.attack), "noise": r.noise}
                for r in self.ladder
            ],
            "findings": [asdict(finding) for finding in self.findings],
            "seed": self.seed,
            "wall_s": self.wall_s,
        }
        plain: dict[str, Any] = _plain(told)
        return plain


def _rate(found: Proportion | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "count": found.count,
        "n": found.n,
        "rate": found.rate,
        "interval": list(found.interval),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Status):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
