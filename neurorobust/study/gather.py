"""From the results of cells to the tables of a study, whether it has come to its end or not."""

import hashlib
import platform
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from safetensors.numpy import load

from neurorobust.backends import get_backend
from neurorobust.errors import BackendUnavailable
from neurorobust.ir import Array
from neurorobust.metrics import CLEAN, Proportion, churn
from neurorobust.study import tables
from neurorobust.study.board import Board
from neurorobust.study.cells import Cell
from neurorobust.study.folder import (
    OPEN,
    Failure,
    LaneInfo,
    Manifest,
    PictureInfo,
    ProgramInfo,
    Results,
    SetInfo,
)
from neurorobust.study.inputs import Inputs
from neurorobust.study.plan import Plan
from neurorobust.study.store import Ended, Store

SURROGATE = "torch"
"""The backend whose decisions say what an attack did where it was crafted, if it ran."""


class At(NamedTuple):
    """A run: a target, a backend, a set."""

    target: str
    backend: str
    set: str


@dataclass
class Runs:
    """The cells of a run, one per range of samples, and what they found."""

    cells: list[Cell] = field(default_factory=list)
    ended: list[Ended | None] = field(default_factory=list)
    arrays: list[dict[str, Array]] = field(default_factory=list)

    @property
    def row(self) -> Mapping[str, Any]:
        """What tables say of it."""
        return self.cells[0].row

    def __getitem__(self, name: str) -> Array:
        return np.concatenate([part[name] for part in self.arrays])

    @cached_property
    def right(self) -> dict[int, bool]:
        """Whether each sample was decided rightly; once all cells are there."""
        return dict(
            zip(self["sample"].tolist(), (self["decision"] == self["label"]).tolist(), strict=True)
        )


class Gathering:
    """Looks through a study.

    Args:
        plan: Of the study.
        folder: Where it lies.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.store = Store(plan.store)
        self.board = Board(plan.cells, self.store)
        self.cells = {cell.key: cell for cell in plan.cells}

    def ended(self, key: str) -> Ended | None:
        """How a cell ended, if it has; of failed ones whether or not they will be tried again."""
        return self.board.ended.get(key) or self.store.get(key)

    @cached_property
    def sets(self) -> dict[str, str]:
        """The name of every set, by the key of the cell that crafted it."""
        groups: dict[str, list[str]] = defaultdict(list)
        for cell in self.plan.cells:
            if cell.kind == "craft":
                same = {k: v for k, v in cell.decided.items() if k not in ("first", "count")}
                groups[str(sorted(same.items(), key=lambda item: item[0]))].append(cell.key)
        found: dict[str, str] = {}
        for keys in groups.values():
            ended = [self.ended(key) for key in keys]
            hashes = [e.found["content_hash"] for e in ended if e and e.status == "done"]
            if len(keys) > 1:
                hashes = [hashlib.sha256(",".join(hashes or keys).encode()).hexdigest()]
            found |= dict.fromkeys(keys, hashes[0][:12] if hashes else keys[0][:12])
        return found

    def hash_of(self, named: str) -> str:
        """Of a model, given by its hash or by the cell that lowers it; the first 12 digits."""
        ended = self.ended(named) if named in self.cells else None
        return str(ended.found.get("content_hash", ""))[:12] if ended else named[:12]

    @cached_property
    def runs(self) -> dict[At, Runs]:
        """All runs, in the order of the plan."""
        found: dict[At, Runs] = {}
        for cell in self.plan.cells:
            if cell.kind != "replay":
                continue
            set_ = cell.row["set"]
            said = cell.decided
            at = At(said["model"], said["backend"], self.sets.get(set_, set_))
            runs = found.setdefault(at, Runs())
            ended = self.ended(cell.key)
            runs.cells.append(cell)
            runs.ended.append(ended)
            if ended is not None and ended.status == "done":
                data = self.store.path(cell.key, "safetensors").read_bytes()
                names = ("sample", "label", "decision", "margin")
                arrays = load(data)
                runs.arrays.append({name: arrays[name] for name in names})
        return found

    def row(self, at: At) -> dict[str, Any]:
        """The columns that say which run it is."""
        runs = self.runs[at]
        lowered = at.target in self.cells
        program = self.hash_of(at.target) if lowered else runs.row.get("program", "")
        on = runs.row["crafted_on"]
        changed = {"program": program, "set": at.set, "crafted_on": self.hash_of(on) if on else ""}
        return {
            name: value for name, value in {**runs.row, **changed}.items() if name in tables.RUN
        }

    def surrogate(self, at: At) -> At | None:
        """The run of the same set where it was crafted."""
        on = self.runs[at].row["crafted_on"]
        backends = dict.fromkeys((SURROGATE, *(run.backend for run in self.runs)))
        candidates = (At(on, backend, at.set) for backend in backends)
        return next((c for c in candidates if c in self.runs and self.runs[c].arrays), None)

    def outcomes(self) -> pl.DataFrame:
        """A row per run and sample."""
        parts = []
        for at, runs in self.runs.items():
            if not runs.arrays:
                continue
            named = self.row(at)
            own = {name: runs[name] for name in ("sample", "label", "decision", "margin")}
            frame = pl.DataFrame(own).with_columns(
                pl.lit(named.get(name), dtype=kind).alias(name) for name, kind in tables.RUN.items()
            )
            parts.append(frame.select(list(tables.OUTCOMES)))
        return pl.concat(parts) if parts else tables.frame(tables.OUTCOMES, [])

    def agreement(self) -> pl.DataFrame:
        """A row per run and compared node; ranges of samples are put together."""
        rows = []
        for at, runs in self.runs.items():
            nodes: dict[str, dict[str, Any]] = {}
            for ended in runs.ended:
                for node in (ended.found.get("agreement") or []) if ended else []:
                    nodes[node["node"]] = _together(nodes.get(node["node"]), node)
            base = runs.cells[0].decided["base"]
            named = self.row(at) | {"against": base}
            rows += [named | node for node in nodes.values()]
        return tables.frame(tables.AGREEMENT, rows)

    def rows(self) -> pl.DataFrame:
        """A row per run."""
        found = []
        for at, runs in self.runs.items():
            status, reason = self.status(runs)
            own = self.row(at) | {"status": status, "reason": reason}
            if runs.arrays:
                found.append(own | self._rates(at, runs))
            elif at.set == CLEAN or status == "failed":
                found.append(own)
        return tables.frame(tables.ROWS, found)

    def status(self, runs: Runs) -> tuple[str, str]:
        """How the run of a set ended, and why, if not well."""
        for cell, ended in zip(runs.cells, runs.ended, strict=True):
            if ended is None:
                cause = self.board.blocked.get(cell.key)
                root = None if cause is None else self.ended(cause)
                if root is not None:
                    return root.status, root.reason
                done = len(runs.arrays)
                return OPEN, f"{done} of {len(runs.cells)} ranges" if done else ""
            if ended.status != "done":
                return ended.status, ended.reason
        return "done", ""

    def _rates(self, at: At, runs: Runs) -> dict[str, Any]:
        right = runs.right
        found = _rate("accuracy", ("right", "n"), Proportion(sum(right.values()), len(right)))
        own = dict(zip(runs["sample"].tolist(), runs["decision"].tolist(), strict=True))
        graph = str(runs.cells[0].decided["graph"])
        float_runs = self._beside(At(graph, at.backend, at.set))
        if float_runs is not None:
            other = dict(
                zip(float_runs["sample"].tolist(), float_runs["decision"].tolist(), strict=True)
            )
            common = own.keys() & other.keys()
            same = Proportion(sum(own[s] == other[s] for s in common), len(common))
            found |= _rate("agreement", ("agreeing", "compared"), same)
        found |= self._drift(runs)
        if at.set != CLEAN:
            found |= self._success(at, right)
        return found

    def _drift(self, runs: Runs) -> dict[str, Any]:
        """Spikes against those of the same model on the rung float."""
        parts = [ended.found["drift"] for ended in runs.ended if ended and ended.found.get("drift")]
        if not parts:
            return {}
        names = ("spike_values", "spikes_fired", "spikes_differing")
        first = min(
            (part for part in parts if part["first_node"] is not None),
            key=lambda part: part["first_step"],
            default=None,
        )
        where = {name: first[name] for name in ("first_node", "first_step")} if first else {}
        return {name: sum(part[name] for part in parts) for name in names} | where

    def _beside(self, at: At) -> Runs | None:
        """The run of a target on this backend, or on another if it has none."""
        backends = dict.fromkeys((at.backend, SURROGATE, *(run.backend for run in self.runs)))
        for backend in backends:
            runs = self.runs.get(at._replace(backend=backend))
            if runs is not None and runs.arrays:
                return runs
        return None

    def _success(self, at: At, right: dict[int, bool]) -> dict[str, Any]:
        clean = self.runs.get(at._replace(set=CLEAN))
        if clean is None or not clean.arrays:
            return {}
        surrogate, start = self.surrogate(at), clean.right
        attackable = [s for s in right if start.get(s)]
        there: dict[int, bool] = {}
        if surrogate is not None:
            there = self.runs[surrogate].right
            origin = self._beside(surrogate._replace(set=CLEAN))
            before = origin.right if origin is not None else {}
            attackable = [s for s in attackable if s in there and before.get(s)]
        fooled = np.array([not right[s] for s in attackable], bool)
        found = _rate(
            "success", ("fooled", "attackable"), Proportion(int(fooled.sum()), len(fooled))
        )
        if surrogate is None:
            return found
        own = np.array([not there[s] for s in attackable], bool)
        found["surrogate_fooled"] = int(own.sum())
        if surrogate == at:
            return found
        moved = churn(own, fooled)
        return found | {
            "kept": moved.kept.count,
            "lost": moved.lost.count,
            "gained": moved.gained.count,
            "p_value": moved.p_value,
        }

    def cell_rows(self, before: set[str]) -> pl.DataFrame:
        """A row per cell."""
        rows = []
        for key, cell in self.cells.items():
            ended = self.ended(key)
            row: dict[str, Any] = {
                "cell": key,
                "kind": cell.kind,
                "what": cell.what,
                "status": "blocked" if key in self.board.blocked else OPEN,
                "reused": key in before,
                "estimate_s": cell.estimate_s,
            }
            if ended is not None:
                row |= {
                    "status": ended.status,
                    "reason": ended.reason,
                    "attempts": ended.attempts,
                    **{name: ended.cost.get(name) for name in ("cpu_s", "wall_s", "peak_mb")},
                }
            rows.append(row)
        return tables.frame(tables.CELLS, rows)

    def lanes(self) -> list[LaneInfo]:
        """Every target on every backend."""
        groups: dict[tuple[str, str], list[At]] = defaultdict(list)
        for at in self.runs:
            groups[at.target, at.backend].append(at)
        found = []
        for ats in groups.values():
            every = [self.runs[at] for at in ats]
            ended = [one for runs in every for one in runs.ended if one is not None]
            done = [one for one in ended if one.status == "done"]
            status, reason = self.status(every[0])
            if done:
                states = [self.status(runs) for runs in every]
                bad = [state for state in states if state[0] == "failed"]
                status, reason = bad[0] if bad else ("done", "")
            named = self.row(ats[0])
            names = ("model", "backend", "rung", "execution", "profile", "program")
            deviations = (text for one in done for text in one.found["deviations"])
            found.append(
                LaneInfo(
                    **{name: named.get(name) or "" for name in names},
                    status=status,
                    reason=reason,
                    samples=sum(len(part["sample"]) for runs in every for part in runs.arrays),
                    wall_s=round(sum(one.cost["wall_s"] for one in done), 3),
                    cpu_s=round(sum(one.cost["cpu_s"] for one in done), 3),
                    deviations=list(dict.fromkeys(deviations)),
                )
            )
        return found

    def programs(self) -> list[ProgramInfo]:
        """Every lowering."""
        found = []
        for cell in self.plan.cells:
            if cell.kind != "lower":
                continue
            ended = self.ended(cell.key)
            names = ("model", "profile", "weight_bits", "scaling", "decay_bits")
            found.append(
                ProgramInfo(
                    **{name: cell.row[name] for name in names},
                    content_hash=(ended.found.get("content_hash", "") if ended else ""),
                    status=ended.status if ended else OPEN,
                    reason=ended.reason if ended else "",
                    report=list(ended.found.get("report", [])) if ended else [],
                )
            )
        return found

    def set_infos(self) -> list[SetInfo]:
        """Every crafted set, and every one that was given."""
        groups: dict[str, list[Cell]] = defaultdict(list)
        for cell in self.plan.cells:
            if cell.kind == "craft":
                groups[self.sets[cell.key]].append(cell)
        found = []
        for name, cells in groups.items():
            ended = [self.ended(cell.key) for cell in cells]
            done = [one for one in ended if one is not None and one.status == "done"]
            bad = next((one for one in ended if one is not None and one.status != "done"), None)
            row, said = cells[0].row, cells[0].decided
            names = ("model", "attack", "gradient", "knowledge", "threat", "epsilon", "seed")
            counts = {n: sum(one.found[n] for one in done) for n in ("n", "right", "fooled")}
            about: dict[str, Any] = {name: row[name] for name in names} | counts
            if done:
                first = done[0].found
                about |= {
                    "content_hash": first["content_hash"] if len(cells) == 1 else "",
                    "file": first["file"],
                    "queries": first["queries"],
                    "gradients": first["gradients"],
                    "request": {k: v for k, v in first["request"].items() if k != "wanted"},
                    "cpu_s": round(sum(one.cost["cpu_s"] for one in done), 3),
                    "bytes": sum(
                        (self.store.folder / one.found["file"]).stat().st_size for one in done
                    ),
                }
            if bad is not None:
                about |= {"status": bad.status, "reason": bad.reason}
            found.append(
                SetInfo(
                    set=name,
                    crafted_on=self.hash_of(said["model"]),
                    rung="quantised" if said["model"] in self.cells else "float",
                    **about,
                )
            )
        return found

    def failures(self) -> list[Failure]:
        """Cells without a result, and why."""
        found = []
        for key, cell in self.cells.items():
            ended = self.ended(key)
            if ended is not None and ended.status == "failed":
                found.append(
                    Failure(
                        cell=key,
                        what=cell.what,
                        status=ended.status,
                        reason=ended.reason,
                        attempts=ended.attempts,
                    )
                )
        return found

    def pictures(self, most: int = 6) -> tuple[list[PictureInfo], dict[str, Array]]:
        """Samples that an attack fools, of each network that was crafted on, and spikes of one.

        Shown is the set with most success at the weakest radius at which one fools half.
        """
        from neurorobust.backends import run
        from neurorobust.data import encode

        infos: list[PictureInfo] = []
        arrays: dict[str, Array] = {}
        inputs = Inputs(self.folder, self.store)
        done: dict[str, list[tuple[Cell, Ended]]] = defaultdict(list)
        for cell in self.plan.cells:
            ended = self.ended(cell.key) if cell.kind == "craft" else None
            if ended is not None and ended.status == "done" and ended.found["fooled"]:
                done[cell.row["model"]].append((cell, ended))
        for label, crafted in done.items():
            if all(cell.row["knowledge"] == "none" for cell, _ in crafted):
                continue
            aimed = [pair for pair in crafted if pair[0].row["knowledge"] != "none"]
            half = [p for p in aimed if 2 * p[1].found["fooled"] >= p[1].found["right"]] or aimed
            least = min(cell.row["epsilon"] for cell, _ in half)
            near = [p for p in half if p[0].row["epsilon"] == least] if half is not aimed else half
            cell, _ = max(near, key=lambda pair: pair[1].found["fooled"])
            made = inputs.attack_set(cell.key)
            fooled = (made.clean_decision == made.label) & (made.adversarial_decision != made.label)
            for index in np.flatnonzero(fooled)[:most].tolist():
                arrays[f"clean/{len(infos)}"] = made.clean[index]
                arrays[f"adversarial/{len(infos)}"] = made.adversarial[index]
                infos.append(
                    PictureInfo(
                        model=label,
                        set=self.sets[cell.key],
                        **{name: cell.row[name] for name in ("attack", "gradient", "epsilon")},
                        sample=int(made.sample[index]),
                        label=int(made.label[index]),
                        clean_decision=int(made.clean_decision[index]),
                        adversarial_decision=int(made.adversarial_decision[index]),
                    )
                )
            if infos and not any(name.startswith("raster/") for name in arrays):
                model = inputs.model(cell.decided["model"])
                pair = np.stack([arrays["clean/0"], arrays["adversarial/0"]])
                stimulus = encode(model, pair, rng=np.random.default_rng(0))
                spikes = run(model, stimulus, record=["spikes"]).spikes
                for name, value in spikes.items():
                    for row, kind in enumerate(("clean", "adversarial")):
                        flat = value[row].reshape(value.shape[1], -1)
                        arrays[f"raster/{kind}/{name}"] = flat.astype(np.uint8)
        return infos, arrays


def gather(plan: Plan, folder: Path, *, before: set[str] | None = None, **about: Any) -> Results:
    """All that a study has found so far.

    Args:
        plan: Of the study.
        folder: Where it lies.
        before: Keys of cells that had ended before this run.
        about: More of the manifest: ``wall_s``, ``stages``, ``created``, ``notes``.
    """
    found = Gathering(plan, folder)
    cells = found.cell_rows(before or set())
    pictures, arrays = found.pictures()
    lanes = found.lanes()
    counts = dict(cells.group_by("status").len().sort("status").iter_rows())
    audits, checks = [], []
    for cell in plan.cells:
        ended = found.ended(cell.key)
        if ended is None or ended.status != "done":
            continue
        if cell.kind == "audit":
            audits.append({"model": cell.row["model"], **ended.found})
        if cell.kind == "fit":
            checks.append(dict(cell.row) | {"check": ended.found["check"]})
    said = plan.spec.study
    labels = ", ".join(dict.fromkeys(model["label"] for model in plan.about["models"]))
    manifest = Manifest(
        **{
            "title": said.title or f"{labels} on {plan.about['data'][0]['name']}",
            "cpu_s": round(float(cells["cpu_s"].sum()), 2),
            "study": plan.spec.model_dump(mode="json", exclude_defaults=True),
            "versions": {"host": plan.versions} | _versions(lanes),
            "hardware": {
                "system": platform.platform(),
                "machine": platform.machine(),
                "byte_order": sys.byteorder,
            },
            "programs": found.programs(),
            "lanes": lanes,
            "sets": found.set_infos(),
            "checks": checks,
            "audits": audits,
            "pictures": pictures,
            "cells": counts,
            "failures": found.failures(),
            **plan.about,
            **about,
        }
    )
    return Results(
        manifest, found.rows(), found.outcomes(), found.agreement(), cells, pictures=arrays
    )


def _versions(lanes: Sequence[LaneInfo]) -> dict[str, dict[str, str]]:
    found = {}
    for name in dict.fromkeys(lane.backend for lane in lanes if lane.status == "done"):
        try:
            found[name] = dict(get_backend(name).versions())
        except BackendUnavailable:
            continue
    return found


def _rate(name: str, counts: tuple[str, str], p: Proportion) -> dict[str, Any]:
    low, high = p.interval
    rate = p.rate if p.n else None
    return {
        counts[0]: p.count,
        counts[1]: p.n,
        name: rate,
        f"{name}_low": low,
        f"{name}_high": high,
    }


def _together(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> dict[str, Any]:
    """The comparison of a node over two ranges of samples."""
    if one is None:
        return dict(other)
    earlier = min(
        (part for part in (one, other) if part["first_step"] is not None),
        key=lambda part: (part["first_step"], part["first_sample"]),
        default=one,
    )
    names = ("values", "fired", "differing", "samples", "samples_differing")
    return dict(earlier) | {name: one[name] + other[name] for name in names}
