"""Replaying clean samples and frozen attacks on every lane, sample by sample."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from neurorobust.backends import Executable, Record, RunResult, get_backend
from neurorobust.compare.spikes import AGREEMENT_COLUMNS, compare_spikes
from neurorobust.data import encode
from neurorobust.errors import InvalidInput, WorkerError
from neurorobust.ir import Array, Graph, Model, Program
from neurorobust.progress import Progress
from neurorobust.study.lanes import Closed, Lane
from neurorobust.study.sets import SampleSet

REFERENCE = "reference"
Row = Mapping[str, Any]
Expected = dict[tuple[str, str], tuple[RunResult, Array]]
"""The reference's run of a set by rung and name, and which samples it had."""


class Ran(NamedTuple):
    """A lane that came to its end, with the seconds that its runs took and their samples."""

    lane: Lane
    wall_s: float
    samples: int

    def row(self) -> dict[str, Any]:
        """As JSON values."""
        done = {"samples": self.samples, "wall_s": round(self.wall_s, 3)}
        return self.lane.row() | {"status": "ran", "reason": ""} | done


@dataclass(slots=True, eq=False)
class Replay:
    """What a replay found.

    Attributes:
        outcomes: One row per sample × set × lane (see ``neurorobust.study.results``).
        agreement: One row per compared set × lane × spiking node.
        ran: Lanes that ran.
        closed: Lanes that stopped on the way, with the reason.
        deviations: Declared differences from exact semantics, per lane.
    """

    outcomes: pl.DataFrame
    agreement: pl.DataFrame
    ran: list[Ran] = field(default_factory=list)
    closed: list[Closed] = field(default_factory=list)
    deviations: list[tuple[Lane, str]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Found:
    """What the runs of one lane gave so far."""

    outcomes: list[pl.DataFrame] = field(default_factory=list)
    agreement: list[Row] = field(default_factory=list)
    deviations: dict[str, None] = field(default_factory=dict)
    wall_s: float = 0.0

    def add(self, outcomes: pl.DataFrame, agreement: Iterable[Row], result: RunResult) -> None:
        """The rows of one more set."""
        self.outcomes.append(outcomes)
        self.agreement += agreement
        self.deviations |= dict.fromkeys(map(str, result.deviations))
        self.wall_s += result.wall_s


def replay(
    graph: Graph | None,
    program: Program | None,
    sets: Sequence[SampleSet],
    lanes: Iterable[Lane],
    *,
    share: Callable[[Lane, SampleSet], SampleSet | None] = lambda _, whole: whole,
    progress: Progress | None = None,
) -> Replay:
    """Run the sets on the lanes.

    The reference runs first on each rung; the spikes of the others are compared with its own. A
    lane whose worker fails is recorded with the reason, and the rest goes on.

    Args:
        graph: Runs on the rung ``float``.
        program: Runs on the rung ``quantised``.
        sets: Clean samples and attacks.
        lanes: Where to run them.
        share: What of a set a lane replays; None leaves it out (slow backends take less).
        progress: Called as ``(what, done, total)``.

    Raises:
        InvalidInput: if a sample is out of the model's bounds, a lane has no model, or there is
            no lane.
        WorkerError: if no lane comes to its end.
    """
    ordered = sorted(lanes, key=lambda lane: (lane.rung, lane.backend != REFERENCE))
    if not ordered:
        msg = "there is no lane to replay on; see the reasons in what open_lanes closed"
        raise InvalidInput(msg)
    plan = {lane: [part for whole in sets if (part := share(lane, whole))] for lane in ordered}
    total, count = sum(map(len, plan.values())), 0
    done = Replay(pl.DataFrame(), pl.DataFrame())
    outcomes: list[pl.DataFrame] = []
    agreement: list[Row] = []
    expected: Expected = {}
    for lane, own in plan.items():
        model: Model | None = graph if lane.rung == "float" else program
        if model is None:
            msg = f"lane {lane} has no model: the rung float runs a Graph, quantised a Program"
            raise InvalidInput(msg)
        executable, found = None, Found()
        try:
            executable = get_backend(lane.backend).compile(model, lane.rung)
            for shown in own:
                if progress:
                    progress(str(lane), count + len(found.outcomes), total)
                found.add(*execute(executable, model, lane, shown, expected))
        except WorkerError as error:
            reason = f"stopped after {len(found.outcomes)} set(s): {error}"
            done.closed.append(Closed(lane, reason))
            continue
        finally:
            count += len(own)
            if executable is not None:
                executable.close()
        outcomes += found.outcomes
        agreement += found.agreement
        done.deviations += [(lane, text) for text in found.deviations]
        done.ran.append(Ran(lane, found.wall_s, sum(map(len, found.outcomes))))
    if not outcomes:
        reasons = "; ".join(entry.reason for entry in done.closed)
        raise WorkerError(f"no lane came to its end: {reasons}")
    done.outcomes = pl.concat(outcomes)
    done.agreement = pl.DataFrame(agreement, schema=AGREEMENT_COLUMNS)
    return done


def execute(
    executable: Executable, model: Model, lane: Lane, shown: SampleSet, expected: Expected
) -> tuple[pl.DataFrame, list[Row], RunResult]:
    """One set on one lane: the smallest piece of a replay.

    Args:
        executable: Of the model on the lane.
        model: The Graph or Program.
        lane: Where it runs.
        shown: Samples with labels.
        expected: The reference's runs so far; its own are added.

    Returns:
        A row per sample, a row per spiking node where spikes are compared, and the run.
    """
    # The same seed on every lane: drawn spikes are part of the stimulus, not of the backend.
    stimulus = encode(model, shown.samples.values, rng=np.random.default_rng(shown.seed))
    record: list[Record] = []
    if shown.compare_spikes:
        record = ["spikes", "membrane"] if lane.backend == REFERENCE else ["spikes"]
    result = executable.run(stimulus, record)
    if lane.backend == REFERENCE:
        expected[lane.rung, shown.key.set] = result, shown.samples.sample
    return _rows(result, shown, lane), _compared(result, model, shown, lane, expected), result


def _rows(result: RunResult, shown: SampleSet, lane: Lane) -> pl.DataFrame:
    label, every = shown.samples.labels, np.arange(len(shown))
    own = result.scores[every, label]
    others = result.scores.copy()
    others[every, label] = -np.inf
    named = shown.key._asdict() | {"backend": lane.backend, "rung": lane.rung}
    decided = {"sample": shown.samples.sample, "label": label, "decision": result.decisions}
    return pl.DataFrame(named | decided | {"margin": own - others.max(axis=1)})


def _compared(
    result: RunResult, model: Model, shown: SampleSet, lane: Lane, expected: Expected
) -> list[Row]:
    at = lane.rung, shown.key.set
    if lane.backend == REFERENCE or not result.spikes or at not in expected:
        return []
    reference, samples = expected[at]
    common, own, other = np.intersect1d(shown.samples.sample, samples, return_indices=True)
    rows = compare_spikes(
        {name: spikes[own] for name, spikes in result.spikes.items()},
        {name: spikes[other] for name, spikes in reference.spikes.items()},
        order=model.order,
        membrane={name: h[other] for name, h in reference.membrane.items()},
        nodes=model.nodes,
        samples=[int(sample) for sample in common],
    )
    return [
        row.row(set_=at[1], rung=lane.rung, backend=lane.backend, against=REFERENCE) for row in rows
    ]
