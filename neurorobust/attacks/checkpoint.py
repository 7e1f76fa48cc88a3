"""How far a long attack has come, so that an interrupted one goes on where it was."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from shutil import rmtree
from typing import Any, Self

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from neurorobust.attacks.request import Crafted
from neurorobust.errors import InvalidFile
from neurorobust.files import write_atomic
from neurorobust.ir import Array
from neurorobust.ir.identity import canonical_json


class Parts:
    """Batches of one request.

    Args:
        folder: Of this request alone: what lies there is taken for its batches. Made when needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, start: int, count: int) -> Crafted | None:
        """The batch of some samples, if it was finished.

        Raises:
            InvalidFile: if what is there is damaged.
        """
        path = self._path(start, count)
        if not path.exists():
            return None
        try:
            found = Crafted(**load(path.read_bytes()))
        except (OSError, SafetensorError, TypeError, ValueError) as error:
            reason = f"is no finished batch ({error}); delete it to craft it again"
            raise InvalidFile(path, reason) from error
        return found

    def save(self, start: int, crafted: Crafted) -> None:
        """Keep a finished batch."""
        arrays = {f.name: np.ascontiguousarray(getattr(crafted, f.name)) for f in fields(crafted)}
        write_atomic(self._path(start, len(crafted.clean)), save(arrays))

    def within(self, name: str) -> Self:
        """Those of one stage of this request."""
        return type(self)(self.folder / name)

    def remove(self) -> None:
        """Forget all, when the whole is stored; also the folder above, if nothing else is in it."""
        rmtree(self.folder, ignore_errors=True)
        try:
            self.folder.parent.rmdir()
        except OSError:  # others are unfinished, or it was never made
            return

    def _path(self, start: int, count: int) -> Path:
        return self.folder / f"{start:08d}-{count}.safetensors"


_KEY = "neurorobust_ensemble"
_ARRAYS = ("clean", "adversarial", "raw", "clean_decision", "adversarial_decision")


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """The worst case so far.

    Attributes:
        key: SHA-256 of the request and the data.
        stages: Names of the stages done.
        broken_by: Stage that broke a sample: -1 for none yet, -2 if it is wrong when clean; (B,).
        arrays: The fields of ``Crafted`` that are known, by name; empty before the first stage.
    """

    key: str
    stages: tuple[str, ...]
    broken_by: Array
    arrays: Mapping[str, Array]

    @classmethod
    def open(
        cls, path: Path | None, request: Mapping[str, Any], x: Array, y: Array, sample: Array
    ) -> Self:
        """The state in a file, or that before the first stage.

        Raises:
            InvalidFile: if the file is damaged or of another request.
        """
        data = hashlib.sha256(canonical_json(dict(request)).encode())
        for array in (np.float64(x), np.int64(y), np.int64(sample)):
            data.update(np.ascontiguousarray(array).tobytes())
        key = data.hexdigest()
        if path is None or not path.exists():
            return cls(key, (), np.full(len(x), -1), {})
        try:
            with safe_open(path, framework="numpy") as file:
                described = json.loads((file.metadata() or {})[_KEY])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            found = cls(
                described["key"], tuple(described["stages"]), arrays.pop("broken_by"), arrays
            )
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            reason = f"is no readable ensemble state ({error}); delete it to start again"
            raise InvalidFile(path, reason) from error
        if found.key != key:
            reason = "belongs to another request; give another state file or delete it"
            raise InvalidFile(path, reason)
        return found

    @property
    def adversarial_decision(self) -> Array:
        """Of the worst case so far, (B,)."""
        return self.arrays["adversarial_decision"]

    def after(self, stage: str, rows: Array, made: Crafted | None, y: Array) -> Self:
        """The state after a stage that attacked some rows; None where there was none left."""
        arrays = {key: value.copy() for key, value in self.arrays.items()}
        broken = self.broken_by.copy()
        if made is not None:
            if not arrays:  # the first stage sees every sample
                arrays = {key: getattr(made, key).copy() for key in _ARRAYS}
                counts = np.zeros(len(y), np.int64)
                arrays |= {"queries": counts, "gradients": counts.copy()}
                wrong = made.clean_decision != y
                arrays["adversarial"][wrong] = made.clean[wrong]
                arrays["raw"][wrong] = made.clean[wrong]
                arrays["adversarial_decision"][wrong] = made.clean_decision[wrong]
                broken[wrong] = -2
            open_ = broken[rows] == -1
            fell = (made.adversarial_decision != y[rows]) & open_
            for key in ("adversarial", "raw", "adversarial_decision"):
                arrays[key][rows[open_]] = getattr(made, key)[open_]
            for key in ("queries", "gradients"):
                arrays[key][rows] += getattr(made, key)
            broken[rows[fell]] = len(self.stages)
        return replace(self, stages=(*self.stages, stage), broken_by=broken, arrays=arrays)

    def save(self, path: Path | None) -> None:
        """Replace the file, whole or not at all."""
        if path is None:
            return
        described = {"key": self.key, "stages": list(self.stages)}
        arrays = {"broken_by": self.broken_by, **self.arrays}
        packed = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
        write_atomic(path, save(packed, metadata={_KEY: canonical_json(described)}))

    def crafted(self) -> Crafted:
        """The worst case, without outcomes per stage."""
        count = len(self.broken_by)
        return Crafted(
            **self.arrays,
            fooled=np.zeros((count, 0), bool),
            iterates=np.zeros(count, np.int64),
            wanted=np.full(count, -1),
        )
