"""Pass: every way from one population (or the input) to the next becomes exactly one synapse.

Linear maps distribute over sums and compose, so that

1. a map that reads a sum, or that several nodes read, is copied: one for each way through it;
2. maps in a row become one: conv∘conv, conv∘pool, affine∘flatten∘conv, with batch norms between;
3. biases on the way go into the last map or, where the padding of a later map makes them differ
   from place to place, into the neurons, one value each;
4. a map that the Output reads gets an integrator without memory behind it, which is the identity.

Exact up to the rounding of sums. What has no single map, or no place for its bias, is refused.
"""

from dataclasses import replace
from itertools import count

import numpy as np

from neurorobust.ir import LI, Affine, BatchNorm, Conv2d, Edge, Flatten, Graph, Node
from neurorobust.ir.edges import has_cycle
from neurorobust.lower.log import Log, graph_pass
from neurorobust.lower.neurons import shifted
from neurorobust.lower.passes import compose

MAPS = (Affine, Conv2d, BatchNorm)


@graph_pass
def one_synapse(graph: Graph, log: Log) -> Graph:
    """The same network with one Affine or Conv2d between populations.

    Args:
        graph: Pools are convolutions already.
        log: Takes notes.

    Returns:
        A new Graph, or the same if it has this form.
    """
    between = [n for n, node in graph.nodes.items() if isinstance(node, (*MAPS, Flatten))]
    inner = [edge for edge in graph.edges if edge.source in between and edge.target in between]
    if has_cycle(between, inner):
        why = "lies in a loop without neurons"
        log.refuse(between[0], "loop", why, "put a population into the loop")
        return graph
    graph = _with_readout(graph, log)
    while name := _shared(graph):
        graph = _copied(graph, name, log)
    failed: set[str] = set()
    while pair := _pair(graph, failed):
        graph = _merged(graph, pair, failed, log)
    return _without_norms(graph, log)


def _with_readout(graph: Graph, log: Log) -> Graph:
    """An integrator without memory before the Output, if a map feeds it."""
    (*_, last) = ways = graph.incoming(graph.output)
    place = graph.output
    while isinstance(graph.nodes[last.source], Flatten) and len(ways) == 1:
        place = last.source
        (*_, last) = ways = graph.incoming(place)
    if not all(isinstance(graph.nodes[edge.source], MAPS) for edge in ways):
        return graph
    name = _free(graph, "readout")
    edges = [replace(e, target=name) if e.target == place else e for e in graph.edges]
    log.note(name, "reads out what had no neurons")
    return graph.with_(
        nodes={**graph.nodes, name: LI(beta=np.zeros(()))}, edges=(*edges, Edge(name, place))
    )


def _shared(graph: Graph) -> str | None:
    """A map or Flatten that lies on several ways, if one must be copied."""
    for name in graph.order:
        node, ways = graph.nodes[name], graph.incoming(name)
        readers = graph.outgoing(name)
        if isinstance(node, MAPS) and (len(ways) > 1 or len(readers) > 1):
            return name
        if isinstance(node, Flatten) and (
            len(ways) > 1 or (len(readers) > 1 and _behind_map(graph, name))
        ):
            return name
    return None


def _behind_map(graph: Graph, name: str) -> bool:
    """Whether a map feeds a Flatten, perhaps through others."""
    (edge,) = graph.incoming(name)
    node = graph.nodes[edge.source]
    if isinstance(node, Flatten):
        return _behind_map(graph, edge.source)
    return isinstance(node, MAPS)


def _copied(graph: Graph, name: str, log: Log) -> Graph:
    """One copy for each way through a node; the bias goes with the first edge that arrives."""
    node = graph.nodes[name]
    nodes: dict[str, Node] = dict(graph.nodes)
    edges = [edge for edge in graph.edges if name not in (edge.source, edge.target)]
    free = (label for k in count(2) if (label := f"{name}.{k}") not in graph.nodes)
    label = name
    for number, arriving in enumerate(graph.incoming(name)):
        for leaving in graph.outgoing(name):
            nodes[label] = node if number == 0 else _without_bias(node, graph.shapes[name])
            edges += [replace(arriving, target=label), replace(leaving, source=label)]
            label = next(free)
    if isinstance(node, MAPS):
        ways = len(graph.incoming(name)) * len(graph.outgoing(name))
        log.note(name, f"copied for {ways} ways")
    return graph.with_(nodes=nodes, edges=tuple(edges))


def _without_bias(node: Node, shape: tuple[int, ...]) -> Node:
    if isinstance(node, BatchNorm):
        node = compose.norm_as_map(node, shape)
    return replace(node, bias=None) if isinstance(node, Affine | Conv2d) else node


def _pair(graph: Graph, failed: set[str]) -> tuple[str, tuple[str, ...], str] | None:
    """Two maps in a row, with the Flattens between them; the later one feeds no map."""
    for second in reversed(graph.order):
        if not isinstance(graph.nodes[second], MAPS) or second in failed:
            continue
        between: tuple[str, ...] = ()
        (edge,) = graph.incoming(second)
        while isinstance(graph.nodes[edge.source], Flatten):
            between = (edge.source, *between)
            (edge,) = graph.incoming(edge.source)
        if isinstance(graph.nodes[edge.source], MAPS) and edge.source not in failed:
            return edge.source, between, second
    return None


def _merged(
    graph: Graph, pair: tuple[str, tuple[str, ...], str], failed: set[str], log: Log
) -> Graph:
    a, between, b = pair
    first, second = graph.nodes[a], graph.nodes[b]
    assert isinstance(first, MAPS)  # noqa: S101  # `_pair` chose them
    assert isinstance(second, MAPS)  # noqa: S101
    (arriving,), (leaving,) = graph.incoming(a), graph.outgoing(b)
    offset = compose.offset_of(first, graph.shapes[a])
    wait = sum(edge.delay for name in (*between, b) for edge in graph.incoming(name))
    failed.add(a)
    if offset is not None and wait:
        log.refuse(b, "bias", f"delays the bias of {a!r}", f"put the delay before {a!r}")
        return graph
    try:
        whole = compose.compose(first, second, graph.shapes[arriving.source], graph.shapes[a])
    except compose.NoSingleMapError as error:
        way_out = (
            f"pad or crop the input of {a!r} so that its windows end with it, leave out that "
            "padding, or put a LIF between"
        )
        log.refuse(b, "geometry", f"cannot become one synapse with {a!r}: {error}", way_out)
        return graph
    nodes = dict(graph.nodes)
    nodes[b] = whole
    if offset is not None:
        image = compose.applied(second, offset)
        each = image.reshape(len(image), -1)
        if np.ptp(each, axis=1).any():
            biased = shifted(graph.nodes[leaving.target], leaving, image)
            if biased is None:
                why = (
                    f"pads a bias of {a!r}, which then differs at the border; {leaving.target!r} "
                    "has no place for it: take out the bias, the padding, or its current and delay"
                )
                log.refuse(b, "bias", why)
                return graph
            nodes[leaving.target] = biased
        else:
            bias = each[:, 0] if whole.bias is None else whole.bias + each[:, 0]
            nodes[b] = replace(whole, bias=bias)
    failed.discard(a)
    log.note(
        b,
        f"{compose.describe(first)} and {compose.describe(second)} as {compose.describe(nodes[b])}",
    )
    # The name of what was trained is kept: that of a convolution, not of a pool behind it.
    gone, name = (b, a) if _pools(second) and not _pools(first) else (a, b)
    return _joined(graph, nodes, pair, (gone, name), log)


def _joined(
    graph: Graph,
    nodes: dict[str, Node],
    pair: tuple[str, tuple[str, ...], str],
    names: tuple[str, str],
    log: Log,
) -> Graph:
    """One node in the place of a pair, under one of their names; ``nodes`` has it as the later."""
    (a, between, b), (gone, name) = pair, names
    nodes[name] = nodes[b]
    del nodes[gone]
    log.move(gone, name)
    (arriving,), (leaving,) = graph.incoming(a), graph.outgoing(b)
    waits = arriving.delay + graph.outgoing(a)[0].delay
    edges = [edge for edge in graph.edges if not {a, b} & {edge.source, edge.target}]
    edges += [Edge(arriving.source, (*between, name)[0], waits), replace(leaving, source=name)]
    edges += [replace(edge, target=name) for edge in graph.incoming(b) if between]
    return graph.with_(nodes=nodes, edges=tuple(edges))


def _pools(node: compose.Map) -> bool:
    """Whether all kernels have one and the same weight."""
    return isinstance(node, Conv2d) and len(np.unique(node.weight[node.weight != 0])) == 1


def _without_norms(graph: Graph, log: Log) -> Graph:
    """Batch norms that stand alone as maps, where there are such maps."""
    nodes = dict(graph.nodes)
    for name, norm in graph.of_kind(BatchNorm):
        if len(graph.shapes[name]) in (1, 3):
            nodes[name] = compose.norm_as_map(norm, graph.shapes[name])
            log.note(name, f"BatchNorm alone as {compose.describe(nodes[name])}")
    changed = any(nodes[name] is not node for name, node in graph.nodes.items())
    return graph.with_(nodes=nodes) if changed else graph


def _free(graph: Graph, name: str) -> str:
    return next(n for k in count(1) if (n := name if k == 1 else f"{name}{k}") not in graph.nodes)
