"""Frozen attacks: clean and adversarial samples with everything needed to replay and check them."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from neurorobust.asking import give
from neurorobust.attacks.checkpoint import Parts
from neurorobust.attacks.knowledge import Knowledge
from neurorobust.attacks.packing import Packing, pack, unpack
from neurorobust.attacks.request import Crafter, Request
from neurorobust.attacks.threats import Threat, make_threat
from neurorobust.data import Samples, Source
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.files import require_file, write_atomic
from neurorobust.ir import Array
from neurorobust.ir.identity import canonical_json
from neurorobust.metrics.success import Outcomes
from neurorobust.progress import Progress

FORMAT = 2
"""Of files: arrays are packed, see ``packing``. In those of format 1 they lie as they are."""
_UNREADABLE = (
    OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError, MemoryError,
    OverflowError, InvalidInput,
)  # fmt: skip
UNFINISHED = "unfinished"
"""Folder of the finished batches of sets that are not whole yet."""
_KEY = "neurorobust_attackset"
_WANTED = "an attack set (.safetensors), as an attack writes it"
_PACKED, _LEFT_OUT = "packed", "left_out"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class AttackSet:
    """Adversarial samples of one attack at one budget on one model.

    The arrays from ``outcome_bits`` on are None in sets that do not tell.

    Attributes:
        clean: Shape (B, ...), input values.
        adversarial: Shape (B, ...), legal under the threat model.
        label: Shape (B,).
        sample: Index of each sample in its data set, shape (B,).
        clean_decision: Of the surrogate, shape (B,).
        adversarial_decision: Of the surrogate, shape (B,).
        request: Attack, estimator, their parameters, threat, seed, data and model hashes.
        outcome_bits: Whether iterate k reached the attacker's end, packed, shape (B, ceil(K / 8)).
        iterates: Number of iterates per sample, the returned one last, shape (B,).
        queries: Forward passes per sample, shape (B,).
        gradients: Backward passes per sample, shape (B,).
        wanted: Class to be reached, or -1 for any other than the label, shape (B,).
    """

    clean: Array
    adversarial: Array
    label: Array
    sample: Array
    clean_decision: Array
    adversarial_decision: Array
    request: Mapping[str, Any]
    outcome_bits: Array | None = None
    iterates: Array | None = None
    queries: Array | None = None
    gradients: Array | None = None
    wanted: Array | None = None

    @property
    def content_hash(self) -> str:
        """SHA-256 of request and arrays."""
        digests = {
            key: [str(value.dtype), list(value.shape), _hash(value)]
            for key, value in self._arrays().items()
        }
        content = canonical_json({"request": dict(self.request), "arrays": digests})
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def epsilon(self) -> float:
        """Budget in the unit of the threat."""
        return float(self.request["threat"]["epsilon"])

    @property
    def gradient(self) -> str:
        """Name of the estimator, or ``none``."""
        return str(self.request["gradient"]["name"])

    @property
    def attack(self) -> str:
        """Name of the attack."""
        return str(self.request["attack"]["name"])

    @property
    def file_name(self) -> str:
        """Of the set, by all that decided it."""
        return _file_name(self.request)

    @property
    def threat(self) -> Threat:
        """What the attacker was allowed."""
        return make_threat(self.request["threat"])

    @property
    def knowledge(self) -> Knowledge:
        """What the attacker knew of the model it was crafted on."""
        return Knowledge(self.request.get("knowledge", Knowledge.WHITE_BOX))

    @property
    def fooled(self) -> Array | None:
        """Whether iterate k reached the attacker's end, bool (B, K); the returned one is last."""
        if self.outcome_bits is None or self.iterates is None:
            return None
        count = int(self.iterates.max(initial=0))
        return np.unpackbits(self.outcome_bits, axis=1, count=count).astype(bool)

    @property
    def fooled_ever(self) -> Array | None:
        """Whether any iterate reached the attacker's end, (B,)."""
        fooled = self.fooled
        if fooled is None:
            return None
        return np.asarray(fooled.any(axis=1))

    @property
    def outcomes(self) -> Outcomes:
        """The surrogate's decisions as the table from which every success rate is derived."""
        ever, free = self.fooled_ever, self.wanted is None or bool((self.wanted < 0).all())
        reached = None if self.wanted is None else self.adversarial_decision == self.wanted
        return Outcomes(
            clean=self.clean_decision == self.label,
            attacked=self.adversarial_decision == self.label,
            # Of a targeted attack the iterates say whether the wanted class was reached.
            every=~ever if ever is not None and free else None,
            reached=None if free else reached,
            changed=(self.clean != self.adversarial).reshape(len(self.label), -1).sum(axis=1),
        )

    def violations(self) -> int:
        """Values and samples outside budget, bounds or grid, measured on the arrays."""
        clean, adversarial = (torch.from_numpy(a) for a in (self.clean, self.adversarial))
        return self.threat.violations(adversarial, clean)

    def save(self, path: Path, *, left_out: str | None = None) -> Path:
        """Write one file; it appears whole or not at all.

        Args:
            path: The file.
            left_out: Name of the data whose clean samples the file leaves out, which makes it a few
                times smaller; it is loaded with them. None keeps them, so that it stands alone.
        """
        arrays, streams = self._arrays(), {}
        packed: dict[str, Any] = {}
        described: dict[str, Any] = {"format": FORMAT, "request": dict(self.request)}
        described |= {"content_hash": self.content_hash, _PACKED: packed}
        clean = arrays["clean"]
        if left_out is not None:
            arrays.pop("clean")
            described[_LEFT_OUT] = {
                "name": left_out,
                "dtype": clean.dtype.str,
                "shape": list(clean.shape),
                "sha256": _hash(clean),
            }
        for key, value in arrays.items():
            threat = self.threat if key in ("clean", "adversarial") else None
            packing, streams[key] = pack(value, threat, clean if key == "adversarial" else None)
            packed[key] = packing.describe()
        return write_atomic(path, save(streams, metadata={_KEY: canonical_json(described)}))

    @classmethod
    def load(
        cls, path: Path, samples: Samples | None = None, *, model_hash: str | None = None
    ) -> "AttackSet":
        """Read a set and check it.

        Args:
            path: The file.
            samples: The data that it was crafted on; needed by a file that leaves its clean samples
                out.
            model_hash: If given, the model the set must have been crafted on.

        Raises:
            InvalidFile: if the file is missing, damaged, altered, or for another model, or leaves
                out samples that were not given.
        """
        require_file(path, _WANTED, ("safetensors",))
        try:
            with safe_open(path, framework="numpy") as file:
                described = json.loads((file.metadata() or {})[_KEY])
                stored = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            arrays = _unpacked(path, described, stored, samples)
            found = cls(**arrays, request=described["request"])
            crafted_on, digest = str(found.request["model"]), found.content_hash
        except InvalidFile:
            raise
        except _UNREADABLE as error:
            reason = f"is no readable attack set ({error}); delete it to craft it again"
            raise InvalidFile(path, reason) from error
        if digest != described.get("content_hash"):
            raise InvalidFile(path, "was altered after it was saved; delete it to craft it again")
        if model_hash is not None and crafted_on != model_hash:
            reason = f"was crafted on model {crafted_on[:12]}, not on {model_hash[:12]}"
            raise InvalidFile(path, reason)
        return found

    def _arrays(self) -> dict[str, Array]:
        return {
            f.name: np.ascontiguousarray(getattr(self, f.name))
            for f in fields(self)
            if f.name != "request" and getattr(self, f.name) is not None
        }


def _unpacked(
    path: Path, described: Mapping[str, Any], stored: dict[str, Array], samples: Samples | None
) -> dict[str, Array]:
    """The arrays of a file.

    Raises:
        InvalidFile: if samples that it leaves out are not among those given.
        KeyError, TypeError, ValueError, NeurorobustError: if it is damaged.
    """
    if described["format"] == 1:
        return stored
    if described["format"] != FORMAT:
        raise ValueError(f"format {described['format']}, this version reads 1 and {FORMAT}")
    packed = {key: Packing.read(record) for key, record in described[_PACKED].items()}
    if packed.keys() != stored.keys():
        raise ValueError(f"it holds {', '.join(stored)} and describes {', '.join(packed)}")
    threat, missing = make_threat(described["request"]["threat"]), described.get(_LEFT_OUT)
    shape = packed["adversarial"].shape
    if any(packing.shape[:1] != shape[:1] for packing in packed.values()):
        raise ValueError("its arrays are of different numbers of samples")
    if missing is not None:
        if tuple(missing["shape"]) != shape:
            raise ValueError("its adversarial samples have another shape than its clean ones")
        index = unpack(packed["sample"], stored["sample"])
        stored["clean"] = _clean(path, missing, samples, threat, index)
    elif packed["clean"].shape != shape:
        raise ValueError("its adversarial samples have another shape than its clean ones")
    else:
        stored["clean"] = unpack(packed.pop("clean"), stored["clean"], threat)
    for key, packing in packed.items():
        origin = stored["clean"] if key == "adversarial" else None
        stored[key] = unpack(packing, stored[key], threat, origin)
    return stored


def _clean(
    path: Path, missing: Mapping[str, Any], samples: Samples | None, threat: Threat, index: Array
) -> Array:
    """The clean samples that a file leaves out.

    Raises:
        InvalidFile: if they are not among those given.
    """
    shape, name = tuple(missing["shape"]), str(missing["name"])
    needed = f"{len(index)} clean samples of {name} (SHA-256 {missing['sha256'][:12]})"
    if samples is None:
        raise InvalidFile(path, f"leaves out the {needed}; give {give(Source, 'name', name)} too")
    at = {int(sample): row for row, sample in reversed([*enumerate(samples.sample)])}
    if lost := [sample for sample in index.tolist() if sample not in at]:
        reason = (
            f"needs the {needed}; {samples.name} has {len(samples)} samples and none of the index "
            f"{lost[0]}; give those that it was crafted on, without a limit"
        )
        raise InvalidFile(path, reason)
    some = samples[np.array([at[sample] for sample in index.tolist()], np.int64)]
    some = replace(some, bounds=some.bounds or threat.bounds, grid=some.grid or threat.levels)
    values = np.asarray(some.values, np.float64)
    if values.size == math.prod(shape):
        given = torch.from_numpy(np.ascontiguousarray(values.reshape(shape)))
        clean: Array = threat.legalise(given, given).numpy().astype(missing["dtype"])
        if _hash(clean) == missing["sha256"]:
            return clean
    reason = f"needs the {needed}, and those of {samples.name} are others"
    raise InvalidFile(path, f"{reason}; give the data that it was crafted on")


def read_request(path: Path) -> Mapping[str, Any] | None:
    """The request of a set, without its arrays; None for a safetensors file of another kind.

    Raises:
        InvalidFile: if the file is missing or damaged.
    """
    require_file(path, _WANTED, ("safetensors",))
    try:
        with safe_open(path, framework="numpy") as file:
            described = (file.metadata() or {}).get(_KEY)
        return None if described is None else dict(json.loads(described)["request"])
    except _UNREADABLE as error:
        reason = f"is no readable attack set ({error}); delete it to craft it again"
        raise InvalidFile(path, reason) from error


def craft(
    attack: Crafter,
    request: Request,
    folder: Path,
    *,
    knowledge: Knowledge | None = None,
    progress: Progress | None = None,
    left_out: str | None = None,
) -> tuple[AttackSet, bool]:
    """The set of this request from the folder, or crafted now and frozen there.

    Args:
        attack: An attack or an ensemble.
        request: What is attacked, on what, and how far.
        folder: Where sets are kept, and in ``unfinished`` the finished batches of those that are
            not whole: crafting that is interrupted goes on there.
        knowledge: See ``Request.describe``.
        progress: Called as ``(what, done, total)``.
        left_out: See ``AttackSet.save``.

    Returns:
        The set, and whether it was reused.

    Raises:
        InvalidFile: if a set of this name is damaged.
    """
    described, sample = request.describe(attack, knowledge), request.index
    path = folder / _file_name(described)
    if path.exists():
        asked = Samples("those asked for", np.asarray(request.x), index=sample)
        found = AttackSet.load(path, asked, model_hash=request.network.graph.content_hash)
        same = canonical_json(dict(found.request)) == canonical_json(described)
        if same and np.array_equal(found.sample, sample):
            return found, True
    parts = Parts(folder / UNFINISHED / _digest([described, sample.tolist()])[:16])
    crafted = attack.answer(request, parts=parts, progress=progress)
    made = AttackSet(
        clean=crafted.clean,
        adversarial=crafted.adversarial,
        clean_decision=crafted.clean_decision,
        adversarial_decision=crafted.adversarial_decision,
        iterates=crafted.iterates,
        queries=crafted.queries,
        gradients=crafted.gradients,
        wanted=crafted.wanted,
        label=np.asarray(request.y).astype(np.int64),
        sample=sample.astype(np.int64),
        request=described,
        outcome_bits=np.packbits(crafted.fooled, axis=1),
    )
    made.save(path, left_out=left_out)
    parts.remove()
    return made, False


def _file_name(request: Mapping[str, Any]) -> str:
    key = _digest(dict(request))[:16]
    return f"{request['attack']['name']}-{request['gradient']['name']}-{key}.safetensors"


def _hash(array: Array) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def _digest(content: Any) -> str:
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()
