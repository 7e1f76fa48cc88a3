"""Faults as they happen on the way between frameworks, planted into Graphs.

Each is a change of one layer, drawn at random; a Graph that offers no place for it gives None.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from neurorobust import ir
from neurorobust.backends import Record, get_backend, run
from neurorobust.compare.sides import Side
from neurorobust.data import Stimulus
from neurorobust.errors import InvalidModel
from neurorobust.testing import random_graph
from neurorobust.testing.draws import Draws
from tests.support.networks import edges_of

Plant = Callable[[np.random.Generator, ir.Graph], ir.Graph | None]


def conv_network(rng: np.random.Generator, *, grid: bool) -> ir.Graph:
    """Conv - norm - LIF - pool - conv - LIF - flatten - dense - LIF with a loop - dense - readout.

    Args:
        rng: Source of all numbers.
        grid: Weights on a coarse grid, so that ties abound.
    """
    draws = Draws(rng, (), grid)
    channels = 2 * draws.whole(1, 2)
    size = draws.whole(6, 9)

    def conv(out: int, into: int) -> ir.Conv2d:
        weight, bias = draws.weights((out, into, 3, 3)), draws.uniform(-0.1, 0.3, (out,))
        return ir.Conv2d(weight=weight, bias=bias, padding=(1, 1))

    reset: Any = ("hard", "soft")[draws.whole(0, 1)]
    compare: Any = (">", ">=")[draws.whole(0, 1)]

    def lif(**more: Any) -> ir.LIF:
        beta = draws.rng.choice([0.5, 0.5, 1.0]) if grid else rng.uniform(0.5, 0.95)
        given: dict[str, Any] = {"beta": np.array(beta), "threshold": np.array(1.0)}
        return ir.LIF(**given | {"reset": reset, "compare": compare} | more)

    norm = ir.BatchNorm(
        mean=draws.uniform(-0.2, 0.2, (channels,)),
        var=np.ones(channels) if grid else rng.uniform(0.5, 2, channels),
        scale=rng.choice([0.5, 1.0, 2.0], channels) if grid else rng.uniform(0.7, 1.5, channels),
        shift=draws.uniform(0.0, 0.4, (channels,)),
        eps=1e-300 if grid else 1e-5,
    )
    nodes: dict[str, ir.Node] = {
        "input": ir.Input(shape=(2, size, size)),
        "conv1": conv(channels, 2),
        "norm1": norm,
        "lif1": lif(),
        "pool1": ir.Pool2d(
            op=("avg", "max", "sum")[draws.whole(0, 2)], kernel=(2, 2), stride=(2, 2)
        ),
        "conv2": conv(4, channels),
        "lif2": lif(bias=draws.uniform(0.0, 0.2)),
        "flat": ir.Flatten(),
    }
    shape = nodes["conv2"].output_shape((channels, size // 2, size // 2))
    nodes |= {
        "fc3": ir.Affine(
            weight=draws.weights((8, int(np.prod(shape)))), bias=draws.uniform(0, 0.3, (8,))
        ),
        "lif3": lif(),
        "loop3": ir.Affine(weight=draws.uniform(-0.5, 0.5, (8, 8))),
        "fc4": ir.Affine(weight=draws.weights((4, 8)), bias=draws.uniform(0, 0.3, (4,))),
        "lif4": lif(),
        "output": ir.Output(),
    }
    edges = [" ".join(name for name in nodes if name != "loop3"), "lif3>1 loop3 lif3"]
    header = ir.Header(dt_s=1e-3, steps=16, coding="events", bounds=(0.0, 2.0))
    return ir.Graph(header=header, nodes=nodes, edges=edges_of(edges))


FAULTS: dict[str, Plant] = {}
"""By the name of the cause."""


def planted(cause: str) -> Callable[[Plant], Plant]:
    """Keeps a function as the way to plant this fault."""
    return lambda plant: FAULTS.setdefault(cause, plant)


def _pick(rng: np.random.Generator, found: list[Any]) -> Any:
    return found[int(rng.integers(len(found)))] if found else None


def _with(graph: ir.Graph, name: str, node: ir.Node) -> ir.Graph | None:
    try:
        return graph.with_(nodes={**graph.nodes, name: node})
    except InvalidModel:
        return None


def _lif(
    rng: np.random.Generator,
    graph: ir.Graph,
    change: Callable[[ir.LIF], ir.LIF],
    where: Callable[[ir.LIF], bool] = lambda _: True,
) -> ir.Graph | None:
    """A LIF population, changed."""
    found = _pick(rng, [(n, x) for n, x in graph.of_kind(ir.LIF) if where(x)])
    return None if found is None else _with(graph, found[0], change(found[1]))


def _map(
    rng: np.random.Generator,
    graph: ir.Graph,
    kinds: tuple[type[ir.Node], ...],
    change: Callable[[Any], Any],
) -> ir.Graph | None:
    """A map, changed."""
    found = [(n, change(x)) for n, x in graph.nodes.items() if isinstance(x, kinds)]
    found = [(n, x) for n, x in found if x is not None]
    name, node = _pick(rng, found) or ("", None)
    return None if node is None else _with(graph, name, node)


@planted("compare")
def _compare(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    return _lif(rng, graph, lambda n: replace(n, compare=">" if n.compare == ">=" else ">="))


@planted("reset timing")
def _timing(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    def turned(n: ir.LIF) -> ir.LIF:
        return replace(n, reset_timing="next" if n.reset_timing == "same" else "same")

    def simple(n: ir.LIF) -> bool:
        return n.reset != "none" and not n.refractory and n.max_spikes == 1

    return _lif(rng, graph, turned, simple)


@planted("reset mode")
def _mode(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    def turned(n: ir.LIF) -> ir.LIF:
        other = _pick(rng, [m for m in ("hard", "soft", "none") if m != n.reset])
        return replace(n, reset=other, reset_value=None)

    return _lif(rng, graph, turned, lambda n: not n.refractory)


@planted("soft-reset amount")
def _amount(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    factor = rng.choice([0.5, 0.75, 0.9, 1.25, 1.5])
    return _lif(
        rng,
        graph,
        lambda n: replace(n, reset_value=n.reset_to * factor),
        lambda n: n.reset == "soft",
    )


@planted("hard-reset value")
def _target(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    value = np.array(rng.choice([-0.5, -0.25, 0.125, 0.25, 0.4]))
    return _lif(rng, graph, lambda n: replace(n, reset_value=value), lambda n: n.reset == "hard")


@planted("input gain")
def _gain(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    factor = rng.choice([0.25, 0.5, 0.8, 1.25, 2.0, 3.0])
    by_beta = rng.random() < 0.3

    def gained(n: ir.LIF) -> ir.LIF:
        return replace(n, gain_in=n.gain_in * ((1 - n.beta) if by_beta else factor))

    return _lif(rng, graph, gained, lambda n: bool((n.beta < 0.99).all()))


@planted("lost bias")
def _bias(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    def without(n: Any) -> ir.Node | None:
        if isinstance(n, ir.LIF):
            return replace(n, bias=np.zeros(())) if n.bias.any() else None
        return replace(n, bias=None) if n.bias is not None and n.bias.any() else None

    return _map(rng, graph, (ir.Affine, ir.Conv1d, ir.Conv2d, ir.LIF), without)


@planted("dt")
def _dt(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    factor = float(rng.choice([0.1, 0.5, 1.5, 2.0, 4.0, 10.0]))

    def slower(n: ir.LIF) -> ir.LIF:
        alpha = None if n.alpha is None else n.alpha**factor
        return replace(n, beta=n.beta**factor, alpha=alpha)

    return _lif(rng, graph, slower, lambda n: bool(((n.beta > 0.2) & (n.beta < 0.99)).all()))


@planted("layer delay")
def _delay(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    inner = [e for e in graph.edges if not isinstance(graph.nodes[e.target], ir.Output)]
    edge = _pick(rng, inner)
    late = replace(edge, delay=edge.delay + int(rng.integers(1, 3)))
    return graph.with_(edges=tuple(late if e == edge else e for e in graph.edges))


@planted("flatten order")
def _order(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    found = []
    for name, _ in graph.of_kind(ir.Flatten):
        shape = graph.shapes[graph.incoming(name)[0].source]
        readers = [e.target for e in graph.outgoing(name)]
        if len(shape) == 3 and all(isinstance(graph.nodes[r], ir.Affine) for r in readers):
            found.append((readers, shape))
    readers, shape = _pick(rng, found) or ([], ())
    if not readers:
        return None
    axes = _pick(rng, [(1, 2, 0), (0, 2, 1), (2, 0, 1)])
    moved = np.arange(np.prod(shape)).reshape(shape).transpose(axes).ravel()
    nodes = dict(graph.nodes)
    for reader in readers:
        weight: ir.Array = graph.nodes[reader].arrays()["weight"]
        taken = np.zeros_like(weight)
        for place, feature in enumerate(moved):
            taken[:, feature] = weight[:, place]
        changed: Any = {"weight": taken}
        nodes[reader] = replace(graph.nodes[reader], **changed)
    return graph.with_(nodes=nodes)


@planted("kernel flip")
def _flip(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    def flipped(n: Any) -> Any:
        weight = n.weight[:, :, ::-1] if n.weight.ndim == 3 else n.weight[:, :, ::-1, ::-1]
        return replace(n, weight=weight)

    return _map(rng, graph, (ir.Conv1d, ir.Conv2d), flipped)


@planted("transposed weight")
def _transpose(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    def turned(n: Any) -> Any:
        out, into = n.weight.shape
        return replace(n, weight=n.weight.T if out == into else n.weight.reshape(into, out).T)

    return _map(rng, graph, (ir.Affine,), turned)


@planted("rounded weights")
def _round(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    bits = int(rng.integers(3, 6))

    steps = 2**bits - 1 if (whole := rng.random() < 0.3) else 2 ** (bits - 1) - 1

    def rounded(n: Any) -> Any:
        low = min(float(n.weight.min()), 0.0)
        span = max(float(n.weight.max()), 0.0) - low if whole else np.abs(n.weight).max()
        step = span / steps
        zero = np.round(-low / step) if whole else 0.0
        return replace(n, weight=(np.round(n.weight / step + zero) - zero) * step)

    return _map(rng, graph, (ir.Affine, ir.Conv1d, ir.Conv2d), rounded)


@planted("initial state")
def _start(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    value = np.array(rng.choice([-0.5, 0.25, 0.5, 0.75]))
    return _lif(rng, graph, lambda n: replace(n, v_init=n.v_init + value))


@planted("refractory")
def _rest(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    # A rest of one step is a hard reset in the next step: the same law by another name.
    steps = int(rng.integers(2, 5))
    return _lif(
        rng,
        graph,
        lambda n: replace(n, refractory=0 if n.refractory else steps),
        lambda n: n.reset == "hard" and n.reset_timing == "same",
    )


@planted("lost layer")
def _lost(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    names = [n for n, x in graph.nodes.items() if isinstance(x, ir.BatchNorm | ir.Pool2d | ir.LIF)]
    rng.shuffle(names)
    for name in names:
        before, after = graph.incoming(name), graph.outgoing(name)
        looped = any(e.source == name for e in before)
        if looped or len(before) != 1:
            continue
        ahead = [ir.Edge(before[0].source, e.target, before[0].delay + e.delay) for e in after]
        kept = [e for e in graph.edges if name not in (e.source, e.target)]
        nodes = {n: x for n, x in graph.nodes.items() if n != name}
        try:
            return graph.with_(nodes=nodes, edges=tuple(kept + ahead))
        except InvalidModel:
            continue
    return None


@planted("padding")
def _padding(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    def moved(n: Any) -> Any:
        if not all(n.padding) or max(n.dilation) > 1:
            return None
        # One row and column of zeros leaves the top and left for the bottom and right.
        weight = np.pad(n.weight, ((0, 0), (0, 0), (2, 0), (2, 0)))
        return replace(n, weight=weight, padding=tuple(p + 1 for p in n.padding))

    return _map(rng, graph, (ir.Conv2d,), moved)


@planted("pooling")
def _pool(rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    def other(n: Any) -> Any:
        return replace(n, op=_pick(rng, [op for op in ("avg", "max", "sum") if op != n.op]))

    return _map(rng, graph, (ir.Pool2d,), other)


@planted("preprocessing")
def _normalised(_rng: np.random.Generator, graph: ir.Graph) -> ir.Graph | None:
    header = graph.header
    if not header.mean and not header.std:
        return None
    return graph.with_(header=replace(header, mean=(), std=()))


def plant(rng: np.random.Generator, graph: ir.Graph, cause: str) -> ir.Graph | None:
    """The Graph with one fault; None if it has no place for it."""
    try:
        return FAULTS[cause](rng, graph)
    except InvalidModel:
        return None


def network(rng: np.random.Generator) -> ir.Graph:
    """Convolutional or any, on a grid or not."""
    grid = bool(rng.random() < 0.5)
    if rng.random() < 0.5:
        return conv_network(rng, grid=grid)
    return random_graph(rng, grid=grid)


def box(graph: ir.Graph, records: tuple[Record, ...] = ("spikes", "membrane")) -> Side:
    """A side that shows what it does and not what it is."""
    executable = get_backend("torch").compile(graph, "float")
    return Side(label="box", executable=executable, records=records)


def renamed(graph: ir.Graph) -> ir.Graph:
    """Other names for all nodes."""
    names = {name: f"n{k}_{name[::-1]}" for k, name in enumerate(graph.nodes)}
    edges = tuple(ir.Edge(names[e.source], names[e.target], e.delay) for e in graph.edges)
    nodes = {names[n]: node for n, node in graph.nodes.items()}
    return graph.with_(nodes=nodes, edges=edges)


def apart(a: ir.Graph, b: ir.Graph, shown: Stimulus) -> bool:
    """Whether two Graphs give other spikes in layers of one name."""
    one, two = (run(graph, shown, record=["spikes"]).spikes for graph in (a, b))
    return any((one[n] != two[n]).any() for n in one.keys() & two.keys())
