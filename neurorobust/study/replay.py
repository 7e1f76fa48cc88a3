"""Replaying clean samples and frozen attacks on every lane, sample by sample."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from neurorobust.attacks import AttackSet
from neurorobust.backends import Executable, Record, RunResult, get_backend
from neurorobust.data import encode
from neurorobust.errors import InvalidInput, WorkerError
from neurorobust.ir import LIF, Array, FixedLIF, Graph, Model, Program
from neurorobust.ir.fixed import STATE_SHIFT
from neurorobust.metrics.agreement import AGREEMENT_COLUMNS, compare_spikes
from neurorobust.progress import Progress
from neurorobust.study.lanes import Lane, Skipped

REFERENCE = "reference"
Expected = tuple[RunResult, Array]
"""The reference's run of a batch, and which samples it had."""


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
        seed: Of the spikes drawn by Bernoulli coding.
    """

    name: str
    values: Array
    label: Array
    sample: Array
    attack: str = "none"
    gradient: str = "none"
    epsilon: float = 0.0
    compare_spikes: bool = False
    seed: int = 0

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
        outcomes: One row per sample × batch × lane (see ``neurorobust.study.transfer``).
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
        InvalidInput: if a sample is out of the model's bounds, a lane has no model, or there is
            no lane.
        WorkerError: if no lane comes to its end.
    """
    ordered = sorted(lanes, key=lambda lane: (lane.rung, lane.backend != REFERENCE))
    plan = {lane: [b for batch in batches if (b := share(lane, batch))] for lane in ordered}
    total, count = sum(map(len, plan.values())), 0
    done = Replay(pl.DataFrame(), pl.DataFrame())
    if not ordered:
        msg = "there is no lane to replay on; see the reasons in what open_lanes skipped"
        raise InvalidInput(msg)
    outcomes: list[pl.DataFrame] = []
    agreement: list[Mapping[str, Any]] = []
    expected: dict[tuple[str, str], Expected] = {}
    for lane, own in plan.items():
        model: Model | None = graph if lane.rung == "float" else program
        if model is None:
            msg = f"lane {lane} has no model: the rung float runs a Graph, quantised a Program"
            raise InvalidInput(msg)
        executable = None
        found: list[pl.DataFrame] = []
        compared: list[Mapping[str, Any]] = []
        deviations: dict[tuple[Lane, str], None] = {}
        seconds = 0.0
        try:
            executable = get_backend(lane.backend).compile(model, lane.rung)
            for batch in own:
                if progress:
                    progress(str(lane), count + len(found), total)
                result = _run(executable, model, batch, lane, expected)
                found.append(_rows(result, batch, lane))
                compared += _compared(result, model, batch, lane, expected)
                seconds += result.wall_s
                deviations |= dict.fromkeys((lane, str(text)) for text in result.deviations)
        except WorkerError as error:
            done.skipped.append(Skipped(lane, f"stopped after {len(found)} set(s): {error}"))
            continue
        finally:
            count += len(own)
            if executable is not None:
                executable.close()
        outcomes += found
        agreement += compared
        done.deviations += deviations
        done.ran.append((lane, seconds, sum(map(len, found))))
    if not outcomes:
        reasons = "; ".join(entry.reason for entry in done.skipped)
        msg = f"no lane came to its end: {reasons}"
        raise WorkerError(msg)
    done.outcomes = pl.concat(outcomes)
    done.agreement = pl.DataFrame(agreement, schema=AGREEMENT_COLUMNS)
    return done


def _run(
    executable: Executable,
    model: Model,
    batch: Batch,
    lane: Lane,
    expected: dict[tuple[str, str], Expected],
) -> RunResult:
    # The same seed on every lane: drawn spikes are part of the stimulus, not of the backend.
    stimulus = encode(model, batch.values, rng=np.random.default_rng(batch.seed))
    record: list[Record] = []
    if batch.compare_spikes:
        record = ["spikes", "membrane"] if lane.backend == REFERENCE else ["spikes"]
    result = executable.run(stimulus, record)
    if lane.backend == REFERENCE:
        expected[lane.rung, batch.name] = result, batch.sample
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
    expected: Mapping[tuple[str, str], Expected],
) -> list[Mapping[str, Any]]:
    if lane.backend == REFERENCE or not result.spikes or (lane.rung, batch.name) not in expected:
        return []
    reference, samples = expected[lane.rung, batch.name]
    common, own, other = np.intersect1d(batch.sample, samples, return_indices=True)
    rows = compare_spikes(
        {name: spikes[own] for name, spikes in result.spikes.items()},
        {name: spikes[other] for name, spikes in reference.spikes.items()},
        order=model.order,
        membrane={name: h[other] for name, h in reference.membrane.items()},
        thresholds=thresholds(model),
        samples=[int(sample) for sample in common],
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
