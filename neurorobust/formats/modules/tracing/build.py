"""What a run showed → nodes and edges."""

from dataclasses import dataclass, field
from typing import Any

from neurorobust.errors import InvalidInput, Unsupported
from neurorobust.formats.modules.tracing import expressions as ex
from neurorobust.formats.modules.tracing.record import Record
from neurorobust.formats.modules.tracing.values import Layout, Traced, data, zeros
from neurorobust.formats.reading import OutputKind, give
from neurorobust.ir import Edge, Flatten, Input, Node, Output, Shape
from neurorobust.ir.edges import topological_order
from neurorobust.ir.ports import Readout

MEMBRANES = ("mem", "v")
Feed = list[tuple[str, int]]
"""Nodes with delays, whose sum is a value."""


@dataclass(slots=True)
class Wiring:
    """Nodes and edges in the making."""

    record: Record
    nodes: dict[str, Node]
    laws: dict[str, ex.Expression]
    edges: list[Edge] = field(default_factory=list)
    maps: dict[ex.Expression, str] = field(default_factory=dict)
    cells: dict[str, str] = field(default_factory=dict)
    membranes: dict[str, str] = field(default_factory=dict)

    def feed(self, value: ex.Expression) -> Feed:
        """The nodes whose sum is this value, in lags; they are made if they are not yet."""
        match value:
            case ex.Source(when):
                return [("input", when.number)]
            case ex.Added(terms):
                return [source for term in terms for source in self.feed(term)]
            case ex.Applied(layer, to):
                return [(self._map(value, layer, self.record.layers[layer], to), 0)]
            case ex.Flattened(of):
                return [(self._map(value, "flatten", Flatten(), of), 0)]
            case ex.Fired(cell, when):
                return [(self._population(cell), when.number)]
            case ex.Membrane(cell, when):
                return [(self._membrane(cell), when.number)]
        what = "zeros" if isinstance(value, ex.Zero) else ex.described(value)
        msg = f"forward computes with {what}, which no step of the run replaced by a value"
        raise Unsupported(msg)

    def connect(self, feed: Feed, target: str) -> None:
        """Edges, in the order of the sum."""
        self.edges += [Edge(source, target, delay) for source, delay in feed]

    def add(self, name: str, node: Node) -> str:
        """Add a node under a free name."""
        free, number = name, 2
        while free in self.nodes:
            free, number = f"{name}_{number}", number + 1
        self.nodes[free] = node
        return free

    def lost(self) -> list[str]:
        """Layers and cells that were called and have no node."""
        applied = {value.layer for value in self.maps if isinstance(value, ex.Applied)}
        seen = applied | set(self.cells) | set(self.membranes)
        return [path for path in (*self.record.layers, *self.record.cells) if path not in seen]

    def _map(self, value: ex.Expression, path: str, node: Node, to: ex.Expression) -> str:
        if value not in self.maps:
            feed = self.feed(to)
            self.maps[value] = name = self.add(named(path, node), node)
            self.connect(feed, name)
        return self.maps[value]

    def _population(self, cell: str) -> str:
        if cell in self.cells:
            return self.cells[cell]
        population = self.record.populations[cell]
        # Named before its sources are made: a loop leads back to it.
        name = last = self.add(named(cell, population.node), population.node)
        if population.after is not None:
            last = self.add(f"{name}.scale", population.after)
        self.cells[cell] = last
        feed = self._chain(name, self.feed(self.laws[cell]), population.before)
        if population.loop is not None:
            loop = self.add(f"{name}.recurrent", population.loop)
            self.edges.append(Edge(last, loop, 1))
            feed = [*feed, (loop, 0)]
        self.connect(feed, name)
        if last != name:
            self.edges.append(Edge(name, last))
        return last

    def _membrane(self, cell: str) -> str:
        if cell not in self.membranes:
            chain = self.record.populations[cell].membrane
            if isinstance(chain, str):
                raise Unsupported(f"{cell}: its membrane is used as a value, but {chain}")
            *before, (suffix, node) = chain
            self.membranes[cell] = name = self.add(f"{named(cell, node)}{suffix}", node)
            self.connect(self._chain(name, self.feed(self.laws[cell]), tuple(before)), name)
        return self.membranes[cell]

    def _chain(self, name: str, feed: Feed, chain: tuple[tuple[str, Node], ...]) -> Feed:
        for suffix, node in chain:
            added = self.add(f"{name}{suffix}", node)
            self.connect(feed, added)
            feed = [(added, 0)]
        return feed


def named(path: str, node: Node) -> str:
    """The name of a node: the path of its module, with its kind where that is only a number."""
    kind = node.kind.lower()
    clean = path.replace("/", "_")
    if clean in ("input", "output"):
        return f"{kind}_{clean}"
    return clean if not clean[0].isdigit() else f"{kind}{clean}"


def build(
    record: Record, *, input_shape: Shape, readout: Readout | None, output: OutputKind
) -> tuple[dict[str, Node], tuple[Edge, ...]]:
    """Nodes and edges of what a run showed.

    Raises:
        Unsupported: for wiring that is not the same in every step, and for layers without effect.
        InvalidInput: for steps or a readout other than those of forward, or no readout where it has
            to be said.
    """
    laws = _laws(record)
    wiring = Wiring(record, {"input": Input(shape=input_shape)}, laws)
    value, fixed, how = _returned(record, laws, output)
    feed = wiring.feed(value)
    if readout is None:
        spiking = all(wiring.nodes[source].spiking for source, _ in feed)
        readout = fixed or ("count" if spiking else None)
    if readout is None:
        ask = give("readout", "last", "mean", "max", "count")
        msg = f"forward returns values over time, no spikes; say how they become scores: {ask}"
        raise InvalidInput(msg)
    if fixed not in (None, readout):
        raise InvalidInput(
            f"forward returns {how}, which is {give('readout', fixed)}, not {readout!r}"
        )
    lost = [*record.unused, *wiring.lost()]
    if lost:
        raise Unsupported(
            f"{lost[0]}: has no effect on the output (in all: {', '.join(lost)}); remove it, or "
            "return the value that it leads to"
        )
    wiring.nodes["output"] = Output(readout=readout)
    wiring.connect(feed, "output")
    order = topological_order(wiring.nodes, wiring.edges)
    return {name: wiring.nodes[name] for name in order}, tuple(wiring.edges)


def _laws(record: Record) -> dict[str, ex.Expression]:
    """What each cell is given, in lags."""
    laws: dict[str, ex.Expression] = {}
    steps = record.steps
    for path, seen in record.inputs.items():
        law = ex.folded(seen)
        if isinstance(law, int):
            now, last = ex.described(seen[law]), ex.described(seen[-1])
            raise Unsupported(
                f"{path}: is fed in another way in step {law} ({now}) than in the last step "
                f"({last}); a Graph is the same in every step"
            )
        laws[path] = law
    counts = {p: len(seen) for p, seen in record.inputs.items() if not record.cells[p].sequence}
    if len(set(counts.values())) > 1:
        raise Unsupported(
            f"cells are called a different number of times: {counts}; each takes one step per call"
        )
    for path, count in counts.items():
        if count != steps and (count > 1 or record.time_first):
            msg = f"{path}: forward runs {count} steps, not {steps}; give {give('steps', count)}"
            raise InvalidInput(msg)
    return laws


def _returned(
    record: Record,
    laws: dict[str, ex.Expression],
    output: OutputKind,
) -> tuple[ex.Expression, Readout | None, str]:
    """The one returned value that feeds no other, in lags; and what forward itself reads of it."""
    found: dict[ex.Expression, Traced] = {}
    for value in _leaves(record.returned):
        state = isinstance(value.expression, ex.State)
        membrane = state and getattr(value.expression, "part", "") in MEMBRANES
        if membrane if output == "membrane" else not state:
            expression = value.expression if value.reduction else data(value)
            found.setdefault(ex.as_lags(expression, ex.last_step(expression) or 0), value)
    reach = {e: _reach(e, laws) for e in found}
    ends = [
        e
        for e in found
        if not any(
            ex.undated(e) in reach[f] and ex.undated(f) not in reach[e] for f in found if f != e
        )
    ]
    if len(ends) != 1:
        listed = ", ".join(ex.described(e) for e in ends) or "none"
        raise Unsupported(
            f"forward returns {len(ends)} {output} outputs ({listed}); a Graph has one: return "
            "the spikes of one layer, or, as the membrane, that of a neuron without reset"
        )
    return ends[0], *_read_by_forward(found[ends[0]], record)


def _read_by_forward(value: Traced, record: Record) -> tuple[Readout | None, str]:
    """The readout that forward computes itself, if it does, and in words what it returns."""
    steps, step, reduction = record.steps, ex.last_step(value.expression), value.reduction
    runs = max((len(seen) for seen in record.inputs.values()), default=1)
    fixed: Readout | None = None
    how, whole = "", True
    if reduction is not None:
        fixed = "count" if reduction.how == "sum" else "mean"
        how, whole = f"the {reduction.how} over {reduction.steps} steps", reduction.steps == steps
    elif value.axes.steps is not None:
        how, whole = f"{value.axes.steps} steps", value.axes.steps == steps
    elif step is not None and (runs > 1 or record.time_first):
        fixed = None if steps == 1 else "last"
        how, whole = f"what step {step} gives", step == steps - 1
    if not whole:
        msg = f"forward returns {how} out of {steps}; a Graph reads the last step, or all of them"
        raise Unsupported(msg)
    return fixed, how


def _leaves(value: Any) -> list[Traced]:
    """Traced values within what forward returned; a list of all steps of one value is one."""
    if isinstance(value, Traced):
        return [value]
    if isinstance(value, dict):
        return _leaves(list(value.values()))
    if not isinstance(value, tuple | list):
        return []
    frames = [v for v in value if isinstance(v, Traced) and v.axes.steps is None]
    if len(frames) == len(value) > 1:
        law = ex.folded([frame.expression for frame in frames])
        if not isinstance(law, int) and ex.last_step(frames[-1].expression) == len(frames) - 1:
            layout = Layout(frames[0].axes.batch, len(frames))
            return [zeros(frames[0], law, layout, frames[0].features)]
    return [leaf for part in value for leaf in _leaves(part)]


def _reach(value: ex.Expression, laws: dict[str, ex.Expression]) -> set[ex.Expression]:
    """All that a value is computed from, in this step or an earlier one."""
    reached: set[ex.Expression] = set()
    ahead = [value]
    while ahead:
        for part in map(ex.undated, ex.parts(ahead.pop())):
            if part not in reached:
                reached.add(part)
                if isinstance(part, ex.Fired | ex.Membrane):
                    ahead.append(laws[part.cell])
    return reached
