"""A cell: one step of a study as a frozen value, whose hash is its place in the store.

What decides a result is in the hash, and nothing else: not the machine, the number of processes,
the name of the study, or where files lie. A cell that takes the result of another names it by key.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

from neurorobust.ir.identity import canonical_json

Kind = Literal["fit", "lower", "craft", "replay", "audit"]
KINDS: tuple[Kind, ...] = ("fit", "lower", "craft", "replay", "audit")
REVISIONS: Mapping[Kind, int] = {"fit": 1, "lower": 1, "craft": 1, "replay": 1, "audit": 1}
"""Raised when the same cell gives another result, so that stored ones are not mistaken."""
Status = Literal["done", "refused", "unavailable", "failed"]
"""``refused`` is a result: there is no exact form. ``unavailable`` may change with the machine, and
``failed`` is a fault, an end by force, or too little memory or time."""


@dataclass(frozen=True)
class Cell:
    """One step.

    Attributes:
        kind: What is done.
        decided: Everything that decides the result, as JSON values.
        needs: Keys of cells without whose results it cannot begin.
        after: Keys of cells that it waits for and uses where they came to a result.
        using: How it is made, where ``decided`` does not say: names as they were spelled.
        row: What tables say of it; decides nothing.
        what: For people.
        group: Cells of one group share a compiled model, so one process does best to take them.
        wants: What a process must have to run it, as ``backend:lava``, which runs one at a time.
        estimate_s: Seconds of one core that it may take.
    """

    kind: Kind
    decided: Mapping[str, Any]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    using: Mapping[str, Any] = field(default_factory=dict)
    row: Mapping[str, Any] = field(default_factory=dict)
    what: str = ""
    group: str = ""
    wants: tuple[str, ...] = ()
    estimate_s: float = 0.0

    @cached_property
    def key(self) -> str:
        """The first 16 hexadecimal digits of the hash of what decides the result."""
        content = {"kind": self.kind, "revision": REVISIONS[self.kind], **self.decided}
        return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:16]

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "Cell":
        """What ``as_json`` gave."""
        lists = {name: tuple(said[name]) for name in ("needs", "after", "wants")}
        return cls(**{**said, **lists})
