"""A ``.nir`` file → Graph."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from neurorobust.asking import spelled
from neurorobust.errors import InvalidFile, InvalidInput, InvalidModel
from neurorobust.formats.nir.document import Document, Entry, read_document
from neurorobust.formats.nir.reading import maps, neurons
from neurorobust.formats.nir.reading.parameters import Fault, Parameters
from neurorobust.formats.nir.reading.wiring import flatten
from neurorobust.formats.nir.stamp import KEY, read_stamp, stamped_graph, with_original
from neurorobust.formats.reading import Reading, give, off
from neurorobust.ir import LIF, Edge, Graph, Header, Input, Node, Output, Shape
from neurorobust.ir.base import ShapeError
from neurorobust.ir.edges import topological_order
from neurorobust.ir.identity import canonical_json
from neurorobust.names import known_are

_LAWS: Mapping[str, Callable[[Parameters], list[Node]]] = {
    "Affine": maps.affine,
    "AvgPool2d": maps.pool,
    "Conv1d": maps.conv,
    "Conv2d": maps.conv,
    "CubaLI": neurons.cuba_li,
    "CubaLIF": neurons.cuba_lif,
    "Flatten": maps.flatten,
    "I": neurons.integrator,
    "IF": neurons.integrate_and_fire,
    "LI": neurons.li,
    "LIF": neurons.lif,
    "Linear": maps.affine,
    "Scale": maps.scale,
    "SumPool2d": maps.pool,
    "Threshold": neurons.threshold,
}
KINDS = (*_LAWS, "Delay", "Input", "NIRGraph", "Output")
"""Types of NIR that are read."""


def load_nir(path: Path, reading: Reading) -> Graph:
    """Read a file of the Neuromorphic Intermediate Representation.

    A file that ``save_nir`` wrote says everything itself. Any other leaves open how long a step is,
    how neurons reset, where they start and what waits in a cycle: nothing of this is guessed. The
    file stays in the provenance of the Graph, bit for bit.

    Raises:
        InvalidFile: naming the node that cannot be read or is left open, and the way out.
        InvalidInput: if the reading contradicts the file.
    """
    document = read_document(path)
    if reading.use_metadata and KEY in document.root.metadata:
        graph = _stamped(document, reading.header)
        _agree(graph, reading)
        return graph
    if reading.header is None and reading.dt_s is None:
        reason = f"does not say how long a step is; give it in seconds, as {give('dt_s', 1e-3)}"
        raise InvalidFile(document.path, reason)
    steps = 100 if reading.steps is None else reading.steps
    header = reading.header or Header(
        name=path.stem,
        dt_s=reading.step_s,
        steps=steps,
        coding=reading.coding or "events",
        bounds=reading.bounds or (0.0, 1.0),
        levels=reading.levels,
    )
    try:
        nodes, edges = _nodes(document.root, reading)
        graph = Graph(header=header, nodes=nodes, edges=tuple(edges))
    except Fault as fault:
        raise InvalidFile(document.path, str(fault)) from fault
    except InvalidModel as error:
        raise InvalidFile(document.path, str(error)) from error
    facts = {
        "source": f"NIR {document.version}",
        "nir rules": canonical_json(_rules(reading)),
    }
    return with_original(graph, document.root, facts)


def _rules(reading: Reading) -> dict[str, Any]:
    """How the continuous neurons of NIR became discrete ones, as JSON values."""
    named = ("discretisation", "compare", "v_init", "recurrence", "time_unit_s", "batch_axis")
    told = {name: getattr(reading, name) for name in (*named, "check_shapes")}
    reset = dict(reading.reset) if isinstance(reading.reset, Mapping) else reading.reset
    return told | {"dt_s": reading.step_s, "reset": reset}


def _stamped(document: Document, header: Header | None) -> Graph:
    try:
        found = read_stamp(document.root)
        if found is None:
            raise ValueError("is empty")
        graph = stamped_graph(found, document.root)
        profile = str(found.get("profile"))
    except (ValueError, RecursionError) as error:
        reason = (
            f"its metadata '{KEY}' {error}; read the nodes alone with "
            f"{off('use_metadata')}, {give('dt_s')} and {give('reset')}"
        )
        raise InvalidFile(document.path, reason) from error
    if header is not None:
        graph = graph.with_(header=header)
    if profile != "strict":  # its nodes are those of another reader, not to be written again
        return graph
    return with_original(graph, document.root, {})


def _agree(graph: Graph, reading: Reading) -> None:
    """Refuse arguments that contradict what the file says itself."""
    ignore = f"leave it out, or ignore the file's metadata with {off('use_metadata')}"
    for name in ("dt_s", "coding", "bounds", "levels"):
        asked, own = getattr(reading, name), getattr(graph.header, name)
        if asked is not None and asked != own:
            raise InvalidInput(f"{give(name, asked)}, but the file says {spelled(own)}; {ignore}")
    reset = reading.reset
    for name, node in graph.of_kind(LIF):
        asked = reset.get(name) if isinstance(reset, Mapping) else reset
        if asked is not None and asked != node.reset:
            said = f"{give('reset', asked)}, but the file says {node.reset!r} of {name!r}"
            msg = f"{said}; {ignore}"
            raise InvalidInput(msg)


def _nodes(root: Entry, rules: Reading) -> tuple[dict[str, Node], list[Edge]]:
    """Nodes in an order in which each comes after its sources, as far as loops allow; and edges."""
    _require_known(root, "")
    entries, edges = flatten(root, rules)
    shapes: dict[str, Shape] = {}
    nodes: dict[str, Node] = {}
    heads: dict[str, str] = {}
    for name in _met(entries, edges):
        entry = entries[name]
        sources = [edge.source for edge in edges if edge.target == name and edge.source in shapes]
        if entry.kind == "Input":
            made: list[Node] = [Input(shape=rules.input_shape or _port(name, entry, rules))]
            arriving: Shape = ()
        elif entry.kind == "Output":
            arriving = shapes[sources[0]]
            Parameters(name, entry, rules, arriving).declared(
                "shape", _port(name, entry, rules), arriving
            )
            spiking = all(nodes[source].spiking for source in sources)
            made = [Output(readout=rules.readout or ("count" if spiking else "last"))]
        else:
            arriving = shapes[sources[0]]
            made = _LAWS[entry.kind](Parameters(name, entry, rules, arriving))
        for node, full in zip(made, _names(name, len(made)), strict=True):
            nodes[full] = node
            arriving = _shape(name, entry, node, arriving)
        heads[name], shapes[name] = _names(name, len(made))[0], arriving
    wired = [replace(edge, target=heads[edge.target]) for edge in edges]
    return nodes, wired + [Edge(head, name) for name, head in heads.items() if head != name]


def _met(entries: Mapping[str, Entry], edges: list[Edge]) -> list[str]:
    """Names so that each comes after one of its sources, and where loops allow after all."""
    targets: dict[str, list[str]] = {name: [] for name in entries}
    for edge in edges:
        targets[edge.source].append(edge.target)
    ahead = list(topological_order(entries, edges))
    fed = {name for name, entry in entries.items() if entry.kind == "Input"}
    met: list[str] = []
    while ahead:
        name = next((name for name in ahead if name in fed), None)
        if name is None:
            raise Fault(ahead[0], "no path leads to it from the Input", "connect or remove it")
        met.append(name)
        fed.update(targets[name])
        ahead.remove(name)
    return met


def _require_known(graph: Entry, prefix: str) -> None:
    for name, entry in graph.nodes.items():
        if entry.kind not in KINDS:
            what = f"NIR type {entry.kind!r} is not known"
            raise Fault(f"{prefix}{name}", what, known_are(entry.kind, sorted(KINDS)))
        _require_known(entry, f"{prefix}{name}.")


def _names(name: str, count: int) -> list[str]:
    """Names of the nodes that one node of NIR becomes; the last one takes its name."""
    return [f"{name}.current", name] if count == 2 else [name]


def _shape(name: str, entry: Entry, node: Node, arriving: Shape) -> Shape:
    faults = list(node.faults())
    if faults:
        raise Fault(name, f"{entry.kind}: {'; '.join(faults)}", "repair its parameters")
    try:
        return node.output_shape(arriving)
    except ShapeError as error:
        way_out = (
            "repair weights or edges (nir itself declares wrong inputs for grouped convolutions: "
            f"{give('input_shape')} and {off('check_shapes')} read the weights alone)"
        )
        raise Fault(name, f"{entry.kind}: {error}", way_out) from error


def _port(name: str, entry: Entry, rules: Reading) -> Shape:
    shape = entry.values.get("shape")
    if not isinstance(shape, np.ndarray) or shape.dtype.kind not in "iu" or shape.ndim != 1:
        raise Fault(
            name, f"{entry.kind}: has no shape", f"write one, or pass {give('input_shape')}"
        )
    return tuple(int(n) for n in shape[rules.batch_axis == "all" :])
