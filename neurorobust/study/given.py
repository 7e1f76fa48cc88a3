"""What a study file names, read: models, samples, attack sets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from neurorobust.attacks import AttackSet
from neurorobust.data import Samples
from neurorobust.data import load as load_samples
from neurorobust.data.loading import parts_of
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.formats.load import Reading, fitting, load_named, model_names, require_open
from neurorobust.formats.load import load as load_model
from neurorobust.ir import LIF, Model
from neurorobust.progress import Silent, Stages
from neurorobust.study.spec import Spec
from neurorobust.study.stages import Clock


class Named(NamedTuple):
    """A model of a study."""

    label: str
    named: str
    model: Model
    card: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What a study is made of, read.

    Attributes:
        models: The networks.
        samples: What they are shown.
        calibration: What lowering looks at.
        twin: Of the black box.
        sets: Frozen attacks that are replayed besides those that are crafted.
    """

    models: Sequence[Named]
    samples: Samples
    calibration: Samples | None = None
    twin: Model | None = None
    sets: Sequence[AttackSet] = ()

    @property
    def spiking(self) -> int:
        """Spike values of a sample, of the largest network."""
        return max(
            one.model.header.steps
            * sum(prod(one.model.shapes[name]) for name, _ in one.model.of_kind(LIF))
            for one in self.models
        )


def read_given(
    spec: Spec,
    folder: Path,
    *,
    stages: Stages = Silent(),  # noqa: B008  # it holds nothing
    models: Sequence[Model | str | Path] | None = None,
    samples: Samples | None = None,
    sets: Sequence[AttackSet] = (),
) -> tuple[Given, list[dict[str, Any]]]:
    """Everything that a study file names.

    Args:
        spec: The study.
        folder: Of the study, where models that are known by name are kept.
        stages: Told about progress.
        models: In place of those that the file names.
        samples: Likewise.
        sets: Frozen attacks besides those that the file names.

    Returns:
        What was read, and how long each stage took.

    Raises:
        InvalidFile: for a file that is missing or damaged.
        InvalidInput: for what a file leaves open.
    """
    clock, data = Clock(stages), spec.data
    if samples is None:
        samples = load_samples(data.source)
    calibration = _calibration(spec)
    found: list[Named] = []
    reading = Reading(**spec.models.reading)
    use = spec.models.use if models is None else models
    files = [what for what in use if not isinstance(what, Model)]
    require_open(reading, files, "bounds", "levels")
    for what in use:
        if isinstance(what, Model):
            found.append(Named(what.header.name or "model", "", what, {}))
            continue
        known = str(what) in model_names()
        for seed in spec.models.seeds if known else (0,):
            label = str(what) if known else Path(what).stem
            many = len(spec.models.seeds) > 1 and known
            label += f"-s{seed}" if many else ""
            card: dict[str, Any] = {}
            model: Model
            with clock.stage(f"{'Train or load' if known else 'Load'} {label}", "load") as progress:
                if known:
                    place = folder / "model" / (label if many else "")
                    model, card = load_named(str(what), place, seed=seed, progress=progress)
                else:
                    model = load_model(what, fitting(reading, what), shape=samples.shape)
            found.append(Named(label, str(what), model, card))
    twin = (
        None
        if spec.models.twin is None
        else load_model(spec.models.twin, fitting(reading, spec.models.twin), shape=samples.shape)
    )
    shown = samples.shown_to(found[0].model) if found else samples
    every = [*sets, *read_sets(map(Path, spec.replay.sets), shown)]
    return Given(_distinct(found), samples, calibration, twin, every), clock.rows


def _calibration(spec: Spec) -> Samples | None:
    """Samples that lowering looks at: for the rule ``spikes`` the training part by default."""
    data = spec.data
    if data.calibration is None and "spikes" not in spec.lower.scaling:
        return None
    if data.calibration is None:
        if "train" not in parts_of(data.name):
            msg = (
                f"{data.name} has no part train; the rule spikes looks at samples, so name some "
                "with --calibration"
            )
            raise InvalidInput(msg)
        data = data.model_copy(update={"calibration": data.name})
    return load_samples(data.held_out)


def read_sets(paths: Iterable[Path], samples: Samples) -> list[AttackSet]:
    """Frozen attack sets from files, and from folders of them.

    Args:
        paths: Files and folders.
        samples: The data that they were crafted on; for files that leave these out.

    Raises:
        InvalidFile: for a folder without sets, or a file that is none.
    """
    found: dict[str, AttackSet] = {}
    for path in paths:
        files = [path]
        if path.is_dir():
            files = sorted(
                (path / "sets" if (path / "sets").is_dir() else path).glob("*.safetensors")
            )
        if not files:
            raise InvalidFile(path, "holds no *.safetensors; give attack sets or their folder")
        for file in files:
            made = AttackSet.load(file, samples)
            found[made.content_hash] = made
    return list(found.values())


def _distinct(models: Sequence[Named]) -> list[Named]:
    """The same with labels of their own; a model that is named twice is an error."""
    hashes = [one.model.content_hash for one in models]
    if len(set(hashes)) < len(hashes):
        twice = next(one for one in models if hashes.count(one.model.content_hash) > 1)
        raise InvalidInput(f"{twice.label} is named twice: two models are the same; name it once")
    labels = [one.label for one in models]
    return [
        one
        if labels.count(one.label) == 1
        else one._replace(label=f"{one.label}-{one.model.content_hash[:6]}")
        for one in models
    ]
