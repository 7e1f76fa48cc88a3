"""What is known from elsewhere: cases a profile must reproduce, deployments, defects."""

from typing import Literal, Self

from pydantic import Field, model_validator

from neurorobust.chips.leaf import Figure, Strict


class ReferenceCase(Strict):
    """A published number that the profile must reproduce; the tests run every one.

    Attributes:
        name: Short.
        kind: ``wall`` and ``rule`` evaluate the constraint ``of`` at ``given``; ``power`` adds
            static power and dynamic energy per second; ``spikes`` runs one neuron on a recording.
        of: Name of the constraint.
        given: Values of the names in it.
        data: Recording, for ``spikes``.
        expect: The number, or the steps of the spikes.
        unit: Of it.
        tolerance: Largest relative deviation; 0 is exact.
        source: Key into sources.
    """

    name: str
    kind: Literal["wall", "rule", "power", "spikes"]
    of: str = ""
    given: dict[str, float] = Field(default_factory=dict)
    data: list[str] = Field(default_factory=list)
    expect: float | list[int]
    unit: str
    tolerance: float = 0.0
    source: str

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.kind in ("wall", "rule")) != bool(self.of):
            raise ValueError("of names the constraint of a wall or rule, and of nothing else")
        if (self.kind == "spikes") != bool(self.data):
            raise ValueError("data names the recording of a case of spikes, and of nothing else")
        return self


class Deployment(Strict):
    """Somebody ran a network on the chip and published numbers.

    Attributes:
        task: What it decides.
        network: What ran.
        source: Key into sources.
        boundary: What the energy includes; ``unstated`` where the source does not say.
        figures: Numbers by name.
    """

    task: str
    network: str = ""
    source: str
    boundary: str
    figures: dict[str, Figure]


class Issue(Strict):
    """Something that surprises: an erratum, a defect of a tool, a trap in a source."""

    id: str
    what: str
    source: str
