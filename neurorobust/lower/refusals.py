"""What of a Graph has no integer form, all of it at once."""

from neurorobust.ir import LI, LIF, Affine, Conv2d, Flatten, Graph, Header, Input, Output
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
        match node:
            case LIF():
                _refuse_lif(name, node, log)
                _refuse_wiring(graph, name, log, driven=driven)
            case LI():
                _refuse_wiring(graph, name, log, driven=driven)
                if node.v_init.any():
                    why = "starts from a state other than 0"
                    log.refuse(name, "initial state", why, "set v_init to 0")
                readers = {edge.target for edge in graph.outgoing(name)}
                if _seen_through_flatten(graph, name) != {graph.output}:
                    why = f"feeds {sorted(readers)}; only an Output takes membranes"
                    log.refuse(name, "membrane read", why)
            case Affine() | Conv2d():
                _refuse_synapse(graph, name, node, log)
            case Output():
                feeding = [graph.nodes[source] for source in sources_of(graph, name)]
                if not all(isinstance(n, LIF | LI) for n in feeding) or len(feeding) != 1:
                    why = f"is fed by {[n.kind for n in feeding]}; needs one LIF or LI"
                    log.refuse(name, "output", why)
            case Input() | Flatten():
                pass
            case _:
                way_out = _INSTEAD.get(node.kind, "leave it out")
                log.refuse(name, "node kind", f"{node.kind} has no integer form here", way_out)
    for edge in graph.edges:
        if edge.delay > limits.delay_max:
            where = f"edge {edge.source} -> {edge.target}"
            log.refuse(where, "delay", f"delay {edge.delay} exceeds {limits.delay_max} steps")


_INSTEAD = {
    "BatchNorm": "put it right behind an Affine or Conv that feeds nothing else, and it is folded",
    "Pool2d": "run pool_to_conv first",
    "Conv1d": "write it as a Conv2d of height 1",
}


def _refuse_synapse(graph: Graph, name: str, node: Affine | Conv2d, log: Log) -> None:
    readers = sorted({edge.target for edge in graph.outgoing(name)})
    if len(readers) != 1:
        log.refuse(name, "readers", f"feeds {readers}; one population per synapse")
    sources = sources_of(graph, name)
    if len(sources) != 1:
        why = f"reads the sum of {sorted(sources)}"
        log.refuse(name, "sources", why, "give each its own synapse")
    else:
        source = graph.nodes[sources[0]]
        if not isinstance(source, Input | LIF | LI) and not log.refused_before(sources[0]):
            why = f"reads {source.kind} {sources[0]!r}"
            log.refuse(name, "sources", why, "put a LIF between")
    if node.bias is not None:
        log.refuse(name, "bias", "has a bias", "run fold_gains first, it belongs to the neurons")
    if isinstance(node, Conv2d):
        largest = max(*node.stride, *node.padding, *node.dilation, node.groups)
        if largest > GROUPS_MAX:
            why = (
                f"stride, padding, dilation or groups reach {largest}, the chip counts them to "
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
        way_out = "shift it to start at 0, or take input_coding='bias' or 'host'"
        log.refuse("header", "input grid", why, way_out)


_WHOLE = (
    "exact only without a current and with beta 0 or 1 everywhere, so that membranes stay whole: "
    "set compare to '>', which differs where a membrane meets its threshold exactly"
)


def _refuse_lif(name: str, node: LIF, log: Log) -> None:
    whole = (node.reset, node.reset_timing) == ("hard", "same")
    rules = (
        (
            not whole,
            "reset",
            f"resets {node.reset} in the {node.reset_timing} step, the chip hard in the same",
            "train with that, or run a first layer with input_coding='host'",
        ),
        (
            node.reset == "hard" and node.reset_to.any(),
            "reset value",
            "resets to a value other than 0",
            "run shift_reset first",
        ),
        (
            node.v_init.any() or node.i_init.any(),
            "initial state",
            "starts from a state other than the one it resets to",
            "set v_init to that and i_init to 0",
        ),
        (
            node.v_min is not None,
            "lower bound",
            "has a lower bound of the membrane that inputs can reach",
            "leave out v_min and train again",
        ),
        (
            node.max_spikes > 1,
            "spikes per step",
            f"emits up to {node.max_spikes} spikes per step, the chip one",
            "set max_spikes to 1",
        ),
        (
            node.refractory > 0,
            "refractory",
            f"rests {node.refractory} steps after a spike, which Lava's LIF cannot",
            "set refractory to 0",
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
            "compares with '>=', the chip with '>'",
            _WHOLE,
        ),
    )
    for broken, code, why, way_out in rules:
        if broken:
            log.refuse(name, code, why, way_out)


def moves_on_grid(node: LIF) -> bool:
    """Whether a lowered membrane stays on whole synaptic units: no current, no partial decay."""
    return node.alpha is None and bool(((node.beta == 0) | (node.beta == 1)).all())


def _refuse_wiring(graph: Graph, name: str, log: Log, *, driven: bool) -> None:
    node = graph.nodes[name]
    gains = ("gain_in", "gain_syn") if isinstance(node, LIF) else ("gain_in",)
    if any((getattr(node, gain) != 1).any() for gain in gains):
        log.refuse(name, "gain", "has a gain other than 1", "run fold_gains first")
    for edge in graph.incoming(name):
        source = graph.nodes[edge.source]
        if isinstance(source, Affine | Conv2d) or log.refused_before(edge.source):
            continue
        if not isinstance(source, Input):
            why = f"is fed by {source.kind} {edge.source!r}; needs Affine or Conv2d"
            flat = "put the Flatten behind the neurons" if source.kind == "Flatten" else ""
            log.refuse(name, "synapse", why, flat)
        elif not driven:
            way_out = "put an Affine between, or input_coding='bias'"
            log.refuse(name, "synapse", "reads the input itself", way_out)
