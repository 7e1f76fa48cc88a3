"""Crafting a set once and finding it again by its request."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from neurorobust.attacks.attackset import AttackSet
from neurorobust.attacks.crafted import Crafted
from neurorobust.attacks.knowledge import Knowledge
from neurorobust.attacks.parts import Parts
from neurorobust.attacks.target import EOT, VOTES, Scored
from neurorobust.attacks.threats import Threat
from neurorobust.ir import Array
from neurorobust.ir.identity import canonical_json
from neurorobust.progress import Progress


class Crafter(Protocol):
    """What makes adversarial samples: an Attack, or an Ensemble of them."""

    @property
    def name(self) -> str:
        """In file names and tables."""
        ...

    @property
    def revision(self) -> int:
        """Raised when the same request gives other samples."""
        ...

    @property
    def knowledge(self) -> Knowledge:
        """What it needs to know of the model."""
        ...

    def parameters(self) -> Mapping[str, Any]:
        """Everything that changes the result besides model, data, threat and seed."""
        ...

    def gradient_record(self) -> dict[str, Any]:
        """The estimators with their parameters."""
        ...

    def __call__(
        self,
        network: Scored,
        x: Array,
        y: Array,
        threat: Threat,
        *,
        seed: int = 0,
        sample: Array | None = None,
        eot: int = EOT,
        votes: int = VOTES,
        parts: Parts | None = None,
        progress: Progress | None = None,
    ) -> Crafted:
        """Attack all samples; see ``Attack``."""
        ...


UNFINISHED = "unfinished"
"""Folder of the finished batches of sets that are not whole yet."""


def craft(
    attack: Crafter,
    network: Scored,
    *,
    clean: Array,
    label: Array,
    sample: Array,
    threat: Threat,
    seed: int,
    folder: Path,
    knowledge: Knowledge | None = None,
    eot: int = EOT,
    votes: int = VOTES,
    progress: Progress | None = None,
) -> tuple[AttackSet, bool]:
    """The set of this request from the folder, or crafted now and frozen there.

    Args:
        attack: An attack or an ensemble.
        network: The surrogate.
        clean: Samples, (B, ...).
        label: Shape (B,).
        sample: Index of each sample in its data set, (B,); part of its seed.
        threat: What the attacker may do.
        seed: Of everything random.
        folder: Where sets are kept, and in ``unfinished`` the finished batches of those that are
            not whole: crafting that is interrupted goes on there.
        knowledge: What the attacker knows of the model to be fooled; by default what the attack
            needs to know of the one it is crafted on.
        eot: Draws per gradient, where the coding is stochastic.
        votes: Draws per decision, where the coding is stochastic.
        progress: Called as ``(what, done, total)``.

    Returns:
        The set, and whether it was reused.

    Raises:
        InvalidFile: if a set of this name is damaged.
    """
    request = describe(
        attack,
        network,
        clean=clean,
        label=label,
        threat=threat,
        seed=seed,
        knowledge=knowledge,
        eot=eot,
        votes=votes,
    )
    key = _digest(request)[:16]
    path = folder / f"{attack.name}-{request['gradient']['name']}-{key}.safetensors"
    if path.exists():
        found = AttackSet.load(path, model_hash=network.graph.content_hash)
        same = canonical_json(dict(found.request)) == canonical_json(request)
        if same and np.array_equal(found.sample, sample):
            return found, True
    parts = Parts(folder / UNFINISHED / _digest([request, sample.tolist()])[:16])
    crafted = attack(
        network,
        clean,
        label,
        threat,
        seed=seed,
        sample=sample,
        eot=eot,
        votes=votes,
        parts=parts,
        progress=progress,
    )
    made = freeze(crafted, request, label=label, sample=sample)
    made.save(path)
    parts.remove()
    return made, False


def freeze(
    crafted: Crafted, request: Mapping[str, Any], *, label: Array, sample: Array
) -> AttackSet:
    """What was crafted, with the request it answers."""
    return AttackSet(
        clean=crafted.clean,
        adversarial=crafted.adversarial,
        label=label.astype(np.int64),
        sample=sample.astype(np.int64),
        clean_decision=crafted.clean_decision,
        adversarial_decision=crafted.adversarial_decision,
        request=request,
        outcome_bits=np.packbits(crafted.fooled, axis=1),
        iterates=crafted.iterates,
        queries=crafted.queries,
        gradients=crafted.gradients,
        wanted=crafted.wanted,
    )


def describe(
    attack: Crafter,
    network: Scored,
    *,
    clean: Array,
    label: Array,
    threat: Threat,
    seed: int,
    knowledge: Knowledge | None = None,
    eot: int = EOT,
    votes: int = VOTES,
) -> dict[str, Any]:
    """All that decides the result, as JSON values: the key under which it is found again."""
    data = hashlib.sha256(np.ascontiguousarray(clean).tobytes() + label.astype(np.int64).tobytes())
    drawn = network.graph.header.coding == "bernoulli"
    return {
        "attack": {"name": attack.name, "revision": attack.revision, **attack.parameters()},
        "gradient": attack.gradient_record(),
        "threat": threat.parameters(),
        "knowledge": str(attack.knowledge if knowledge is None else knowledge),
        "seed": seed,
        "data": data.hexdigest(),
        "model": network.graph.content_hash,
        "dtype": str(network.like.dtype).removeprefix("torch."),
    } | ({"draws": {"eot": eot, "votes": votes}} if drawn else {})


def _digest(content: Any) -> str:
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()
