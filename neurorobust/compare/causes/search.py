"""Which changes of a Graph turn it into the other side: layer by layer, the best first."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from neurorobust.compare.causes import Place, discrete, families, fitted
from neurorobust.compare.causes.base import PRIORITY, Hypothesis
from neurorobust.compare.causes.parameters import transplants
from neurorobust.compare.law import Misfit, NotReplayableError, Replay
from neurorobust.engine.integer_gradient.as_graph import ProgramGraph
from neurorobust.errors import InvalidModel
from neurorobust.ir import Graph

_TOGETHER = 3
"""Most causes that are sought in one layer."""
_RIVALS = 4
"""Other explanations that are named."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Explanation:
    """What explains one layer.

    Attributes:
        layer: Its name.
        chosen: The changes, in the order they were found.
        bits: Outputs that broke the law of the Graph before any change.
        left: What still does after all changes.
        rivals: Other changes that explain as much as the first.
        graph: The Graph with all changes.
    """

    layer: str
    chosen: tuple[Hypothesis, ...]
    bits: Misfit
    left: Misfit
    rivals: tuple[Hypothesis, ...]
    graph: Graph

    @property
    def share(self) -> float:
        """Of the differing outputs, or of the membranes where no output differs, explained."""
        return gain(self.bits, self.left)


def gain(before: Misfit, after: Misfit) -> float:
    """Share of what was wrong that no longer is."""
    if before.bits:
        return 1 - after.bits / before.bits
    return 1 - after.gaps / before.gaps if before.gaps else 0.0


def explain(
    graph: Graph, layer: str, replay: Replay, other: Graph | None, same: Mapping[str, str]
) -> Explanation | None:
    """The changes of one layer after which it follows the recorded one.

    Args:
        graph: The law so far.
        layer: What differs.
        replay: What was recorded.
        other: The other side's Graph, if it can be read.
        same: Nodes of the Graph and their counterparts there.

    Returns:
        None if the layer cannot be replayed or does follow the law.
    """
    try:
        before = left = _misfit(graph, layer, replay)
    except NotReplayableError:
        return None
    if not before.bits and not before.gaps:
        return None
    chosen: list[Hypothesis] = []
    rivals: tuple[Hypothesis, ...] = ()
    at = graph
    for depth in range(_TOGETHER):
        ranked = _ranked(at, layer, replay, other, same)
        if not ranked or not _better(left, ranked[0][1]):
            break
        (best, misfit), *rest = ranked
        try:
            at = best.applied(at, layer)
        except InvalidModel:
            break
        if depth == 0:
            equal = [h for h, m in rest if (m.bits, m.gaps) == (misfit.bits, misfit.gaps)]
            rivals = tuple(h for h in equal if h.cause != best.cause)[:_RIVALS]
        chosen.append(best)
        left = misfit
        if best.shift or (not left.bits and not left.gaps):
            break
    if not chosen:
        return None
    return Explanation(
        layer=layer, chosen=tuple(chosen), bits=before, left=left, rivals=rivals, graph=at
    )


def _better(before: Misfit, after: Misfit) -> bool:
    """Whether a change is worth naming: it removes at least a quarter of what is wrong."""
    if gain(before, after) >= 0.25:
        return True
    return after.bits == before.bits and before.gaps > 0 and after.gaps <= 0.75 * before.gaps


def _misfit(graph: Graph, layer: str, replay: Replay) -> Misfit:
    place, seen = Place(graph, layer, replay.given.keys()), replay.given[layer]
    if graph.shapes[layer] != tuple(seen.shape[2:]):
        return Misfit(seen.numel(), 0, float("inf"))
    return replay.misfit(replay.predict(graph, layer), graph, layer, place.law)


def _ranked(
    graph: Graph, layer: str, replay: Replay, other: Graph | None, same: Mapping[str, str]
) -> list[tuple[Hypothesis, Misfit]]:
    place = Place(graph, layer, replay.given.keys())

    def judge(hypothesis: Hypothesis) -> Misfit:
        return _judged(place, hypothesis, replay)

    found: list[tuple[Hypothesis, Misfit]] = []
    if isinstance(other, ProgramGraph):
        found += _tested(_as_integers(place, other), judge)
    elif other is not None:
        found += _tested(transplants(place, other, same), judge)
    found += _tested(discrete(place), judge)
    if all(m.bits or m.gaps for _, m in found):
        found += _fitted(place, judge, sure=layer in replay.membrane)
    return sorted(found, key=_rank)


def _as_integers(place: Place, other: ProgramGraph) -> Iterator[Hypothesis]:
    """The law of a Program without the rounding of its state."""
    if place.layer in other.nodes and {*place.recorded} <= {*other.nodes}:
        text = "{y} has its parameters in the integers of a chip"
        yield Hypothesis(cause="rounded weights", text=text, graph=other, told=True)


def _fitted(
    place: Place, judge: Callable[[Hypothesis], Misfit], *, sure: bool
) -> list[tuple[Hypothesis, Misfit]]:
    """The best of every family; the first that fits all membranes is proof enough."""
    found = []
    with np.errstate(over="ignore", invalid="ignore"):
        for family in families(place.law):
            member = fitted(family, judge)
            if member is None:
                continue
            found.append(member)
            if sure and not member[1].bits and not member[1].gaps:
                break
    return found


def _rank(found: tuple[Hypothesis, Misfit]) -> tuple[int, int, bool, int]:
    hypothesis, misfit = found
    return misfit.bits, misfit.gaps, not hypothesis.told, PRIORITY[hypothesis.cause]


def _tested(
    hypotheses: Iterator[Hypothesis], judge: Callable[[Hypothesis], Misfit]
) -> list[tuple[Hypothesis, Misfit]]:
    found = []
    for hypothesis in hypotheses:
        try:
            found.append((hypothesis, judge(hypothesis)))
        except (NotReplayableError, InvalidModel):
            continue
    return found


def _judged(place: Place, hypothesis: Hypothesis, replay: Replay) -> Misfit:
    graph = hypothesis.graph or place.graph
    if graph.shapes.get(place.layer) != tuple(replay.given[place.layer].shape[2:]):
        raise NotReplayableError(f"{place.layer}: another shape")
    law = hypothesis.law or place.law
    predicted = replay.predict(graph, place.layer, hypothesis.law, shift=hypothesis.shift)
    return replay.misfit(predicted, graph, place.layer, law)


def merged(found: list[Explanation]) -> list[list[Explanation]]:
    """Explanations that say the same of several layers, together."""
    groups: dict[tuple[str, ...], list[Explanation]] = {}
    for explanation in found:
        key = tuple(h.text.replace(explanation.layer, "*") for h in explanation.chosen)
        groups.setdefault(key, []).append(explanation)
    return list(groups.values())
