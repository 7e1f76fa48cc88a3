"""Every error this package raises on purpose.

A message names the thing, the value, the limit and the way out:
``fc1: weight needs 9 bits, loihi2 allows 8; lower with weight_bits=8``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar


def listed(things: Iterable[object]) -> str:
    """One line for each thing, as messages list them."""
    return "\n".join(f"  - {thing}" for thing in things)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that has no exact form where it is to go; printed as a sentence.

    Attributes:
        node: Name of the node, or number of a file's layer; None for the whole.
        code: Short name of the reason, for programs.
        why: What is found there, for people.
        way_out: How to avoid it; empty where ``why`` says it.
    """

    node: str | int | None
    code: str
    why: str
    way_out: str = ""

    def __str__(self) -> str:
        where = "" if self.node is None else f"{self.node}: "
        return f"{where}{self.why}{f'; {self.way_out}' if self.way_out else ''}"


def grouped(refusals: Iterable[Refusal], noun: str = "") -> str:
    """One line for each reason, with all nodes that share it, in the order of their first.

    Args:
        refusals: Any, of any nodes.
        noun: Before the names of the nodes, as ``layer`` where these are numbers.
    """
    places: dict[tuple[str, str, str], list[str]] = {}
    for refusal in refusals:
        same = places.setdefault((refusal.code, refusal.why, refusal.way_out), [])
        if refusal.node is not None and str(refusal.node) not in same:
            same.append(str(refusal.node))
    lines = []
    for reason, named in places.items():
        before = f"{noun}{'s' if len(named) > 1 else ''} " if noun and named else ""
        lines.append(Refusal(before + ", ".join(named) if named else None, *reason))
    return listed(lines)


class NeurorobustError(Exception):
    """Base of all errors raised on purpose; the command line prints it without a traceback."""

    exit_code: ClassVar[int] = 2
    """Of a command that it ends: 2, it could not be done; 1, it could, and the answer is no."""


class InvalidModel(NeurorobustError):
    """A Graph or Program that breaks its own rules; carries all faults, not only the first."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(f"{len(self.faults)} fault(s) in the model:\n{listed(self.faults)}")


class InvalidInput(NeurorobustError):
    """A value given by the caller is out of range, of the wrong shape or not finite."""


class InvalidFile(NeurorobustError):
    """A file that is missing, truncated, of another format, or altered."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path = Path(path)
        super().__init__(f"{path}: {reason}")


class Refused(NeurorobustError):
    """A model that has no exact form where it is to go.

    Attributes:
        refusals: Every reason, as the message lists them.
    """

    exit_code = 1

    def __init__(self, message: str, refusals: Iterable[Refusal] = ()) -> None:
        self.refusals = tuple(refusals) or (Refusal(None, "", message),)
        super().__init__(message)


class LowerError(Refused):
    """A Graph that has no exact form on the target of lowering."""


class ProfileError(NeurorobustError):
    """A hardware profile that is unknown or breaks its schema."""


class BackendUnavailable(NeurorobustError):
    """A backend that is unknown, not installed, or whose environment is not built."""


class Unsupported(Refused):
    """A backend was asked for something that it cannot run exactly."""


class WorkerError(NeurorobustError):
    """Something went wrong in, or on the way to, an out-of-process backend."""


class WorkerCrashed(WorkerError):
    """The worker process ended without an answer; carries its exit code and last log lines."""


class WorkerTimeout(WorkerError):
    """The worker did not answer in time and was killed with its whole process group."""


class RemoteError(WorkerError):
    """The worker reported an exception; its traceback is attached."""


class EnvironmentBuildError(NeurorobustError):
    """A worker environment could not be built or failed its health check."""
