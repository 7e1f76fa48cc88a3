"""Rewrites of neurons: the same spikes, and nothing that could be reached is dropped."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorobust.chips import load_profile
from neurorobust.errors import LowerError
from neurorobust.ir import LIF, Affine, Graph, Header, Input, Output, Program
from neurorobust.lower import lower
from neurorobust.lower.passes import drop_unreached, shift_reset
from tests.support.lowering_oracle import ROOM, dense, run
from tests.support.neuron_oracle import oracle

LOIHI2 = load_profile("loihi2").profile
fast = settings(derandomize=True, max_examples=80, deadline=None)


def quarters(rng, low, high, *shape):
    """Multiples of 1/4: sums and halves of them are exact, and ties are common."""
    return rng.integers(4 * low, 4 * high + 1, shape) / 4


def one_layer(rng, neuron, steps=8):
    header = Header(dt_s=1e-3, steps=steps, coding="events", bounds=(-2.0, 2.0))
    nodes = {"input": Input(shape=(5,)), "fc": Affine(weight=quarters(rng, -1, 2, 6, 5))}
    return Graph.chain(header, **nodes, n=neuron, output=Output())


def simulate(model, x):
    """Spikes of one layer, written out."""
    return oracle(model.nodes["n"], x @ model.nodes["fc"].weight.T)


class TestShiftReset:
    @given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 1.0]), st.booleans())
    @fast
    def test_the_same_spikes(self, seed, beta, per_neuron):
        rng = np.random.default_rng(seed)
        shape = (6,) if per_neuron else ()
        target = quarters(rng, -2, 1, *shape)
        neuron = LIF(
            beta=beta,
            threshold=quarters(rng, 1, 3, *shape),
            bias=quarters(rng, -1, 1, *shape),
            reset_value=target,
            v_init=target,
            compare=(">", ">=")[seed % 2],
            v_min=target - 1 if seed % 3 == 0 else None,
        )
        before = one_layer(rng, neuron)
        after = shift_reset(before)
        assert not after.nodes["n"].reset_to.any()
        assert not after.nodes["n"].v_init.any()
        x = quarters(rng, -1, 1, 4, 8, 5)
        wanted = simulate(before, x)
        assert np.array_equal(simulate(after, x), wanted)
        assert np.array_equal(run(after, x).spikes["n"], wanted)

    def test_by_hand(self):
        neuron = LIF(beta=0.75, threshold=1.0, bias=0.5, reset_value=-0.2, v_init=0.3, v_min=-0.4)
        node = shift_reset(dense([[1.0]], neuron=neuron)).nodes["n"]
        assert node.threshold == pytest.approx(1.2)
        assert node.bias == pytest.approx(0.5 + 0.25 * 0.2)
        assert node.v_init == pytest.approx(0.5)
        assert node.v_min == pytest.approx(-0.2)

    def test_on_the_chip(self):
        """A rest and a start other than 0 vanish; another start is refused."""
        rng = np.random.default_rng(3)
        below = {"beta": 0.5, "threshold": 1.0, "reset_value": -0.5}
        weight = rng.normal(0.2, 0.5, (8, 10))
        model = dense(weight, v_init=-0.5, steps=12, header={"levels": 2}, **below)
        values = rng.integers(0, 2, (40, 1, 10)).astype(float)
        exact, got = run(model, values), run(lower(model, LOIHI2), values)
        assert 0.1 < exact.spikes["n"].mean() < 0.9
        assert (exact.spikes["n"] != got.spikes["n"]).mean() < 0.01
        with pytest.raises(LowerError, match="n: starts from a state other than the one it resets"):
            lower(dense(weight, v_init=0.0, **below), LOIHI2)
        with pytest.raises(LowerError, match="n: has a threshold below its reset value"):
            lower(dense(weight, beta=0.5, threshold=1.0, reset_value=2.0, v_init=2.0), LOIHI2)


class TestDropUnreached:
    @given(st.integers(0, 10**6), st.sampled_from(["soft", "none", "hard"]))
    @fast
    def test_without_memory_every_reset_is_the_same(self, seed, mode):
        rng = np.random.default_rng(seed)
        v_min = quarters(rng, -1, 0) if seed % 2 else None
        neuron = LIF(beta=0.0, threshold=0.5, reset=mode, v_init=quarters(rng, -1, 1), v_min=v_min)
        before = one_layer(rng, neuron)
        after = drop_unreached(before)
        node = after.nodes["n"]
        assert (node.reset, node.v_min, float(node.v_init)) == ("hard", None, 0.0)
        x = quarters(rng, -1, 1, 4, 8, 5)
        assert np.array_equal(run(after, x).spikes["n"], simulate(before, x))

    @pytest.mark.parametrize(
        "changes",
        [
            {"beta": 0.5, "reset": "soft"},
            {"reset": "hard", "reset_timing": "next"},
            {"refractory": 1},
            {"reset": "soft", "reset_timing": "next"},
        ],
        ids=str,
    )
    def test_what_acts_is_kept(self, changes):
        neuron = LIF(**{"beta": 0.0, "threshold": 0.5} | changes)
        assert drop_unreached(dense([[1.0]], neuron=neuron)).nodes["n"] is neuron

    @given(st.integers(0, 10**6), st.sampled_from([None, 0.5]))
    @fast
    def test_a_bound_goes_only_where_no_input_reaches_it(self, seed, alpha):
        """The proof against the worst input there is, found by trying both ends in every step."""
        rng = np.random.default_rng(seed)
        beta, steps = rng.choice([0.5, 1.0]), 5
        neuron = LIF(
            beta=beta, alpha=alpha, threshold=50.0, bias=quarters(rng, -1, 1),
            v_min=-float(rng.integers(0, 30)),
        )  # fmt: skip
        before = one_layer(rng, neuron, steps)
        dropped = drop_unreached(before).nodes["n"].v_min is None
        drive = -2 * np.abs(before.nodes["fc"].weight).sum(1)
        i = v = np.zeros(6)
        lowest = np.inf
        for _ in range(steps):
            i = (alpha or 0.0) * i + drive
            v = beta * v + i + neuron.bias
            lowest = min(lowest, v.min())
        out_of_reach = min(lowest, 0) >= neuron.v_min
        assert out_of_reach or not dropped
        if alpha is None:
            assert dropped == out_of_reach

    def test_a_second_spike_goes_only_where_no_input_fires_it(self):
        def kept(weight, **changes):
            neuron = LIF(**{"beta": 0.5, "threshold": 1.0, "max_spikes": 3} | changes)
            return drop_unreached(dense([[weight]], neuron=neuron)).nodes["n"].max_spikes

        # Between spikes at most 1; then 0.5 + weight stays below 2, or may not.
        assert kept(1.49) == 1
        assert kept(1.51) == 3
        assert kept(1.01, bias=0.5) == 3
        assert kept(1.49, beta=1.0) == 3
        assert kept(0.3, alpha=0.9) == 1
        assert kept(0.6, alpha=0.9) == 3


class TestAtTheThreshold:
    def model(self, seed, beta):
        """Whole numbers, the largest a full weight: a scale of 1 for all."""
        rng = np.random.default_rng(seed)
        nodes = {"input": Input(shape=(6,))}
        width = 6
        for layer in range(3):
            weight = 2.0 * rng.integers(-60, 100, (8, width))
            weight[0, 0] = 254.0
            nodes[f"fc{layer}"] = Affine(weight=weight, bias=2.0 * rng.integers(-20, 20, 8))
            theta = 2.0 * rng.integers(30, 140)
            nodes[f"lif{layer}"] = LIF(beta=beta, threshold=theta, compare=">=")
            width = 8
        header = Header(dt_s=1e-3, steps=20, coding="events", levels=2)
        return Graph.chain(header, **nodes, output=Output()), rng.integers(0, 2, (6, 20, 6)) * 1.0

    @pytest.mark.parametrize("beta", [0.0, 1.0])
    def test_fires_alike(self, beta):
        ties = 0
        for seed in range(12):
            model, values = self.model(seed, beta)
            program = lower(model, LOIHI2)
            assert isinstance(program, Program)
            assert [row["scale"] for row in program.report] == [1.0] * 3
            exact, integer = run(model, values), run(program, values)
            for name, spikes in exact.spikes.items():
                assert np.array_equal(spikes, integer.spikes[name])
                ties += int((exact.membrane[name] == model.nodes[name].threshold).sum())
                assert (integer.membrane[name] % 64 == 0).all()
        assert ties > 50, "without ties both comparisons are the same"

    def test_the_threshold_is_one_less(self):
        model, _ = self.model(0, 1.0)
        program = lower(model, LOIHI2)
        for layer in range(3):
            assert program.nodes[f"lif{layer}"].vth == model.nodes[f"lif{layer}"].threshold - 1
            assert program.report[layer]["threshold"] == model.nodes[f"lif{layer}"].threshold

    @pytest.mark.parametrize("changes", [{"beta": 0.5}, {"beta": 1.0, "alpha": 0.5}], ids=str)
    def test_off_the_grid_it_is_refused(self, changes):
        with pytest.raises(LowerError, match=r"n: compares with '>=', .* compare with '>'"):
            lower(dense([[1.0, -1.0]], compare=">=", **changes), LOIHI2)

    def test_no_inhibition_leads_off_the_grid(self):
        """A saturated membrane is no whole unit; the scale keeps it from saturating."""
        model = dense(
            [[1.0, -1.0]] * 2, compare=">=", bias=np.array([-1.0, 0.5]), threshold=1.0, steps=600,
            header={"levels": 2},
        )  # fmt: skip
        program = lower(model, LOIHI2)
        assert program.report[0]["limited_by"] == "membrane range"
        down = np.broadcast_to([0.0, 1.0], (1, 600, 2)).copy()
        membrane = run(program, down).membrane["n"]
        assert membrane.min() >= -ROOM
        assert membrane.min() < -ROOM / 2
        assert (membrane % 64 == 0).all()


def test_other_neurons_are_refused_with_a_way_out():
    refused = {
        "soft": {"reset": "soft"},
        "none": {"reset": "none"},
        "next": {"reset_timing": "next"},
        "rests": {"refractory": 2},
        "lower bound": {"v_min": -0.1},
        "spikes per step": {"max_spikes": 2},
    }
    for word, changes in refused.items():
        neuron = LIF(**{"beta": 0.5, "threshold": 1.0} | changes)
        with pytest.raises(LowerError, match=rf"n: .*{word}.*(train|set)"):
            lower(dense([[9.0, -9.0]], neuron=neuron), LOIHI2)
