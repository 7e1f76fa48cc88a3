"""What a run leaves behind, and the counters that fill it."""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Counters:
    """Overflows of one node, per sample; int64 of shape (B,) each.

    Attributes:
        wrapped: Sums, or steps of a neuron, that lost bits.
        saturated: Steps of a neuron whose membrane was clipped.
    """

    wrapped: Tensor
    saturated: Tensor

    @classmethod
    def zeros(cls, samples: int, device: torch.device) -> "Counters":
        """Nothing counted yet."""
        wrapped, saturated = torch.zeros((2, samples), dtype=torch.int64, device=device)
        return cls(wrapped, saturated)


class Watched(NamedTuple):
    """What is recorded of one node while it runs, where it is."""

    counters: Counters | None = None
    membrane: Tensor | None = None


@dataclass(slots=True, eq=False)
class FixedTrace:
    """Scores, and what was recorded per node; on the CPU, samples first.

    Attributes:
        scores: Shape (B, classes), float64.
        spikes: Shape (B, T, ...), uint8, of ternary neurons int8.
        membrane: Before reset, shape (B, T, ...), int32.
        overflows: Of every synapse and neuron.
    """

    scores: Tensor
    spikes: dict[str, Tensor] = field(default_factory=dict)
    membrane: dict[str, Tensor] = field(default_factory=dict)
    overflows: dict[str, Counters] = field(default_factory=dict)
