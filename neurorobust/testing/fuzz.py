"""Random Programs on a backend against the reference, every value counted.

``python -m neurorobust.testing.fuzz --against torch --count 500 --seed 0``
"""

import argparse
import itertools
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rich.console import Console

from neurorobust.backends import Backend, RunResult, require_backend, run
from neurorobust.errors import BackendUnavailable
from neurorobust.ir import Array
from neurorobust.ir.fixed import STATE_LIMIT
from neurorobust.testing.draws import random_stimulus
from neurorobust.testing.expected import Expected
from neurorobust.testing.random_programs import random_program
from neurorobust.testing.trial import records, reference_run


@dataclass(slots=True)
class Tally:
    """What was compared.

    Attributes:
        programs: Number of Programs run.
        refused: Number of Programs the backend refused for a declared limit.
        spikes: Spike values compared, and how many differ.
        membranes: Membrane values compared, and how many differ.
        scores: Scores compared, and how many differ.
        overflows: Counters of overflows compared, and how many differ.
        fired: Spikes among the values compared; zero would make the comparison empty.
        saturated: Membranes at either end of their 24 bits.
        wrapped: Sums and currents that lost bits.
        first: Where the first difference was found, or an empty string.
    """

    programs: int = 0
    refused: int = 0
    spikes: tuple[int, int] = (0, 0)
    membranes: tuple[int, int] = (0, 0)
    scores: tuple[int, int] = (0, 0)
    overflows: tuple[int, int] = (0, 0)
    fired: int = 0
    saturated: int = 0
    wrapped: int = 0
    first: str = ""

    @property
    def compared(self) -> int:
        """Number of values compared."""
        return self.spikes[0] + self.membranes[0] + self.scores[0] + self.overflows[0]

    @property
    def differing(self) -> int:
        """Number of values that differ."""
        return self.spikes[1] + self.membranes[1] + self.scores[1] + self.overflows[1]

    def add(self, seed: int, expected: Expected, actual: RunResult) -> None:
        """Compare one run, every value exactly; what was not recorded at all is not compared."""
        self.programs += 1
        given = {what: values for _, what, values in _values(Expected.of(actual))}
        recorded = {kind for kind, _, _ in _values(Expected.of(actual))} | {"spikes"}
        for kind, what, want in _values(expected):
            if kind not in recorded:
                continue
            got = given.get(what)
            fits = got is not None and got.shape == want.shape
            wrong = np.asarray(got != want) if fits else np.ones(want.shape, bool)
            if wrong.any() and not self.first:
                here = tuple(np.argwhere(wrong)[0].tolist())
                self.first = f"seed {seed}, {what} at {here}"
            compared, differing = getattr(self, kind)
            setattr(self, kind, (compared + wrong.size, differing + int(wrong.sum())))
        self.fired += sum(int((s != 0).sum()) for s in expected.spikes.values())
        membranes = expected.membrane.values()
        self.saturated += sum(int((np.abs(h) == STATE_LIMIT - 1).sum()) for h in membranes)
        self.wrapped += sum(int(wrapped.sum()) for wrapped, _ in expected.overflows.values())


def _values(of: Expected) -> Iterator[tuple[str, str, Array]]:
    """Everything that was recorded: its kind, what it is, the values."""
    yield from (("spikes", f"{name}: spikes", s) for name, s in of.spikes.items())
    yield from (("membranes", f"{name}: membrane", h) for name, h in of.membrane.items())
    for name, (wrapped, saturated) in of.overflows.items():
        yield "overflows", f"{name}: wrapped", wrapped
        yield "overflows", f"{name}: saturated", saturated
    if of.scores is not None:
        yield "scores", "scores: output", of.scores


def fuzz(backend: Backend, count: int, seed: int = 0, *, samples: int = 3) -> Tally:
    """Run ``count`` random Programs, seeded ``seed, seed + 1, ...``, on both.

    Args:
        backend: Under test; what it declares as a gap does not occur in the Programs, and one that
            breaks a declared limit is replaced by the next.
        count: Number of Programs that run.
        seed: Of the first one.
        samples: Per Program.
    """
    capabilities = backend.capabilities()
    support = capabilities.rungs["quantised"]
    tally = Tally()
    for own_seed in itertools.count(seed):
        if tally.programs == count:
            break
        rng = np.random.default_rng(own_seed)
        program = random_program(rng, avoid=tuple(support.gaps))
        stimulus = random_stimulus(rng, program, samples)
        if capabilities.gaps(program, "quantised"):
            tally.refused += 1
            continue
        actual = run(program, stimulus, backend=backend, record=records(support))
        tally.add(own_seed, reference_run(program, stimulus, "quantised"), actual)
    return tally


def main(arguments: list[str] | None = None) -> int:
    """The command line: 0 if nothing differs, 1 if something does, 2 if the backend cannot run."""
    parser = argparse.ArgumentParser("python -m neurorobust.testing.fuzz", description=__doc__)
    parser.add_argument("--against", default="torch", metavar="NAME")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    try:
        backend = require_backend(options.against)
    except BackendUnavailable as error:
        console.print(str(error), markup=False)
        return 2
    start = time.perf_counter()
    tally = fuzz(backend, options.count, options.seed)
    console.print(
        f"{tally.programs} random programs, seeds {options.seed}..: "
        f"{options.against} against reference, {time.perf_counter() - start:.1f} s"
        f" ({tally.refused} more refused for declared limits)"
    )
    for what in ("spikes", "membranes", "scores", "overflows"):
        compared, differing = getattr(tally, what)
        console.print(f"  {what:9} {compared:>12,} compared {differing:>8,} differing")
    console.print(
        f"  among them {tally.fired:,} spikes, {tally.saturated:,} saturated membranes, "
        f"{tally.wrapped:,} wrapped sums"
    )
    if tally.first:
        console.print(f"  first difference: {tally.first}", markup=False)
    return 1 if tally.differing else 0


if __name__ == "__main__":
    sys.exit(main())
