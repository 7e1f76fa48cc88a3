"""Random numbers by seed and sample: a draw does not depend on the batch it happens in."""

from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from neurorobust.errors import InvalidInput
from neurorobust.ir import Array


class Draws:
    """One generator per sample.

    Args:
        seed: Of all samples, from 0.
        samples: Index of each sample in its data set, from 0; equal indices draw alike.

    Raises:
        InvalidInput: for a negative seed or index.
    """

    def __init__(self, seed: int, samples: Array) -> None:
        if seed < 0 or (len(samples) and samples.min() < 0):
            msg = f"seed is {seed} and the smallest sample {samples.min()}; both count from 0"
            raise InvalidInput(msg)
        self.generators: Sequence[np.random.Generator] = [
            np.random.default_rng((seed, int(sample))) for sample in samples
        ]

    def take(self, rows: Tensor) -> Self:
        """The generators of some samples; they go on from where they are."""
        part = object.__new__(type(self))
        part.generators = [self.generators[row] for row in rows.tolist()]
        return part

    def uniform(self, like: Tensor) -> Tensor:
        """From -1..1, in the shape (B, ...) of ``like``."""
        return self._each(lambda rng: rng.uniform(-1, 1, like.shape[1:])).to(like)

    def normal(self, like: Tensor) -> Tensor:
        """Standard normal, in the shape (B, ...) of ``like``."""
        return self._each(lambda rng: rng.standard_normal(like.shape[1:])).to(like)

    def signs(self, like: Tensor) -> Tensor:
        """-1 or 1, in the shape (B, ...) of ``like``."""
        return self._each(lambda rng: rng.integers(0, 2, like.shape[1:]) * 2.0 - 1).to(like)

    def integers(self, high: int) -> Tensor:
        """From 0..high - 1, one per sample."""
        return self._each(lambda rng: rng.integers(high, size=()))

    def spikes(self, probability: Tensor, steps: int) -> Tensor:
        """Bernoulli spikes (B, T, ...) of probabilities (B, ...)."""
        shape = (steps, *probability.shape[1:])
        drawn = self._each(lambda rng: rng.random(shape)).to(probability)
        return (drawn < probability[:, None]).to(probability.dtype)

    def _each(self, draw: Callable[[np.random.Generator], Array]) -> Tensor:
        return torch.from_numpy(np.stack([np.asarray(draw(rng)) for rng in self.generators]))
