"""The synapses between two populations as one integer matrix, or one convolution."""

from dataclasses import dataclass

import numpy as np

from neurorobust.ir import Array, FixedConv2d, FixedDelayDense, FixedDense
from neurorobust.ir.fixed import DELAY_MAX


class NoExactForm(ValueError):
    """Something of a Program that a ``.net`` file cannot hold, and the way out."""


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """``y[t] = sum_j weight[:, j] x[j][t - delay[:, j]]``.

    Attributes:
        weight: Integers, (out, in).
        delay: Steps, (out, in); 0 where the weight is 0.
    """

    weight: Array
    delay: Array

    @property
    def delayed(self) -> bool:
        """Whether some synapse waits."""
        return bool(self.delay.any())


def matrix(parts: list[tuple[str, FixedDense, int]]) -> Matrix:
    """The sum of dense nodes, each with its name and the delay of its edges.

    Raises:
        NoExactForm: if their sum is no integer matrix with one delay per synapse.
    """
    weight = np.zeros(parts[0][1].weight.shape, np.int64)
    delay = np.zeros_like(weight)
    for name, node, late in parts:
        own = _integers(name, node)
        waits = np.where(own != 0, late, 0)
        if isinstance(node, FixedDelayDense):
            waits = waits + np.where(own != 0, node.delay, 0)
        if (waits > DELAY_MAX).any():
            msg = f"{name}: waits {waits.max()} steps; netx holds {DELAY_MAX}"
            raise NoExactForm(msg)
        if ((weight != 0) & (own != 0) & (waits != delay)).any():
            msg = f"{name}: a second synapse between the same neurons has another delay; add a node"
            raise NoExactForm(msg)
        weight, delay = weight + own, np.where(own != 0, waits, delay)
    return Matrix(weight, np.where(weight != 0, delay, 0))


def _integers(name: str, node: FixedDense) -> Array:
    weight = node.effective_weight
    if node.weight_exp >= 0:
        return weight << node.weight_exp
    if (weight & ((1 << -node.weight_exp) - 1)).any():
        msg = (
            f"{name}: weight_exp {node.weight_exp} floors its sums, netx has whole weights only; "
            f"keep the weights multiples of {1 << -node.weight_exp}"
        )
        raise NoExactForm(msg)
    return weight >> -node.weight_exp


def as_matrix(node: FixedConv2d, outputs: int) -> Matrix | None:
    """A convolution with one output per channel, which is a matrix on the flattened input."""
    single = node.groups == 1 and not any(node.padding) and len(node.weight) == outputs
    if not single:
        return None
    weight = node.weight.reshape(outputs, -1).astype(np.int64)
    return Matrix(weight, np.zeros_like(weight))
