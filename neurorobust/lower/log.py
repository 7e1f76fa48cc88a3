"""What the passes did and what they refused, node by node."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Protocol

from neurorobust.errors import LowerError, Refusal, grouped
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
        self._undone: set[str | int | None] = set()

    def note(self, node: str, text: str) -> None:
        """Record what was done to a node."""
        self.notes.setdefault(node, []).append(text)

    def move(self, source: str, target: str) -> None:
        """Let the notes of a node that disappears follow the one it becomes part of."""
        for text in self.notes.pop(source, []):
            self.note(target, text)

    def refuse(
        self, node: str, code: str, why: str, way_out: str = "", *, own: bool = False
    ) -> None:
        """Record that a node has no form, unless an earlier pass said so.

        Args:
            node: Its name.
            code: Short name of the reason.
            why: What is found there.
            way_out: How to avoid it.
            own: Whether the reason lies in the node alone: what is before and behind it is then
                judged as ever.
        """
        self.keep(Refusal(node, code, why, way_out), own=own)

    def keep(self, refusal: Refusal, *, own: bool = False) -> None:
        """Record a refusal, unless an earlier pass refused the node."""
        if refusal.node not in self._closed and refusal not in self.refused:
            self.refused.append(refusal)
            self._named.add(refusal.node)
            if not own:
                self._undone.add(refusal.node)

    def refuse_found(self, node: str, code: str, faults: Mapping[str, bool], way_out: str) -> bool:
        """Record the faults that a node has, with one way out of all; whether there is any."""
        broken = [why for why, found in faults.items() if found]
        if broken:
            self.refuse(node, code, ", and ".join(broken), way_out)
        return bool(broken)

    def spare(self, node: str) -> None:
        """What is wrong with a node follows from a refusal: later passes say nothing about it."""
        self._named.add(node)
        self._undone.add(node)

    def follows(self, graph: Graph, node: str) -> bool:
        """Whether what is wrong with a node may only follow from a refusal beside it.

        A map, pool or norm without a form leaves those before and behind it undone: of the way
        between two populations only the root is told.
        """
        return any(name in self._undone for name in _way(graph, node))

    def end_pass(self) -> None:
        """What follows belongs to another pass."""
        self._closed |= self._named

    def settle(self) -> None:
        """Raise what was refused.

        Raises:
            LowerError: with one line for each refusal.
        """
        if self.refused:
            raise LowerError(grouped(self.refused), self.refused)


def _way(graph: Graph, node: str) -> set[str]:
    """What lies between a node and the next populations; of a map, the population behind it too."""
    found: set[str] = set()
    ahead = [edge.source for edge in graph.incoming(node)]
    while ahead:
        name = ahead.pop()
        if name not in found and not graph.nodes[name].population:
            found.add(name)
            ahead += [edge.source for edge in graph.incoming(name)]
    behind = [] if graph.nodes[node].population else [e.target for e in graph.outgoing(node)]
    while behind:
        name = behind.pop()
        if name not in found:
            found.add(name)
            if not graph.nodes[name].population:
                behind += [edge.target for edge in graph.outgoing(name)]
    return found - {node}


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
