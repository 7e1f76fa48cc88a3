"""What a chip's number formats do to a network: every variant on the same samples.

Each cell of the sweep is lowered, run, and compared with the float model: decisions, spikes, and
the fate of frozen attacks. What lowering refuses is a result like any other.
"""

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from neurorobust.attacks import AttackSet
from neurorobust.chips import LoadedProfile
from neurorobust.errors import InvalidInput, LowerError
from neurorobust.files import write_atomic
from neurorobust.fit import with_cores
from neurorobust.ir import Array, Graph, Program
from neurorobust.lower import lower
from neurorobust.progress import Progress, Stages
from neurorobust.study.quantise.cells import Cell, Sweep
from neurorobust.study.quantise.measure import Measured, measure, spikes_of
from neurorobust.study.quantise.rows import float_rows, refused_row, rows_of, table
from neurorobust.study.quantise.samples import Samples, attacked
from neurorobust.study.quantise.store import MANIFEST, Runs, write_study
from neurorobust.study.replay import Batch


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """What a study found.

    Attributes:
        folder: Where it lies.
        table: One row per variant and set; see ``neurorobust.study.quantise.TABLE_COLUMNS``.
        reused: Runs that an earlier study had finished.
    """

    folder: Path
    table: pl.DataFrame
    reused: int


def quantise(
    graph: Graph,
    profile: LoadedProfile,
    sweep: Sweep,
    samples: Samples,
    *,
    folder: Path,
    stages: Stages,
    attacks: Sequence[AttackSet] = (),
    command: str = "",
) -> Study:
    """Lower and run every cell; finished runs in the folder are not run again.

    Args:
        graph: The float model.
        profile: The target.
        sweep: What varies.
        samples: What it is measured on.
        folder: Made if it is not there.
        stages: Told about progress.
        attacks: Frozen attacks on the float model, crafted on the same samples.
        command: Recorded in the manifest.

    Raises:
        InvalidInput: if samples or attacks do not fit the model, or the rule ``spikes`` is asked
            for without calibration samples.
        InvalidFile: if the folder cannot be written or holds a damaged file.
    """
    _require(graph, sweep, samples)
    batches = [samples.batch(), *attacked(samples, attacks)]
    write_atomic(folder / ".writable", b"").unlink()
    # Its absence marks a folder whose files may belong to two studies.
    (folder / MANIFEST).unlink(missing_ok=True)
    start = time.perf_counter()
    work = _Work(graph, batches, Runs(folder, graph, batches, samples.digest))
    with stages.stage("float model") as progress:
        own = work.run(graph, progress)
    rows = float_rows(own.outcomes)
    reports: list[dict[str, Any]] = []
    for cell in sweep.cells:
        with stages.stage(str(cell)) as progress:
            try:
                model = lowered(graph, profile, cell, sweep, samples.calibration)
            except (LowerError, InvalidInput) as error:  # samples and axes are known to be sound
                rows.append(refused_row(cell, str(error)))
                continue
            found = work.run(model, progress)
        rows += rows_of(cell, model, own.outcomes, found)
        layers = list(model.report) if isinstance(model, Program) else []
        reports.append(asdict(cell) | {"layers": layers})
    done = table(rows)
    manifest = {
        "title": f"{graph.header.name or 'A network'} in the arithmetic of {profile.profile.name}",
        "command": command,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "wall_s": round(time.perf_counter() - start, 3),
        "model": {"name": graph.header.name, "content_hash": graph.content_hash},
        "profile": {
            "id": profile.profile.id,
            "file": profile.path.name,
            "sha256": profile.sha256,
        },
        "sweep": asdict(sweep),
        "data": _data(samples),
        "attack_sets": [_described(s) for s in attacks],
        "lowering": reports,
        "reused": work.reused,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("neurorobust", "numpy", "torch", "polars")},
    }
    write_study(folder, done, manifest)
    return Study(folder, done, work.reused)


def lowered(
    graph: Graph, profile: LoadedProfile, cell: Cell, sweep: Sweep, calibration: Array | None
) -> Graph | Program:
    """The variant of a cell.

    Raises:
        LowerError: if it has no exact form on the target.
    """
    found = lower(
        graph,
        profile.profile,
        scaling=cell.scaling,
        percentile=sweep.percentile,
        weight_bits=cell.weight_bits,
        decay_bits=cell.decay_bits,
        input_coding=sweep.input_coding,
        calibration=calibration if cell.scaling == "spikes" else None,
    )
    return with_cores(found, profile.profile) if isinstance(found, Program) else found


class _Work:
    """Runs models, or finds their finished runs."""

    def __init__(self, graph: Graph, batches: Sequence[Batch], runs: Runs) -> None:
        self.graph, self.batches, self.runs = graph, batches, runs
        self.reused = 0
        self._spikes: Mapping[str, Array] | None = None

    def run(self, model: Graph | Program, progress: Progress) -> Measured:
        """Decisions on every set, and spikes against the float model on the first clean samples."""
        if (kept := self.runs.load(model)) is not None:
            self.reused += 1
            return kept
        if self._spikes is None:
            self._spikes = spikes_of(self.graph, self.batches[0])
        found = measure(model, self.graph.order, self.batches, self._spikes, progress)
        self.runs.save(model, found)
        return found


def _require(graph: Graph, sweep: Sweep, samples: Samples) -> None:
    if graph.header.coding != "direct":
        msg = (
            f"the model takes {graph.header.coding} coding; this study shows images, the same in "
            "every step: use a model of direct coding"
        )
        raise InvalidInput(msg)
    (classes,) = graph.shapes[graph.output]
    if (largest := int(samples.test.labels.max())) >= classes:
        msg = (
            f"{samples.name} has labels up to {largest}, the model decides between {classes} "
            f"classes, 0..{classes - 1}; give the data it was trained for"
        )
        raise InvalidInput(msg)
    if "spikes" in sweep.scalings and samples.calibration is None:
        msg = f"the scaling rule 'spikes' needs training samples, {samples.name} gives none"
        raise InvalidInput(msg)


def _data(samples: Samples) -> dict[str, Any]:
    return {
        "name": samples.name,
        "n": len(samples.test),
        "sha256": samples.digest,
        "formats": list(samples.test.formats),
        "note": samples.note,
        "calibration": 0 if samples.calibration is None else len(samples.calibration),
    }


def _described(attacks: AttackSet) -> dict[str, Any]:
    return {
        "set": attacks.content_hash[:12],
        "content_hash": attacks.content_hash,
        "attack": attacks.attack,
        "gradient": attacks.gradient,
        "epsilon": attacks.epsilon,
        "n": len(attacks.label),
    }
