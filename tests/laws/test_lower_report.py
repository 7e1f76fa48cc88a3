"""What is refused, all at once; and what the report measures, counted by hand."""

import json

import numpy as np
import pytest

from neurorobust import ir
from neurorobust.chips import load_profile
from neurorobust.compare.lowering import measure
from neurorobust.errors import LowerError
from neurorobust.lower import lower
from tests.support.lowering_oracle import ROOM, dense, run
from tests.support.networks import stack, wired

LOIHI2 = load_profile("loihi2").profile


class TestRefusals:
    def test_of_all_passes_in_one_list(self):
        rng = np.random.default_rng(0)
        nodes = {
            "input": (2, 8, 8),
            "conv": ir.Conv2d(weight=rng.normal(size=(3, 2, 3, 3)), padding=(1, 1)),
            "lif": ir.LIF(beta=0.9, threshold=1.0, reset="soft"),
            "pool": ir.Pool2d(op="max", kernel=(2, 2), stride=(2, 2)),
            "wide": ir.Conv2d(weight=rng.normal(size=(3, 3, 3, 3)), padding=(1, 1)),
            "wider": ir.Conv2d(weight=rng.normal(size=(3, 3, 3, 3)), padding=(1, 1)),
            "held": ir.LIF(beta=0.5, threshold=1.0, gain_in=rng.uniform(1, 2, (3, 4, 4))),
            "late": ir.Affine(weight=rng.normal(size=(4, 48)), bias=np.ones(4)),
            "cuba": ir.LIF(beta=0.5, alpha=0.5, threshold=1.0, refractory=1),
            "fc": ir.Affine(weight=rng.normal(size=(2, 4))),
            "li": ir.LI(beta=1.0, v_init=0.5),
        }
        edges = ["input conv lif pool wide wider held flat late>70 cuba fc li output"]
        header = ir.Header(dt_s=1e-3, steps=4, bounds=(0.25, 1.0))
        with pytest.raises(LowerError) as caught:
            lower(wired(edges, header, **nodes), LOIHI2)
        lines = str(caught.value).splitlines()
        assert lines[0] == "this network has no exact form in loihi2's arithmetic:"
        assert "stay on the rung 'float'" in lines[-1]
        wanted = [
            "pool: takes a maximum",
            "wider: cannot become one synapse with 'wide': its padding stands where windows of 3",
            "held: its gain differs within a channel",
            "cuba: delays the bias of what feeds it",
            "cuba: filters the bias of what feeds it through its current",
            "header: input of 256 levels from 0.25 to 1 has no level at 0",
            "lif: resets soft in the same step, Lava's LIF hard in the same",
            "li: starts from a state other than 0",
            "edge late -> cuba: delay 70 exceeds 62 steps",
        ]
        for start in wanted:
            assert sum(line.startswith(f"  - {start}") for line in lines) == 1, start
        # What follows from a refusal is not refused again.
        assert len(lines) == len(wanted) + 2

    def test_one_axis_convolutions_and_norms(self):
        nodes = {
            "input": (2, 6),
            "norm": ir.BatchNorm(
                mean=np.zeros(2), var=np.ones(2), scale=np.ones(2), shift=np.ones(2)
            ),
            "conv": ir.Conv1d(weight=np.ones((2, 2, 2))),
            "lif": ir.LIF(beta=0.5, threshold=1.0),
        }
        model = wired(["input norm conv lif flat output"], **nodes)
        with pytest.raises(LowerError) as caught:
            lower(model, LOIHI2, input_coding="graded")
        assert "conv: Conv1d has no integer form here; write it as a Conv2d" in str(caught.value)


class TestNonsense:
    @pytest.mark.parametrize(
        ("options", "text"),
        [
            (
                {"weight": [[1e-6, 0.0]], "bias": np.array(2.0)},
                r"fc: all its 2 weights round to 0 \(.* of 1\); the scale 4095 is limited by bias",
            ),
            (
                {"weight": [[1.0, 1.0]] * 2, "threshold": np.array([1.0, 1e-7])},
                r"n: threshold 1e-07 rounds to 0 \(.* integer steps\), so that anything would fire",
            ),
            (
                {"weight": [[0.2, 0.2]], "beta": 0.5},
                r"n: no input can fire it within 4 steps \(.* 0.75 at most, .* is 1\): it is dead",
            ),
            ({"weight": [[0.0, 0.0]], "bias": np.array(2.0)}, "fc: all its 2 weights are 0"),
            (
                {
                    "weight": [[1e-5] * 9],
                    "neuron": ir.LI(beta=1.0, bias=np.array(9.0)),
                    "steps": 90,
                },
                "fc: all its 9 weights round to 0 .* limited by readout range",
            ),
        ],
    )
    def test_is_named_with_value_limit_and_way_out(self, options, text):
        with pytest.raises(LowerError, match=text) as caught:
            lower(dense(**options), LOIHI2)
        assert "this network comes to nothing in loihi2's arithmetic" in str(caught.value)

    def test_what_rounding_alone_kills(self):
        """Small weights that only together would fire, beside a large one."""
        weight = np.full((1, 400), 0.004)
        weight[0, 0] = -1.0
        model = dense(weight, threshold=1.5, beta=0.0, header={"levels": 2})
        assert run(model, np.r_[0.0, np.ones(399)][None, None]).spikes["n"].any()
        for bits, fine in ((8, True), (6, False)):
            if fine:
                lower(model, LOIHI2, weight_bits=bits)
                continue
            with pytest.raises(LowerError, match=r"n: no input can fire it .*: it can fire there"):
                lower(model, LOIHI2, weight_bits=bits)

    def test_no_input_fires_what_counts_as_dead(self):
        """The bound against the best input there is: all that excites, in every step."""
        rng = np.random.default_rng(1)
        for _ in range(60):
            weight = rng.normal(size=(12, 6))
            theta = rng.uniform(0.5, 8, 12)
            options = {"beta": rng.choice([0.0, 0.5, 1.0]), "alpha": rng.choice([None, 0.5])}
            model = dense(weight, threshold=theta, steps=5, header={"levels": 2}, **options)
            try:
                program = lower(model, LOIHI2)
            except LowerError:
                continue
            best = (program.nodes["fc"].weight > 0).astype(float)
            fired = run(program, best[:, None]).spikes["n"]
            alive = np.diagonal(fired.any(axis=1)).sum()
            assert program.report[0]["dead_neurons"] <= 12 - alive
            if options["alpha"] is None:
                assert program.report[0]["dead_neurons"] == 12 - alive


class TestMeasure:
    def model(self, rng):
        return stack(
            (6,),
            ir.Header(dt_s=1e-3, steps=7, levels=16),
            a=ir.Affine(weight=rng.normal(0.1, 0.5, (8, 6))),
            la=ir.LIF(beta=0.9, threshold=0.5),
            b=ir.Affine(weight=rng.normal(0.1, 0.5, (9, 8))),
            lb=ir.LIF(beta=0.9, threshold=0.5),
            c=ir.Affine(weight=rng.normal(size=(3, 9))),
            li=ir.LI(beta=0.9),
        )

    def test_by_hand(self):
        rng = np.random.default_rng(2)
        model = self.model(rng)
        samples = rng.integers(0, 16, (70, 6)) / 15  # more than run at a time
        program = lower(model, LOIHI2, weight_bits=3, calibration=samples)
        rows = measure(model, program, samples)
        assert [row["layer"] for row in rows] == ["la", "lb", "li"]
        exact, got = run(model, samples[:, None]), run(program, samples[:, None])
        firsts = []
        for row in rows[:2]:
            a, b = exact.spikes[row["layer"]], got.spikes[row["layer"]]
            assert row["rate_float"] == pytest.approx(a.mean())
            assert row["rate_integer"] == pytest.approx(b.mean())
            assert row["spike_agreement"] == pytest.approx((a == b).mean())
            firsts.append(int(np.flatnonzero((a != b).any((0, 2)))[0]))
            assert row["first_difference"] == firsts[-1]
        assert [row["diverges_first"] for row in rows[:2]] == [
            firsts[0] <= firsts[1],
            firsts[1] < firsts[0],
        ]
        agreed = (exact.decisions == got.decisions).mean()
        assert rows[2]["decision_agreement"] == pytest.approx(agreed)
        error = np.abs(exact.scores - got.scores).max()
        assert rows[2]["score_error_max"] == pytest.approx(error)
        for row, entry in zip(rows, program.report, strict=True):
            assert row.items() <= entry.items()
        assert json.loads(json.dumps(program.report)) == program.report

    def test_where_nothing_differs(self):
        weight = np.array([[254.0, -100.0]])
        header = {"levels": 2, "coding": "events"}
        model = dense(weight, threshold=200.0, steps=5, header=header)
        samples = np.random.default_rng(3).integers(0, 2, (20, 5, 2)).astype(float)
        (row,) = measure(model, lower(model, LOIHI2), samples)
        assert (row["spike_agreement"], row["first_difference"]) == (1.0, None)
        assert row["diverges_first"] is False
        assert row["rate_float"] > 0.1

    def test_saturation_is_counted(self):
        """Inhibition for so long that the membrane ends at its lowest."""
        model = dense([[250.0, -250.0]], threshold=1.0, steps=700, header={"levels": 2})
        program = lower(model, LOIHI2)
        samples = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
        (row,) = measure(model, program, samples)
        membrane = run(program, samples[:, None]).membrane["n"]
        # A membrane at its lowest is clipped in every step from the one in which it gets there.
        clipped = int((membrane == -ROOM).sum())
        assert clipped > 50
        assert row["saturated"] == clipped
        assert row["wrapped"] == 0

    def test_drawn_spikes_are_the_same_for_both(self):
        rng = np.random.default_rng(4)
        header = {"coding": "bernoulli", "levels": None}
        weight = 2.0 * rng.integers(-60, 120, (6, 9))
        weight[0, 0] = 254.0
        model = dense(weight, threshold=300.0, steps=12, header=header)
        program = lower(model, LOIHI2, calibration=rng.uniform(0, 1, (30, 9)))
        assert program.report[0]["spike_agreement"] == 1.0
        assert program.report[0]["rate_float"] > 0.05
