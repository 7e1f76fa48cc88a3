"""What arrives at a node over its edges, for floats and integers alike; time first."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from neurorobust.ir import Model


def arriving(model: Model, name: str, out: Mapping[str, Tensor], steps: int) -> Tensor:
    """Sum over the incoming edges, each shifted by its delay.

    Args:
        model: Wiring.
        name: The receiving node.
        out: Outputs of its sources, (T or 1, B, ...).
        steps: Number of steps T.
    """
    return _total([_delayed(out[edge.source], edge.delay, steps) for edge in model.incoming(name)])


def arriving_at(
    model: Model, name: str, history: Mapping[str, Sequence[Tensor]], t: int, x: Tensor
) -> Tensor:
    """The same for one step, from what the sources gave so far.

    Args:
        model: Wiring.
        name: The receiving node.
        history: Outputs per source and step, (B, ...).
        t: The step.
        x: The input, (T or 1, B, ...): batch, dtype and device of the silence before the start.
    """

    def at(source: str, delay: int) -> Tensor:
        if delay <= t:
            return history[source][t - delay]
        return x.new_zeros(x.shape[1], *model.shapes[source])

    return _total([at(edge.source, edge.delay) for edge in model.incoming(name)])


def _delayed(value: Tensor, delay: int, steps: int) -> Tensor:
    if not delay:
        return value
    value = value.expand(steps, *value.shape[1:])[: max(steps - delay, 0)]
    return torch.cat([value.new_zeros(min(delay, steps), *value.shape[1:]), value])


def _total(parts: list[Tensor]) -> Tensor:
    """Sum from left to right, in the order of the edges."""
    first, *rest = parts
    for part in rest:
        first = first + part
    return first
