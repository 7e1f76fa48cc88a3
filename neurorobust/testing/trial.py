"""What a check holds in its hands: one rung of one backend, with the honesty rules built in."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from neurorobust.backends import (
    Backend,
    Executable,
    Precision,
    Record,
    Rung,
    RunResult,
    Support,
    run,
)
from neurorobust.data import Stimulus
from neurorobust.errors import InvalidInput, Refusal, Unsupported
from neurorobust.ir import Array, Model
from neurorobust.testing.draws import random_stimulus
from neurorobust.testing.expected import Expected, assert_agrees, spike_dtype
from neurorobust.testing.random_networks import random_graph
from neurorobust.testing.random_programs import random_program


class Skipped(Exception):
    """The backend declares that it cannot run what a check needs."""


def records(support: Support) -> tuple[Record, ...]:
    """Everything a rung can record."""
    found: list[Record] = ["spikes"]
    if support.membrane:
        found.append("membrane")
    if support.overflows:
        found.append("overflows")
    return tuple(found)


class Trial:
    """Runs models on one rung of one backend.

    Two rules hold in every run, whatever the check is about: a refusal must be declared in the
    capabilities (and what is declared as a gap must be refused), and a deviation in the result
    must be declared as well.

    Attributes:
        backend: Under test.
        rung: Under test.
        support: What the backend declares about the rung.
        runs: Number of models run so far.
        notes: What was left out, and differences within a declared deviation.
    """

    def __init__(self, backend: Backend, rung: Rung) -> None:
        self.backend = backend
        self.rung = rung
        self.support = backend.capabilities().rungs[rung]
        self.runs = 0
        self.notes: list[str] = []

    @property
    def records(self) -> tuple[Record, ...]:
        """Everything the rung can record."""
        return records(self.support)

    @property
    def rounding(self) -> bool:
        """Whether the rung declares that it rounds otherwise, so that ties may fall otherwise."""
        return any(d.kind == "rounding" for d in self.support.deviations)

    def draw(self, seed: int, *, samples: int = 3, grid: bool = False) -> tuple[Model, Stimulus]:
        """A random model without anything that the rung declares as a gap, and a stimulus."""
        rng = np.random.default_rng(seed)
        avoid = tuple(self.support.gaps)
        model: Model
        if self.rung == "float":
            model = random_graph(rng, avoid=avoid, grid=grid)
        else:
            model = random_program(rng, avoid=avoid)
        return model, random_stimulus(rng, model, samples)

    @contextmanager
    def compiled(self, model: Model, precision: Precision = "double") -> Iterator[Executable]:
        """The compiled model, closed at the end.

        Raises:
            Skipped: if the backend refuses the model and declares why.
            AssertionError: if it refuses without declaring, or runs what it declares as a gap.
        """
        gaps = self.backend.capabilities().gaps(model, self.rung)
        try:
            executable = self.backend.compile(model, self.rung, precision=precision)
        except InvalidInput as refusal:
            # Double precision is the contract; a backend that has no other says so.
            if precision == "single":
                raise Skipped(str(refusal)) from refusal
            raise
        except Unsupported as refusal:
            assert_named(refusal, gaps)
            raise Skipped("; ".join(map(str, gaps))) from refusal
        try:
            listed = "; ".join(map(str, gaps))
            assert not gaps, f"compiles although the capabilities declare gaps: {listed}"
            yield executable
        finally:
            executable.close()

    def run(
        self, model: Model, stimulus: Stimulus, *, precision: Precision = "double"
    ) -> RunResult:
        """Compile, run once with all records, close."""
        with self.compiled(model, precision) as executable:
            return self.run_compiled(executable, stimulus)

    def run_compiled(self, executable: Executable, stimulus: Stimulus) -> RunResult:
        """Run with all records; every deviation must be declared."""
        result = executable.run(stimulus, record=self.records)
        self.runs += 1
        for deviation in result.deviations:
            assert deviation in self.support.deviations, (
                f"the run reports a deviation that the capabilities do not declare: '{deviation}'"
            )
        return result

    def expect(
        self,
        model: Model,
        stimulus: Stimulus,
        *,
        spikes: Mapping[str, Array] | None = None,
        membrane: Mapping[str, Array] | None = None,
        scores: Array | None = None,
        overflows: Mapping[str, tuple[Array, Array]] | None = None,
    ) -> None:
        """Run and compare with numbers that the check has worked out itself."""
        expected = Expected(
            {
                name: np.asarray(s, spike_dtype(model.nodes[name]))
                for name, s in (spikes or {}).items()
            },
            membrane or {},
            None if scores is None else np.asarray(scores, np.float64),
            overflows or {},
        )
        self.compare(model, expected, self.run(model, stimulus))

    def agree(self, model: Model, stimulus: Stimulus) -> None:
        """Run and compare everything with the reference."""
        result = self.run(model, stimulus)
        self.compare(model, reference_run(model, stimulus, self.rung), result)

    def compare(self, model: Model, expected: Expected, actual: RunResult) -> None:
        """Compare by the rules of ``assert_agrees`` and keep its notes."""
        self.notes += assert_agrees(model, expected, actual, rounding=self.rounding)

    def attempt(self, model: Model, stimulus: Stimulus) -> None:
        """``agree``, with a note instead of a skip where the backend cannot run the model."""
        with self.optional():
            self.agree(model, stimulus)

    @contextmanager
    def optional(self) -> Iterator[None]:
        """One of several networks of a check: a skip inside becomes a note."""
        try:
            yield
        except Skipped as skip:
            self.notes.append(f"left out: {skip}")


def assert_named(error: Unsupported, gaps: Sequence[Refusal]) -> None:
    """Whether an error carries all these refusals, and there is one."""
    assert gaps, f"refused without a gap in the capabilities: {error}"
    for gap in gaps:
        assert gap in error.refusals, f"the refusal does not say {str(gap)!r}: {error}"


def reference_run(model: Model, stimulus: Stimulus, rung: Rung) -> Expected:
    """What the golden model gives, with everything recorded."""
    record = records(Support(membrane=True, overflows=rung == "quantised"))
    return Expected.of(run(model, stimulus, backend="reference", rung=rung, record=record))
