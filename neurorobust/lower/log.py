"""What the passes did and what they refused, node by node."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Protocol

from neurorobust.errors import LowerError, Refusal
from neurorobust.ir import Graph


class Log:
    """Notes and refusals of a sequence of passes.

    A node that a pass refuses is not complained about again by later ones.

    Attributes:
        notes: What was done, by node.
        refused: Everything without a form.
    """

    def __init__(self) -> None:
        self.notes: dict[str, list[str]] = {}
        self.refused: list[Refusal] = []
        self._named: set[str | int | None] = set()
        self._closed: set[str | int | None] = set()

    def note(self, node: str, text: str) -> None:
        """Record what was done to a node."""
        self.notes.setdefault(node, []).append(text)

    def move(self, source: str, target: str) -> None:
        """Let the notes of a node that disappears follow the one it becomes part of."""
        for text in self.notes.pop(source, []):
            self.note(target, text)

    def refuse(self, node: str, code: str, why: str, way_out: str = "") -> None:
        """Record that a node has no form, unless an earlier pass said so."""
        self.keep(Refusal(node, code, why, way_out))

    def keep(self, refusal: Refusal) -> None:
        """Record a refusal, unless an earlier pass refused the node."""
        if refusal.node not in self._closed and refusal not in self.refused:
            self.refused.append(refusal)
            self._named.add(refusal.node)

    def refuse_found(self, node: str, code: str, faults: Mapping[str, bool], way_out: str) -> bool:
        """Record every fault that a node has; whether there is any."""
        broken = [why for why, found in faults.items() if found]
        for why in broken:
            self.refuse(node, code, why, way_out)
        return bool(broken)

    def spare(self, node: str) -> None:
        """What is wrong with a node follows from a refusal: later passes say nothing about it."""
        self._named.add(node)

    def refused_before(self, node: str) -> bool:
        """Whether an earlier pass refused the node."""
        return node in self._closed

    def end_pass(self) -> None:
        """What follows belongs to another pass."""
        self._closed |= self._named

    def settle(self) -> None:
        """Raise what was refused.

        Raises:
            LowerError: with one line for each refusal.
        """
        if self.refused:
            raise LowerError("\n".join(map(str, self.refused)), self.refused)


class GraphPass(Protocol):
    """A function from Graph to Graph."""

    def __call__(self, graph: Graph, log: Log | None = None) -> Graph:
        """Run the pass; refusals go to the log, or are raised where there is none."""
        ...


def graph_pass(body: Callable[[Graph, Log], Graph]) -> GraphPass:
    """Make a pass of a function that takes notes."""

    @wraps(body)
    def run(graph: Graph, log: Log | None = None) -> Graph:
        own = Log() if log is None else log
        result = body(graph, own)
        own.end_pass()
        if log is None:
            own.settle()
        return result

    return run
