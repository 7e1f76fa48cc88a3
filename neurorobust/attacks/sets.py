"""Frozen attacks: clean and adversarial samples with everything needed to replay and check them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from neurorobust.attacks.checkpoint import Parts
from neurorobust.attacks.knowledge import Knowledge
from neurorobust.attacks.request import Crafter, Request
from neurorobust.attacks.threats import Threat, make_threat
from neurorobust.errors import InvalidFile
from neurorobust.files import require_file, write_atomic
from neurorobust.ir import Array
from neurorobust.ir.identity import canonical_json
from neurorobust.metrics.success import Outcomes
from neurorobust.progress import Progress

FORMAT = 1
UNFINISHED = "unfinished"
"""Folder of the finished batches of sets that are not whole yet."""
_KEY = "neurorobust_attackset"
_WANTED = "an attack set (.safetensors), as an attack writes it"


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
            key: [str(value.dtype), list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()]
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
        require_file(path, _WANTED, ("safetensors",))
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
            if f.name != "request" and getattr(self, f.name) is not None
        }


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
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        reason = f"is no readable attack set ({error}); delete it to craft it again"
        raise InvalidFile(path, reason) from error


def craft(
    attack: Crafter,
    request: Request,
    folder: Path,
    *,
    knowledge: Knowledge | None = None,
    progress: Progress | None = None,
) -> tuple[AttackSet, bool]:
    """The set of this request from the folder, or crafted now and frozen there.

    Args:
        attack: An attack or an ensemble.
        request: What is attacked, on what, and how far.
        folder: Where sets are kept, and in ``unfinished`` the finished batches of those that are
            not whole: crafting that is interrupted goes on there.
        knowledge: See ``Request.describe``.
        progress: Called as ``(what, done, total)``.

    Returns:
        The set, and whether it was reused.

    Raises:
        InvalidFile: if a set of this name is damaged.
    """
    described, sample = request.describe(attack, knowledge), request.index
    path = folder / _file_name(described)
    if path.exists():
        found = AttackSet.load(path, model_hash=request.network.graph.content_hash)
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
    made.save(path)
    parts.remove()
    return made, False


def _file_name(request: Mapping[str, Any]) -> str:
    key = _digest(dict(request))[:16]
    return f"{request['attack']['name']}-{request['gradient']['name']}-{key}.safetensors"


def _digest(content: Any) -> str:
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()
