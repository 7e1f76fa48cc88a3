"""A finding, and a rule that yields findings of one kind."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from neurorobust.formats.netx.lint.case import Case

Severity = Literal["error", "warning", "note"]
Seen = Iterable[tuple[int | None, str]]
"""Layers (None for the file) and what is seen there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that goes wrong, or is good to know.

    Attributes:
        code: Its kind.
        severity: ``error`` (the network computes something else), ``warning`` (it does under common
            circumstances) or ``note``.
        layer: Number of the layer, None for the file as a whole.
        message: What happens, with the numbers of this file.
        avoid: How to avoid it.
    """

    code: str
    severity: Severity
    layer: int | None
    message: str
    avoid: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Looks for findings of one kind.

    Attributes:
        code: The kind.
        severity: Of all its findings.
        avoid: How to avoid them.
        look: Yields what is seen in a case.
    """

    code: str
    severity: Severity
    avoid: str
    look: "Callable[[Case], Seen]"

    def findings(self, case: "Case") -> list[Finding]:
        """What this rule finds in a case."""
        return [
            Finding(self.code, self.severity, layer, message, self.avoid)
            for layer, message in self.look(case)
        ]


def rule(
    code: str, severity: Severity, *, avoid: str
) -> "Callable[[Callable[[Case], Seen]], Rule]":
    """Make a rule of a function that yields what it sees."""
    return lambda look: Rule(code, severity, avoid, look)
