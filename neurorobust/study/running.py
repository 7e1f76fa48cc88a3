"""A study from its file to its page: read, plan, run, gather, report."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.files import write_atomic
from neurorobust.progress import Silent, Stages
from neurorobust.study import folder as results
from neurorobust.study.board import Board
from neurorobust.study.cells import Cell
from neurorobust.study.executors import local
from neurorobust.study.folder import MANIFEST, Results
from neurorobust.study.gather import gather
from neurorobust.study.given import Given
from neurorobust.study.plan import Plan, make_plan
from neurorobust.study.report import write_report
from neurorobust.study.spec import Spec
from neurorobust.study.stages import Clock, now
from neurorobust.study.store import Ended, Store


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """A study that was run.

    Attributes:
        folder: Where it lies.
        results: What it found.
        report: Its page.
    """

    folder: Path
    results: Results
    report: Path

    @property
    def rows(self) -> pl.DataFrame:
        """A row per model, lowering, backend and set: see ``neurorobust.study.tables.ROWS``."""
        return self.results.rows

    @property
    def outcomes(self) -> pl.DataFrame:
        """A row per sample of each: see ``neurorobust.study.tables.OUTCOMES``."""
        return self.results.outcomes


def run_study(
    spec: Spec,
    given: Given,
    folder: Path,
    *,
    stages: Stages = Silent(),  # noqa: B008  # it holds nothing
    stages_before: Sequence[dict[str, Any]] = (),
    **about: Any,
) -> Done:
    """Run a study and write its page; cells that the store has are not run again.

    Args:
        spec: The study.
        given: Its models and samples, read.
        folder: Of the study; made if it is not there.
        stages: Told about progress.
        stages_before: Stages that came before, as ``Clock`` has them.
        about: For the manifest: ``preset``, ``command``, ``notes``.

    Raises:
        InvalidFile: if the folder cannot be written or holds a damaged file.
        InvalidInput: if samples do not fit the models.
    """
    found = run_cells(spec, given, folder, stages=stages, stages_before=stages_before, **about)
    with stages.stage("Write the report"):
        page = write_report(folder)
    return Done(folder, found, page)


def run_cells(
    spec: Spec,
    given: Given,
    folder: Path,
    *,
    stages: Stages = Silent(),  # noqa: B008  # it holds nothing
    stages_before: Sequence[dict[str, Any]] = (),
    **about: Any,
) -> Results:
    """Run a study and write its tables, without a page; otherwise as ``run_study``."""
    begin(folder)
    clock = Clock(stages)
    plan = make_plan(spec, given, folder, **about)
    (folder / MANIFEST).unlink(missing_ok=True)  # from now on it is not whole
    plan.write(folder)
    store = Store(plan.store)
    store.tidy(folder)
    before = _before(plan, store)
    _run(plan, folder, clock, before)
    store.tidy(folder)
    found = gather(
        plan,
        folder,
        before=before,
        created=now(),
        wall_s=clock.wall_s + sum(stage["wall_s"] for stage in stages_before),
        stages=[*stages_before, *clock.rows],
    )
    results.write(folder, found)
    return found


def begin(folder: Path) -> None:
    """Find out before the work whether the folder can be written; it is left as it was.

    Raises:
        InvalidFile: if nothing can be written there.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidFile(folder, "is no folder; choose another")
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    write_atomic(folder / ".writable", b"").unlink()
    for place in missing:
        with suppress(OSError):  # another process has begun there
            place.rmdir()


def _before(plan: Plan, store: Store) -> set[str]:
    """Cells that had ended; those that were unavailable are open again."""
    found = set()
    for key in store.keys() & {cell.key for cell in plan.cells}:
        ended = store.get(key)
        if ended is not None and ended.status == "unavailable":
            store.forget(key)
        elif ended is not None and ended.final:
            found.add(key)
    return found


def _run(plan: Plan, folder: Path, clock: Clock, before: set[str]) -> None:
    total, done = len(plan.cells), len(before)
    run = plan.spec.run
    alone = run.jobs == 1 and run.memory_mb is None and run.minutes_per_cell is None
    with clock.stage(f"Run {total} cells, {done} of them done", "cells") as progress:
        progress("begin", done, total)

        def tell(cell: Cell, _: Ended, board: Board) -> None:
            left = board.left_s / run.jobs
            eta = f", about {left:.0f} s left" if left >= 1 else ""
            progress(f"{cell.what}{eta}", total - board.open, total)

        (local.here if alone else local.processes)(plan, folder, tell)


def status(folder: Path) -> dict[str, Any]:
    """How far a study is, from what lies in its folder: for any process at any time.

    Raises:
        InvalidFile: if it is no folder of a study.
    """
    from neurorobust.study.costs import learned
    from neurorobust.study.plan import read_plan

    plan = read_plan(folder)
    store = Store(plan.store)
    board = Board(plan.cells, store)
    kinds: dict[str, dict[str, int]] = {}
    for key, cell in board.cells.items():
        ended = board.ended.get(key) or store.get(key)
        state = "blocked" if key in board.blocked else ended.status if ended else "open"
        kind = kinds.setdefault(cell.kind, {})
        kind[state] = kind.get(state, 0) + 1
    open_ = [c for k, c in board.cells.items() if k not in board.ended and k not in board.blocked]
    return {
        "cells": kinds,
        "open": len(open_),
        "at_work": [
            f"{held.name} by process {held.process} of {held.host}"
            for held in store.claims()
            if held.name in board.cells
        ],
        "left_s": round(learned(plan.cells, board.ended) if open_ else 0.0, 1),
        "failed": [
            {"cell": c.key, "what": c.what, "reason": e.reason, "attempts": e.attempts}
            for c in plan.cells
            if (e := store.get(c.key)) is not None and e.status == "failed"
        ],
    }


def retry(folder: Path, keys: Iterable[str] = ()) -> int:
    """Forget failed cells, all or those that are named, so that the next run tries them again.

    Raises:
        InvalidInput: if a named cell has not failed.
    """
    from neurorobust.study.plan import read_plan

    plan, asked = read_plan(folder), set(keys)
    store = Store(plan.store)
    found = [
        cell.key
        for cell in plan.cells
        if (ended := store.get(cell.key)) is not None
        and ended.status == "failed"
        and (not asked or cell.key in asked)
    ]
    if missing := asked - set(found):
        raise InvalidInput(f"cell {', '.join(sorted(missing))} has not failed in {folder}")
    for key in found:
        store.forget(key)
    # What waited for them came to its end without them.
    again = set(found)
    for cell in plan.cells:
        if again & {*cell.needs, *cell.after}:
            again.add(cell.key)
            store.forget(cell.key)
    return len(found)


def merge(folder: Path, others: Iterable[Path]) -> int:
    """Take over the results of other folders of studies; how many cells were new.

    Raises:
        InvalidInput: if two have another result of the same cell.
    """
    from neurorobust.study.plan import read_plan

    store = Store(read_plan(folder).store)
    return sum(store.merge(Store(read_plan(other).store)) for other in others)


def report(folder: Path, *, anew: bool = False) -> Path:
    """Write the page of a study.

    Args:
        folder: Of the study.
        anew: Whether tables are made anew from the cells that have ended, be they all or not; else
            only where there are none.

    Raises:
        InvalidFile: if it is no folder of a study.
    """
    from neurorobust.study.plan import PLAN, read_plan

    planned = (folder / PLAN).is_file()
    if planned and (anew or not (folder / MANIFEST).is_file()):
        results.write(folder, gather(read_plan(folder), folder, created=now()))
    return write_report(folder)
