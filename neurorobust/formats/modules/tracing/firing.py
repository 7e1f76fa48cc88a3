"""Whether a surrogate fires as a step function does."""

from collections.abc import Callable

import torch
from torch import Tensor

from neurorobust.errors import Unsupported
from neurorobust.ir.neurons import Compare

TINY = 2.0**-20


def require_step(label: str, surrogate: Callable[[Tensor], Tensor], compare: Compare) -> None:
    """A surrogate must give 1 above 0, 0 below, and at 0 what the comparison says.

    Raises:
        Unsupported: if it gives anything else on some points.
    """
    points = torch.tensor([-2.0, -TINY, 0.0, TINY, 2.0])
    expected = [0.0, 0.0, float(compare == ">="), 1.0, 1.0]
    with torch.no_grad():
        found = surrogate(points).tolist()
    if found != expected:
        msg = (
            f"{label}: its surrogate gives {found} at {points.tolist()}, where a step function "
            f"gives {expected}; a Graph has spikes of 0 and 1"
        )
        raise Unsupported(msg)
