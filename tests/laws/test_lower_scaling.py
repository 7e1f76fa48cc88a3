"""Rules for scales: each does what it says, and none may overflow."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorobust.backends import get_backend
from neurorobust.chips import load_profile
from neurorobust.data import Stimulus
from neurorobust.errors import InvalidInput, LowerError
from neurorobust.ir import LI, LIF, Affine, Conv2d, Flatten, Graph, Header
from neurorobust.lower import Rule, lower
from neurorobust.lower.passes import to_fixed
from neurorobust.lower.passes.to_fixed import _graded_input
from neurorobust.lower.population.scaled import Population
from neurorobust.lower.population.scaling import scaled, weight_error
from tests.support.lowering_oracle import LOIHI, dense, run
from tests.support.networks import stack, wired

LOIHI2 = load_profile("loihi2").profile
fast = settings(derandomize=True, max_examples=25, deadline=None)


def deep(rng, *, bits_of_input=256, steps=6):
    header = Header(dt_s=1e-3, steps=steps, levels=bits_of_input)
    heavy = rng.standard_t(2.5, size=(12, 20)) / 3  # a few weights far beyond the others
    return stack(
        (20,),
        header,
        a=Affine(weight=rng.normal(0.05, 0.4, (20, 20))),
        la=LIF(beta=0.9, threshold=1.0, bias=0.02),
        b=Affine(weight=heavy),
        lb=LIF(beta=0.8, alpha=0.5, threshold=1.0),
        c=Affine(weight=rng.normal(size=(4, 12))),
        li=LI(beta=1.0),
    )


def population(model, bits=8):
    limits = replace(LOIHI, weight_bits=bits)
    return Population(model, "n", _graded_input(model), limits)


def share(first, second):
    """Differing spikes, as a share of the spikes of both."""
    return int((first != second).sum()) / (int(first.sum()) + int(second.sum()))


class TestRules:
    @pytest.mark.parametrize("percentile", [50.0, 90.0, 99.0, 100.0])
    def test_percentile_by_hand(self, percentile):
        weight = np.zeros((10, 20))
        weight.flat[:100] = np.arange(1, 101)  # zeros do not count
        weight.flat[0] = -1.0
        model = dense(weight, neuron=LI(beta=0.5), header={"levels": 2})
        found = scaled(population(model), Rule("percentile", percentile))
        kept = 1 + 99 * percentile / 100  # linear between 1 and 100
        assert found.scale == pytest.approx(254 / kept)
        report = lower(model, LOIHI2, scaling="percentile", percentile=percentile).report[0]
        assert report["weights_clipped"] == int((np.rint(weight * 127 / kept) > 127).sum())
        assert report["limited_by"] == "weight percentile"

    @pytest.mark.parametrize("bits", [2, 3, 4, 8])
    @pytest.mark.parametrize("theta", [None, 1.0, 0.3])
    def test_least_error_against_all_scales(self, bits, theta):
        rng = np.random.default_rng(bits)
        weight = rng.standard_t(3, size=(20, 30))
        neuron = LI(beta=0.5) if theta is None else LIF(beta=0.5, threshold=theta)
        model = dense(weight, neuron=neuron, header={"levels": 2})
        found = scaled(population(model, bits), Rule("mse"))
        step = 2 ** (9 - bits)
        low, high = -256, 256 - step

        def error(scale):  # written out
            whole = np.clip(np.rint(weight * scale / step) * step, low, high)
            return ((whole / scale - weight) ** 2).sum()

        first = high / np.abs(weight).max()
        scales = np.geomspace(first / 4, first * 8, 20_000)
        if theta is not None:
            scales = np.unique(np.floor(scales * theta).clip(1)) / theta
            assert found.scale * theta == pytest.approx(round(found.scale * theta))
        best = min(map(error, scales))
        assert weight_error(found.population, found.scale) == pytest.approx(error(found.scale))
        assert error(found.scale) <= 1.01 * best
        if bits <= 4:
            assert error(found.scale) < 0.8 * error(first), "clipping must be worth something"

    def test_of_several_synapses_the_messages_count(self):
        """An error of a weight that receives 255 matters 255 times as much."""
        rng = np.random.default_rng(0)
        weight = rng.normal(size=(4, 6))
        graded = population(dense(weight))
        spikes = population(dense(weight, header={"levels": 2}))
        assert weight_error(graded, 1000.0 * 255) == pytest.approx(weight_error(spikes, 1000.0))

    def test_smallest_share_of_spikes_differs(self):
        """The first layer, where no other comes before: not worse than any rule it tries."""
        for bits in (3, 5):
            rng = np.random.default_rng(bits)
            model = deep(rng)
            samples = rng.integers(0, 256, (40, 20)) / 255
            exact = run(model, samples[:, None])

            def wrong(name, model=model, samples=samples, exact=exact, bits=bits):
                program = lower(model, LOIHI2, scaling=name, weight_bits=bits, calibration=samples)
                got = run(program, samples[:, None])
                return share(got.spikes["la"], exact.spikes["la"])

            found = {name: wrong(name) for name in ("max_abs", "mse", "spikes")}
            assert found["spikes"] <= min(found["max_abs"], found["mse"])
            assert found["spikes"] > 0

    def test_later_layers_are_judged_on_what_the_earlier_give(self):
        """Every scale tried by hand, in the whole Program: none of the grid does better."""
        rng = np.random.default_rng(1)
        model = deep(rng)
        samples = rng.integers(0, 256, (40, 20)) / 255
        program = lower(model, LOIHI2, scaling="spikes", weight_bits=3, calibration=samples)
        exact, got = run(model, samples[:, None]), run(program, samples[:, None])
        wrong = share(got.spikes["lb"], exact.spikes["lb"])
        plain = lower(model, LOIHI2, weight_bits=3)
        for factor in 2.0 ** np.arange(-1, 3.1, 0.5):
            limits = replace(LOIHI, weight_bits=3)
            made = Population(model, "lb", _graded_input(model), limits)
            base = plain.report[1]["scale"] * factor
            nodes = dict(program.nodes) | made.nodes(made.aligned(base))
            other = run(program.with_(nodes=nodes), samples[:, None])
            assert np.array_equal(other.spikes["la"], got.spikes["la"])
            assert wrong <= 1.02 * share(other.spikes["lb"], exact.spikes["lb"])

    def looped(self, rng, mean):
        return {
            "input": (8,),
            "a": Affine(weight=rng.normal(mean, 0.5, (8, 8))),
            "la": LIF(beta=0.8, threshold=1.0),
            "loop": Affine(weight=rng.normal(0, 0.3, (8, 8))),
            "b": Affine(weight=rng.normal(0.1, 0.5, (6, 8))),
            "lb": LIF(beta=0.8, threshold=1.0),
        }

    def test_a_recurrent_layer_and_two_sources(self):
        rng = np.random.default_rng(2)
        nodes = self.looped(rng, 0.1) | {"skip": Affine(weight=rng.normal(0, 2.0, (6, 8)))}
        edges = ["input a la b lb output", "la>1 loop la", "input skip lb"]
        header = Header(dt_s=1e-3, steps=6, levels=16)
        model = wired(edges, header, **nodes)
        samples = rng.integers(0, 16, (30, 8)) / 15
        program = lower(model, LOIHI2, scaling="spikes", weight_bits=4, calibration=samples)
        exact, got = run(model, samples[:, None]), run(program, samples[:, None])
        plain = run(lower(model, LOIHI2, weight_bits=4), samples[:, None])
        for name in ("la", "lb"):
            assert exact.spikes[name].any()
        first = (got.spikes["la"] != exact.spikes["la"]).sum()
        assert first <= (plain.spikes["la"] != exact.spikes["la"]).sum()
        by_layer = {row["layer"]: row for row in program.report}
        for name in ("la", "lb"):
            same = (got.spikes[name] == exact.spikes[name]).mean()
            assert by_layer[name]["spike_agreement"] == pytest.approx(same)

    def test_what_comes_to_nothing_is_named_by_layer(self):
        rng = np.random.default_rng(6)
        nodes = dict(deep(rng).nodes)
        nodes["la"] = replace(nodes["la"], bias=np.array(3e6))
        nodes["li"] = LI(beta=1.0, bias=np.array(3e7))
        header = Header(dt_s=1e-3, steps=6, levels=256)
        model = Graph.chain(header, **nodes)
        with pytest.raises(LowerError) as caught:
            lower(model, LOIHI2, scaling="spikes", calibration=rng.uniform(0, 1, (9, 20)))
        assert "a: all its 400 weights round to 0" in str(caught.value)
        assert "c: all its 48 weights round to 0" in str(caught.value)

    def test_a_loop_and_a_delayed_way_on(self):
        """What lies behind a loop is lowered behind it, however late its spikes come."""
        rng = np.random.default_rng(3)
        nodes = self.looped(rng, 0.2)
        header = Header(dt_s=1e-3, steps=9, levels=16)
        model = wired(["input a la", "la>1 loop la", "la>3 b lb output"], header, **nodes)
        samples = rng.integers(0, 16, (20, 8)) / 15
        program = lower(model, LOIHI2, scaling="spikes", calibration=samples)
        for row in program.report:
            assert row["rate_float"] > 0
            assert row["spike_agreement"] > 0.97

    def test_feedback_from_a_later_layer_is_refused(self):
        nodes = {name: Affine(weight=np.eye(4)) for name in ("a", "b", "back")}
        nodes |= {name: LIF(beta=0.5, threshold=0.5) for name in ("la", "lb")}
        model = wired(["input a la b lb output", "lb>1 back la"], input=(4,), **nodes)
        samples = np.random.default_rng(0).uniform(0, 1, (5, 4))
        with pytest.raises(LowerError, match=r"la: depends on \['lb'\], lowered later"):
            lower(model, LOIHI2, scaling="spikes", calibration=samples)
        lower(model, LOIHI2, scaling="mse", calibration=samples)


@given(st.integers(0, 10**6))
@fast
def test_no_rule_and_no_width_overflows(seed):
    """On inputs chosen against the weights, with every overflow counted."""
    rng = np.random.default_rng(seed)
    model = deep(rng, bits_of_input=int(rng.choice([2, 16, 256])))
    scaling = str(rng.choice(["max_abs", "percentile", "mse", "spikes"]))
    samples = rng.uniform(0, 1, (6, 20))
    top = np.stack([np.ones(20), np.zeros(20), *(model.nodes["a"].weight[:4] > 0)])
    options = {"weight_bits": int(rng.integers(2, 9)), "decay_bits": int(rng.integers(1, 13))}
    try:
        program = lower(
            model, LOIHI2, scaling=scaling, percentile=float(rng.uniform(60, 100)),
            calibration=samples, **options,
        )  # fmt: skip
    except LowerError as error:
        assert "comes to nothing" in str(error)  # noqa: PT017
        return
    stimulus = Stimulus(np.concatenate([samples, top])[:, None], model.header.steps)
    executable = get_backend("torch").compile(program, "quantised")
    result = executable.run(stimulus, ("overflows", "membrane"))
    for name, count in result.overflows.items():
        assert not count.wrapped.any(), name
    assert not result.overflows["li"].saturated.any()
    for name in "abc":
        node = program.nodes[name]
        assert np.array_equal(node.weight, node.effective_weight)
        assert len(np.unique(node.weight)) <= 2 ** options["weight_bits"]
    for name in ("la", "lb", "li"):
        assert program.nodes[name].dv % (4096 >> options["decay_bits"]) == 0


class TestOptions:
    def model(self):
        return dense([[1.0, 0.5]])

    @pytest.mark.parametrize("value", [4.5, "4", True])
    @pytest.mark.parametrize("name", ["weight_bits", "decay_bits"])
    def test_bits_are_whole_numbers(self, name, value):
        with pytest.raises(InvalidInput, match=f"{name} is {value!r}; it must be a whole number"):
            lower(self.model(), LOIHI2, **{name: value})
        lower(self.model(), LOIHI2, **{name: np.int64(4)})

    def test_what_is_no_graph_and_no_profile(self):
        with pytest.raises(InvalidInput, match="profile is 'loihi2'; lower takes a Profile"):
            lower(self.model(), "loihi2")
        with pytest.raises(InvalidInput, match="it is a Program already"):
            lower(lower(self.model(), LOIHI2), LOIHI2)
        with pytest.raises(InvalidInput, match="graph is None; lower takes a Graph"):
            lower(None, LOIHI2)

    @pytest.mark.parametrize("scaling", ["max_abs", "spikes"])
    @pytest.mark.parametrize(
        ("samples", "text"),
        [
            (np.zeros((0, 2)), "there are none to compare on"),
            ([[0.0, 1.0]], "samples are <class 'list'>; pass a NumPy array"),
            (np.array([["0", "1"]]), "samples are an array of <U1"),
            (np.array([[0.0, None]]), "samples are an array of object"),
        ],
    )
    def test_samples_that_are_none(self, samples, text, scaling):
        with pytest.raises(InvalidInput, match=text):
            lower(self.model(), LOIHI2, scaling=scaling, calibration=samples)

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"weight_bits": 9}, "weight_bits is 9; this target has 8, choose from 2..8"),
            ({"weight_bits": 1}, "weight_bits is 1"),
            ({"decay_bits": 13}, "decay_bits is 13; this target has 12, choose from 1..12"),
            ({"decay_bits": 0}, "decay_bits is 0"),
            ({"scaling": "best"}, "scaling is 'best'; known are max_abs, percentile, mse, spikes"),
            ({"scaling": "spikes"}, "scaling is 'spikes', which chooses on data"),
            ({"percentile": 0.0}, "percentile is 0.0"),
            ({"percentile": 101.0}, "percentile is 101.0"),
            ({"input_coding": "rate"}, "input_coding is 'rate'; loihi2 takes"),
        ],
    )
    def test_out_of_range(self, options, text):
        with pytest.raises(InvalidInput, match=text):
            lower(self.model(), LOIHI2, **options)

    @pytest.mark.parametrize("profile", ["ideal-float", "ideal-int8"])
    @pytest.mark.parametrize(
        "options",
        [
            {"scaling": "mse"},
            {"decay_bits": 4},
            {"input_coding": "host"},
            {"calibration": np.zeros((1, 2))},
        ],
        ids=str,
    )
    def test_what_other_targets_do_not_have(self, profile, options):
        with pytest.raises(InvalidInput, match=f"{profile} has no integers to scale"):
            lower(self.model(), load_profile(profile).profile, **options)

    def test_fewer_bits_of_a_weight_alone(self):
        profile = load_profile("ideal-int8").profile
        model = dense(np.random.default_rng(0).normal(size=(20, 20)))
        lowered = lower(model, profile, weight_bits=3)
        assert 3 < len(np.unique(lowered.nodes["fc"].weight)) <= 7
        with pytest.raises(InvalidInput, match=r"weight_bits is 9; ideal-int8 has 8"):
            lower(model, profile, weight_bits=9)
        with pytest.raises(InvalidInput, match="ideal-float rounds nothing"):
            lower(model, load_profile("ideal-float").profile, weight_bits=4)

    def test_a_law_without_an_engine(self):
        with pytest.raises(LowerError, match="speck computes by a law of its own"):
            lower(self.model(), load_profile("speck").profile)

    def test_fewer_bits_are_those_of_a_smaller_target(self):
        model = deep(np.random.default_rng(3))
        found = lower(model, LOIHI2, weight_bits=5, decay_bits=4)
        wanted = to_fixed(model, replace(LOIHI, weight_bits=5, decay_one=16), profile="loihi2")
        for name, node in wanted.nodes.items():
            for key, value in node.arrays().items():
                assert np.array_equal(found.nodes[name].arrays()[key], value), (name, key)


def test_the_report_says_what_was_lost():
    rng = np.random.default_rng(5)
    model = stack(
        (1, 6, 6),
        Header(dt_s=1e-3, steps=6, levels=16),
        conv=Conv2d(weight=rng.normal(size=(4, 1, 3, 3))),
        lif=LIF(beta=0.7, alpha=0.3, threshold=np.array([0.5, 1.0, 2.0, 99.0]).reshape(4, 1, 1)),
        flat=Flatten(),
        fc=Affine(weight=np.abs(rng.normal(size=(3, 64)))),
        li=LI(beta=0.9, bias=0.25),
    )
    options = {"scaling": "percentile", "percentile": 90.0, "weight_bits": 4, "decay_bits": 4}
    program = lower(model, LOIHI2, **options)
    first, second = program.report
    weight, scale = model.nodes["conv"].weight / 15, first["scale"]
    integers = program.nodes["conv"].weight
    lost = integers / scale - weight
    assert first["weight_error_max"] == pytest.approx(np.abs(lost).max() / np.abs(weight).max())
    snr = 10 * np.log10((weight**2).sum() / (lost**2).sum())
    assert first["weight_snr_db"] == pytest.approx(snr)
    assert (
        first["weights_clipped"]
        == (np.rint(weight * scale / 32) > 7).sum() + (np.rint(weight * scale / 32) < -8).sum()
    )
    assert first["weight_bits_used"] == 4
    assert (first["sign_mode"], second["sign_mode"]) == ("mixed", "exc")
    assert first["decay_error_max"] == pytest.approx(abs(1 - 5 / 16 - 0.7))
    assert first["current_decay_error_max"] == pytest.approx(abs(5 / 16 - 0.3))
    theta = model.nodes["lif"].threshold
    vth = program.nodes["lif"].vth
    assert first["threshold_error_max"] == pytest.approx(np.abs(vth / scale - theta).max())
    mantissa, exponent = (
        getattr(program.nodes["li"], name).item() for name in ("bias_mant", "bias_exp")
    )
    assert second["bias_exponent"] == exponent
    kept = mantissa * 2.0**exponent / 64 / second["scale"]
    assert second["bias_error_max"] == pytest.approx(abs(kept - 0.25))
    assert first["dead_neurons"] == 16, "the channel whose threshold is out of reach"
