"""What several commands take: models, by file or by name, and what they are shown."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from neurorobust.cli.console import complain
from neurorobust.data.source import DIGITS, Source
from neurorobust.errors import InvalidInput
from neurorobust.formats.reading import Reading

if TYPE_CHECKING:
    from neurorobust.cli.stages import ConsoleStages
    from neurorobust.data import Samples
    from neurorobust.ir import Graph, Program


def models_of(
    names: Sequence[str],
    reading: Reading,
    shown: "Samples | None" = None,
    *,
    stages: "ConsoleStages",
    folder: Path | None = None,
    seed: int = 0,
) -> "list[Graph | Program]":
    """Models by file or by name; one that is known by name is made in the folder if need be.

    Args:
        names: As typed.
        reading: What their files leave open; one serves all.
        shown: What they are to be shown, for modules of torch, which do not say their input's
            shape.
        stages: Are told what is trained.
        folder: Of models that are known by name.
        seed: Of their weights.

    Raises:
        InvalidInput: if something was said that none of them leaves open.
    """
    from neurorobust.formats.load import FOLDER, fitting, load, model_names, require_open
    from neurorobust.formats.script import TAKEN, is_script

    require_open(reading, names, *([] if shown is None else ["bounds", "levels"]))
    shape = None if shown is None else shown.shape
    found = []
    for name in names:
        if name in model_names():
            with stages.stage(f"Train or load the {name} model") as progress:
                place = FOLDER if folder is None else folder
                found.append(load(name, folder=place, seed=seed, progress=progress))
            continue
        model = load(name, fitting(reading, name), shape=shape)
        if is_script(name) and (taken := model.header.provenance.get(TAKEN)):
            complain(f"{name}: taken as given: {taken}")
        found.append(model)
    return found


def graphs_of(
    names: Sequence[str],
    reading: Reading,
    shown: "Samples | None" = None,
    *,
    stages: "ConsoleStages",
    folder: Path | None = None,
    seed: int = 0,
) -> "list[Graph]":
    """The same for commands that take float models only."""
    from neurorobust.api import as_graph

    found = models_of(names, reading, shown, stages=stages, folder=folder, seed=seed)
    return [as_graph(model, name) for model, name in zip(found, names, strict=True)]


def samples_of(data: Source, model: str) -> "Samples":
    """The named data; those of the built-in model by default.

    Raises:
        InvalidInput: if none are named for another model.
    """
    from neurorobust.data import load

    return load(replace(data, name=DIGITS) if data.name is None and model == DIGITS else data)


def if_named(data: Source) -> "Samples | None":
    """The named data, if any are."""
    from neurorobust.data import load

    return None if data.name is None else load(data)


def calibration_of(name: str | None, limit: int, data: Source) -> "Samples | None":
    """The first samples to calibrate on: of the part ``train``, if the source has parts.

    Args:
        name: As typed; None for none.
        limit: Number of samples.
        data: What else is said of data.

    Raises:
        InvalidInput: if it has parts, and none of this name.
    """
    from neurorobust.data import load
    from neurorobust.data.loading import parts_of

    if name is None:
        return None
    parts = parts_of(name)
    if parts and "train" not in parts:
        msg = f"{name} has no part train, only {', '.join(parts)}; name the files of one of these"
        raise InvalidInput(msg)
    part = "train" if parts else None
    return load(replace(data, name=name, part=part, first=0, limit=limit))
