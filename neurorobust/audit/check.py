"""A check: an id, what sets it off, what to do then, and the function that looks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neurorobust.audit.card import Finding, Seen, Status
from neurorobust.errors import InvalidInput, Unsupported

if TYPE_CHECKING:
    from neurorobust.audit.bench import Bench


@dataclass(frozen=True, slots=True)
class Check:
    """One of C1 to C22.

    Attributes:
        number: Of 22.
        title: What is checked.
        trigger: What sets it off.
        remedy: What to do then.
        look: The function.
        attacks: Whether it needs a usable gradient and a ball to attack in.
    """

    number: int
    title: str
    trigger: str
    remedy: str
    look: "Callable[[Bench], Seen]"
    attacks: bool

    @property
    def id(self) -> str:
        """``C1`` to ``C22``."""
        return f"C{self.number}"

    def __call__(self, bench: "Bench") -> Finding:
        """Look at an evaluation."""
        seen = self._seen(bench)
        told = (seen.status, seen.summary, seen.evidence)
        return Finding(self.id, self.title, self.trigger, *told, self.remedy)

    def _seen(self, bench: "Bench") -> Seen:
        if self.attacks and not bench.ball:
            return absent(f"defined in a ball, the threat is {bench.threat.name}")
        if self.attacks and not bench.usable:
            return absent("no gradient is left to attack with; see C2 and C3")
        try:
            return self.look(bench)
        except Unsupported as error:
            return absent(str(error))
        except InvalidInput as error:
            return Seen(Status.RED, f"stopped: {error}", {"error": str(error)})


def check(
    number: int, title: str, *, trigger: str, remedy: str, attacks: bool = False
) -> "Callable[[Callable[[Bench], Seen]], Check]":
    """Make a check of a function."""
    return lambda look: Check(number, title, trigger, remedy, look, attacks)


def absent(reason: str) -> Seen:
    """Not applicable, and why."""
    return Seen(Status.NOT_APPLICABLE, reason, {})


def worst(statuses: list[Status]) -> Status:
    """Red before amber before green; not applicable only if all are."""
    for status in (Status.RED, Status.AMBER, Status.GREEN):
        if status in statuses:
            return status
    return Status.NOT_APPLICABLE


def percent(rate: float) -> str:
    """A share for a sentence: ``12.5 %``."""
    return f"{100 * rate:.1f} %"


def mean(values: Any) -> float:
    """The mean as a number of Python; 0 of nothing."""
    return float(values.mean()) if len(values) else 0.0
