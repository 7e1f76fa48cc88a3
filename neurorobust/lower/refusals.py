"""What of a Graph has no integer form, all of it at once."""

from neurorobust.ir import (
    LI,
    LIF,
    Affine,
    Conv2d,
    Flatten,
    Graph,
    Header,
    Input,
    Node,
    Output,
)
from neurorobust.lower.limits import Limits


def refusals(graph: Graph, limits: Limits) -> list[str]:
    """One sentence for everything that has no exact integer form; empty if all has."""
    found = _header_refusals(graph.header)
    for name, node in graph.nodes.items():
        match node:
            case LIF():
                found += [f"{name}: {why}" for why in _lif_refusals(node)]
                found += _wiring_refusals(graph, name)
            case LI():
                found += _wiring_refusals(graph, name)
                if node.v_init.any():
                    found.append(f"{name}: starts from a state other than 0; set v_init to 0")
                readers = {edge.target for edge in graph.outgoing(name)}
                if readers != {graph.output}:
                    found.append(f"{name}: feeds {sorted(readers)}; only an Output takes membranes")
            case Affine() | Conv2d():
                found += [f"{name}: {why}" for why in _synapse_refusals(graph, name, node)]
            case Output():
                feeding = [graph.nodes[edge.source] for edge in graph.incoming(name)]
                if not all(isinstance(n, LIF | LI) for n in feeding) or len(feeding) != 1:
                    found.append(
                        f"{name}: is fed by {[n.kind for n in feeding]}; needs one LIF or LI"
                    )
            case Input() | Flatten():
                pass
            case _:
                found.append(f"{name}: {node.kind} has no integer form here; {_instead(node)}")
    found += [
        f"edge {e.source} -> {e.target}: delay {e.delay} exceeds {limits.delay_max} steps"
        for e in graph.edges
        if e.delay > limits.delay_max
    ]
    return found


_INSTEAD = {
    "BatchNorm": "put it right behind an Affine or Conv that feeds nothing else, and it is folded",
    "Pool2d": "use a Conv2d with a stride",
    "Conv1d": "write it as a Conv2d of height 1",
}


def _instead(node: Node) -> str:
    return _INSTEAD.get(node.kind, "leave it out")


def _synapse_refusals(graph: Graph, name: str, node: Affine | Conv2d) -> list[str]:
    found = []
    readers = {edge.target for edge in graph.outgoing(name)}
    if len(readers) != 1:
        found.append(f"feeds {sorted(readers)}; one population per synapse")
    sources = sources_of(graph, name)
    if len(sources) != 1:
        found.append(f"reads the sum of {sorted(sources)}; give each its own synapse")
    elif not isinstance(graph.nodes[sources[0]], Input | LIF | LI):
        found.append(f"reads {graph.nodes[sources[0]].kind} {sources[0]!r}; put a LIF between")
    if node.bias is not None:
        found.append("has a bias; run fold_gains first, it belongs to the neurons")
    return found


def sources_of(graph: Graph, name: str) -> list[str]:
    """Where the edges to a node come from, seen through Flatten."""
    found = []
    for edge in graph.incoming(name):
        through = isinstance(graph.nodes[edge.source], Flatten)
        found += sources_of(graph, edge.source) if through else [edge.source]
    return found


def _header_refusals(header: Header) -> list[str]:
    if header.bounds[0] != 0:
        return [f"header: input starts at {header.bounds[0]:g}; shift it to start at 0"]
    return []


def _lif_refusals(node: LIF) -> list[str]:
    rules = {
        f"compares with {node.compare!r}, the chip with '>'": node.compare != ">",
        f"resets {node.reset} in the {node.reset_timing} step, the chip hard in the same": (
            (node.reset, node.reset_timing) != ("hard", "same")
        ),
        "resets to a value other than 0": bool((node.reset_to != 0).any()) and node.reset == "hard",
        "starts from a state other than 0": bool(node.v_init.any() or node.i_init.any()),
        "has a lower bound of the membrane": node.v_min is not None,
        f"emits up to {node.max_spikes} spikes per step": node.max_spikes > 1,
        f"rests {node.refractory} steps after a spike": node.refractory > 0,
        "has a threshold below 0": bool((node.threshold < 0).any()),
    }
    return [why for why, broken in rules.items() if broken]


def _wiring_refusals(graph: Graph, name: str) -> list[str]:
    found = []
    node = graph.nodes[name]
    if any((getattr(node, gain) != 1).any() for gain in _gains(node)):
        found.append(f"{name}: has a gain other than 1; run fold_gains first")
    for edge in graph.incoming(name):
        source = graph.nodes[edge.source]
        if not isinstance(source, Affine | Conv2d):
            found.append(f"{name}: is fed by {source.kind} {edge.source!r}; needs Affine or Conv2d")
    return found


def _gains(node: Node) -> tuple[str, ...]:
    return ("gain_in", "gain_syn") if isinstance(node, LIF) else ("gain_in",)
