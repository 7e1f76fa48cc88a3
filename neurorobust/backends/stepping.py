"""Executing a model step by step: what every backend needs that runs one node at a time.

Nothing here knows which framework computes the values: they only need ``+``.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self, TypeVar

from neurorobust.ir import Input, Model


class Addable(Protocol):
    """What flows along edges: an array or tensor of one step, shape (B, ...)."""

    def __add__(self, other: Any, /) -> Self:
        """The sum over edges."""
        ...


V = TypeVar("V", bound=Addable)


def step_through(
    model: Model,
    cells: Mapping[str, Callable[[V], V]],
    *,
    steps: int,
    shown: Callable[[int], V],
    static: bool,
    silence: Callable[[str], V],
    see: Callable[[str, int, V], None],
) -> None:
    """Run all nodes for each step in ``model.order``; delayed edges read what was kept.

    Args:
        model: Wiring; a node's input is the sum over its edges in the order of ``model.edges``.
        cells: Per node except the Input: one step of it. Cells with state change it in the call.
        steps: Number of steps T.
        shown: The preprocessed input of a step.
        static: Whether ``shown`` gives the same in each step; maps without memory that depend on
            nothing else are then computed once.
        silence: Zeros in the shape of a node's output, which delayed edges carry at first.
        see: Called with name, step and value of every node's output.
    """
    depth = {
        name: 1 + max((edge.delay for edge in model.outgoing(name)), default=0)
        for name in model.nodes
    }
    incoming = {name: model.incoming(name) for name in model.nodes}
    constant = _constant(model) if static else frozenset()
    # One ring of past values per node: slot t % depth is written at step t.
    kept: dict[str, list[V]] = {name: [] for name in model.nodes}

    def arriving(name: str, t: int) -> V:
        total: V | None = None
        for edge in incoming[name]:
            if edge.delay > t:
                continue
            value = kept[edge.source][(t - edge.delay) % depth[edge.source]]
            total = value if total is None else total + value
        return silence(incoming[name][0].source) if total is None else total

    for t in range(steps):
        for name in model.order:
            if t and name in constant:
                value = kept[name][(t - 1) % depth[name]]
            elif isinstance(model.nodes[name], Input):
                value = shown(t)
            else:
                value = cells[name](arriving(name, t))
            ring = kept[name]
            if t < depth[name]:
                ring.append(value)
            else:
                ring[t % depth[name]] = value
            see(name, t, value)


def _constant(model: Model) -> frozenset[str]:
    """Nodes whose output never changes while the input does not."""
    constant: set[str] = set()
    for name in model.order:
        node, edges = model.nodes[name], model.incoming(name)
        fixed = all(edge.source in constant and edge.delay == 0 for edge in edges)
        if isinstance(node, Input) or (fixed and not node.stateful):
            constant.add(name)
    return frozenset(constant)
