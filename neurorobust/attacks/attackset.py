"""Frozen attacks: clean and adversarial samples with everything needed to replay and check them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from neurorobust.attacks.base import Attack
from neurorobust.attacks.threat import Linf
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidFile
from neurorobust.files import write_atomic
from neurorobust.ir import Array
from neurorobust.ir.identity import canonical_json

FORMAT = 1
_KEY = "neurorobust_attackset"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class AttackSet:
    """Adversarial samples of one attack at one budget on one model.

    Attributes:
        clean: Shape (B, ...), input values.
        adversarial: Shape (B, ...), legal under the threat model.
        label: Shape (B,).
        sample: Index of each sample in its data set, shape (B,).
        clean_decision: Of the surrogate, shape (B,).
        adversarial_decision: Of the surrogate, shape (B,).
        request: Attack, estimator, their parameters, threat, seed, data and model hashes.
    """

    clean: Array
    adversarial: Array
    label: Array
    sample: Array
    clean_decision: Array
    adversarial_decision: Array
    request: Mapping[str, Any]

    @property
    def content_hash(self) -> str:
        """SHA-256 of request and arrays."""
        digests = {
            key: [str(value.dtype), list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()]
            for key, value in self._arrays().items()
        }
        content = canonical_json({"request": dict(self.request), "arrays": digests})
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def epsilon(self) -> float:
        """Radius of the ball."""
        return float(self.request["threat"]["epsilon"])

    @property
    def gradient(self) -> str:
        """Name of the estimator, or ``none``."""
        return str(self.request["gradient"]["name"])

    @property
    def attack(self) -> str:
        """Name of the attack."""
        return str(self.request["attack"]["name"])

    def save(self, path: Path) -> Path:
        """Write one file; it appears whole or not at all."""
        described = {"format": FORMAT, "request": dict(self.request)}
        described["content_hash"] = self.content_hash
        return write_atomic(path, save(self._arrays(), metadata={_KEY: canonical_json(described)}))

    @classmethod
    def load(cls, path: Path, *, model_hash: str | None = None) -> "AttackSet":
        """Read a set and check it.

        Args:
            path: The file.
            model_hash: If given, the model the set must have been crafted on.

        Raises:
            InvalidFile: if the file is missing, damaged, altered, or for another model.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                described = json.loads((file.metadata() or {})[_KEY])
                arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            found = cls(**arrays, request=described["request"])
            crafted_on, digest = str(found.request["model"]), found.content_hash
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
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
            if f.name != "request"
        }


def craft(
    attack: Attack,
    network: Network,
    *,
    clean: Array,
    label: Array,
    sample: Array,
    threat: Linf,
    seed: int,
    folder: Path,
) -> tuple[AttackSet, bool]:
    """The set of this request from the folder, or crafted now and frozen there.

    Returns:
        The set, and whether it was reused.

    Raises:
        InvalidFile: if a set of this name is damaged.
    """
    request = describe(attack, network, clean=clean, label=label, threat=threat, seed=seed)
    key = hashlib.sha256(canonical_json(request).encode()).hexdigest()
    path = folder / f"{attack.name}-{request['gradient']['name']}-{key[:16]}.safetensors"
    if path.exists():
        found = AttackSet.load(path, model_hash=network.graph.content_hash)
        same = canonical_json(dict(found.request)) == canonical_json(request)
        if same and np.array_equal(found.sample, sample):
            return found, True
    crafted = attack(network, clean, label, threat, seed=seed)
    made = AttackSet(
        clean=crafted.clean,
        adversarial=crafted.adversarial,
        label=label.astype(np.int64),
        sample=sample.astype(np.int64),
        clean_decision=crafted.clean_decision,
        adversarial_decision=crafted.adversarial_decision,
        request=request,
    )
    made.save(path)
    return made, False


def describe(
    attack: Attack, network: Network, *, clean: Array, label: Array, threat: Linf, seed: int
) -> dict[str, Any]:
    """All that decides the result, as JSON values: the key under which it is found again."""
    data = hashlib.sha256(np.ascontiguousarray(clean).tobytes() + label.astype(np.int64).tobytes())
    estimator = attack.estimator
    gradient = {"name": "none"} if estimator is None else _named(estimator)
    described: dict[str, Any] = {
        "attack": _named(attack),
        "gradient": gradient,
        "threat": {key: _plain(value) for key, value in threat.parameters().items()},
        "seed": seed,
        "data": data.hexdigest(),
        "model": network.graph.content_hash,
        "dtype": str(network.like.dtype).removeprefix("torch."),
    }
    return described


def _named(thing: Any) -> dict[str, Any]:
    return {"name": thing.name, "revision": thing.revision, **thing.parameters()}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
