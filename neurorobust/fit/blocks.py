"""Blocks of neurons and what each takes of a core.

A block is a box of a layer's maps: some filters, some rows, some columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil, prod

from neurorobust.chips.facts import BLOCK
from neurorobust.chips.formula import Formula, parse
from neurorobust.chips.rules import Wall
from neurorobust.fit.axis import Axis, Section
from neurorobust.fit.layers import Layer, Synapse, synapse_facts
from neurorobust.ir import Shape

Facts = dict[str, float]
Sections = tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Fan:
    """Axons that leave each neuron of a layer.

    Attributes:
        single: Towards groups whose sources count one by one.
        shared: Towards convolutions, per position, all channels at once.
    """

    single: float = 0.0
    shared: float = 0.0


@dataclass(frozen=True, slots=True)
class Need:
    """What a wall asks of a block.

    Attributes:
        wall: The wall.
        formula: Its formula, parsed once.
        known: Values found so far.
    """

    wall: Wall
    formula: Formula
    known: dict[tuple[float, ...], float] = field(default_factory=dict)

    @classmethod
    def of(cls, walls: list[Wall]) -> tuple["Need", ...]:
        """Walls whose limit is known; the others cannot be held against anything."""
        return tuple(cls(w, parse(w.use)) for w in walls if w.limit.value is not None)

    def __call__(self, facts: Facts) -> float:
        """The formula's value, computed once for equal facts."""
        key = tuple(facts[name] for name in self.formula.names)
        if key not in self.known:
            self.known[key] = self.formula(facts)
        return self.known[key]

    def limit(self, core: int = 0) -> float:
        """The limit on a core."""
        value = self.wall.limit.value
        number = value[core] if isinstance(value, list) else value
        assert isinstance(number, int | float)  # noqa: S101  # held by the schema
        return number


class Sizes:
    """Evaluates walls on blocks of one layer; equal blocks once.

    Args:
        layer: The layer.
        weight_bits: Bits that weights on no grid have on the chip.
        needs: The walls.
    """

    def __init__(self, layer: Layer, weight_bits: int, needs: tuple[Need, ...]) -> None:
        self.layer, self.needs = layer, needs
        self.fan = Fan()
        asked = frozenset[str]().union(*(need.formula.names for need in needs))
        facts = (synapse_facts(s, weight_bits, asked) for s in layer.synapses)
        self._facts = [{k: v for k, v in f.items() if not isinstance(v, str)} for f in facts]
        self._sections: dict[tuple[int, int, int], Section] = {}
        self._uses: dict[tuple[Shape, Sections, Sections], dict[str, float]] = {}

    def use(self, first: Shape, count: Shape) -> dict[str, float]:
        """Use of every wall by a block."""
        rows = tuple(self.section(s.rows, first[1], count[1]) for s in self.layer.synapses)
        columns = tuple(self.section(s.columns, first[2], count[2]) for s in self.layer.synapses)
        return self._cached(count, rows, columns)

    def largest(self, count: Shape) -> dict[str, float]:
        """Largest use of every wall over all blocks of a size."""
        uses = [
            self._cached((count[0], high, wide), rows, columns)
            for high, rows in self._windows([s.rows for s in self.layer.synapses], 1, count[1])
            for wide, columns in self._windows(
                [s.columns for s in self.layer.synapses], 2, count[2]
            )
        ]
        return {name: max(use[name] for use in uses) for name in uses[0]}

    def reach(self, fan: Fan) -> None:
        """Take note of the axons that leave each neuron."""
        if fan != self.fan:
            self.fan = fan
            self._uses.clear()

    def section(self, axis: Axis, first: int, count: int) -> Section:
        """A section of an axis, each computed once."""
        key = (id(axis), first, count)
        if key not in self._sections:
            self._sections[key] = axis.block(first, count)
        return self._sections[key]

    def _windows(self, axes: list[Axis], at: int, size: int) -> set[tuple[int, Sections]]:
        """The different windows of a size along one axis; all but those at the edges are alike."""
        total = self.layer.shape[at]
        return {
            (count, tuple(self.section(axis, first, count) for axis in axes))
            for first in range(0, total, size)
            for count in [min(size, total - first)]
        }

    def _cached(self, count: Shape, rows: Sections, columns: Sections) -> dict[str, float]:
        key = (count, rows, columns)
        if key not in self._uses:
            self._uses[key] = self._use(*key)
        return self._uses[key]

    def _use(self, count: Shape, rows: Sections, columns: Sections) -> dict[str, float]:
        groups = [
            _group(*each, count)
            for each in zip(self._facts, self.layer.synapses, rows, columns, strict=True)
        ]
        neurons = prod(count)
        common: Facts = {
            "neurons": neurons,
            "blocks": 1,
            "out_axons": neurons * self.fan.single,
            "out_positions": count[1] * count[2] * self.fan.shared,
        }
        block = _joined(groups, self.layer.shape) | common
        found = {}
        for need in self.needs:
            match need.wall.over:
                case "block":
                    found[need.wall.constraint] = need(block)
                case "synapse":
                    each = (need(group | common) for group, _ in groups)
                    found[need.wall.constraint] = sum(each)
                case "list":
                    found[need.wall.constraint] = sum(
                        times * need(group | common | {"list_synapses": length})
                        for group, lists in groups
                        for length, times in lists.items()
                    )
        return found


def _group(
    facts: Facts, synapse: Synapse, rows: Section, columns: Section, count: Shape
) -> tuple[Facts, dict[int, int]]:
    """Facts of one group in a block, and how many lists of each length its axons have."""
    per_group = synapse.shape_out[0] // synapse.groups
    aligned = count[0] % per_group == 0 or per_group % count[0] == 0
    # A block that does not begin with a group may reach into one group more.
    spanned = min(synapse.groups, ceil(count[0] / per_group) + (not aligned))
    channels = synapse.shape_in[0] // synapse.groups * spanned
    filters = min(count[0], per_group)
    positions = rows.inputs * columns.inputs
    lists: dict[int, int] = {}
    if synapse.shared:  # one list per pattern, the channels of a position behind each other
        for high in rows.patterns:
            for wide in columns.patterns:
                length = high * wide * filters * channels
                lists[length] = lists.get(length, 0) + 1
    else:
        lists[filters] = channels * positions
    kernel = prod(synapse.kernel)
    weights = synapse.shape_in[0] // synapse.groups * kernel * count[0]
    return dict(facts) | {
        "in_axons": channels * positions,
        "in_positions": positions,
        "synapses": synapse.shape_in[0] // synapse.groups * count[0] * rows.pairs * columns.pairs,
        "block_weights": weights if synapse.weights else 0,
    }, lists


def boxes(shape: Shape, count: Shape) -> Iterator[tuple[Shape, Shape]]:
    """First corner and size of every block of at most ``count``."""
    for f in range(0, shape[0], count[0]):
        for y in range(0, shape[1], count[1]):
            for x in range(0, shape[2], count[2]):
                first = (f, y, x)
                yield (
                    first,
                    tuple(min(c, n - a) for a, c, n in zip(first, count, shape, strict=True)),
                )


def _joined(groups: list[tuple[Facts, dict[int, int]]], shape: Shape) -> Facts:
    """Facts of all groups of a block together: what adds up adds up, the rest is the largest."""
    added = ("in_axons", "in_positions", "synapses", "block_weights", "fan_in", "weights")
    joined: Facts = dict.fromkeys(BLOCK, 0.0) | {"f": shape[0], "fy": shape[1], "fx": shape[2]}
    for group, _ in groups:
        for name, value in group.items():
            held = joined.get(name, 0.0)
            joined[name] = held + value if name in added else max(held, value)
    return joined
