"""What a hardware profile says: numbers with unit, source and evidence, or why none."""

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from neurorobust.chips.arithmetic import Arithmetic
from neurorobust.chips.costs import Energy, Timing
from neurorobust.chips.leaf import Dispute, Leaf, Source, Strict
from neurorobust.chips.records import Deployment, Issue, ReferenceCase
from neurorobust.chips.rules import Placement, Rule


class Profile(Strict):
    """A target of lowering and of checks: one revision of one chip.

    Attributes:
        schema_: Version of this schema.
        id: Short name, as in ``--profile``.
        name: For people.
        revision: What exactly is described, and the state of its tools.
        sources: By key.
        arithmetic: What the target computes with.
        facts: Figures for the reader that no rule uses.
        rules: What a network must obey.
        placement: How it is spread over cores; absent for a target without cores.
        energy: Energy of a run.
        timing: Duration of a run.
        disputed: Figures on which sources differ.
        reference_cases: Published numbers that the profile reproduces.
        deployments: Published runs.
        known_issues: Errata and traps.
    """

    schema_: Literal["neurorobust/hw-profile/1"] = Field(alias="schema")
    id: str
    name: str
    revision: str = ""
    sources: dict[str, Source]
    arithmetic: Arithmetic
    facts: dict[str, Leaf] = Field(default_factory=dict)
    rules: list[Rule] = Field(default_factory=list)
    placement: Placement | None = None
    energy: Energy | None = None
    timing: Timing | None = None
    disputed: dict[str, Dispute] = Field(default_factory=dict)
    reference_cases: list[ReferenceCase] = Field(default_factory=list)
    deployments: list[Deployment] = Field(default_factory=list)
    known_issues: list[Issue] = Field(default_factory=list)

    @model_validator(mode="after")
    def _sources_resolve(self) -> Self:
        unknown = [
            f"{name} cites {source!r}"
            for name, source in citations(self, "")
            if source not in self.sources
        ]
        if unknown:
            raise ValueError(f"not in sources: {'; '.join(unknown)}")
        return self


def citations(part: object, name: str) -> Iterator[tuple[str, str]]:
    """Name and source of everything in a profile that cites one."""
    if isinstance(part, dict):
        for key, value in part.items():
            yield from citations(value, key)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from citations(value, name)
    elif isinstance(part, BaseModel):
        own = next((getattr(part, k) for k in ("constraint", "id", "task") if hasattr(part, k)), "")
        for key in type(part).model_fields:
            value = getattr(part, key)
            if key == "source" and isinstance(value, str):
                yield own or name, value
            elif key != "sources":
                label = own if key == "limit" else name if key == "values" else key
                yield from citations(value, label)
