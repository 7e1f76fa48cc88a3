"""What an attack found."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from neurorobust.ir import Array


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
