"""What a study would run, what of it is there, what the rest may cost, and what will be refused."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from neurorobust.backends import require_lane
from neurorobust.chips import load_profile
from neurorobust.errors import BackendUnavailable, InvalidInput, Refused
from neurorobust.ir import Graph
from neurorobust.lower import lower
from neurorobust.render import looks
from neurorobust.study.board import Board
from neurorobust.study.cells import KINDS, Cell
from neurorobust.study.costs import learned
from neurorobust.study.given import Given
from neurorobust.study.plan import make_plan
from neurorobust.study.spec import Spec
from neurorobust.study.store import Store


def outlook(spec: Spec, given: Given, folder: Path) -> dict[str, Any]:
    """Plan a study without running it; nothing is written to its folder.

    Args:
        spec: The study.
        given: Its models and samples.
        folder: Where it would lie.
    """
    with TemporaryDirectory() as spare:
        plan = make_plan(spec, given, Path(spare))
    store = folder if spec.run.store is None else Path(spec.run.store)
    board = Board(plan.cells, Store(store))
    kinds: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        own = [cell for cell in plan.cells if cell.kind == kind]
        if own:
            kinds[kind] = {
                "cells": len(own),
                "there": sum(cell.key in board.ended for cell in own),
                "left_s": round(learned(own, board.ended), 2),
            }
    open_ = [cell for cell in plan.cells if cell.key not in board.ended]
    return {
        "kinds": kinds,
        "open": len(open_),
        "left_s": round(sum(row["left_s"] for row in kinds.values()), 2),
        "bytes": sum(_bytes(cell, given) for cell in open_),
        "excluded": plan.excluded,
        "axes": _axes(plan.cells),
        "refusals": _refusals(spec, given),
    }


_AXES = {
    "model": "models",
    "profile": "profiles",
    "weight_bits": "weight bits",
    "scaling": "scaling rules",
    "decay_bits": "decay bits",
    "attack": "attacks",
    "gradient": "gradients",
    "knowledge": "attackers",
    "epsilon": "radii",
    "seed": "seeds",
    "backend": "backends",
    "rung": "rungs",
}


def _axes(cells: tuple[Cell, ...]) -> dict[str, list[str]]:
    """The values along each axis, in order of appearance."""
    found: dict[str, list[str]] = {}
    for key, name in _AXES.items():
        values = dict.fromkeys(
            cell.row[key] for cell in cells if cell.row.get(key) not in (None, "")
        )
        texts = [looks.epsilon(v) if isinstance(v, float) else str(v) for v in values if v]
        if shown := [text for text in texts if text != "none"]:
            found[name] = shown
    return found


def _bytes(cell: Cell, given: Given) -> int:
    """What a cell may write, roughly: moves of a byte, four numbers per decision."""
    size = int(given.samples.raw[0].size)
    count = int(cell.decided.get("count", 0))
    if cell.kind == "craft":
        return 2000 + count * (size if given.samples.levels else 16 * size)
    if cell.kind == "replay":
        kept = int(cell.decided["compare"]) if cell.decided["keep"] else 0
        return 2000 + 32 * count + kept * given.spiking // 16
    return 4000


def _refusals(spec: Spec, given: Given) -> list[str]:
    """What can be known before anything runs, each reason once."""
    found: dict[str, list[str]] = {}
    for one in given.models:
        if not isinstance(one.model, Graph):
            continue
        for name in spec.lower.profile:
            try:
                lower(one.model, load_profile(name).profile)
            except (Refused, InvalidInput) as error:
                found.setdefault(str(error), []).append(f"{one.label} on {name}")
        for lane in spec.replay.lanes:
            try:
                require_lane(lane.backend, lane.rung, one.model if lane.rung == "float" else None)
            except (Refused, BackendUnavailable) as error:
                found.setdefault(str(error), []).append(f"{lane.backend} {lane.rung}")
    return [f"{', '.join(dict.fromkeys(where))}: {why}" for why, where in found.items()]
