"""From a study file to its cells: what is read, what will be run, and what it may cost.

A plan is kept in the folder of its study, so that any process can work on it, and a report can be
made of a study that has not come to its end.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neurorobust.chips import LoadedProfile
from neurorobust.data import Samples, encode
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.files import write_atomic
from neurorobust.study.cells import Cell
from neurorobust.study.folder import DataInfo, ModelInfo, ProfileInfo
from neurorobust.study.given import Given, Named
from neurorobust.study.inputs import Inputs, samples_digest
from neurorobust.study.planner import Planner
from neurorobust.study.spec import Spec
from neurorobust.study.stages import versions
from neurorobust.study.store import Store

PLAN = "plan.json"


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All cells of a study, and what its page says of where they are from.

    Attributes:
        spec: The study file as it was understood.
        cells: Each after those that it needs.
        store: Where results are.
        versions: Of what computes.
        about: ``models``, ``profiles``, ``data``, ``preset``, ``command``: as the manifest has it.
        excluded: Combinations that the study leaves out.
    """

    spec: Spec
    cells: tuple[Cell, ...]
    store: Path
    versions: dict[str, str]
    about: dict[str, Any] = field(default_factory=dict)
    excluded: int = 0

    def write(self, folder: Path) -> None:
        """Keep it in the folder of the study."""
        said = {
            "spec": self.spec.model_dump(mode="json"),
            "cells": [cell.as_json() for cell in self.cells],
            # A folder that is moved takes its own store with it.
            "store": "" if self.store == folder else str(self.store),
            "versions": self.versions,
            "about": self.about,
            "excluded": self.excluded,
        }
        write_atomic(folder / PLAN, json.dumps(said, separators=(",", ":")) + "\n")


def read_plan(folder: Path) -> Plan:
    """The plan of a study.

    Raises:
        InvalidFile: if there is none, or it is damaged.
    """
    path = folder / PLAN
    try:
        said = json.loads(path.read_bytes())
        spec = Spec.model_validate(said["spec"])
        cells = tuple(Cell.from_json(cell) for cell in said["cells"])
        store, rest = (
            Path(said["store"] or folder),
            (said["versions"], said["about"], said["excluded"]),
        )
    except FileNotFoundError as error:
        raise InvalidFile(folder, "is no folder of a study; it holds no plan.json") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InvalidFile(path, f"is no plan of a study ({error}); run the study again") from error
    return Plan(spec, cells, store, *rest)


def make_plan(spec: Spec, given: Given, folder: Path, **about: Any) -> Plan:
    """Put what a study is made of into its folder, and list its cells.

    Args:
        spec: The study.
        given: Its models and samples.
        folder: Of the study.
        about: For the manifest: ``preset``, ``command``.

    Raises:
        InvalidInput: if samples do not fit the models.
    """
    inputs = Inputs(folder, Store(folder))
    for one in given.models:
        _require_fit(one, given.samples, labelled=True)
    planner = Planner(spec, given, inputs)
    cells = {cell.key: cell for cell in planner.cells()}
    inputs.write()  # only now: what cannot be planned leaves nothing behind
    store = folder if spec.run.store is None else Path(spec.run.store).resolve()
    said = about | {
        "models": [_model_info(one).model_dump(mode="json") for one in given.models],
        "profiles": [_profile_info(p).model_dump(mode="json") for p in planner.profiles],
        "data": [_data_info(spec, given).model_dump(mode="json")],
    }
    return Plan(
        spec,
        tuple(cells.values()),
        store,
        versions("neurorobust", "numpy", "torch"),
        said,
        planner.excluded,
    )


def _require_fit(one: Named, samples: Samples, *, labelled: bool) -> None:

    model = one.model
    if model.header.coding != "bernoulli":
        try:
            encode(model, samples.shown_to(model).values)
        except InvalidInput as error:
            raise InvalidInput(f"{samples.name} does not fit {one.label}: {error}") from error
    if labelled:
        (classes,) = model.shapes[model.output]
        if (largest := int(samples.labels.max())) >= classes:
            raise InvalidInput(
                f"{samples.name} has labels up to {largest}, {one.label} decides between {classes} "
                f"classes, 0..{classes - 1}; give the data it was trained for"
            )


def _model_info(one: Named) -> ModelInfo:
    model = one.model
    header = model.header
    spiking = [name for name in model.order if getattr(model.nodes[name], "spiking", False)]
    return ModelInfo(
        label=one.label,
        named=one.named,
        name=header.name,
        content_hash=model.content_hash,
        kind=type(model).__name__,
        nodes={name: model.nodes[name].kind for name in model.order},
        spiking=spiking,
        coding=header.coding,
        bounds=header.bounds,
        levels=header.levels,
        steps=header.steps,
        classes=int(model.shapes[model.output][0]),
        card=dict(one.card),
        provenance=dict(header.provenance),
    )


def _profile_info(profile: LoadedProfile) -> ProfileInfo:
    return ProfileInfo(
        id=profile.profile.id,
        name=profile.profile.name,
        file=profile.path.name,
        sha256=profile.sha256,
    )


def _data_info(spec: Spec, given: Given) -> DataInfo:
    samples = given.samples
    return DataInfo(
        name=samples.name,
        part=spec.data.part or "",
        n=len(samples),
        first=spec.data.first,
        digest=samples_digest(samples),
        shape=list(samples.raw.shape[1:]),
        classes=len(set(samples.labels.tolist())),
        bounds=samples.bounds,
        levels=samples.levels,
        formats=list(samples.formats),
        note=samples.note,
        calibration=None
        if given.calibration is None
        else {"name": given.calibration.name, "n": len(given.calibration)},
    )
