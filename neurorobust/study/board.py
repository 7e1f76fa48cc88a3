"""Which cells of a study are open, which can begin, and which one a process should take next."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from neurorobust.study.cells import Cell
from neurorobust.study.store import ATTEMPTS, Ended, Store


class Board:
    """The cells of a study against what a store has.

    Args:
        cells: Of the study.
        store: Where results are.

    Attributes:
        ended: How cells ended, by key.
        blocked: Cells that cannot begin, by key, with the key of the cell that has no result.
    """

    def __init__(self, cells: Sequence[Cell], store: Store) -> None:
        self.cells = {cell.key: cell for cell in cells}
        self.ended: dict[str, Ended] = {}
        self.blocked: dict[str, str] = {}
        self._store = store
        self._waits: dict[str, set[str]] = {}
        self._behind: dict[str, list[str]] = defaultdict(list)
        for key, cell in self.cells.items():
            self._waits[key] = {k for k in (*cell.needs, *cell.after) if k in self.cells}
            for other in self._waits[key]:
                self._behind[other].append(key)
        self._ready: dict[str, dict[str, Cell]] = defaultdict(dict)
        for key, cell in self.cells.items():
            if not self._waits[key]:
                self._ready[cell.group][key] = cell
        self.refresh()

    @property
    def open(self) -> int:
        """Cells that are still to be run, now or later."""
        return len(self.cells) - len(self.ended) - len(self.blocked)

    @property
    def left_s(self) -> float:
        """Seconds of one core that the open cells may take."""
        return sum(
            cell.estimate_s
            for key, cell in self.cells.items()
            if key not in self.ended and key not in self.blocked
        )

    def refresh(self) -> list[Cell]:
        """See what other processes have finished; the cells that are new."""
        found = []
        for key in self._store.keys() & self.cells.keys() - self.ended.keys():
            ended = self._store.get(key)
            if ended is not None and self.see(ended):
                found.append(self.cells[key])
        return found

    def see(self, ended: Ended) -> bool:
        """Take note of how a cell ended; False if it is to be tried again."""
        if ended.status == "failed" and ended.attempts < ATTEMPTS:
            return False
        cell = self.cells[ended.key]
        self.ended[ended.key] = ended
        self.blocked.pop(ended.key, None)
        self._ready[cell.group].pop(ended.key, None)
        self._free(ended.key, ended.key if ended.status != "done" else None)
        return True

    def _free(self, key: str, cause: str | None) -> None:
        for other in self._behind[key]:
            behind = self.cells[other]
            if other in self.ended or other in self.blocked:
                continue
            if cause is not None and key in behind.needs:
                self.blocked[other] = cause
                self._ready[behind.group].pop(other, None)
                self._free(other, cause)
                continue
            self._waits[other].discard(key)
            if not self._waits[other]:
                self._ready[behind.group][other] = behind

    def ready(self, group: str) -> Iterable[Cell]:
        """Cells that can begin, those of a group first, then of the group with most to do."""
        work = {name: sum(c.estimate_s for c in own.values()) for name, own in self._ready.items()}
        for name in sorted(work, key=lambda name: (name != group, -work[name])):
            yield from sorted(self._ready[name].values(), key=lambda c: (-c.estimate_s, c.key))
