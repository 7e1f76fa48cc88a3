"""Processes of one thread on this machine, watched: none may take too much memory or time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from neurorobust.errors import NeurorobustError
from neurorobust.study.board import Board
from neurorobust.study.cells import Cell
from neurorobust.study.plan import Plan
from neurorobust.study.store import Ended, Holder, Store
from neurorobust.study.worker import Worker

POLL_S = 0.25

Tell = Callable[[Cell, Ended, Board], None]


@dataclass(slots=True)
class Job:
    """One process, what it said, and why it was ended by force."""

    process: subprocess.Popen[bytes]
    log: Path
    reason: str = ""


def here(plan: Plan, folder: Path, tell: Tell) -> None:
    """Run all cells in this process."""
    store = Store(plan.store)

    def told(cell: Cell, ended: Ended) -> None:
        tell(cell, ended, worker.board)

    device = plan.spec.run.device
    worker = Worker(plan.cells, folder, store, versions=plan.versions, device=device, tell=told)
    worker.run()


def processes(plan: Plan, folder: Path, tell: Tell) -> None:
    """Run all cells in processes of their own.

    Args:
        plan: Its spec says how many, and what one may take.
        folder: Of the study.
        tell: Called with every cell that ended, and what is known of the others.

    Raises:
        NeurorobustError: if processes end again and again without a result.
    """
    crew = _Crew(plan, folder, tell)
    try:
        while crew.board.open:
            crew.hire()
            time.sleep(POLL_S)
            crew.look()
    finally:
        crew.dismiss()


class _Crew:
    """The processes at work on a study."""

    def __init__(self, plan: Plan, folder: Path, tell: Tell) -> None:
        self.plan, self.folder, self.tell = plan, folder, tell
        self.store = Store(plan.store)
        self.board = Board(plan.cells, self.store)
        self.jobs: list[Job] = []
        self.started = self.in_vain = 0

    def hire(self) -> None:
        """Start as many processes as there may be and is work for."""
        while len(self.jobs) < min(self.plan.spec.run.jobs, self.board.open):
            self.jobs.append(_start(self.folder, self.started))
            self.started += 1

    def look(self) -> None:
        """See what was finished, and which processes have ended or must."""
        self._tell()
        for job in self.jobs:
            _watch(job, self.plan, self.store)
        for job in [job for job in self.jobs if job.process.poll() is not None]:
            self.jobs.remove(job)
            self._ended(job)
        self._tell()

    def dismiss(self) -> None:
        """End all processes."""
        for job in self.jobs:
            job.process.kill()
        for job in self.jobs:
            job.process.wait()
            self.store.release(job.process.pid)

    def _tell(self) -> None:
        for cell in self.board.refresh():
            self.tell(cell, self.board.ended[cell.key], self.board)

    def _ended(self, job: Job) -> None:
        held = self.store.release(job.process.pid)
        for claim in held:
            if claim.name in self.board.cells:
                self.in_vain = 0
                _fail(self.board.cells[claim.name], job, claim, self.plan, self.store)
        if not held and self.board.open:
            self.in_vain += 1
        if self.in_vain > 2 * self.plan.spec.run.jobs:
            last = job.log.read_text(errors="replace").strip().splitlines()[-1:]
            said = job.reason or (last[0] if last else f"exit code {job.process.returncode}")
            raise NeurorobustError(f"processes of the study end at once: {said}")


def _start(folder: Path, number: int) -> Job:
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
    log = folder / "logs" / f"process-{number}.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603  # this interpreter, with our own module
            [sys.executable, "-m", "neurorobust.study.worker", str(folder), str(os.getpid())],
            env=os.environ | dict.fromkeys(threads, "1"),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    return Job(process, log)


def _watch(job: Job, plan: Plan, store: Store) -> None:
    """End a process that takes more than it may."""
    run, pid = plan.spec.run, job.process.pid
    if job.process.poll() is not None:
        return
    if run.memory_mb is not None and (used := _memory_mb(pid)) > run.memory_mb:
        job.reason = (
            f"took {used:.0f} MB of memory, more than the {run.memory_mb:g} MB that run.memory_mb "
            "allows; allow more, or give data.chunk fewer samples"
        )
    if run.minutes_per_cell is not None:
        for held in store.claims():
            minutes = (time.time() - held.since) / 60
            ours = held.process == pid and held.name in {cell.key for cell in plan.cells}
            if ours and minutes > run.minutes_per_cell:
                job.reason = (
                    f"took longer than the {run.minutes_per_cell:g} minutes that "
                    "run.minutes_per_cell allows; allow more, or give data.chunk fewer samples"
                )
    if job.reason:
        job.process.kill()
        job.process.wait()


def _fail(cell: Cell, job: Job, claim: Holder, plan: Plan, store: Store) -> None:
    """Record that the process at work on a cell has ended without a result."""
    before = store.get(cell.key)
    if before is not None and before.final:
        return
    code = job.process.returncode
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with {code}"
    reason = job.reason or f"its process ended {how}; of SIGKILL the usual reason is little memory"
    wall = round(time.time() - claim.since, 1)
    attempts = 1 + (before.attempts if before is not None else 0)
    decided = {"kind": cell.kind, "what": cell.what, **cell.decided}
    cost = {"cpu_s": wall, "wall_s": wall}
    store.put(Ended(cell.key, "failed", reason, {}, attempts, cost, decided, plan.versions))


def _memory_mb(pid: int) -> float:
    """What a process holds in memory, by itself; 0 where that cannot be known."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
