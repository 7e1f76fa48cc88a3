"""What a self-check found, as data that can be stored with an export."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Agreement = Literal["identical", "rounding", "systematic", "failed", "not run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """Where an export first parts from its model.

    Attributes:
        layer: Name of the node.
        step: From 0.
        sample: Of the check's inputs.
        neuron: Index within the population.
        spikes: What the export gave.
        expected: What the model gives.
        membrane: Of the model, before reset; None where it is not known.
        distance: Of that membrane to the threshold.
    """

    layer: str
    step: int
    sample: int
    neuron: tuple[int, ...]
    spikes: int
    expected: int
    membrane: float | None = None
    distance: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether an export computes what its model computes.

    Attributes:
        agreement: ``identical`` (every spike and score), ``rounding`` (they part only where a
            membrane lies within rounding error of its threshold, or in the last digits of a
            score), ``systematic`` (they part elsewhere), ``failed`` (it did not run to its end) or
            ``not run``.
        reason: In words, where the agreement needs them.
        target: What the export is for.
        against: Backend and rung that ran the model.
        versions: Of the libraries that ran the export.
        samples: Inputs shown.
        values: Spikes compared (one per neuron and step).
        differing: Of these.
        samples_differing: Inputs of which some spike or score differs.
        decisions_differing: Inputs of which the decision differs.
        largest_score_error: Over all scores.
        first: The first difference in time, or None.
    """

    agreement: Agreement
    reason: str = ""
    target: str = ""
    against: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    samples: int = 0
    values: int = 0
    differing: int = 0
    samples_differing: int = 0
    decisions_differing: int = 0
    largest_score_error: float = 0.0
    first: First | None = None

    @property
    def agrees(self) -> bool:
        """Whether nothing speaks against the export; one that was not run is not known to."""
        return self.agreement in {"identical", "rounding"}

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"versions": dict(self.versions)}

    def as_json(self) -> str:
        """The text that is stored with an export."""
        return json.dumps(self.as_dict(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Verdict":
        """The verdict that was stored."""
        values = json.loads(text)
        if values["first"] is not None:
            first = values["first"]
            values["first"] = First(**first | {"neuron": tuple(first["neuron"])})
        return cls(**values)

    def __str__(self) -> str:
        if self.agreement == "not run":
            return f"self-check not run: {self.reason}"
        if self.agreement == "failed":
            return f"self-check failed: {self.reason}"
        text = (
            f"self-check: {self.agreement}; {self.differing} of {self.values} spikes differ, in "
            f"{self.samples_differing} of {self.samples} samples; {self.decisions_differing} "
            f"decision(s) and scores by up to {self.largest_score_error:.3g}"
        )
        if self.first is not None:
            at = self.first
            text += (
                f"; first at {at.layer}, step {at.step}, neuron {at.neuron}: {at.spikes} "
                f"spike(s), expected {at.expected}"
            )
            if at.distance is not None:
                text += f", membrane {at.membrane:.9g}, {at.distance:.3g} from the threshold"
        return text + (f" ({self.reason})" if self.reason else "")


def not_run(reason: str, target: str = "") -> Verdict:
    """The verdict on an export that could not be checked here."""
    return Verdict(agreement="not run", reason=reason, target=target)
