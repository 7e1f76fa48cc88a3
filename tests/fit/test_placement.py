"""Placement against brute force: blocks, matchings, relays, and the limits of cores."""

from itertools import pairwise, permutations
from math import ceil, prod

import numpy as np
import pytest

from neurorobust.chips.rules import Wall
from neurorobust.fit import extract, place
from neurorobust.fit.blocks import Need, Sizes, boxes
from neurorobust.fit.matching import match, rivals
from neurorobust.fit.placement import place_network
from neurorobust.ir import Affine, Conv2d, Flatten, Pool2d
from tests.support import small
from tests.support.small import changed, cnn, connections, lif, mlp, patched, profile


def limited(name, **limits):
    """A profile with other limits of its walls."""
    chip = profile(name)
    walls = [
        patched(wall, "limit.value", limits.get(wall.constraint, wall.limit.value))
        for wall in chip.placement.walls
    ]
    return patched(chip, "placement.walls", walls)


def wall(use, limit, over="block"):
    leaf = {"value": limit, "unit": "1", "kind": "wall", "source": "x", "evidence": "definition"}
    return Wall(constraint=use, use=use, over=over, limit=leaf | {"confidence": "H"})


def box_of(shape, first, count):
    """Flat indices of the neurons of a block."""
    index = np.arange(prod(shape)).reshape(shape)
    return index[tuple(slice(a, a + n) for a, n in zip(first, count, strict=True))].ravel()


class TestBlocks:
    @pytest.mark.parametrize("layer", ["l1", "l2"])
    @pytest.mark.parametrize("count", [(1, 1, 1), (2, 2, 3), (3, 1, 2), (6, 6, 7)])
    def test_what_reaches_a_block(self, layer, count):
        """In-axons and synapses of every block, counted in the connections written out."""
        graph = cnn()
        network = extract(graph)
        target = network.by_name[layer]
        count = tuple(min(a, b) for a, b in zip(count, target.shape, strict=True))
        reached = connections(graph, target.synapses[0].source, layer)
        sizes = Sizes(target, 8, Need.of([wall("in_axons", 1), wall("synapses", 1)]))
        groups = target.synapses[0].groups
        for first, size in boxes(target.shape, count):
            rows = reached[box_of(target.shape, first, size)]
            found = sizes.use(first, size)
            assert found["synapses"] == rows.sum()
            per_group = target.shape[0] // groups
            aligned = size[0] % per_group == 0 or per_group % size[0] == 0
            assert found["in_axons"] >= rows.any(0).sum(), "a wall is never underestimated"
            assert not aligned or found["in_axons"] == rows.any(0).sum()

    def test_lists_of_a_convolution_are_stored_once_per_pattern(self):
        """Every position whose synapses look alike, relative to their first target, shares them."""
        weight = np.arange(1.0, 13).reshape(2, 1, 3, 2)
        c = Conv2d(weight=weight, stride=(2, 1), padding=(1, 1))
        layer = extract(small.graph((1, 9, 7), c=c, l1=lif(), flat=Flatten())).layers[0]
        sizes = Sizes(layer, 8, Need.of([wall("1", 1, "list"), wall("list_synapses", 1, "list")]))
        found = sizes.use((0, 0, 0), layer.shape)
        lists = set()
        for y in range(9):
            for x in range(7):
                targets = [
                    (oy, ox, y - 2 * oy + 1, x - ox + 1)
                    for oy in range(layer.shape[1])
                    for ox in range(layer.shape[2])
                    if 0 <= y - 2 * oy + 1 < 3 and 0 <= x - ox + 1 < 2
                ]
                if targets:
                    oy, ox, *_ = targets[0]
                    lists.add(tuple((a - oy, b - ox, *taps) for a, b, *taps in targets))
        assert found["1"] == len(lists)
        assert found["list_synapses"] == sum(2 * len(pattern) for pattern in lists)


class TestSplit:
    def test_113_axons_fit_beside_1024_neurons(self):
        """An axon to 1024 neurons takes 9,216 bits of 1,048,576: memory binds long before axons."""
        cores = {n: len(place(mlp(n, 1024), profile("loihi1")).cores) for n in (113, 114)}
        assert cores == {113: 1, 114: 2}
        (layer,) = place(mlp(113, 1024), profile("loihi1")).layers
        assert layer.use["synapse bits"] == 113 * 9216
        assert layer.use["input axons"] == 113
        (cut,) = place(mlp(114, 1024), profile("loihi1")).layers
        assert cut.binding == "synapse bits"

    @pytest.mark.parametrize(
        ("neurons", "synapses", "axons"), [(20, 999, 60), (7, 100, 999), (200, 60, 999)]
    )
    def test_fewest_equal_boxes(self, neurons, synapses, axons):
        """No box of any shape does with fewer blocks."""
        chip = limited("loihi2", **{"neurons": neurons, "input axons": axons})
        walls = [*chip.placement.walls, wall("synapses", synapses)]
        network = extract(cnn())
        placed = place_network(network, patched(chip, "placement.walls", walls))
        needs = Need.of(walls)
        for layer, at in zip(network.layers, placed.layers, strict=True):
            sizes = Sizes(layer, 8, needs)
            cuts = (
                [sizes.use(*box) for box in boxes(layer.shape, tuple(n + 1 for n in size))]
                for size in np.ndindex(layer.shape)
            )
            fitting = [
                len(uses)
                for uses in cuts
                if all(use[n.wall.constraint] <= n.limit() for use in uses for n in needs)
            ]
            assert at.blocks == min(fitting, default=0), layer.name
            assert bool(at.why) == (not fitting)

    def test_every_neuron_has_one_place_and_no_core_is_over(self):
        network = extract(cnn())
        placed = place_network(network, limited("loihi1", compartments=40))
        assert placed.whole
        for at in placed.layers:
            layer = network.by_name[at.layer]
            cells = [i for box in boxes(layer.shape, at.block) for i in box_of(layer.shape, *box)]
            assert sorted(cells) == list(range(layer.size))
            assert len(at.cores) == at.blocks
        for core in placed.cores:
            assert 0 < core.utilisation <= 1
            assert core.use[core.binding] / core.limit[core.binding] == core.utilisation
        total = sum(core.use["compartments"] for core in placed.cores)
        assert total == sum(layer.size for layer in network.layers)

    def test_output_axons_count_the_blocks_of_what_follows(self):
        """Each of 100 neurons sends to every block of a layer cut into four: 400 axons."""
        chip = limited("loihi1", compartments=100)
        first, second = place(mlp(5, 100, 400), chip).layers
        assert (first.blocks, second.blocks) == (1, 4)
        assert first.use["output axons"] == 400
        tight = limited("loihi1", **{"compartments": 100, "output axons": 200})
        first, second = place(mlp(5, 100, 400), tight).layers
        assert (first.blocks, second.blocks) == (2, 4)
        assert first.use["output axons"] == 200

    def test_layers_share_cores_where_the_chip_allows_it(self):
        placed = place(mlp(5, 10, 10, 10), profile("loihi2"))
        assert len(placed.cores) == 1
        assert placed.cores[0].layers == ("l1", "l2", "l3")
        assert placed.cores[0].use["neurons"] == 30
        assert len(place(mlp(5, 10, 10, 10), profile("loihi1")).cores) == 3
        nine = place(mlp(5, *[10] * 9), profile("loihi2"))
        assert len(nine.cores) == 2, "eight groups of neurons per core"

    def test_a_neuron_that_is_too_large_for_a_core(self):
        placed = place(mlp(4097, 3), profile("loihi1"))
        assert not placed.whole
        (layer,) = placed.layers
        assert (layer.binding, layer.blocks, layer.cores) == ("input axons", 0, ())
        assert layer.why == "one neuron alone takes 4097 of 4096"

    def test_chips_are_counted(self):
        placed = place(mlp(5, 300), limited("loihi1", compartments=1))
        assert (len(placed.cores), placed.chips) == (300, 3)

    def test_a_loop_settles(self):
        back = Affine(weight=np.ones((300, 300)))
        graph = changed(mlp(4, 300, 3), "l1-rec:1 rec-l1", rec=back)
        placed = place(graph, limited("loihi1", **{"compartments": 100, "output axons": 350}))
        first = placed.layers[0]
        copies = first.blocks + 1  # to itself and to the readout
        assert placed.whole
        assert first.use["output axons"] == ceil(300 / first.blocks) * copies <= 350


class TestRelays:
    def net(self, hidden, outputs, inputs=20):
        rng, shapes = np.random.default_rng(0), ((hidden, inputs), (outputs, hidden))
        first, second = (Affine(weight=rng.choice([-1.0, 1.0], shape)) for shape in shapes)
        neuron = lif(beta=1.0)
        return small.graph(inputs, fc1=first, l1=neuron, fc2=second, l2=neuron)

    def test_a_spike_that_must_reach_several_axons_is_relayed(self):
        """Two types of axons, one block: 2 copies of 100 neurons are 200 relaying neurons."""
        placed = place(self.net(100, 10), profile("truenorth"))
        names = {at.layer: (len(at.cores), at.use) for at in placed.layers}
        assert names["relays of l1"][0] == 1
        assert names["relays of l1"][1] == {"neurons": 200, "axons": 100}
        assert names["l2"][1]["axons"] == 200

    def test_more_blocks_need_more_relays(self):
        placed = place(self.net(100, 600), profile("truenorth"))
        at = {layer.layer: layer for layer in placed.layers}
        assert at["l2"].blocks == 3
        per_core = 256 // 6
        assert len(at["relays of l1"].cores) == ceil(100 / per_core)

    def test_one_type_and_one_block_need_none(self):
        graph = changed(self.net(100, 10), fc2=Affine(weight=np.ones((10, 100))))
        assert len(place(graph, profile("truenorth")).layers) == 2

    def test_fan_in_is_a_wall(self):
        """Both signs take two axons each, so 128 inputs fill a crossbar and 129 do not fit."""
        assert place(self.net(10, 10, inputs=128), profile("truenorth")).whole
        over = place(self.net(10, 10, inputs=129), profile("truenorth"))
        assert (over.layers[0].binding, over.layers[0].use["axons"]) == ("axons", 258)

    def test_beyond_one_level(self):
        placed = place(self.net(4, 256 * 130), profile("truenorth"))
        (relays,) = [at for at in placed.layers if at.layer == "relays of l1"]
        assert not placed.whole
        assert "260 axons" in relays.why


class TestMatch:
    @pytest.mark.parametrize("seed", range(60))
    def test_largest_matching(self, seed):
        """As many layers are placed as by the best of all assignments."""
        rng = np.random.default_rng(seed)
        layers, cores = int(rng.integers(1, 6)), int(rng.integers(1, 6))
        allowed = rng.random((layers, cores)) < rng.uniform(0.2, 0.8)
        fits = [list(np.flatnonzero(row)) for row in allowed]
        found = match(fits, cores)
        placed = [core for core in found if core is not None]
        assert len(set(placed)) == len(placed)
        assert all(core in fits[i] for i, core in enumerate(found) if core is not None)
        slots = [*range(cores), *[None] * layers]
        best = max(
            sum(core is not None and allowed[i, core] for i, core in enumerate(order))
            for order in set(permutations(slots, layers))
        )
        assert len(placed) == best
        for layer in (i for i, core in enumerate(found) if core is None):
            rival_layers, rival_cores = rivals(layer, fits, found)
            assert len(rival_layers) > len(rival_cores)
            assert set().union(*(fits[i] for i in rival_layers)) == rival_cores

    def events(self, *filters, size=34):
        """A chain of 3 by 3 convolutions on an event camera's maps."""
        nodes = {}
        for k, (c, f) in enumerate(pairwise((2, *filters)), 1):
            conv = Conv2d(weight=np.ones((f, c, 3, 3)), padding=(1, 1))
            nodes |= {f"c{k}": conv, f"l{k}": lif(beta=1.0)}
        return small.graph((2, size, size), **nodes, flat=Flatten())

    def test_maps_are_rounded_up_to_powers_of_two(self):
        """8 maps of 34 by 34 take 32,768 words and five cores hold them, not 9,248 and nine."""
        (layer,) = place(self.events(8), profile("speck")).layers
        assert layer.use["neuron words"] == 32768
        walls = {w.constraint: w for w in profile("speck").placement.walls}
        limits = walls["neuron words"].limit.value
        assert sum(limit >= 32768 for limit in limits) == 5
        assert sum(limit >= 8 * 34 * 34 for limit in limits) == 9
        assert place(self.events(*[8] * 5), profile("speck")).whole
        over = place(self.events(*[8] * 6), profile("speck"))
        left = [at for at in over.layers if not at.cores]
        assert len(left) == 1
        assert left[0].why.endswith("all need one of the cores 0, 1, 2, 3, 4")

    def test_what_binds_where_no_core_is_large_enough(self):
        placed = place(self.events(64, 256, size=16), profile("speck"))
        first, second = placed.layers
        assert first.cores
        assert (second.cores, second.binding) == ((), "kernel words")
        assert second.use["kernel words"] == 64 * 2 ** (4 + 8)
        assert second.why == "no core has enough kernel words"

    def test_large_kernels_get_the_cores_that_hold_them(self):
        rng = np.random.default_rng(0)
        graph = small.graph(
            (2, 32, 32),
            c1=Conv2d(weight=rng.normal(size=(16, 2, 3, 3)), padding=(1, 1)),
            l1=lif(beta=1.0),
            p1=Pool2d(op="sum", kernel=(4, 4), stride=(4, 4)),
            flat=Flatten(),
            fc=Affine(weight=rng.normal(size=(32, 16 * 64))),
            l2=lif(beta=1.0),
        )
        second = place(graph, profile("speck")).layers[1]
        assert second.use["kernel words"] == 16 * 2 ** (6 + 5) == 32768
        assert second.cores[0] in (3, 4, 5, 6)


class TestWholeAndClosed:
    def test_everything_on_one_core(self):
        placed = place(mlp(100, 60, 10), profile("brainscales2"))
        (core,) = placed.cores
        assert core.use == {"neuron circuits": 60 + 10, "synapse circuits": 2 * 6600}
        wide = place(mlp(129, 60, 10), profile("brainscales2"))
        assert wide.cores[0].use["neuron circuits"] == 2 * 60 + 10

    def test_unsigned_weights_take_one_row(self):
        graph = mlp(256, 3)
        positive = changed(graph, fc1=Affine(weight=np.ones((3, 256))))
        assert place(positive, profile("brainscales2")).cores[0].use["neuron circuits"] == 3
        assert place(graph, profile("brainscales2")).cores[0].use["neuron circuits"] == 6

    def test_too_much_for_one_core(self):
        placed = place(mlp(10, 600), profile("brainscales2"))
        assert not placed.whole
        assert placed.layers[0].why == "all layers together take 600 of 512"

    def test_a_closed_mapper_and_no_cores(self):
        closed = place(mlp(3, 2), profile("akida"))
        assert (closed.method, closed.layers, closed.whole) == ("closed", (), False)
        assert "closed" in closed.why
        none = place(mlp(3, 2), profile("ideal-int8"))
        assert (none.method, none.chips) == ("none", 0)
