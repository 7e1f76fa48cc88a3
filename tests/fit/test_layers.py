"""Layers and their facts against connections that are written out one by one."""

import numpy as np
import pytest

from neurorobust import ir
from neurorobust.chips.facts import BLOCK, NUMBERS, RUN, TEXTS
from neurorobust.chips.rules import Wall
from neurorobust.fit import extract, place
from neurorobust.fit.activity import measure, run_facts
from neurorobust.fit.blocks import Need, Sizes
from neurorobust.fit.layers import synapse_facts
from neurorobust.fit.weights import Weights
from tests.support import small
from tests.support.small import changed, cnn, connections, conv, dense, header, lif, mlp, profile


class TestConnections:
    @pytest.mark.parametrize(
        ("graph", "start", "stop"),
        [
            *((cnn(), *ends) for ends in (("input", "l1"), ("l1", "l2"), ("l2", "li"))),
            (mlp(7, 5, 3), "l1", "l2"),
        ],
    )
    def test_counts(self, graph, start, stop):
        reached = connections(graph, start, stop)
        (synapse,) = extract(graph).by_name[stop].synapses
        assert synapse.source == start
        assert synapse.synapses == reached.sum()
        assert synapse.fan_in == reached.sum(1).max()
        assert synapse.fan_out == reached.sum(0).max()

    @pytest.mark.parametrize("seed", range(8))
    def test_counts_of_random_geometry(self, seed):
        rng = np.random.default_rng(seed)

        def pair(low, high):
            return tuple(int(k) for k in rng.integers(low, high, 2))

        kernel = pair(1, 4)
        pool = ir.Pool2d(op="sum", kernel=(2, 3), stride=(2, int(rng.integers(1, 4))))
        geometry = {"stride": pair(1, 3), "padding": pair(0, 2), "groups": int(rng.choice([1, 2]))}
        after = ir.Pool2d(op="avg", kernel=(1, 2), stride=(1, 1), padding=(0, 1))
        parts = {"pool": pool, "conv": conv(6, 4, kernel, **geometry), "after": after}
        graph = small.graph((4, 9, 10), **parts, l1=lif(), flat=ir.Flatten())
        reached = connections(graph, "input", "l1")
        (synapse,) = extract(graph).layers[0].synapses
        found = (synapse.synapses, synapse.fan_in, synapse.fan_out, synapse.pool_after)
        assert found == (reached.sum(), reached.sum(1).max(), reached.sum(0).max(), 1)

    def test_facts_of_the_network(self):
        facts = extract(cnn()).facts()
        wanted = {"layers": 3, "neurons": 4 * 6 * 7 + 6 * 4 * 4 + 5, "output_neurons": 5}
        wanted |= {"hidden_neurons": 4 * 6 * 7 + 6 * 4 * 4, "input_size": 176, "recurrent": 0}
        wanted |= {"input_channels": 2, "input_height": 11, "input_width": 8}
        assert {name: facts[name] for name in wanted} == wanted

    def test_geometry(self):
        network = extract(cnn())
        first, second = (network.by_name[name].synapses[0] for name in ("l1", "l2"))
        assert (first.name, first.reads, first.map) == ("c1", "input", "conv")
        assert (first.kernel, first.stride, first.padding) == ((3, 2), (2, 1), (1, 0))
        assert (second.pool, second.pool_kernel, second.groups) == ("avg", (2, 2), 2)
        (last,) = network.by_name["li"].synapses
        assert (last.map, last.kernel, last.shape_in) == ("dense", (4, 4), (6, 4, 4))


class TestWiring:
    def test_a_loop(self):
        network = extract(changed(mlp(4, 6, 3), "l1-rec rec-l1:3", rec=dense(6, 6)))
        layer = network.by_name["l1"]
        assert {s.source: s.delay for s in layer.synapses} == {"input": 0, "l1": 3}
        assert (network.facts()["recurrent"], network.facts()["recurrent_fan_out"]) == (1, 6)
        assert (layer.recurrent, network.facts()["recurrent_output"]) == (True, 0)
        assert (layer.targets, layer.fan_out) == (2, 6 + 3)

    def test_a_loop_over_two_layers_marks_both(self):
        network = extract(changed(mlp(4, 6, 3), "l2-back:1 back-l1", back=dense(6, 3)))
        assert network.looped == {"l1", "l2"}
        assert network.facts()["recurrent_output"] == 1

    def test_batch_norm_behind_a_linear_map_is_folded(self):
        norm = ir.BatchNorm(mean=[0.0] * 3, var=[1.0] * 3, scale=[2.0] * 3, shift=[0.5] * 3)
        nodes = {"c": conv(3, 2, (3, 3)), "norm": norm, "l1": lif(), "flat": ir.Flatten()}
        network = extract(small.graph((2, 4, 4), **nodes))
        assert not network.faults
        assert network.layers[0].biased, "the shift of the norm"

    def test_what_no_chip_has_as_a_synapse(self):
        norm = ir.BatchNorm(mean=[0.0] * 4, var=[1.0] * 4, scale=[1.0] * 4, shift=[0.0] * 4)
        assert extract(small.graph(4, norm=norm, l1=lif())).faults == (
            ("norm", "is a BatchNorm that cannot be folded; put it right behind a linear layer"),
        )
        ((name, why),) = extract(small.graph(4, a=dense(3, 4), b=dense(2, 3), l1=lif())).faults
        assert name == "b"
        assert "follows 'a' without neurons between" in why

    def test_a_linear_readout_is_the_hosts(self):
        network = extract(small.graph(4, a=dense(3, 4), l1=lif(), b=dense(2, 3)))
        assert network.host == ("b",)
        assert network.by_name["l1"].role == "output"

    def test_one_axis_and_no_weights(self):
        c = ir.Conv1d(weight=np.ones((3, 2, 4)), stride=(2,), padding=(1,))
        graph = small.graph((2, 9), c=c, l1=lif(), l2=lif(), flat=ir.Flatten())
        first, second = extract(graph).layers
        assert first.shape == (3, 1, 4)
        assert first.synapses[0].fan_in == 8
        assert (second.synapses[0].map, second.synapses[0].synapses) == ("one-to-one", 12)


class TestNeurons:
    @pytest.mark.parametrize(
        ("changes", "wanted"),
        [
            ({}, {"neuron": "LIF", "leaky": 1, "memory": 1, "reset": "hard", "compare": ">"}),
            ({"beta": 1.0}, {"neuron": "IF", "leaky": 0, "memory": 1}),
            ({"beta": 1.0, "alpha": 0.5}, {"neuron": "LIF", "filtered": 1}),
            ({"beta": 0.0}, {"memory": 0}),
            ({"beta": 0.0, "reset": "soft", "reset_timing": "next"}, {"memory": 1}),
            ({"bias": 0.5}, {"biased": 1}),
            ({"v_min": -1.0}, {"bounded": 1}),
            ({"max_spikes": 9, "reset": "soft"}, {"max_spikes": 9, "reset": "soft"}),
            ({"refractory": 3}, {"refractory": 3}),
        ],
    )
    def test_lif(self, changes, wanted):
        facts = extract(mlp(3, 2, **changes)).layers[0].facts()
        assert {name: facts[name] for name in wanted} == wanted

    def test_one_step_needs_no_memory(self):
        assert extract(changed(mlp(3, 2), header={"steps": 1})).layers[0].facts()["memory"] == 0

    def test_integrators_and_programs(self):
        assert extract(cnn()).by_name["li"].neuron == "I"
        program = small.program(
            3,
            fc=ir.FixedDelayDense(weight=[[2, -4, 254]] * 2, delay=[[0, 5, 1]] * 2),
            lif=ir.FixedLIF(vth=10, dv=100),
            fc2=ir.FixedDense(weight=[[1, 7]], weight_bits=4, sign_mode="exc"),
            li=ir.FixedLI(bias_mant=3),
        )
        network = extract(program)
        first, second = network.layers
        found = (first.neuron, first.leaky, first.filtered, first.reset)
        assert found == ("LIF", True, False, "hard")
        assert (first.synapses[0].delay, first.synapses[0].weights.bits) == (5, 8)
        assert (second.neuron, second.biased, second.synapses[0].weights.bits) == ("I", True, 4)
        assert network.coding == "events"

    def test_the_coding_of_a_program_with_payloads_is_its_headers(self):
        source = ir.FixedInput(shape=(3,), scale=255.0, high=255)
        fc = ir.FixedDense(weight=[[2, -4, 254]], message_bits=8)
        made = small.program(source, header(coding="direct"), fc=fc, lif=ir.FixedLIF(vth=10))
        assert extract(made).coding == "direct"


class TestWeights:
    @pytest.mark.parametrize("bits", range(2, 12))
    def test_bits_of_a_float_grid(self, bits):
        rng = np.random.default_rng(bits)
        top = 2 ** (bits - 1) - 1
        units = rng.integers(-top, top + 1, (40, 30))
        units[0, 0], units[0, 1] = top, -(top - 1 if bits > 2 else top)
        for dtype in (np.float32, np.float64):
            weight = (units * 0.0371).astype(dtype)
            assert Weights.of(weight).bits == bits

    def test_floats_on_no_grid(self):
        assert Weights.of(np.random.default_rng(0).normal(size=(20, 20))).bits is None

    @pytest.mark.parametrize(
        ("values", "bits"),
        [
            ([-256, 254, 2], 8),
            ([0, 255], 8),
            ([-255, 0], 8),
            ([-128, 127], 8),
            ([-8, 6, 2], 3),
            ([552, -127], 11),
            ([0, 0], 1),
            ([5], 3),
            ([-1, 0, 1], 2),
        ],
    )
    def test_bits_of_integers(self, values, bits):
        assert Weights.of(np.array([values])).bits == bits

    @pytest.mark.parametrize("seed", range(6))
    def test_axon_types_make_the_crossbar_compute_the_weights(self, seed):
        """A neuron has one weight per axon type; axons of an input are its copies, one type each.

        The crossbar is built from the construction that ``copies`` counts, and multiplied out.
        """
        rng = np.random.default_rng(seed)
        levels = rng.integers(-9, 10, (12, int(rng.integers(2, 4))))
        weight = np.stack([rng.choice(row, 20) for row in levels]) * (rng.random((12, 20)) < 0.7)
        facts = Weights.of(weight)
        types = [sorted(set(row) - {0}) for row in weight]
        assert facts.distinct == max(map(len, types)) <= 4
        axons = [
            (j, kind)
            for j in range(20)
            for kind in range(4)
            if any(kind < len(t) and weight[i, j] == t[kind] for i, t in enumerate(types))
        ]
        copies = np.bincount([j for j, _ in axons], minlength=20)
        assert facts.copies == max(copies.max(), 1)
        closed = np.array(
            [[k < len(t) and weight[i, j] == t[k] for j, k in axons] for i, t in enumerate(types)]
        )
        values = np.array([[t[k] if k < len(t) else 0 for _, k in axons] for t in types])
        spread = np.eye(20)[[j for j, _ in axons]]
        assert np.array_equal((closed * values) @ spread, weight)

    def test_facts_take_the_chips_bits_for_floats(self):
        synapse = extract(mlp(30, 20)).layers[0].synapses[0]
        assert synapse_facts(synapse, 6)["weight_bits"] == 6


def test_li_readout_with_leak_is_an_li():
    assert extract(changed(cnn(), li=ir.LI(beta=0.5))).by_name["li"].neuron == "LI"


def test_every_fact_that_profiles_may_speak_of_is_given():
    """A rule on any documented name finds it: no name is promised and missing."""
    network = extract(cnn())
    layer = network.layers[0]
    given = {"network": network.facts(), "layer": layer.facts()}
    given["synapse"] = synapse_facts(layer.synapses[0], 8)
    for scope, facts in given.items():
        assert set(facts) == set(NUMBERS[scope]) | set(TEXTS[scope]), scope
        texts = {name for name, value in facts.items() if isinstance(value, str)}
        assert texts == set(TEXTS[scope])
    activity = measure(cnn(), np.ones((1, 4, 2, 11, 8)))
    placement = place(cnn(), profile("loihi1"))
    assert set(run_facts(network, placement, activity)) == set(RUN)
    for name in BLOCK:
        over = "list" if name == "list_synapses" else "synapse"
        leaf = {"value": 1, "unit": "1", "kind": "wall", "source": "x", "evidence": "vendor"}
        wall = Wall(constraint="c", use=name, over=over, limit=leaf | {"confidence": "H"})
        assert Sizes(layer, 8, Need.of([wall])).use((0, 0, 0), layer.shape)["c"] >= 0
