"""How large the numbers on each edge can become: what proofs of exactness rest on."""

import numpy as np

from neurorobust.ir import FixedConv2d, FixedDense, FixedInput, Node, Program
from neurorobust.ir.fixed import STATE_LIMIT, FixedDelayDense, FixedNeuron

WORD = 1 << 31
"""No value leaves 32 bits: it was wrapped before."""


def magnitudes(program: Program) -> dict[str, int]:
    """The largest magnitude that can arrive at each node."""
    given: dict[str, int] = {}
    arriving: dict[str, int] = {}
    for name in program.order:
        # A source that comes later lies on a loop; it is taken for as large as can be.
        sources = [given.get(edge.source, WORD) for edge in program.incoming(name)]
        arriving[name] = min(sum(sources), WORD)
        given[name] = _largest(program.nodes[name], arriving[name])
    return arriving


def largest_sum(node: FixedDense | FixedConv2d, arriving: int) -> int:
    """The largest magnitude of a sum of products, before any shift or wrap."""
    weight = node.effective_weight if isinstance(node, FixedDense) else node.weight
    single = isinstance(node, FixedDense) and not node.message_bits
    rows = np.abs(weight.astype(np.int64)).reshape(len(weight), -1).sum(axis=1)
    return int(rows.max()) * (1 if single else arriving)


def _largest(node: Node, arriving: int) -> int:
    """The largest magnitude of a node's output."""
    if isinstance(node, FixedInput):
        return max(abs(node.low), abs(node.high))
    if isinstance(node, FixedDense):
        shifts = len(np.unique(node.delay)) if isinstance(node, FixedDelayDense) else 1
        total, exp = largest_sum(node, arriving), node.weight_exp
        return min(total << exp if exp >= 0 else (total >> -exp) + shifts, WORD)
    if isinstance(node, FixedConv2d):
        return min(largest_sum(node, arriving), STATE_LIMIT)
    if isinstance(node, FixedNeuron):
        return 1 if node.spiking else STATE_LIMIT
    return arriving
