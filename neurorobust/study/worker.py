"""A process at work on a study: it takes cells that are ready, longest groups first.

Every worker runs this loop, in the process of a command or in one of its own; what is done is read
from the store alone.
"""

import os
import resource
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from neurorobust.engine.threads import one_thread
from neurorobust.errors import (
    BackendUnavailable,
    EnvironmentBuildError,
    InvalidInput,
    NeurorobustError,
    Refused,
)
from neurorobust.progress import Progress
from neurorobust.study.board import Board
from neurorobust.study.cells import Cell, Status
from neurorobust.study.inputs import Inputs
from neurorobust.study.store import Claim, Ended, Store
from neurorobust.study.work import run_cell

WAIT_S, LOOK_S = 0.1, 1.0
"""Between two tries where nothing can begin, and between two looks at what others have done."""

NICE = 10
"""Of processes of their own: whoever sits at the machine comes first."""

Tell = Callable[[Cell, Ended], None]


class Worker:
    """Runs cells until none is open, or all that are left are held by other processes.

    Args:
        cells: Of the study.
        folder: Of the study.
        store: Where results are.
        versions: Kept beside every result.
        device: Where torch crafts.
        tell: Called with every cell that ended here.
        progress: Of what goes on within a cell.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        folder: Path,
        store: Store,
        *,
        versions: dict[str, str],
        device: str = "cpu",
        tell: Tell | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.board, self.store = Board(cells, store), store
        self.inputs = Inputs(folder, store, device)
        self._versions, self._tell, self._progress = versions, tell, progress
        self._leases: dict[str, Claim] = {}
        self._looked = time.monotonic()

    def run(self) -> None:
        """Work."""
        group = ""
        try:
            with one_thread():
                while self.board.open:
                    if time.monotonic() - self._looked > LOOK_S:
                        self._look()
                    taken = self._take(group)
                    if taken is None:
                        time.sleep(WAIT_S)
                        self._look()
                        continue
                    cell, claim = taken
                    group = cell.group
                    try:
                        ended = self._attempt(cell)
                        self.store.put(ended)
                    finally:
                        claim.release()
                    self.board.see(ended)
                    if self._tell:
                        self._tell(cell, ended)
        finally:
            self.inputs.close()
            for lease in self._leases.values():
                lease.release()
            # An interruption may come while a claim is taken or given up.
            self.store.release(os.getpid())

    def _look(self) -> None:
        self.board.refresh()
        self._looked = time.monotonic()

    def _take(self, group: str) -> tuple[Cell, Claim] | None:
        for cell in self.board.ready(group):
            if cell.group != group and set(self._leases) - set(cell.wants):
                # What the last group held alone is closed before another process may have it.
                self.inputs.close()
                for lease in self._leases.values():
                    lease.release()
                self._leases.clear()
            if not all(self._lease(name) for name in cell.wants):
                continue
            claim = self.store.claim(cell.key)
            if claim is None:
                continue
            ended = self.store.get(cell.key)  # another may have finished it since the last look
            if ended is not None and self.board.see(ended):
                claim.release()
                continue
            return cell, claim
        return None

    def _lease(self, name: str) -> bool:
        """Whether this process holds a resource of which there is one."""
        if name not in self._leases and (claim := self.store.claim(name)) is not None:
            self._leases[name] = claim
        return name in self._leases

    def _attempt(self, cell: Cell) -> Ended:
        before = self.store.get(cell.key)
        attempts = 1 + (before.attempts if before is not None else 0)
        started, wall, cpu = datetime.now(UTC), time.perf_counter(), _cpu_s()
        status: Status = "done"
        found: dict[str, Any] = {}
        reason = ""
        try:
            found = run_cell(cell, self.inputs, self.store, self._progress)
        except (BackendUnavailable, EnvironmentBuildError) as error:
            status, reason = "unavailable", str(error)
        except (Refused, InvalidInput) as error:
            status, reason = "refused", str(error)
        except NeurorobustError as error:
            status, reason = "failed", str(error)
        except MemoryError:
            status, reason = "failed", "out of memory; give it fewer samples at once"
        except Exception as error:  # noqa: BLE001  # one failure stops nothing
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            status, reason = "failed", f"{type(error).__name__}: {error} ({where})"
            found = {"traceback": traceback.format_exc()}
        return Ended(
            cell.key,
            status,
            reason,
            found,
            attempts,
            {
                "cpu_s": round(_cpu_s() - cpu, 3),
                "wall_s": round(time.perf_counter() - wall, 3),
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
                "started": started.isoformat(timespec="seconds"),
            },
            {"kind": cell.kind, "what": cell.what, **cell.decided},
            self._versions,
        )


def _cpu_s() -> float:
    """Of this process and of its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def main() -> None:
    """A worker of its own process: ``python -m neurorobust.study.worker FOLDER PARENT``."""
    from neurorobust.study.plan import read_plan

    folder, parent = Path(sys.argv[1]), int(sys.argv[2])
    os.nice(NICE)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    plan = read_plan(folder)
    Worker(
        plan.cells, folder, Store(plan.store), versions=plan.versions, device=plan.spec.run.device
    ).run()


if __name__ == "__main__":
    main()
