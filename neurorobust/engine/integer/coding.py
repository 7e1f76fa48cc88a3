"""The two ends of a network: integers from input values, scores from what arrives."""

from math import prod

import numpy as np
import torch
from torch import Tensor

from neurorobust.errors import InvalidInput
from neurorobust.ir import Array, FixedInput
from neurorobust.ir.ports import Readout


class Encoder:
    """Integers from input values, in the order in which the network keeps them.

    Args:
        node: Its law.
        device: Where the network runs.
        compiled: Whether compiled loops run it.
    """

    def __init__(self, node: FixedInput, device: torch.device, *, compiled: bool) -> None:
        self.node, self.device, self.compiled = node, device, compiled
        small = node.low >= -128 and node.high <= 127
        self.dtype = torch.int8 if small else torch.int32

    def __call__(self, values: Array, codes: Tensor) -> None:
        """Fill ``codes`` (B, T or 1, N) from values (B, T or 1, ...).

        Raises:
            InvalidInput: if a value is no number.
        """
        node = self.node
        real = np.ascontiguousarray(values, dtype=np.float64)
        if self.compiled:
            from neurorobust.engine.integer import kernels

            channels = node.shape[0] if len(node.shape) == 3 else 1
            split = real.reshape(*real.shape[:2], channels, prod(node.shape) // channels)
            writable = split if split.flags.writeable else split.copy()
            law = node.offset, node.scale, float(node.low), float(node.high)
            numbers = kernels.encode(writable, *law, codes.numpy())
        else:
            numbers = not np.isnan(real).any()
            x = torch.tensor(real, device=self.device).flatten(2)
            codes.copy_(((x - node.offset) * node.scale).round_().clamp_(node.low, node.high))
        if not numbers:
            raise InvalidInput("the stimulus holds values that are no numbers (NaN); remove them")


def scores(readout: Readout, arrived: Tensor) -> Tensor:
    """Scores (B, classes), float64, from what arrived (B, T, classes); see ``ir.Output``."""
    steps = arrived.shape[1]
    match readout:
        case "count":
            found = arrived.sum(1, dtype=torch.int64)
        case "mean":
            found = arrived.sum(1, dtype=torch.int64).double() / steps
        case "last":
            found = arrived[:, -1]
        case "max":
            found = arrived.amax(1)
        case "first":
            left = torch.arange(steps, 0, -1, dtype=torch.int32, device=arrived.device)
            found = ((arrived != 0) * left[:, None]).amax(1)
    return found.double()
