"""What of a Graph has no integer form: all of it at once, and of what follows only the root."""

from collections.abc import Iterable

from neurorobust.ir import LI, LIF, Affine, Conv2d, Flatten, Graph, Header, Input, Node, Output
from neurorobust.lower.log import Log
from neurorobust.lower.population.limits import GROUPS_MAX, Limits

SENSOR_LEVELS = 256
"""Grid assumed for a continuous input: a graded message of eight bits."""


def refuse(graph: Graph, limits: Limits, log: Log, *, driven: bool = False) -> None:
    """Record everything that has no exact integer form.

    Args:
        graph: Everything that can be folded is folded.
        limits: Widths of the target.
        log: Takes the refusals.
        driven: Whether the Input may drive neurons itself, as a constant current.
    """
    _refuse_header(graph.header, log)
    for name, node in graph.nodes.items():
        _refuse_node(graph, name, node, limits, log)
    # How nodes are wired is looked at where all on the way between two populations has a form.
    for name in graph.nodes:
        if not log.follows(graph, name):
            _refuse_place(graph, name, log, driven=driven)
    for edge in graph.edges:
        if edge.delay > limits.delay_max:
            where = f"edge {edge.source} -> {edge.target}"
            log.refuse(where, "delay", f"delay {edge.delay} exceeds {limits.delay_max} steps")


def _refuse_node(graph: Graph, name: str, node: Node, limits: Limits, log: Log) -> None:
    """Record what a node is and the law has not."""
    match node:
        case LIF():
            _refuse_lif(name, node, limits.neuron, log)
        case LI():
            _refuse_li(graph, name, node, log)
        case Affine() | Conv2d() | Output() | Input() | Flatten():
            pass
        case _:
            way_out = _INSTEAD.get(node.kind, "leave it out")
            log.refuse(name, "node kind", f"{node.kind} has no integer form here", way_out)


def _refuse_place(graph: Graph, name: str, log: Log, *, driven: bool) -> None:
    """Record how a node is wired and the law has no such wiring."""
    match node := graph.nodes[name]:
        case LIF() | LI():
            _refuse_wiring(graph, name, log, driven=driven)
        case Affine() | Conv2d():
            _refuse_synapse(graph, name, node, log)
        case Output():
            feeding = [graph.nodes[source] for source in sources_of(graph, name)]
            if not all(isinstance(n, LIF | LI) for n in feeding) or len(feeding) != 1:
                why = f"is fed by {_and(n.kind for n in feeding)}; one population is read out"
                log.refuse(name, "output", why)


_BETWEEN = "put a linear layer or a convolution between"


def instead(source: Node) -> str:
    """What to put between neurons and what feeds them without a synapse."""
    return "put the Flatten behind the neurons" if isinstance(source, Flatten) else _BETWEEN


_INSTEAD = {
    "BatchNorm": "put it right behind a linear layer or convolution that feeds nothing else",
    "Pool2d": "write it as a convolution",
    "Conv1d": "write it as a Conv2d of height 1",
}


def _and(names: Iterable[str]) -> str:
    """Names in a sentence."""
    return " and ".join(names) or "nothing"


def _refuse_li(graph: Graph, name: str, node: LI, log: Log) -> None:
    if node.v_init.any():
        why = "starts from a state other than 0"
        log.refuse(name, "initial state", why, "let it start from 0", own=True)
    if _seen_through_flatten(graph, name) != {graph.output}:
        readers = _and(sorted({edge.target for edge in graph.outgoing(name)}))
        why = f"feeds {readers}; only an Output takes membranes"
        log.refuse(name, "membrane read", why)


def _refuse_synapse(graph: Graph, name: str, node: Affine | Conv2d, log: Log) -> None:
    readers = sorted({edge.target for edge in graph.outgoing(name)})
    if len(readers) != 1:
        why = f"feeds {_and(readers)}; one population per synapse"
        log.refuse(name, "readers", why, "give each its own")
    sources = sources_of(graph, name)
    if len(sources) != 1:
        why = f"reads the sum of {_and(sorted(sources))}"
        log.refuse(name, "sources", why, "give each its own synapse")
    else:
        source = graph.nodes[sources[0]]
        if not isinstance(source, Input | LIF | LI):
            why = f"reads {source.kind} {sources[0]!r}"
            log.refuse(name, "sources", why, "put a LIF between")
    if node.bias is not None:
        why = "has a bias, which the law has in neurons only"
        log.refuse(name, "bias", why, "move it to the neurons behind it")
    if isinstance(node, Conv2d):
        largest = max(*node.stride, *node.padding, *node.dilation, node.groups)
        if largest > GROUPS_MAX:
            why = (
                f"stride, padding, dilation or groups reach {largest}, the law counts them to "
                f"{GROUPS_MAX}"
            )
            log.refuse(name, "geometry", why, "put a LIF between the maps it was merged from")


def sources_of(graph: Graph, name: str) -> list[str]:
    """Where the edges to a node come from, seen through Flatten."""
    found = []
    for edge in graph.incoming(name):
        through = isinstance(graph.nodes[edge.source], Flatten)
        found += sources_of(graph, edge.source) if through else [edge.source]
    return found


def _seen_through_flatten(graph: Graph, name: str) -> set[str]:
    """Where the edges from a node lead, seen through Flatten."""
    found: set[str] = set()
    for edge in graph.outgoing(name):
        through = isinstance(graph.nodes[edge.target], Flatten)
        found |= _seen_through_flatten(graph, edge.target) if through else {edge.target}
    return found


def zero_is_on_the_grid(header: Header) -> bool:
    """Whether the value 0 is a whole number of sensor steps from the lower bound."""
    low, high = header.bounds
    below = -low * ((header.levels or SENSOR_LEVELS) - 1) / (high - low)
    return low <= 0 <= high and (header.levels is None or abs(below - round(below)) < 1e-9)


def _refuse_header(header: Header, log: Log) -> None:
    low, high = header.bounds
    if header.coding != "bernoulli" and not zero_is_on_the_grid(header):
        why = (
            f"input of {header.levels or SENSOR_LEVELS} levels from {low:g} to {high:g} has no "
            "level at 0, a message of 0 means nothing"
        )
        way_out = "shift it to start at 0, or take the input coding 'bias' or 'host'"
        log.refuse("header", "input grid", why, way_out)


_WHOLE = (
    "exact only without a current and with beta 0 or 1 everywhere, so that membranes stay whole: "
    "compare with '>', which differs where a membrane meets its threshold exactly"
)


def _refuse_lif(name: str, node: LIF, whose: str, log: Log) -> None:
    """Record what the target's neuron lacks.

    Args:
        name: Of the population.
        node: The population.
        whose: Neuron it is: ``Lava's LIF``.
        log: Takes the refusals.
    """
    whole = (node.reset, node.reset_timing) == ("hard", "same")
    rules = (
        (
            not whole,
            "reset",
            f"resets {node.reset} in the {node.reset_timing} step, {whose} hard in the same",
            "train with that, or run a first layer with the input coding 'host'",
        ),
        (
            node.reset == "hard" and node.reset_to.any(),
            "reset value",
            "resets to a value other than 0",
            "count its membrane from there",
        ),
        (
            node.v_init.any() or node.i_init.any(),
            "initial state",
            "starts from a state other than the one it resets to",
            "let it start from there, and without a current",
        ),
        (
            node.v_min is not None,
            "lower bound",
            f"has a lower bound of the membrane that inputs can reach, {whose} none",
            "train without it",
        ),
        (
            node.max_spikes > 1,
            "spikes per step",
            f"emits up to {node.max_spikes} spikes per step, {whose} one",
            "train with one spike per step",
        ),
        (
            node.refractory > 0,
            "refractory",
            f"rests {node.refractory} steps after a spike, {whose} none",
            "train without that",
        ),
        (
            (node.threshold < 0).any(),
            "threshold",
            "has a threshold below its reset value, so that it would fire without input",
            "",
        ),
        (
            node.compare == ">=" and not moves_on_grid(node),
            "compare",
            f"compares with '>=', {whose} with '>'",
            _WHOLE,
        ),
    )
    for broken, code, why, way_out in rules:
        if broken:
            log.refuse(name, code, why, way_out, own=True)


def moves_on_grid(node: LIF) -> bool:
    """Whether a lowered membrane stays on whole synaptic units: no current, no partial decay."""
    return node.alpha is None and bool(((node.beta == 0) | (node.beta == 1)).all())


def _refuse_wiring(graph: Graph, name: str, log: Log, *, driven: bool) -> None:
    node = graph.nodes[name]
    gains = ("gain_in", "gain_syn") if isinstance(node, LIF) else ("gain_in",)
    if any((getattr(node, gain) != 1).any() for gain in gains):
        why = "has a gain other than 1"
        log.refuse(name, "gain", why, "multiply the weights before it by its gain")
    for edge in graph.incoming(name):
        source = graph.nodes[edge.source]
        if isinstance(source, Affine | Conv2d):
            continue
        if not isinstance(source, Input):
            why = f"is fed by {source.kind} {edge.source!r}"
            log.refuse(name, "synapse", why, instead(source))
        elif not driven:
            way_out = f"{_BETWEEN}, or take the input coding 'bias'"
            log.refuse(name, "synapse", "reads the input itself", way_out)
