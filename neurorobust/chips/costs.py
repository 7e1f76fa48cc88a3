"""What a run costs on a chip: energy and latency as formulas over sourced figures."""

from typing import Literal, Self

from pydantic import Field, model_validator

from neurorobust.chips.facts import NETWORK, RUN
from neurorobust.chips.leaf import Leaf, Strict
from neurorobust.chips.rules import known

_COUNTS = set(RUN) | set(NETWORK)


class Law(Strict):
    """A formula and the figures in it.

    Attributes:
        use: Formula over counts of a run and ``figures``, in SI units; None if none is published.
        figures: By name.
        band: Factors on the result between which the truth is believed to lie.
        valid: Where the law holds.
        why: Why there is no formula.
    """

    use: str | None = None
    figures: dict[str, Leaf] = Field(default_factory=dict)
    band: tuple[float, float] = (1.0, 1.0)
    valid: str = ""
    why: str = ""

    @model_validator(mode="after")
    def _resolves(self) -> Self:
        if clash := sorted(_COUNTS & set(self.figures)):
            raise ValueError(f"figures named like counts: {', '.join(clash)}")
        if self.use is None:
            if not self.why:
                raise ValueError("has no formula: say why")
        else:
            known(self.use, _COUNTS | set(self.figures))
        return self


class Alternative(Law):
    """Another set of figures for the same thing; its result widens the span.

    Attributes:
        name: Of the set.
    """

    name: str


class Energy(Strict):
    """Energy of a run.

    Attributes:
        boundary: What the figures include: cores, rails, board.
        static: Power of a chip that does nothing.
        dynamic: Energy of a sample beyond that.
        alternatives: Further sets for ``dynamic``.
        average_only: Averages at one operating point; shown, never summed.
    """

    boundary: str
    static: Leaf
    dynamic: Law
    alternatives: list[Alternative] = Field(default_factory=list)
    average_only: dict[str, Leaf] = Field(default_factory=dict)


class Timing(Strict):
    """Duration of a run.

    Attributes:
        latency: Of a sample, or of an event.
        of: ``sample`` if the latency is that of a whole sample, from its first step on; ``event``
            if it is the time from an event to its consequence, while the sample runs in real time.
        figures: Further durations, for the reader.
    """

    latency: Law
    of: Literal["sample", "event"] = "sample"
    figures: dict[str, Leaf] = Field(default_factory=dict)
