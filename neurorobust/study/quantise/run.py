"""What a chip's number formats do to a network: every variant on the same samples.

Each variant of the sweep is lowered, run, and compared with the float model: decisions, spikes, and
the fate of frozen attacks. What lowering refuses is a result like any other.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from neurorobust.attacks import AttackSet
from neurorobust.chips import LoadedProfile
from neurorobust.data import Samples
from neurorobust.errors import InvalidInput, LowerError
from neurorobust.files import write_atomic
from neurorobust.fit import with_cores
from neurorobust.ir import Array, Graph, Program
from neurorobust.lower import lower
from neurorobust.lower.population.scaling import Scaling
from neurorobust.progress import Stages
from neurorobust.study import results
from neurorobust.study.quantise.measure import Measuring
from neurorobust.study.quantise.rows import TABLE_COLUMNS, float_rows, refused_row, rows_of, table
from neurorobust.study.quantise.sweep import Sweep, Variant
from neurorobust.study.sets import SampleSet, attacked
from neurorobust.study.stages import Clock, now, versions

TABLE, MANIFEST, PAGE, RUNS = "quantise.parquet", "quantise.json", "quantise.html", "runs"


class DataInfo(results.Part):
    """The samples of all rates."""

    name: str
    n: int
    sha256: str
    formats: list[str]
    note: str
    calibration: int


class Lowered(results.Part):
    """The lowering report of a variant, a row per layer."""

    weight_bits: int
    scaling: Scaling
    decay_bits: int | None
    layers: list[dict[str, Any]]

    @property
    def variant(self) -> Variant:
        """What was lowered."""
        return Variant(self.weight_bits, self.scaling, self.decay_bits)


class QuantiseManifest(results.Manifest):
    """The whole of ``quantise.json``."""

    title: str
    profile: results.ProfileInfo
    sweep: dict[str, Any]
    data: DataInfo
    lowering: list[Lowered]
    reused: int


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
    calibration: Array | None = None,
    attacks: Sequence[AttackSet] = (),
    command: str = "",
) -> Study:
    """Lower and run every variant; finished runs in the folder are not run again.

    Args:
        graph: The float model.
        profile: The target.
        sweep: What varies.
        samples: What it is measured on.
        folder: Made if it is not there.
        stages: Told about progress.
        calibration: Training samples (B, ...) by which the rule ``spikes`` chooses scales.
        attacks: Frozen attacks on the float model, crafted on the same samples.
        command: Recorded in the manifest.

    Raises:
        InvalidInput: if samples or attacks do not fit the model, or the rule ``spikes`` is asked
            for without calibration samples.
        InvalidFile: if the folder cannot be written or holds a damaged file.
    """
    _require(graph, sweep, samples, calibration)
    sets = [SampleSet(samples), *attacked(samples, attacks)]
    results.begin(folder, MANIFEST)
    clock, work = Clock(stages), Measuring(graph, sets, folder / RUNS)
    with clock.stage("float model") as progress:
        own = work.run(graph, progress)
    rows = float_rows(own.outcomes)
    reports: list[dict[str, Any]] = []
    for variant in sweep.variants:
        with clock.stage(str(variant)) as progress:
            try:
                model = lowered(graph, profile, variant, sweep, calibration)
            except (LowerError, InvalidInput) as error:  # samples and axes are known to be sound
                rows.append(refused_row(variant, str(error)))
                continue
            found = work.run(model, progress)
        rows += rows_of(variant, model, own.outcomes, found)
        layers = list(model.report) if isinstance(model, Program) else []
        reports.append(asdict(variant) | {"layers": layers})
    done = table(rows)
    manifest = {
        "title": f"{graph.header.name or 'A network'} in the arithmetic of {profile.profile.name}",
        "command": command,
        "created": now(),
        "wall_s": clock.wall_s,
        "model": {"name": graph.header.name, "content_hash": graph.content_hash},
        "profile": {"id": profile.profile.id, "file": profile.path.name, "sha256": profile.sha256},
        "sweep": asdict(sweep),
        "data": {
            "name": samples.name,
            "n": len(samples),
            "sha256": samples.digest,
            "formats": list(samples.formats),
            "note": samples.note,
            "calibration": 0 if calibration is None else len(calibration),
        },
        "attack_sets": [
            {
                "set": s.content_hash[:12],
                **{
                    key: getattr(s, key)
                    for key in ("content_hash", "attack", "gradient", "epsilon")
                },
                "n": len(s.label),
            }
            for s in attacks
        ],
        "lowering": reports,
        "reused": work.reused,
        "versions": versions("neurorobust", "numpy", "torch", "polars"),
    }
    results.write_table(folder / TABLE, done)
    path = folder / MANIFEST
    write_atomic(path, results.manifest_text(path, QuantiseManifest, manifest, allow_nan=True))
    return Study(folder, done, work.reused)


def read_study(folder: Path | str) -> tuple[pl.DataFrame, QuantiseManifest]:
    """Table and manifest of a study.

    Raises:
        InvalidFile: if the folder is not whole.
    """
    manifest = results.read_manifest(Path(folder) / MANIFEST, QuantiseManifest)
    return results.read_table(Path(folder) / TABLE, TABLE_COLUMNS, empty=TABLE_COLUMNS), manifest


def lowered(
    graph: Graph, profile: LoadedProfile, variant: Variant, sweep: Sweep, calibration: Array | None
) -> Graph | Program:
    """The variant of a variant.

    Raises:
        LowerError: if it has no exact form on the target.
    """
    found = lower(
        graph,
        profile.profile,
        scaling=variant.scaling,
        percentile=sweep.percentile,
        weight_bits=variant.weight_bits,
        decay_bits=variant.decay_bits,
        input_coding=sweep.input_coding,
        calibration=calibration if variant.scaling == "spikes" else None,
    )
    return with_cores(found, profile.profile) if isinstance(found, Program) else found


def _require(graph: Graph, sweep: Sweep, samples: Samples, calibration: Array | None) -> None:
    if graph.header.coding != "direct":
        raise InvalidInput(
            f"the model takes {graph.header.coding} coding; this study shows images, the same in "
            "every step: use a model of direct coding"
        )
    (classes,) = graph.shapes[graph.output]
    if (largest := int(samples.labels.max())) >= classes:
        raise InvalidInput(
            f"{samples.name} has labels up to {largest}, the model decides between {classes} "
            f"classes, 0..{classes - 1}; give the data it was trained for"
        )
    if "spikes" in sweep.scalings and calibration is None:
        msg = f"the scaling rule 'spikes' needs training samples, {samples.name} gives none"
        raise InvalidInput(msg)
