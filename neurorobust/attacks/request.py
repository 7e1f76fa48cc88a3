"""What is asked of an attack, and what it found."""

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from neurorobust.attacks.knowledge import Knowledge
from neurorobust.attacks.target import EOT, VOTES, Scored
from neurorobust.attacks.threats import L2, Linf, Threat
from neurorobust.ir import Array
from neurorobust.methods import Method
from neurorobust.progress import Progress

if TYPE_CHECKING:
    from neurorobust.attacks.checkpoint import Parts


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """All that decides a result besides the attack.

    Attributes:
        network: The surrogate, or for attacks without gradients a queried backend.
        x: Clean samples within the bounds and on the sensor's grid: (B, ...), or (B, T, ...) for a
            model that takes events.
        y: Labels, (B,).
        threat: What the attacker may do.
        seed: Of everything random, from 0.
        sample: Index of each sample in its data set, (B,); positions by default. A sample's result
            depends on seed and index, not on batches, order or the other samples.
        wanted: Classes to reach, (B,); None for any other than the label.
        eot: Draws per gradient, where the coding is stochastic.
        votes: Draws per decision, where the coding is stochastic.
    """

    network: Scored
    x: Array
    y: Array
    threat: Threat
    _: KW_ONLY
    seed: int = 0
    sample: Array | None = None
    wanted: Array | None = None
    eot: int = EOT
    votes: int = VOTES

    @property
    def index(self) -> Array:
        """Index of each sample, (B,)."""
        return np.arange(len(self.x)) if self.sample is None else np.asarray(self.sample)

    def take(self, rows: Array) -> Self:
        """The same of some samples."""
        wanted = None if self.wanted is None else self.wanted[rows]
        return replace(self, x=self.x[rows], y=self.y[rows], sample=self.index[rows], wanted=wanted)

    def describe(self, attack: "Crafter", knowledge: Knowledge | None = None) -> dict[str, Any]:
        """All that decides the result, as JSON values: the key under which it is found again.

        Args:
            attack: Which is asked.
            knowledge: What the attacker knows of the model to be fooled; by default what the attack
                needs to know of the one it is crafted on.
        """
        graph, y = self.network.graph, np.asarray(self.y).astype(np.int64)
        data = hashlib.sha256(np.ascontiguousarray(self.x).tobytes() + y.tobytes())
        drawn = {"eot": self.eot, "votes": self.votes}
        return {
            "attack": attack.describe(),
            "gradient": attack.gradient_record(),
            "threat": self.threat.parameters(),
            "knowledge": str(attack.knowledge if knowledge is None else knowledge),
            "seed": self.seed,
            "data": data.hexdigest(),
            "model": graph.content_hash,
            "dtype": str(self.network.like.dtype).removeprefix("torch."),
            **({"draws": drawn} if graph.header.coding == "bernoulli" else {}),
            **({} if self.wanted is None else {"wanted": np.asarray(self.wanted).tolist()}),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Crafted:
    """Adversarial samples, and what the surrogate makes of them.

    Attributes:
        clean: Shape (B, ...), on the sensor's grid to the last bit.
        adversarial: Shape (B, ...), legal under the threat model.
        clean_decision: Shape (B,).
        adversarial_decision: Shape (B,), measured on the legal samples.
        raw: What the attack proposed before it was made legal, shape (B, ...).
        fooled: Whether iterate k, once legal, reached the attacker's end, bool (B, K). The last
            iterate of a sample is the one returned.
        iterates: Number of iterates per sample, shape (B,).
        queries: Forward passes per sample, shape (B,).
        gradients: Backward passes per sample, shape (B,).
        wanted: Class the attacker had to reach, or -1 for any other than the label, shape (B,).
    """

    clean: Array
    adversarial: Array
    clean_decision: Array
    adversarial_decision: Array
    raw: Array
    fooled: Array
    iterates: Array
    queries: Array
    gradients: Array
    wanted: Array

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Batches one after the other."""
        widest = max(part.fooled.shape[1] for part in parts)
        arrays = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(cls)
            if field.name != "fooled"
        }
        padded = [np.pad(p.fooled, ((0, 0), (0, widest - p.fooled.shape[1]))) for p in parts]
        return cls(**arrays, fooled=np.concatenate(padded))


@dataclass(frozen=True)
class Crafter(Method):
    """What makes adversarial samples: an Attack, or an Ensemble of them.

    Options in the constructor, data in the call.
    """

    kind: ClassVar[str] = "attack"
    threats: ClassVar[tuple[type[Threat], ...]] = (Linf, L2)
    """Threat models it is defined for."""
    targetable: ClassVar[bool] = True
    """Whether it can aim at a wanted class."""
    knowledge: ClassVar[Knowledge] = Knowledge.WHITE_BOX
    """What it needs to know of the model it is crafted on."""

    @abstractmethod
    def gradient_record(self) -> dict[str, Any]:
        """The estimator with its parameters, for records and cache keys."""

    @abstractmethod
    def answer(
        self, request: Request, *, parts: "Parts | None" = None, progress: Progress | None = None
    ) -> Crafted:
        """Attack all samples of a request; see the call."""

    def __call__(
        self,
        network: Scored,
        x: Array,
        y: Array,
        threat: Threat,
        *,
        parts: "Parts | None" = None,
        progress: Progress | None = None,
        **asked: Any,
    ) -> Crafted:
        """Attack all samples.

        Args:
            network: The surrogate, or for attacks without gradients a queried backend.
            x: Clean samples, (B, ...).
            y: Labels, (B,).
            threat: What the attacker may do.
            parts: Where finished batches are kept, and found again after an interruption.
            progress: Called as ``(attack, done, total)`` with the samples that are finished.
            asked: seed, sample, wanted, eot and votes; see ``Request``.

        Raises:
            InvalidInput: for a threat the attack is not defined for, no samples, samples of another
                shape or outside the bounds, labels out of range, or an estimator whose forward pass
                differs from inference.
        """
        request = Request(network, x, y, threat, **asked)
        return self.answer(request, parts=parts, progress=progress)
