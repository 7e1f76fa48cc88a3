"""Where the layers of a network go on a chip, and which wall binds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil, prod

from neurorobust.chips.arithmetic import ChipArithmetic, FloatArithmetic
from neurorobust.chips.leaf import whole
from neurorobust.chips.rules import Placement as Method
from neurorobust.chips.schema import Profile
from neurorobust.fit.blocks import Fan, Need, Sizes, boxes
from neurorobust.fit.extract import extract
from neurorobust.fit.layers import Layer, Network
from neurorobust.fit.matching import match, rivals
from neurorobust.ir import Model, Program, Shape

ROUNDS = 50
"""Block counts only grow from round to round; few rounds settle any network seen."""


@dataclass(frozen=True, slots=True)
class Core:
    """One used core.

    Attributes:
        index: On its chip, counted through over chips.
        layers: What lies on it.
        use: Of every wall.
        limit: Of every wall.
    """

    index: int
    layers: tuple[str, ...]
    use: Mapping[str, float]
    limit: Mapping[str, float]

    @property
    def binding(self) -> str:
        """The wall of which most is used; empty without walls."""
        return binding(self.use, self.limit)

    @property
    def utilisation(self) -> float:
        """Share of the binding wall that is used."""
        return self.use[self.binding] / self.limit[self.binding] if self.use else 0.0


def binding(use: Mapping[str, float], limit: Mapping[str, float]) -> str:
    """The wall of which most is used, or that is exceeded most; empty without walls."""
    return max(use, key=lambda name: use[name] / limit[name], default="")


@dataclass(frozen=True, slots=True)
class LayerPlacement:
    """A layer on its cores.

    Attributes:
        layer: Its name; relays of a layer are named ``relays of …``.
        blocks: Into how many it is cut; 0 if it fits in no way.
        block: Filters, rows, columns of a block.
        cores: Their indices; empty if it is not placed.
        use: Of every wall, by the largest block.
        limit: Of every wall.
        why: Why it is not placed.
    """

    layer: str
    blocks: int
    block: Shape
    cores: tuple[int, ...]
    use: Mapping[str, float]
    limit: Mapping[str, float]
    why: str = ""

    @property
    def binding(self) -> str:
        """The wall that decides: of which most is used, or that is exceeded most."""
        return binding(self.use, self.limit)


@dataclass(frozen=True, slots=True)
class Placement:
    """A network on a chip.

    Attributes:
        profile: Name of the profile.
        method: ``split``, ``match``, ``whole``, ``closed``, or ``none`` without cores.
        layers: One entry per layer, relays behind the layer that needs them.
        cores: Used cores.
        cores_per_chip: Cores of a chip; 0 if the target has none.
        why: Why nothing is placed.
    """

    profile: str
    method: str
    layers: tuple[LayerPlacement, ...] = ()
    cores: tuple[Core, ...] = ()
    cores_per_chip: int = 0
    why: str = ""

    @property
    def chips(self) -> int:
        """Chips used."""
        return ceil(len(self.cores) / self.cores_per_chip) if self.cores_per_chip else 0

    @property
    def whole(self) -> bool:
        """Whether every layer has its place."""
        return bool(self.layers) and all(layer.cores for layer in self.layers)


def place(model: Model, profile: Profile) -> Placement:
    """Spread a model over the cores of a chip.

    ``split`` cuts every layer into the fewest equal boxes (filters × rows × columns) that pass all
    walls, and gives each a core, or shares cores in order where the chip allows that. ``match``
    gives each layer one core by a maximum matching. ``whole`` puts everything on one core.
    """
    return place_network(extract(model), profile)


def with_cores(program: Program, profile: Profile) -> Program:
    """The Program with ``cores`` and ``core_limit`` in the rows of its lowering report.

    They say how many cores a population takes, and what of a core it uses most; a target without
    cores adds nothing.
    """
    added = {
        layer.layer: {"cores": len(layer.cores), "core_limit": layer.binding}
        for layer in place(program, profile).layers
    }
    return program.with_(report=[row | added.get(row["layer"], {}) for row in program.report])


def place_network(network: Network, profile: Profile) -> Placement:
    """``place`` for what has been extracted already."""
    method = profile.placement
    if method is None:
        return Placement(profile.id, "none", why="the target has no cores")
    if method.method == "closed":
        return Placement(profile.id, "closed", why=method.why)
    needs, bits = Need.of(method.walls), weight_bits(profile)
    sizes = {layer.name: Sizes(layer, bits, needs) for layer in network.layers}
    placer = _Placer(network, method, sizes, needs)
    ways = {"split": placer.split, "match": placer.match, "whole": placer.whole}
    layers = tuple(ways[method.method]())
    cores = tuple(sorted(placer.cores, key=lambda core: core.index))
    return Placement(profile.id, method.method, layers, cores, placer.count)


def weight_bits(profile: Profile) -> int:
    """Bits that weights on no grid will have on the chip."""
    if isinstance(profile.arithmetic, FloatArithmetic):
        return 32
    value = profile.arithmetic.weight_bits.value
    found = max(value) if isinstance(value, list) else value
    if isinstance(found, int):
        return found
    if isinstance(profile.arithmetic, ChipArithmetic):
        return 8
    return whole(profile.arithmetic.weight_bits, "weight_bits")


@dataclass(slots=True)
class _Placer:
    """Gives layers their cores, by each of the methods."""

    network: Network
    method: Method
    sizes: dict[str, Sizes]
    needs: tuple[Need, ...]
    blocks: dict[str, Shape] = field(default_factory=dict)
    cores: list[Core] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Cores of a chip; 0 if that is not known."""
        value = self.method.cores.value
        return value if isinstance(value, int) else 0

    def limit(self, core: int = 0) -> dict[str, float]:
        """Of every wall, on a core."""
        return {need.wall.constraint: need.limit(core) for need in self.needs}

    def split(self) -> Iterator[LayerPlacement]:
        """Every layer in equal boxes."""
        limit = self.limit()
        for _ in range(ROUNDS):
            before = dict(self.blocks)
            for layer in reversed(self.network.layers):
                self.blocks[layer.name] = self._box(layer)
            for layer in self.network.layers:
                self.sizes[layer.name].reach(self._fan(layer))
            if self.blocks == before:
                break
        for layer in self.network.layers:
            size = self.blocks[layer.name]
            use = self.sizes[layer.name].largest(size)
            if any(use[name] > limit[name] for name in use):
                most = binding(use, limit)
                why = f"one neuron alone takes {use[most]:g} of {limit[most]:g}"
                yield LayerPlacement(layer.name, 0, size, (), use, limit, why)
                continue
            own = [self._settle(layer, box, limit) for box in boxes(layer.shape, size)]
            yield LayerPlacement(layer.name, len(own), size, tuple(sorted(set(own))), use, limit)
            yield from self._relays(layer, limit)

    def match(self) -> Iterator[LayerPlacement]:
        """Every layer on a core of its own."""
        limits = [self.limit(core) for core in range(self.count)]
        uses = self._entire()
        fits = [
            [core for core, limit in enumerate(limits) if all(use[n] <= limit[n] for n in use)]
            for use in uses
        ]
        found = match(fits, self.count)
        for index, (layer, use, core) in enumerate(
            zip(self.network.layers, uses, found, strict=True)
        ):
            if core is not None:
                self.cores.append(Core(core, (layer.name,), use, limits[core]))
                yield LayerPlacement(layer.name, 1, layer.shape, (core,), use, limits[core])
                continue
            # Against the core that is exceeded least.
            limit = min(limits, key=lambda given: max(use[n] / given[n] for n in use))
            why = f"no core has enough {binding(use, limit)}"
            if fits[index]:
                rival, wanted = (sorted(each) for each in rivals(index, fits, found))
                names = ", ".join(self.network.layers[i].name for i in rival)
                why = f"{names} all need one of the cores {', '.join(map(str, wanted))}"
            yield LayerPlacement(layer.name, 0, layer.shape, (), use, limit, why)

    def whole(self) -> Iterator[LayerPlacement]:
        """All layers on one core."""
        limit, uses, layers = self.limit(), self._entire(), self.network.layers
        total = {name: sum(use[name] for use in uses) for name in limit}
        over = [name for name in total if total[name] > limit[name]]
        why = f"all layers together take {total[over[0]]:g} of {limit[over[0]]:g}" if over else ""
        own = () if over else (0,)
        self.cores.append(Core(0, tuple(layer.name for layer in layers), total, limit))
        for layer, use in zip(layers, uses, strict=True):
            yield LayerPlacement(layer.name, len(own), layer.shape, own, use, limit, why)

    def _entire(self) -> list[dict[str, float]]:
        """Use by every layer in one piece."""
        return [self.sizes[n.name].use((0, 0, 0), n.shape) for n in self.network.layers]

    def _box(self, layer: Layer) -> Shape:
        """The fewest equal boxes that pass all walls; single neurons if none do."""
        filters, high, wide = layer.shape
        if not self._passes(layer, (1, 1, 1)):
            return (1, 1, 1)
        planes = sorted(
            (ceil(high / rows) * ceil(wide / columns), abs(rows - columns), rows, columns)
            for rows in _divisions(high)
            for columns in _divisions(wide)
        )
        best: tuple[int, Shape] | None = None
        for cuts, _, rows, columns in planes:
            if best and cuts >= best[0]:
                break
            if count := self._filters(layer, rows, columns):
                parts = ceil(filters / count) * cuts
                if best is None or parts < best[0]:
                    best = (parts, (count, rows, columns))
        return best[1] if best else (1, 1, 1)

    def _filters(self, layer: Layer, rows: int, columns: int) -> int:
        """Most filters per block of so many rows and columns, evened out; 0 if not even one."""
        low, high = 0, layer.shape[0]
        while low < high:
            middle = (low + high + 1) // 2
            if self._passes(layer, (middle, rows, columns)):
                low = middle
            else:
                high = middle - 1
        return ceil(layer.shape[0] / ceil(layer.shape[0] / low)) if low else 0

    def _passes(self, layer: Layer, block: Shape) -> bool:
        use = self.sizes[layer.name].largest(block)
        return all(use[need.wall.constraint] <= need.limit() for need in self.needs)

    def _fan(self, layer: Layer) -> Fan:
        """Axons that a neuron sends: blocks it reaches, on average over its layer, rounded up."""
        single = shared = 0.0
        for target in self.network.layers:
            block = self.blocks[target.name]
            for synapse in target.synapses:
                if synapse.source != layer.name:
                    continue
                sizes = self.sizes[target.name]
                rows, columns = (
                    sum(
                        sizes.section(axis, first, min(size, axis.size_out - first)).inputs
                        for first in range(0, axis.size_out, size)
                    )
                    for axis, size in ((synapse.rows, block[1]), (synapse.columns, block[2]))
                )
                reached = ceil(target.shape[0] / block[0]) * rows * columns
                copies = ceil(reached / (synapse.shape_in[1] * synapse.shape_in[2]))
                if synapse.shared:
                    shared += copies
                else:
                    single += copies
        return Fan(single, shared)

    def _settle(self, layer: Layer, box: tuple[Shape, Shape], limit: Mapping[str, float]) -> int:
        """Index of the core a block goes to: the last one if shared and roomy, else a new one."""
        use, cores = self.sizes[layer.name].use(*box), self.cores
        if self.method.share and cores:
            last = cores[-1]
            both = {name: last.use[name] + use[name] for name in use}
            if all(both[name] <= limit[name] for name in both):
                named = last.layers if layer.name in last.layers else (*last.layers, layer.name)
                cores[-1] = Core(last.index, named, both, limit)
                return last.index
        cores.append(Core(len(cores), (layer.name,), use, limit))
        return len(cores) - 1

    def _relays(self, layer: Layer, limit: Mapping[str, float]) -> Iterator[LayerPlacement]:
        """Cores of neurons that only repeat spikes, where a neuron must reach several axons."""
        reach = self.method.relay.value if self.method.relay else None
        if not isinstance(reach, int) or (copies := self._copies(layer)) <= reach:
            return
        name = f"relays of {layer.name}"
        per_core = int(min(limit.values())) // copies  # sources whose copies fit on one core
        if not per_core:
            why = f"each spike has to reach {copies} axons, more than one level of relays can"
            use = dict.fromkeys(limit, float(copies))
            yield LayerPlacement(name, 0, (1, 1, 1), (), use, limit, why)
            return
        first = len(self.cores)
        for start in range(0, layer.size, per_core):
            sources = min(per_core, layer.size - start)
            use = {n: float(sources * (copies if n == "neurons" else 1)) for n in limit}
            self.cores.append(Core(len(self.cores), (name,), use, limit))
        own = tuple(range(first, len(self.cores)))
        use = dict(self.cores[first].use)
        yield LayerPlacement(name, len(own), (per_core, 1, 1), own, use, limit)

    def _copies(self, layer: Layer) -> int:
        """Axons that a spike of the layer must reach."""
        copies = 0
        for target in self.network.layers:
            block = self.blocks[target.name]
            parts = prod(ceil(n / b) for n, b in zip(target.shape, block, strict=True))
            for synapse in target.synapses:
                if synapse.source == layer.name:
                    types = synapse.weights.copies if synapse.weights else 1
                    copies += parts * types
        return copies


def _divisions(size: int) -> list[int]:
    """Sizes into which an axis can be cut evenly, each number of parts once."""
    return sorted({ceil(size / parts) for parts in range(1, size + 1)}, reverse=True)
