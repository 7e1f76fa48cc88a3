"""What cells are given: models and samples in the folder of a study, by the hash of their content.

A study that was planned runs from its folder alone: on another machine, or after the files that it
was made from have changed.
"""

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from neurorobust.attacks import AttackSet
from neurorobust.backends import Executable, Rung, require_lane
from neurorobust.chips import LoadedProfile, Profile, load_profile
from neurorobust.data import Samples
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidFile
from neurorobust.files import write_atomic
from neurorobust.formats.load import load
from neurorobust.ir import Array, Model, Program, save_model
from neurorobust.study.store import Store

GIVEN = "given:"
"""Before the hash of a set that no cell of the study crafted."""


@dataclass(slots=True)
class Held:
    """The one compiled model that a process holds."""

    at: tuple[str, ...] = ()
    executable: Executable | None = None


class Inputs:
    """Models, samples and attack sets of a study, read once by each process.

    Args:
        folder: Of the study.
        store: Where results of cells are.
        device: Where torch crafts.
    """

    KEPT: ClassVar[int] = 8

    def __init__(self, folder: Path, store: Store, device: str = "cpu") -> None:
        self.folder, self.store, self.device = folder, store, device
        self._read: dict[tuple[str, str], Any] = {}
        self._held = Held()
        self._added: dict[Path, Callable[[], object]] = {}

    def write(self) -> None:
        """Write what was added and does not lie in the folder yet."""
        for path, written in self._added.items():
            if not path.exists():
                written()
        self._added.clear()

    def add_model(self, model: Model) -> str:
        """Have a model kept; its hash."""
        path = self._model_path(model.content_hash)
        self._added[path] = partial(save_model, model, path)
        self._keep(("model", model.content_hash), model)
        return model.content_hash

    def add_samples(self, samples: Samples) -> str:
        """Have samples kept; the digest of what the data set has."""
        digest = samples_digest(samples)
        path = self._samples_path(digest)
        self._added[path] = partial(_write_samples, samples, path)
        self._keep(("samples", digest), samples)
        return digest

    def add_profile(self, profile: LoadedProfile) -> str:
        """Have a hardware profile kept; the hash of its file."""
        path = self._profile_path(profile.sha256)
        self._added[path] = partial(write_atomic, path, profile.path.read_bytes())
        return profile.sha256

    def profile(self, sha256: str) -> Profile:
        """A hardware profile by the hash of its file."""
        return load_profile(self._profile_path(sha256)).profile

    def model(self, named: str) -> Any:
        """A Graph or Program by its hash, or by the key of the cell that lowered it."""
        if (known := self._read.get(("model", named))) is not None:
            return known
        path = self._model_path(named)
        if not path.exists():
            path = self.store.path(named, "safetensors")
        return self._keep(("model", named), load(path))

    def network(self, named: str, dtype: str) -> Network:
        """A model as it is attacked."""
        if (known := self._read.get(("network", named + dtype))) is not None:
            found: Network = known
            return found
        import torch

        from neurorobust.engine.integer_gradient import IntegerTarget

        model = self.model(named)
        made = (
            IntegerTarget(model, device=self.device)
            if isinstance(model, Program)
            else Network(model, device=self.device, dtype=getattr(torch, dtype))
        )
        self._keep(("network", named + dtype), made)
        return made

    def samples(self, digest: str, first: int = 0, count: int | None = None) -> Samples:
        """Some of the samples of a digest.

        Raises:
            InvalidFile: if they are missing or damaged.
        """
        whole = self._read.get(("samples", digest))
        if whole is None:
            path = self._samples_path(digest)
            try:
                with np.load(path, allow_pickle=False) as file:
                    arrays = {name: file[name] for name in file.files}
                said = json.loads(path.with_suffix(".json").read_text())
                for name in ("formats", "bounds", "classes"):
                    if isinstance(said.get(name), list):
                        said[name] = tuple(said[name])
                whole = Samples(**said, **arrays)
            except (OSError, ValueError, TypeError) as error:
                reason = f"cannot be read ({error}); run the study again from its data"
                raise InvalidFile(path, reason) from error
            self._keep(("samples", digest), whole)
        found: Samples = whole[first : None if count is None else first + count]
        return found

    def add_set(self, made: AttackSet) -> str:
        """Have a set kept that was crafted elsewhere; how cells name it."""
        path = self.folder / "inputs" / f"{made.content_hash[:16]}.safetensors"
        self._added[path] = partial(made.save, path)
        return f"{GIVEN}{made.content_hash}"

    def attack_set(self, key: str) -> AttackSet:
        """The set that a cell crafted, or one that was given."""
        if (known := self._read.get(("set", key))) is not None:
            found: AttackSet = known
            return found
        if key.startswith(GIVEN):
            path = self.folder / "inputs" / f"{key.removeprefix(GIVEN)[:16]}.safetensors"
            made = AttackSet.load(path)
        else:
            ended = self.store.get(key)
            assert ended is not None  # noqa: S101  # a cell runs when what it needs has ended
            said = ended.decided
            whole = self.samples(said["data"], said["first"], said["count"])
            clean = whole.shown_to(self.network(said["model"], said["dtype"]).graph)
            made = AttackSet.load(self.store.folder / ended.found["file"], clean)
        self._keep(("set", key), made)
        return made

    def executable(self, named: str, backend: str, rung: Rung) -> Executable:
        """A model compiled for a backend; one is held at a time.

        Raises:
            Unsupported: if the backend cannot run it exactly.
            BackendUnavailable: if the backend cannot run here.
        """
        at = named, backend, rung
        if self._held.at == at and self._held.executable is not None:
            return self._held.executable
        self.close()
        model = self.model(named)
        self._held = Held(at, require_lane(backend, rung, model).compile(model, rung))
        assert self._held.executable is not None  # noqa: S101  # just made
        return self._held.executable

    def close(self) -> None:
        """Close the compiled model."""
        if self._held.executable is not None:
            self._held.executable.close()
        self._held = Held()

    def _keep(self, at: tuple[str, str], value: Any) -> Any:
        self._read.pop(at, None)
        self._read[at] = value
        for old in [name for name in self._read if name[0] == at[0]][: -self.KEPT]:
            del self._read[old]
        return value

    def _model_path(self, content_hash: str) -> Path:
        return self.folder / "inputs" / f"{content_hash[:16]}.safetensors"

    def _profile_path(self, sha256: str) -> Path:
        return self.folder / "inputs" / f"{sha256[:16]}.toml"

    def _samples_path(self, digest: str) -> Path:
        return self.folder / "inputs" / f"{digest[:16]}.npz"


def _write_samples(samples: Samples, path: Path) -> None:
    said = {k: v for k, v in asdict(samples).items() if k not in ("raw", "targets", "index")}
    write_atomic(path.with_suffix(".json"), json.dumps(said) + "\n")
    buffer = io.BytesIO()
    arrays = {"raw": samples.raw, "index": samples.sample}
    if samples.targets is not None:
        arrays["targets"] = samples.targets
    # mypy reads a mapping unpacked here as the flag allow_pickle
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_atomic(path, buffer.getvalue())  # last, for with it both are there


def samples_digest(samples: Samples) -> str:
    """Of raw values, labels and what turns raw values into input values."""
    found = hashlib.sha256()
    targets: Array = np.zeros(0) if samples.targets is None else samples.targets
    for part in (samples.raw, targets, samples.sample):
        array = np.ascontiguousarray(part)
        found.update(f"{array.dtype.str}{array.shape}".encode())
        found.update(array.tobytes())
    found.update(str((samples.levels, samples.bounds, samples.grid)).encode())
    return found.hexdigest()
