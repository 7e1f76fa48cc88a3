"""Validation of a whole network: every fault is found before any is raised; shapes on the way."""

import math
from collections.abc import Iterable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

from neurorobust.errors import InvalidModel
from neurorobust.ir.base import Node, Shape, ShapeError, per_neuron_fault
from neurorobust.ir.edges import undelayed_cycle
from neurorobust.ir.header import Coding, Header
from neurorobust.ir.ports import Input, Output
from neurorobust.names import known_are

if TYPE_CHECKING:
    from neurorobust.ir.model import Model


def check(model: "Model") -> Mapping[str, Shape]:
    """Shapes of all nodes.

    Raises:
        InvalidModel: with every fault of header, nodes, edges and shapes.
    """
    faults = list(_header_faults(model.header))
    faults += [
        f"{name!r}: a node's name must be non-empty and without '/'"
        for name in model.nodes
        if not name or "/" in name
    ]
    faults += _kind_faults(model)
    faults += [f"{n}: {fault}" for n, node in model.nodes.items() for fault in _node_faults(node)]
    faults += chain(_port_faults(model), _edge_faults(model), _wiring_faults(model))
    if faults:  # shapes of broken geometry or of a broken wiring would be noise
        raise InvalidModel(faults)
    shapes, faults = _infer_shapes(model)
    faults += chain.from_iterable(
        _population_faults(name, node, shapes[name])
        for name, node in model.nodes.items()
        if name in shapes
    )
    faults += _preprocessing_faults(model, shapes)
    faults += _readout_faults(model)
    if faults:
        raise InvalidModel(faults)
    return MappingProxyType(shapes)


def _node_faults(node: Node) -> Iterable[str]:
    """Faults of parameters; ranges of what are no numbers, or none at all, are not looked at."""
    numbers = all(value.size and value.dtype.kind in "iuf" for value in node.arrays().values())
    return node.faults() if numbers else Node.faults(node)


def _header_faults(header: Header) -> Iterable[str]:
    if not (header.dt_s > 0 and math.isfinite(header.dt_s)):
        yield f"header: dt_s is {header.dt_s}; the duration of a step must be finite and above 0"
    if header.steps < 1:
        yield f"header: steps is {header.steps}; at least one step is needed"
    if header.coding not in get_args(Coding):
        yield f"header: coding is {header.coding!r}; {known_are(header.coding, get_args(Coding))}"
    low, high = header.bounds
    for name in ("bounds", "mean", "std"):
        if not all(math.isfinite(value) for value in getattr(header, name)):
            yield f"header: {name} is {getattr(header, name)}; every entry must be finite"
    if not low < high:
        yield f"header: bounds are {header.bounds}; the first must be below the second"
    if header.levels is not None and header.levels < 2:
        yield f"header: levels is {header.levels}; a sensor grid has at least 2"
    if any(not s > 0 for s in header.std):
        yield f"header: std is {header.std}; every entry must be above 0"


def _kind_faults(model: "Model") -> Iterable[str]:
    """Floats belong to a Graph and integers to a Program."""
    for name, node in model.nodes.items():
        if node.arithmetic not in (None, model.arithmetic):
            own, other = type(model).__name__, node.arithmetic
            yield f"{name}: a {own} cannot hold a {node.kind}, which computes in {other} numbers"
    if model.arithmetic == "integer" and (model.header.mean or model.header.std):
        yield "header: a Program takes values as they are; fold mean and std before lowering"


def _port_faults(model: "Model") -> Iterable[str]:
    for kind in (Input, Output):
        found = [name for name, _ in model.of_kind(kind)]
        if len(found) != 1:
            yield f"needs exactly one {kind.__name__}, has {len(found)}: {found}"


def _edge_faults(model: "Model") -> Iterable[str]:
    for edge in model.edges:
        label = f"edge {edge.source} -> {edge.target}"
        for end in (edge.source, edge.target):
            if end not in model.nodes:
                yield f"{label}: no node is named {end!r}"
        if edge.delay < 0:
            yield f"{label}: delay is {edge.delay} steps; it must be at least 0"
        if isinstance(model.nodes.get(edge.target), Input):
            yield f"{label}: an Input takes no edge"
        if isinstance(model.nodes.get(edge.source), Output):
            yield f"{label}: an Output feeds no node"


def _wiring_faults(model: "Model") -> Iterable[str]:
    known = [e for e in model.edges if e.source in model.nodes and e.target in model.nodes]
    if loop := undelayed_cycle(model.nodes, known):
        way = " -> ".join(loop)
        yield f"loop without delay: {way}; give one of its edges a delay of at least 1"
    fed = {edge.target for edge in model.edges}
    read = {edge.source for edge in model.edges}
    for name, node in model.nodes.items():
        if name not in fed and not isinstance(node, Input):
            yield f"{name}: no edge leads to it"
        if name not in read and not isinstance(node, Output):
            yield f"{name}: no edge leads from it, so it has no effect; remove it"


def _infer_shapes(model: "Model") -> tuple[dict[str, Shape], list[str]]:
    """Shapes by repeated passes (a loop is entered through whichever edge is known first)."""
    shapes: dict[str, Shape] = {}
    faults: list[str] = []
    refused: set[str] = set()
    progress = True
    while progress:
        progress = False
        for name, node in model.nodes.items():
            if name in shapes or name in refused:
                continue
            sources = [edge.source for edge in model.incoming(name) if edge.source in shapes]
            if not sources and not isinstance(node, Input):
                continue
            try:
                shapes[name] = node.output_shape(shapes[sources[0]] if sources else ())
            except ShapeError as error:
                refused.add(name)
                faults.append(f"{name}: {error}")
            progress = True
    for name in model.nodes:
        arriving = {e.source: shapes[e.source] for e in model.incoming(name) if e.source in shapes}
        if len(set(arriving.values())) > 1:
            faults.append(f"{name}: its inputs are added but differ in shape: {arriving}")
    return shapes, faults


def _population_faults(name: str, node: Node, shape: Shape) -> Iterable[str]:
    if node.population:
        for parameter, value in node.arrays().items():
            if fault := per_neuron_fault(parameter, value, shape):
                yield f"{name}: {fault}"


def _preprocessing_faults(model: "Model", shapes: Mapping[str, Shape]) -> Iterable[str]:
    channels = shapes[model.input][0]
    for parameter in ("mean", "std"):
        given = len(getattr(model.header, parameter))
        if given not in (0, 1, channels):
            yield f"header: {parameter} has {given} entries; the input has {channels} channel(s)"


def _readout_faults(model: "Model") -> Iterable[str]:
    for name, node in model.of_kind(Output):
        graded = [e.source for e in model.incoming(name) if not model.nodes[e.source].spiking]
        if node.readout == "first" and graded:
            yield f"{name}: readout 'first' needs spikes, but {', '.join(graded)} give none"
