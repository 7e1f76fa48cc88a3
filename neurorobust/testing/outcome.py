"""Checks by name, and what comes of running one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from neurorobust.backends import Backend, Rung
from neurorobust.testing.trial import Skipped, Trial

Law = Callable[[Trial], None]
Status = Literal["passed", "skipped", "failed"]

CHECKS: dict[str, "Check"] = {}
"""All checks of the suite by name, in the order of the table."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check found on one rung of one backend.

    Attributes:
        status: ``passed``, ``skipped`` or ``failed``.
        detail: The reason of a skip, or the located first difference of a failure.
        runs: Number of networks that were run and compared.
        notes: Networks left out with their reason, and differences within a declared deviation.
        error: The exception behind a failure.
    """

    status: Status
    detail: str = ""
    runs: int = 0
    notes: tuple[str, ...] = ()
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One law, checked deterministically on any backend.

    Attributes:
        name: ``family/law``.
        rungs: Rungs on which the law means something.
        law: Raises AssertionError where the backend breaks it. Its docstring states it.
    """

    name: str
    rungs: tuple[Rung, ...]
    law: Law

    @property
    def statement(self) -> str:
        """The law in one sentence."""
        return (self.law.__doc__ or "").split("\n\n")[0].strip()

    def run(self, backend: Backend, rung: Rung) -> Outcome:
        """Run the check; whatever goes wrong inside the backend is a failure, never an error here.

        A check that consists of several networks passes on those that the backend can run and
        notes the others; it is skipped when none can be run.
        """
        if rung not in self.rungs:
            return Outcome("skipped", f"a law of the rungs {', '.join(self.rungs)}")
        capabilities = backend.capabilities()
        if rung not in capabilities.rungs:
            reason = capabilities.missing_rungs.get(rung, "not offered")
            return Outcome("skipped", f"rung {rung!r}: {reason}")
        trial = Trial(backend, rung)
        try:
            self.law(trial)
        except Skipped as skip:
            return Outcome("skipped", str(skip), trial.runs, tuple(trial.notes))
        except Exception as error:  # noqa: BLE001 - a crash of a backend is a finding
            kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            return Outcome("failed", f"{kind}{error}", trial.runs, tuple(trial.notes), error)
        if not trial.runs and trial.notes:
            return Outcome("skipped", trial.notes[0], 0, tuple(trial.notes))
        return Outcome("passed", "", trial.runs, tuple(trial.notes))


def check(name: str, *rungs: Rung) -> Callable[[Law], Law]:
    """Register a law under a name, for the given rungs."""

    def register(law: Law) -> Law:
        if name in CHECKS:
            raise ValueError(f"two checks are named {name!r}")
        CHECKS[name] = Check(name, rungs, law)
        return law

    return register
