"""What a node is while a network runs, whatever computes it."""

from typing import Any, Protocol

import torch
from torch import Tensor

from neurorobust.engine.integer.trace import Watched


class Unit(Protocol):
    """A synapse or a population. It holds no state: ``rest`` gives it, ``advance`` changes it."""

    dtype: torch.dtype
    """Of its output."""

    def takes(self, *, watched: bool) -> torch.dtype | None:
        """The type in which inputs must arrive; None for any integers.

        Args:
            watched: Whether membranes or overflows are recorded.
        """
        ...

    def rest(self, samples: int) -> Any:
        """The state at the start."""
        ...

    def advance(self, state: Any, x: Tensor, out: Tensor, steps: range, seen: Watched) -> None:
        """Run some steps.

        Args:
            state: Changed.
            x: What arrives, (B, T or 1, N); all steps up to the last of ``steps`` are there.
            out: Filled in these steps, (B, T or 1, N).
            steps: Without a gap.
            seen: Overflows are added, membranes of a population filled likewise, if given.
        """
        ...
