"""Where many samples lie in one long run.

Each synapse on the way delays by one step. So layer k, with k synapses between the source and it,
sees row j of sample i (both from 0) in step ``i·period + j + k + 1``, and its first step of that
sample is the one to reset it at, in its own rhythm: the layers are reset one after the other, as
the sample's front passes them. Period = steps is then enough for a feed-forward network without
delays, biases included, because a layer's last spikes of a sample reach the next layer in that
layer's own last step.

Delays directly behind a source need a gap of at least the largest one. Behind a population no gap
is enough for sure: it may go on firing into the gap until its reset, and its last spikes then
arrive in the next sample. The same holds for loops. Run those with ``reset="clear"`` or
``"fresh"`` and ``every=schedule.total`` of a schedule for one sample.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from neurorobust.errors import InvalidInput

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The times of B samples of T steps in one run.

    Args:
        samples: Number of samples B, ≥ 1.
        steps: Steps T of a sample, ≥ 1.
        depth: Most synapses between the source and anything that is recorded, ≥ 0.
        gap: Steps of silence after each sample, ≥ 0.
        extra: Steps that delays add between the source and the deepest record, ≥ 0.
    """

    samples: int
    steps: int
    depth: int
    gap: int = 0
    extra: int = 0

    def __post_init__(self) -> None:
        for name, low in (("samples", 1), ("steps", 1), ("depth", 0), ("gap", 0), ("extra", 0)):
            value = getattr(self, name)
            if value < low:
                raise InvalidInput(f"schedule: {name} is {value}; it must be at least {low}")

    @property
    def period(self) -> int:
        """Steps from the start of one sample to that of the next; the ``reset_interval``."""
        return self.steps + self.gap

    @property
    def total(self) -> int:
        """Steps of the whole run, until the last sample has passed the deepest record."""
        return self.samples * self.period + self.depth + self.extra

    def reset_offset(self, layer: int) -> int:
        """``reset_offset`` of a population behind ``layer`` synapses."""
        return (layer + 1) % self.period

    def pack(self, samples: npt.NDArray[Number]) -> npt.NDArray[Number]:
        """Lay samples one behind the other.

        Args:
            samples: Shape (B, T, *shape).

        Returns:
            Input of a source, shape (B · period, *shape).
        """
        if samples.shape[:2] != (self.samples, self.steps):
            raise InvalidInput(
                f"schedule: samples have shape {samples.shape}, it is for "
                f"({self.samples}, {self.steps}, …)"
            )
        laid = np.zeros((self.samples, self.period, *samples.shape[2:]), samples.dtype)
        laid[:, : self.steps] = samples
        return laid.reshape(self.samples * self.period, *samples.shape[2:])

    def unpack(self, record: npt.NDArray[Number], layer: int) -> npt.NDArray[Number]:
        """Cut the record of a population behind ``layer`` synapses into samples.

        Args:
            record: Shape (total, *shape).
            layer: Synapses between the source and the population.

        Returns:
            Shape (B, T, *shape); row j is the population's answer to row j of the sample.
        """
        kept = record[layer : layer + self.samples * self.period]
        if len(kept) < (self.samples - 1) * self.period + self.steps:
            message = f"schedule: the record has {len(record)} steps, {self.total} are needed"
            raise InvalidInput(message)
        missing = self.samples * self.period - len(kept)
        padding: list[Any] = [(0, missing)] + [(0, 0)] * (record.ndim - 1)
        whole = np.pad(kept, padding) if missing else kept
        cut = whole.reshape(self.samples, self.period, *record.shape[1:])
        return cut[:, : self.steps]

    def last_steps(self, layer: int) -> tuple[int, ...]:
        """Steps after which a population behind ``layer`` synapses has seen each whole sample."""
        return tuple(sample * self.period + self.steps + layer for sample in range(self.samples))
