"""Rules held against networks, activity and costs: each number against one worked out here."""

import numpy as np
import pytest

from neurorobust.backends import get_backend
from neurorobust.data import encode
from neurorobust.fit import Estimate, extract
from neurorobust.fit.activity import measure, run_facts
from neurorobust.fit.checking import check
from neurorobust.fit.costs import GIVE_SAMPLES
from neurorobust.fit.placement import place_network
from neurorobust.fit.words import against, amount, quantity, reasons, span, verdict
from neurorobust.ir import Affine, Conv2d, Flatten, Pool2d
from neurorobust.lower import lower
from tests.support import small
from tests.support.small import changed, cnn, connections, conv, dense, lif, mlp, patched, profile

CHIPS = (
    "akida", "brainscales2", "loihi1", "loihi2", "speck", "spinnaker2", "truenorth", "xylo",
)  # fmt: skip


def status(model, chip, constraint, layer=None, activity=None):
    """Statuses of one constraint, of one layer or all."""
    found = check(model, profile(chip), activity).results
    return [r.status for r in found if r.constraint == constraint and layer in (None, r.layer)]


def events(shape, channels=4, *, kernel=(3, 3), pool=None, **geometry):
    """One convolution on events, integrate-and-fire, a pooling, a dense layer."""
    neuron = lif(beta=1.0, reset="soft")
    nodes = {"c1": conv(channels, shape[0], kernel, **geometry), "l1": neuron}
    nodes |= ({"p1": pool} if pool else {}) | {"flat": Flatten()}
    (size,) = small.graph(shape, **nodes).shapes["flat"]
    return small.graph(shape, **nodes, fc=dense(5, size), l2=neuron)


class TestRules:
    @pytest.mark.parametrize(
        ("chip", "constraint", "good", "bad"),
        [
            ("loihi2", "reset", {"reset": "hard"}, {"reset": "soft"}),
            ("loihi2", "reset timing", {}, {"reset_timing": "next"}),
            ("loihi1", "refractory", {"refractory": 63}, {"refractory": 64}),
            ("loihi2", "spikes per step", {}, {"reset": "soft", "max_spikes": 2}),
            ("speck", "neuron", {"beta": 1.0}, {"beta": 0.9}),
            ("speck", "neuron", {"beta": 1.0}, {"beta": 1.0, "alpha": 0.5}),
            ("xylo", "reset", {"reset": "soft"}, {"reset": "hard"}),
            ("brainscales2", "neuron", {"beta": 0.9}, {"beta": 1.0}),
            ("truenorth", "neuron", {"beta": 1.0}, {"beta": 0.9}),
            ("akida", "memory over steps", {"beta": 0.0}, {"beta": 0.9}),
        ],
    )
    def test_neurons(self, chip, constraint, good, bad):
        assert set(status(mlp(8, 4, 2, **good), chip, constraint)) == {"ok"}
        assert set(status(mlp(8, 4, 2, **bad), chip, constraint)) == {"fail"}

    @pytest.mark.parametrize(
        ("constraint", "good", "bad"),
        [
            ("kernel", {"kernel": (16, 16)}, {"kernel": (17, 1)}),
            ("horizontal stride", {"stride": (1, 4)}, {"stride": (1, 3)}),
            ("vertical stride", {"stride": (8, 1)}, {"stride": (5, 1)}),
            ("padding", {"padding": (7, 0)}, {"padding": (0, 8)}),
            ("dilation", {}, {"dilation": (2, 1)}),
            ("groups", {}, {"groups": 2}),
            (
                "pooling",
                {"pool": Pool2d(op="avg", kernel=(2, 2), stride=(2, 2))},
                {"pool": Pool2d(op="max", kernel=(2, 2), stride=(2, 2))},
            ),
            (
                "pooling size",
                {"pool": Pool2d(op="sum", kernel=(4, 4), stride=(4, 4))},
                {"pool": Pool2d(op="sum", kernel=(3, 3), stride=(3, 3))},
            ),
            ("channels written", {"channels": 1024}, {"channels": 1025}),
            ("output map", {"shape": (2, 64, 64), "padding": (1, 1)}, {"shape": (2, 67, 8)}),
            ("input height", {"shape": (2, 128, 20)}, {"shape": (2, 129, 20)}),
            ("input width", {"shape": (2, 20, 128)}, {"shape": (2, 20, 129)}),
        ],
    )
    def test_geometry_of_speck(self, constraint, good, bad):
        shape = {"shape": (2, 20, 20)}
        assert set(status(events(**(shape | good)), "speck", constraint)) == {"ok"}
        assert "fail" in status(events(**(shape | bad)), "speck", constraint)

    @pytest.mark.parametrize(
        ("channels", "kernel", "most"),
        [(1, 3, 512), (1, 5, 192), (1, 7, 96), (3, 3, 192), (3, 5, 64), (3, 7, 32)],
    )
    def test_the_filter_table_of_akida(self, channels, kernel, most):
        name = f"input filters, kernel {kernel}, {channels} channel{'s' if channels > 1 else ''}"
        for filters, wanted in ((most, "ok"), (most + 1, "fail")):
            graph = events((channels, 9, 9), filters, kernel=(kernel, kernel))
            assert status(graph, "akida", name) == [wanted]
        assert status(events((2, 9, 9), kernel=(kernel, kernel)), "akida", name) == []

    def test_the_input_size_of_akida(self):
        for size, wanted in {4: "fail", 5: "ok"}.items():
            graph = events((1, size, size))
            assert status(graph, "akida", "input width, at least") == [wanted]
        assert status(events((2, 9, 9)), "akida", "input channels") == ["fail"]

    def test_delays(self):
        graph = mlp(4, 3)
        late = small.graph(4, fc1=graph.nodes["fc1"], l1=lif(), wires="input-fc1:63 fc1-l1-output")
        assert status(late, "loihi2", "delay") == ["fail"]
        assert status(graph, "loihi2", "delay") == ["ok"]
        assert status(graph, "spinnaker2", "delay") == ["unchecked"]

    def test_weights_that_are_quantised_already_count_with_their_bits(self):
        """rockpool's fuzzy scaling leaves integers of 552 where 8 bits were asked for."""
        graph = mlp(6, 4, 2, reset="soft")
        whole = np.random.default_rng(0).integers(-127, 128, (4, 6))
        large = np.array([[552, -127, 3, 1, 0, 5]] * 4)
        floats = graph.nodes["fc1"].weight
        for weight, wanted in ((whole, "ok"), (large, "fail"), (floats, "unchecked")):
            model = changed(graph, fc1=Affine(weight=weight))
            assert status(model, "xylo", "weight bits", "fc1") == [wanted]

    def test_ternary_weights_fit_a_crossbar_and_floats_do_not(self):
        graph = mlp(6, 4, beta=1.0)
        assert status(graph, "truenorth", "distinct weights of a neuron") == ["fail"]
        ternary = Affine(weight=np.sign(graph.nodes["fc1"].weight))
        assert check(changed(graph, fc1=ternary), profile("truenorth")).ok

    def test_loops(self):
        graph = mlp(4, 6, 3, beta=1.0)
        looped = changed(graph, "l1-rec rec-l1:1", rec=dense(6, 6))
        found = check(looped, profile("speck")).results
        (result,) = [r for r in found if r.constraint == "recurrence"]
        assert (result.status, result.kind) == ("fail", "budget")
        assert status(graph, "speck", "recurrence") == ["ok"]
        assert status(looped, "xylo", "recurrent output") == ["ok"]

    def test_two_sources_on_one_core_of_speck(self):
        graph = mlp(4, 6, 3, beta=1.0)
        skipping = changed(graph, "input-skip-l2", skip=dense(3, 4))
        assert status(skipping, "speck", "sources", "l2") == ["fail"]
        assert status(graph, "speck", "sources", "l2") == ["ok"]

    def test_structure_that_no_rule_can_speak_of(self):
        graph = small.graph(4, a=dense(3, 4), b=dense(2, 3), l1=lif())
        found = check(graph, profile("loihi2"))
        failed = {(r.constraint, r.layer) for r in found.failed}
        assert failed == {("structure", "b"), ("lowering", "l1")}

    def test_headroom_is_what_is_left(self):
        found = check(mlp(190, 600), profile("loihi1"))
        walls = {r.constraint: r for r in found.results if r.layer == "l1" and r.headroom}
        bits = walls["synapse bits"]
        used = 190 * (9 * 576 + 256)
        assert (bits.used, bits.limit, bits.headroom) == (used, 2**20, 2**20 - used)
        assert [name for name, r in walls.items() if r.binding] == ["synapse bits"]
        assert walls["compartments"].headroom == 1024 - 600
        assert bits.source.startswith("nengo-loihi")
        step = next(r for r in found.results if r.constraint == "step")
        assert step.headroom == pytest.approx(1e-3 - 5.8e-6)

    def test_too_many_cores(self):
        chip = patched(profile("loihi2"), "placement.cores.value", 2)
        found = next(r for r in check(mlp(784, 1024), chip).results if r.constraint == "cores")
        assert (found.status, found.used, found.limit) == ("fail", 5, 2)

    def test_a_limit_nobody_published_is_unchecked(self):
        found = check(mlp(4, 3), profile("loihi2"))
        (memory,) = [r for r in found.results if r.constraint == "synapse memory"]
        assert (memory.status, memory.limit) == ("unchecked", None)
        assert "not published" in memory.note
        assert found.ok, "unchecked is no failure"
        closed = check(mlp(4, 3, beta=0.0), profile("akida"))
        assert status(mlp(4, 3, beta=0.0), "akida", "cores") == ["unchecked"]
        assert closed.ok

    @pytest.mark.parametrize("chip", CHIPS)
    def test_every_rule_is_held_against_a_network_and_its_program(self, chip):
        graph = mlp(6, 5, 3)
        for model in (graph, lower(graph, profile("loihi2")), cnn()):
            found = check(model, profile(chip))
            held = {r.constraint for r in found.results}
            for rule in profile(chip).rules:
                assert rule.constraint in held or rule.where, rule.constraint
            assert all(r.source or r.status != "ok" for r in found.results)

    def test_a_program_for_loihi_passes_loihis_rules(self):
        program = lower(mlp(6, 5, 3), profile("loihi2"))
        found = check(program, profile("loihi2"))
        assert found.ok
        assert status(program, "loihi2", "weight bits") == ["ok", "ok"]


class TestActivity:
    def samples(self, graph, batch=3, seed=0):
        rng = np.random.default_rng(seed)
        return (rng.random((batch, 4, *graph.input_shape)) < 0.4).astype(float)

    def test_synaptic_operations_are_spikes_times_connections(self):
        """Counted in the connections written out one by one, borders and strides included."""
        graph = cnn(beta=0.5)
        samples = self.samples(graph)
        activity = measure(graph, samples)
        wanted = 0.0
        for start, stop in (("input", "l1"), ("l1", "l2"), ("l2", "li")):
            reached = connections(graph, start, stop)
            wanted += activity.events[start] @ reached.sum(0)
        assert np.allclose(activity.events["input"], samples.sum(1).mean(0).ravel())
        assert activity.events["l1"].sum() > 0
        network = extract(graph)
        facts = run_facts(network, place_network(network, profile("loihi1")), activity)
        assert facts["synops"] == pytest.approx(wanted)
        assert facts["updates"] == 4 * (4 * 6 * 7 + 6 * 4 * 4 + 5)
        assert facts["spikes"] == pytest.approx(sum(activity.events[n].sum() for n in ("l1", "l2")))
        per_step = connections(graph, "input", "l1").sum(0) @ activity.events["input"] / 4
        assert facts["core_synops"] == pytest.approx(per_step), "one core holds the first layer"

    def test_a_program_counts_its_own_spikes(self):
        graph = changed(mlp(6, 5, 3), header={"bounds": (0.0, 1.0), "levels": 2})
        program = lower(graph, profile("loihi2"))
        samples = self.samples(graph)
        activity = measure(program, samples)
        assert np.allclose(activity.events["input"], samples.sum(1).mean(0))
        assert set(activity.events) == {"input", "l1", "l2"}

    def hosted(self, coding):
        graph = changed(mlp(6, 5, 3), header={"coding": "direct"})
        return lower(graph, profile("loihi1"), input_coding=coding)

    def test_a_host_sends_the_chip_its_spikes(self):
        program = self.hosted("host")
        samples = np.random.default_rng(0).random((3, 6))
        activity = measure(program, samples)
        run = get_backend("reference").compile(program.host, "float").run
        (sent,) = run(encode(program, samples), record=("spikes",)).spikes.values()
        assert np.allclose(activity.events[program.input], sent.sum(1).mean(0).ravel())
        assert 0 < sent.sum() < sent.size
        found = check(program, profile("loihi1"), activity)
        assert "the part before the chip: computed on the host" in found.notes
        assert found.neurons == {"l2": 3}

    def test_biases_are_no_synapses(self):
        program = self.hosted("bias")
        network = extract(program)
        first = network.layers[0]
        assert (first.synapses, first.biased, network.coding) == ((), True, "direct")
        activity = measure(program, np.random.default_rng(0).random((3, 6)))
        found = check(program, profile("loihi1"), activity)
        synops = activity.events["l1"].sum() * 3
        own = (synops * 23.6 + 4 * 8 * 81) * 1e-12
        assert found.costs.dynamic.value == pytest.approx(own)
        assert found.placement.whole

    def test_static_input_counts_in_every_step(self):
        graph = changed(mlp(6, 5, 3), header={"coding": "direct"})
        samples = np.array([[0.0, 0.5, 1.0, 0.0, 0.2, 0.0]])
        activity = measure(graph, samples)
        assert activity.events["input"].tolist() == [0, 4, 4, 0, 4, 0]
        assert activity.input_peak == 1.0

    def test_rules_that_need_it(self):
        graph = mlp(16, 20, 4, reset="soft")
        samples = self.samples(graph)
        rule = "events per input and step"
        assert status(graph, "xylo", rule) == ["unchecked"]
        assert status(graph, "xylo", rule, activity=measure(graph, samples)) == ["ok"]
        wide = changed(graph, header={"bounds": (0.0, 20.0)})
        busy = measure(wide, 16 * samples)
        assert status(wide, "xylo", rule, activity=busy) == ["fail"]

    def test_the_deadline_of_spinnaker2(self):
        """12 million events a second and core: 12,000 in a step of 1 ms."""
        for inputs, wanted in ((119, "ok"), (121, "fail")):
            graph = mlp(inputs, 100)
            every = measure(graph, np.ones((1, 4, inputs)))
            found = check(graph, profile("spinnaker2"), every)
            (result,) = [r for r in found.results if r.constraint == "events of a core"]
            assert (result.status, result.kind) == (wanted, "budget")
            assert result.used == pytest.approx(inputs * 100 / 1e-3)


class TestCosts:
    def run(self, chip="loihi1"):
        graph = mlp(10, 20, 5, beta=1.0, threshold=1e9)  # silent, so that only inputs count
        activity = measure(graph, np.ones((2, 4, 10)))
        return check(graph, profile(chip), activity).costs

    def test_loihi1_worked_out_by_hand(self):
        costs = self.run()
        synops, updates = 4 * 10 * 20, 4 * 25
        assert costs.dynamic.value == pytest.approx(synops * 23.6e-12 + updates * 81e-12)
        low = 0.7 * (synops * 23.6e-12 + updates * 52e-12)
        fit = synops * 35.5e-12 + updates * (51.2 + 21.6) * 1e-12
        high = max(2.0 * costs.dynamic.value, 1.12 * fit)
        assert (costs.dynamic.low, costs.dynamic.high) == pytest.approx((low, high))
        step = max(5.8e-6, 465e-9 + 200 * 3.5e-9 + 20 * 8.4e-9)
        assert costs.latency.value == pytest.approx(4 * step)
        assert costs.duration_s == costs.latency.value
        assert costs.static.value == pytest.approx(0.104 * 4 * step)
        assert costs.total.value == pytest.approx(costs.static.value + costs.dynamic.value)
        assert costs.total.low == pytest.approx(costs.static.low + costs.dynamic.low)

    def test_messages_and_spikes_enter_the_fitted_set(self):
        first, second = Affine(weight=np.full((2, 3), 5.0)), Affine(weight=np.zeros((1, 2)))
        graph = small.graph(3, fc1=first, l1=lif(beta=1.0), fc2=second, l2=lif(beta=1.0))
        costs = check(graph, profile("loihi1"), measure(graph, np.ones((1, 4, 3)))).costs
        synops, updates, spikes, messages = 4 * (6 + 2), 4 * 3, 4 * 2, 4 * (3 + 2)
        fitted = (35.5 * synops + 72.8 * updates + 69.3 * spikes + 111 * messages) * 1e-12
        own = (23.6 * synops + 81 * updates) * 1e-12
        assert costs.dynamic.high == pytest.approx(max(1.12 * fitted, 2 * own))
        assert 1.12 * fitted > 2 * own

    def test_static_dominates_small_networks(self):
        costs = self.run()
        assert costs.static.value > 50 * costs.dynamic.value

    def test_truenorth_runs_in_real_time(self):
        graph = mlp(10, 20, 5, beta=1.0, threshold=1e9)
        nodes = {n: Affine(weight=np.sign(graph.nodes[n].weight)) for n in ("fc1", "fc2")}
        graph = changed(graph, **nodes)
        costs = check(graph, profile("truenorth"), measure(graph, np.ones((1, 4, 10)))).costs
        assert costs.latency.value == pytest.approx(4e-3)
        assert costs.static.value == pytest.approx(64.4e-3 * 4e-3)
        assert costs.dynamic.value == pytest.approx(800 * 2.30e-12)

    @pytest.mark.parametrize(
        ("chip", "dynamic", "static"),
        [
            ("loihi2", "no energy per operation is published for Loihi 2", 0.232),
            ("speck", "no energy per synaptic operation is published for Speck", 0.42e-3),
            ("xylo", "no energy per operation is published", None),
            ("spinnaker2", "of a 28 nm test chip", 0.235),
            ("akida", "nothing per operation is published", None),
        ],
    )
    def test_what_is_not_published_makes_no_figure(self, chip, dynamic, static):
        costs = self.run(chip)
        assert costs.dynamic.value is None
        assert costs.dynamic.why.startswith("no public figure: ")
        assert dynamic in costs.dynamic.why
        assert costs.total.value is None
        if static is None:
            assert costs.static.value is None
            assert costs.static.why.startswith("no public figure: ")
        else:
            assert costs.static.value == pytest.approx(static * 4e-3)

    def test_no_chip_borrows_a_marginal_figure(self):
        """Which chips have an energy per operation at all, and whose silicon it was seen on."""
        marginal = {name: set(profile(name).energy.dynamic.figures) for name in CHIPS}
        assert {name for name, figures in marginal.items() if figures} == {"loihi1", "truenorth"}
        assert "hop" not in str(marginal), "hops are per message; no formula has them per synapse"

    def test_the_whole_chips_power_is_the_total_of_brainscales2(self):
        graph = mlp(10, 20, 5)
        costs = check(graph, profile("brainscales2"), measure(graph, np.ones((1, 4, 10)))).costs
        assert costs.latency.value == pytest.approx(4e-3 / 1000)
        assert costs.total.value == pytest.approx(0.2 * 4e-6)

    def test_without_samples(self):
        costs = check(mlp(10, 20, 5), profile("loihi1")).costs
        for estimate in (costs.dynamic, costs.latency):
            assert estimate.value is None
            assert GIVE_SAMPLES in estimate.why
        assert costs.static.value == pytest.approx(0.104 * 4e-3), "in real time"

    def test_a_network_without_a_place_costs_nothing_known(self):
        costs = check(mlp(10, 600), profile("brainscales2")).costs
        assert costs.static.value is None
        assert "no place" in costs.static.why

    def test_speck_runs_as_long_as_its_events(self):
        graph = mlp(10, 20, 5, beta=1.0)
        costs = check(graph, profile("speck")).costs
        assert (costs.latency_of, costs.duration_s) == ("event", 4e-3)
        assert costs.latency.value == pytest.approx(2 * 0.37e-6)

    def test_a_target_without_silicon(self):
        costs = check(mlp(3, 2), profile("ideal-int8")).costs
        assert costs.static.value is costs.latency.value is None


class TestWords:
    @pytest.mark.parametrize(
        ("value", "text"),
        [(0, "0 J"), (1.5, "1.5 J"), (2.5e-3, "2.5 mJ"), (999.9e-9, "1 µJ"), (3e-14, "0.03 pJ")],
    )
    def test_quantity(self, value, text):
        assert quantity(value, "J") == text

    def test_amounts(self):
        assert amount((1, 2, 4)) == "1, 2 or 4"
        assert amount(("hard",)) == "hard"
        assert amount(12345.0) == "12\u202f345"
        assert amount(None) == "–"

    def test_verdict_and_reasons(self):
        found = check(mlp(20, 4, 2, reset="soft"), profile("loihi2"))
        assert verdict(found) == "does not fit: 1 rule broken"
        assert reasons(found.failed) == [
            ("reset: soft, Lava's LIF: hard (l1, l2)", "train with reset 'hard'")
        ]
        binary = changed(mlp(20, 4, 2, reset="soft"), header={"levels": 2})
        found = check(binary, profile("loihi1"))  # whose own limit it is
        assert reasons(found.failed) == [
            ("reset: soft, allowed: hard (l1, l2)", "train with reset 'hard'")
        ]
        assert verdict(check(mlp(20, 4, 2), profile("loihi2"))) == "fits on 1 of 128 cores"
        assert verdict(check(mlp(20, 4, 2, beta=0.0), profile("akida"))) == "fits"

    def test_against(self):
        found = {r.constraint: against(r) for r in check(mlp(20, 4, 2), profile("xylo")).results}
        assert found["inputs"] == "20 of 16"
        assert found["layers"] == "2 layers, at least 2"
        memory = check(mlp(3, 2), profile("akida")).failed[0]
        assert against(memory) == "not allowed"

    def test_spans_that_read_the_same_are_left_out(self):
        assert span(Estimate(value=1e-3, low=0.9999e-3, high=1.0001e-3), "J") == "1 mJ"
        assert span(Estimate(value=1e-3, low=5e-4, high=2e-3), "J") == "1 mJ (500 µJ to 2 mJ)"
        assert span(Estimate(why="unknown"), "J") == "–"


def test_convolutions_of_a_graph_with_any_geometry_are_checked():
    """No chip stumbles over what the engine runs: groups, dilation, one axis, several sources."""
    c = Conv2d(weight=np.ones((4, 1, 2, 2)), groups=2, dilation=(2, 2), stride=(2, 1))
    graph = small.graph((2, 6, 6), c=c, l1=lif(), flat=Flatten())
    for chip in CHIPS:
        assert check(graph, profile(chip)).results
