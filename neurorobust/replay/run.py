"""Replaying clean samples and frozen attacks on every lane, sample by sample."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from neurorobust.attacks import AttackSet
from neurorobust.backends import Executable, Record, RunResult, get_backend
from neurorobust.data import Stimulus, encode
from neurorobust.errors import InvalidInput, WorkerError
from neurorobust.ir import LIF, Array, FixedLIF, Graph, Model, Program
from neurorobust.ir.fixed import STATE_SHIFT
from neurorobust.metrics.agreement import AGREEMENT_COLUMNS, compare_spikes
from neurorobust.replay.lanes import Lane, Skipped

REFERENCE = "reference"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Batch:
    """Samples to replay under one name.

    Attributes:
        name: ``clean``, or the first 12 digits of an attack set's content hash.
        values: Input values, shape (B, ...).
        label: Shape (B,).
        sample: Index in the data set, shape (B,).
        attack: Name of the attack, or ``none``.
        gradient: Name of the estimator, or ``none``.
        epsilon: Radius of the ball; 0 for clean samples.
        compare_spikes: Whether spikes are compared with the reference, value by value.
    """

    name: str
    values: Array
    label: Array
    sample: Array
    attack: str = "none"
    gradient: str = "none"
    epsilon: float = 0.0
    compare_spikes: bool = False

    @classmethod
    def of(cls, attacks: AttackSet, *, compare_spikes: bool = False) -> "Batch":
        """The adversarial samples of a set."""
        return cls(
            name=attacks.content_hash[:12],
            values=attacks.adversarial,
            label=attacks.label,
            sample=attacks.sample,
            attack=attacks.attack,
            gradient=attacks.gradient,
            epsilon=attacks.epsilon,
            compare_spikes=compare_spikes,
        )

    def head(self, count: int) -> "Batch":
        """The first samples only."""
        shorter = {n: getattr(self, n)[:count] for n in ("values", "label", "sample")}
        return replace(self, **shorter)


@dataclass(slots=True, eq=False)
class Replay:
    """What a replay found.

    Attributes:
        outcomes: One row per sample × batch × lane (see ``neurorobust.report``).
        agreement: One row per compared batch × lane × spiking node.
        ran: Lanes that ran, with seconds and samples.
        skipped: Lanes that did not, or stopped on the way, with the reason.
        deviations: Declared differences from exact semantics, per lane.
    """

    outcomes: pl.DataFrame
    agreement: pl.DataFrame
    ran: list[tuple[Lane, float, int]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    deviations: list[tuple[Lane, str]] = field(default_factory=list)


def replay(
    graph: Graph | None,
    program: Program | None,
    batches: Sequence[Batch],
    lanes: Iterable[Lane],
    *,
    share: Callable[[Lane, Batch], Batch | None] = lambda _, batch: batch,
    progress: Progress | None = None,
) -> Replay:
    """Run the batches on the lanes.

    The reference runs first on each rung; the spikes of the others are compared with its own. A
    lane whose worker fails is recorded with the reason, and the rest goes on.

    Args:
        graph: Runs on the rung ``float``.
        program: Runs on the rung ``quantised``.
        batches: Clean samples and attacks.
        lanes: Where to run them.
        share: What of a batch a lane replays; None leaves it out (slow backends take less).
        progress: Called as ``(what, done, total)``.

    Raises:
        InvalidInput: if a sample is out of the model's bounds or a lane has no model.
    """
    ordered = sorted(lanes, key=lambda lane: (lane.rung, lane.backend != REFERENCE))
    plan = {lane: [b for batch in batches if (b := share(lane, batch))] for lane in ordered}
    total, count = sum(map(len, plan.values())), 0
    done = Replay(pl.DataFrame(), pl.DataFrame())
    outcomes: list[pl.DataFrame] = []
    agreement: list[Mapping[str, Any]] = []
    expected: dict[tuple[str, str], RunResult] = {}
    for lane, own in plan.items():
        model: Model | None = graph if lane.rung == "float" else program
        if model is None:
            msg = f"lane {lane} has no model: the rung float runs a Graph, quantised a Program"
            raise InvalidInput(msg)
        executable = None
        found: list[pl.DataFrame] = []
        seconds = 0.0
        try:
            executable = get_backend(lane.backend).compile(model, lane.rung)
            for batch in own:
                if progress:
                    progress(str(lane), count + len(found), total)
                result = _run(executable, model, batch, lane, expected)
                found.append(_rows(result, batch, lane))
                agreement += _compared(result, model, batch, lane, expected)
                seconds += result.wall_s
                fresh = [(lane, text) for text in result.deviations]
                done.deviations += [entry for entry in fresh if entry not in done.deviations]
        except WorkerError as error:
            done.skipped.append(Skipped(lane, f"stopped after {len(found)} set(s): {error}"))
            continue
        finally:
            count += len(own)
            if executable is not None:
                executable.close()
        outcomes += found
        done.ran.append((lane, seconds, sum(map(len, found))))
    done.outcomes = pl.concat(outcomes)
    done.agreement = pl.DataFrame(agreement, schema=AGREEMENT_COLUMNS)
    return done


def _run(
    executable: Executable,
    model: Model,
    batch: Batch,
    lane: Lane,
    expected: dict[tuple[str, str], RunResult],
) -> RunResult:
    stimulus: Stimulus = encode(model, batch.values)
    record: list[Record] = []
    if batch.compare_spikes:
        record = ["spikes", "membrane"] if lane.backend == REFERENCE else ["spikes"]
    result = executable.run(stimulus, record)
    if lane.backend == REFERENCE:
        expected[lane.rung, batch.name] = result
    return result


def _rows(result: RunResult, batch: Batch, lane: Lane) -> pl.DataFrame:
    every = np.arange(len(batch.label))
    own = result.scores[every, batch.label]
    others = result.scores.copy()
    others[every, batch.label] = -np.inf
    return pl.DataFrame(
        {
            "set": batch.name,
            "attack": batch.attack,
            "gradient": batch.gradient,
            "epsilon": batch.epsilon,
            "backend": lane.backend,
            "rung": lane.rung,
            "sample": batch.sample,
            "label": batch.label,
            "decision": result.decisions,
            "margin": own - others.max(axis=1),
        }
    )


def _compared(
    result: RunResult,
    model: Model,
    batch: Batch,
    lane: Lane,
    expected: Mapping[tuple[str, str], RunResult],
) -> list[Mapping[str, Any]]:
    reference = expected.get((lane.rung, batch.name))
    if lane.backend == REFERENCE or reference is None or not result.spikes:
        return []
    count = len(result.scores)
    rows = compare_spikes(
        result.spikes,
        {name: spikes[:count] for name, spikes in reference.spikes.items()},
        order=model.order,
        membrane={name: h[:count] for name, h in reference.membrane.items()},
        thresholds=thresholds(model),
        samples=[int(s) for s in batch.sample[:count]],
    )
    return [
        row.row(set_=batch.name, rung=lane.rung, backend=lane.backend, against=REFERENCE)
        for row in rows
    ]


def thresholds(model: Model) -> dict[str, Array]:
    """Thresholds of the spiking nodes, in the units of their membranes."""
    found: dict[str, Array] = {name: node.threshold for name, node in model.of_kind(LIF)}
    for name, node in model.of_kind(FixedLIF):
        found[name] = node.vth.astype(np.int64) << STATE_SHIFT
    return found
