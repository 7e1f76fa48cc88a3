"""Results of cells, each under its key; one store may serve many studies.

``cells/<kk>/<key>.json`` says how a cell ended and is written last; what is large lies beside it as
``<key>.safetensors``. ``claims/<key>`` is held by the process that is at work on a cell.
"""

import json
import os
import platform
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.files import PART, write_atomic
from neurorobust.study.cells import Status

BEAT_S = 2.0
"""How often a claim is renewed."""
VOID_S = 5 * BEAT_S
"""Age at which a claim is void: its process is gone."""
PARTS = ("cells", "claims", "sets", "inputs", "model")
"""Folders within the folder of a study or a store."""
ATTEMPTS = 2
"""How often a cell is tried before it stays failed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a cell ended.

    Attributes:
        key: Of the cell.
        status: ``done``, or why there is no result.
        reason: In words, where there is none.
        found: What was found, as JSON values.
        attempts: How often it was tried.
        cost: ``cpu_s``, ``wall_s``, ``peak_mb`` and when it ``started``.
        decided: The cell, so that a store explains itself.
        versions: Of what computed it.
    """

    key: str
    status: Status
    reason: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 1
    cost: Mapping[str, Any] = field(default_factory=dict)
    decided: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def final(self) -> bool:
        """Whether another run of the study would not try it again."""
        return self.result or (self.status == "failed" and self.attempts >= ATTEMPTS)

    @property
    def result(self) -> bool:
        """Whether it came to a result, which may be that there is no exact form."""
        return self.status in ("done", "refused")


class Claim:
    """A cell or a resource that this process holds; renewed until it is given up.

    Args:
        path: Of its file, which this process has made.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._over = path, Event()
        self._beat = Thread(target=self._renew, daemon=True)
        self._beat.start()

    def _renew(self) -> None:
        while not self._over.wait(BEAT_S):
            try:
                os.utime(self._path)
            except FileNotFoundError:  # another has given it up
                return
            except OSError:
                continue

    def release(self) -> None:
        """Give it up."""
        self._over.set()
        self._beat.join()
        self._path.unlink(missing_ok=True)


class Holder(NamedTuple):
    """Who holds a claim: a process of a machine, since when (seconds since 1970)."""

    name: str
    host: str
    process: int
    since: float


class Store:
    """A folder of results.

    Args:
        folder: Made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, Ended] = {}

    def path(self, key: str, ending: str = "json") -> Path:
        """Where a file of a cell lies."""
        return self.folder / "cells" / key[:2] / f"{key}.{ending}"

    def get(self, key: str) -> Ended | None:
        """How a cell ended, if it has.

        Raises:
            InvalidFile: if what is there is damaged.
        """
        if (known := self._known.get(key)) is not None:
            return known
        path = self.path(key)
        try:
            found = Ended(**json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            reason = f"is no result of a cell ({error}); delete it, and the study runs it again"
            raise InvalidFile(path, reason) from error
        if found.final:
            self._known[key] = found
        return found

    def put(self, ended: Ended) -> None:
        """Keep how a cell ended; its other files must be there already."""
        text = json.dumps(asdict(ended), ensure_ascii=False, separators=(",", ":"))
        write_atomic(self.path(ended.key), text + "\n")
        self._known.pop(ended.key, None)

    def forget(self, key: str) -> None:
        """As if a cell had never run."""
        self.path(key).unlink(missing_ok=True)
        self._known.pop(key, None)

    def keys(self) -> set[str]:
        """Of all cells that have ended."""
        found: set[str] = set()
        with suppress(FileNotFoundError):
            for part in os.scandir(self.folder / "cells"):
                names = (entry.name for entry in os.scandir(part.path))
                found.update(n[:-5] for n in names if n.endswith(".json") and n[0] != ".")
        return found

    def claim(self, name: str) -> Claim | None:
        """Hold a cell or a resource, unless another process holds it.

        A result comes before its claim is given up, so a lost claim costs time and never truth.
        """
        path = self.folder / "claims" / name
        return Claim(path) if _take(path) else None

    def claims(self) -> list[Holder]:
        """Who holds what."""
        found = []
        for path in (self.folder / "claims").glob("[!.]*"):
            with suppress(OSError, ValueError):
                host, number, since = path.read_text().rsplit(" ", 2)
                found.append(Holder(path.name, host, int(number), float(since)))
        return found

    def tidy(self, *folders: Path) -> None:
        """Remove what processes that are gone left behind: claims, and files half-written.

        Args:
            folders: Of studies, besides the store.
        """
        self.release()
        for path in (self.folder / "claims").glob("[!.]*"):
            if _void(path):
                path.unlink(missing_ok=True)
        # Whoever writes a result holds a claim; of others nothing is known but how old a file is.
        least = VOID_S if self.claims() else 0.0
        now = time.time()
        for folder in dict.fromkeys((self.folder, *folders)):
            parts = [folder.glob(f".*{PART}")]
            parts += [(folder / name).rglob(f".*{PART}") for name in PARTS]
            for path in chain.from_iterable(parts):
                with suppress(OSError):
                    if now - path.stat().st_mtime >= least:
                        path.unlink()

    def release(self, process: int | None = None) -> list[Holder]:
        """Void the claims of a process of this machine, or of all that are gone."""
        found = []
        for held in self.claims():
            of_it = not _alive(held.process) if process is None else held.process == process
            if held.host == platform.node() and of_it:
                (self.folder / "claims" / held.name).unlink(missing_ok=True)
                found.append(held)
        return found

    def merge(self, other: "Store") -> int:
        """Take over what another store has; how many cells were new.

        Raises:
            InvalidInput: if both have a cell, and not the same of it.
        """
        count = 0
        for path in sorted((other.folder / "cells").glob("*/*.json")):
            key = path.stem
            theirs, ours = other.get(key), self.get(key)
            if theirs is None:
                continue
            if ours is not None and ours.status == "done" == theirs.status:
                self._require_same(other, ours, theirs)
            elif ours is None or (theirs.result and not ours.result):
                for beside in sorted(path.parent.glob(f"{key}.*"), reverse=True):
                    if beside != path:
                        write_atomic(self.path(key, beside.suffix[1:]), beside.read_bytes())
                if "file" in theirs.found:
                    name = theirs.found["file"]
                    write_atomic(self.folder / name, (other.folder / name).read_bytes())
                self.put(theirs)
                count += 1
        return count

    def _require_same(self, other: "Store", ours: Ended, theirs: Ended) -> None:
        def content(store: Store, ended: Ended) -> list[Any]:
            beside = store.path(ended.key, "safetensors")
            return [dict(ended.found), beside.read_bytes() if beside.exists() else b""]

        if content(self, ours) != content(other, theirs):
            where = ours.decided.get("what") or ours.decided.get("kind", "")
            raise InvalidInput(
                f"cell {ours.key} ({where}) has another result in {self.folder} (computed with "
                f"{_told(ours.versions)}) than in {other.folder} ({_told(theirs.versions)}); "
                "keep one of the two"
            )


def _told(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _take(path: Path) -> bool:
    if path.exists():
        if not _void(path):
            return False
        # Of several who find it void, the one whose rename succeeds takes it over.
        aside = path.with_name(f".{path.name}.{os.getpid()}{PART}")
        try:
            path.rename(aside)
            aside.unlink()
        except OSError:
            return False
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}{PART}")
    own.write_text(f"{platform.node()} {os.getpid()} {time.time():.1f}")
    try:
        os.link(own, path)  # it says whose it is from its first moment on
    except FileExistsError:
        return False
    finally:
        own.unlink(missing_ok=True)
    return True


def _void(path: Path) -> bool:
    """Whether a claim was not renewed for long, by the clock of the folder it lies in."""
    now = path.with_name(f".now.{os.getpid()}{PART}")
    try:
        now.touch()
        return now.stat().st_mtime - path.stat().st_mtime > VOID_S
    except OSError:
        return False
    finally:
        now.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
