"""Lowering to integers: exact where it says so, within bounds, refused where it must be."""

import math
from dataclasses import replace

import numpy as np
import pytest

from neurorobust import ir
from neurorobust.errors import LowerError
from neurorobust.lower.passes import to_fixed
from tests.support.lowering_oracle import LOIHI, ROOM, dense, run
from tests.support.networks import wired


@pytest.fixture
def rng():
    return np.random.default_rng(7)


class TestToFixed:
    def fixed(self, model, limits=LOIHI):
        return to_fixed(model, limits, profile="x")

    @pytest.mark.parametrize("bits", [8, 6, 4, 2])
    @pytest.mark.parametrize(
        ("low", "high", "mode"), [(-1, 1, "mixed"), (0, 1, "exc"), (-1, 0, "inh")]
    )
    def test_weights_are_on_the_grid_and_in_range(self, rng, bits, low, high, mode):
        weight = rng.uniform(low, high, (6, 20))
        limits = replace(LOIHI, weight_bits=bits)
        above = np.array(2.0 if mode == "inh" else 0.0)  # what is only inhibited never fires
        program = self.fixed(dense(weight, bias=above, header={"levels": 2}), limits)
        node = program.nodes["fc"]
        step = 2 ** (8 - bits) * (2 if mode == "mixed" else 1)
        assert node.sign_mode == mode
        assert (node.weight % step == 0).all()
        assert np.array_equal(node.weight, node.effective_weight), "the chip would change them"
        assert len(np.unique(node.weight)) <= 2**bits
        scale = program.report[0]["scale"]
        assert np.abs(node.weight / scale - weight).max() <= step / 2 / scale * (1 + 1e-9)
        # The threshold of one then takes at most one part in S.
        assert np.abs(node.weight).max() >= 254 * (1 - 1 / scale) - step

    @pytest.mark.parametrize("theta", [1.0, 0.3, 1 / 3, np.pi, 17.0])
    def test_a_uniform_threshold_is_exact(self, rng, theta):
        program = self.fixed(
            dense(10 * rng.normal(size=(4, 6)), threshold=theta, header={"levels": 2})
        )
        scale, vth = program.report[0]["scale"], program.nodes["n"].vth
        assert vth == round(theta * scale)
        assert abs(theta * scale - vth) < 1e-9 * vth
        assert program.report[0]["threshold_error_max"] < 1e-12

    def test_numbers_by_hand(self):
        """Weights 1 and -0.5 of spikes, threshold 0.75: S = 254, then 190 / 0.75."""
        program = self.fixed(dense([[1.0, -0.5]], threshold=0.75, beta=0.875, header={"levels": 2}))
        scale = 190 / 0.75
        assert program.report[0]["scale"] == scale
        assert program.nodes["n"].vth == 190
        assert program.nodes["fc"].weight.tolist() == [[254, -126]]  # 253.3, -126.7 to even
        assert program.nodes["n"].dv == 512
        assert program.nodes["n"].du == 4095
        assert program.nodes["fc"].message_bits == 0
        assert program.nodes["input"].high == 1

    def test_decays(self):
        program = self.fixed(dense([[1.0]], alpha=0.75, beta=0.5))
        assert (program.nodes["n"].du, program.nodes["n"].dv) == (4095 - 3072, 2048)
        assert self.fixed(dense([[1.0]], alpha=1.0, beta=0.0)).nodes["n"].du == -1
        coarse = self.fixed(dense([[1.0]], alpha=0.7, beta=0.7), replace(LOIHI, decay_one=16))
        assert coarse.nodes["n"].dv == 5 * 256  # 4.8 of 16, in the law's units of 1/4096
        assert coarse.nodes["n"].du == 4095 - 11 * 256
        assert coarse.report[0]["decay_error_max"] == pytest.approx(0.2 / 16)

    @pytest.mark.parametrize("bias", [1e-4, 0.01, 0.5, -3.0, 400.0, -1e5])
    def test_bias_within_mantissa_and_exponent(self, bias):
        neuron = ir.LI(beta=0.5, bias=np.array([bias]))
        weight = [[max(1.0, abs(bias))]]
        program = self.fixed(dense(weight, neuron=neuron, header={"levels": 2}))
        node, scale = program.nodes["n"], program.report[0]["scale"]
        assert np.abs(node.bias_mant).max() <= 4095
        assert 0 <= node.bias_exp <= 7
        kept = node.bias_mant * 2.0**node.bias_exp / (64 * scale)
        step = 2.0**node.bias_exp / (64 * scale)
        assert np.abs(kept - bias).max() <= step / 2 * (1 + 1e-9)
        if node.bias_exp > 0:  # the finest exponent that holds it
            assert np.abs(node.bias_mant).max() >= 2047

    @pytest.mark.parametrize(
        ("options", "limit"),
        [
            ({"weight": [[1.0, -1.0]], "threshold": 1.0, "header": {"levels": 2}}, "weight bits"),
            (
                {"weight": [[1.0]], "threshold": 600.0, "steps": 999, "header": {"levels": 2}},
                "threshold",
            ),
            ({"weight": [[1.0]], "bias": np.array([1e2]), "header": {"levels": 2}}, "bias"),
            ({"weight": [[1.0] * 300], "threshold": 1e-2}, "synaptic current"),
            ({"weight": [[1.0] * 3], "neuron": ir.LI(beta=1.0), "steps": 100}, "readout range"),
            (
                {"weight": [[1.0], [-1.0]], "compare": ">=", "bias": np.array([-1.0, 0.5])}
                | {"steps": 600, "header": {"levels": 2}},
                "membrane range",
            ),
        ],
    )
    def test_the_limit_is_named(self, options, limit):
        program = self.fixed(dense(**options))
        assert program.report[0]["limited_by"] == limit

    @pytest.mark.parametrize("inputs", [3, 60, 90, 129, 130, 400, 700])
    @pytest.mark.parametrize("alpha", [None, 0.5, 0.99, 1.0])
    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_the_current_never_wraps(self, inputs, alpha, sign):
        """Equal weights and full drive: the worst case, rounded up together."""
        weight = np.full((2, inputs), 0.01) * sign
        above = np.array(0.01 if sign < 0 else 0.0)  # what is only inhibited never fires
        model = dense(weight, threshold=1e-3, alpha=alpha, steps=9, bias=above)
        program = self.fixed(model)
        node = program.nodes["n"]
        fc = program.nodes["fc"]
        # Floored by the exponent, which reaches one unit further down.
        step = math.floor(255 * int(fc.effective_weight.sum(1)[0]) * 2.0**fc.weight_exp)
        total = 64 * abs(step)
        u = 0
        for _ in range(model.header.steps):  # unwrapped
            u = u * (4095 - int(node.du)) // 4096 + total
            assert u <= ROOM
        # The chip's own arithmetic gives the same first current as no arithmetic at all.
        h = run(program, np.ones((1, 1, inputs))).membrane["n"][0, 0]
        bias = node.bias_mant.item() << node.bias_exp.item()
        assert h.tolist() == [sign * total + bias] * 2
        if alpha is None and sign > 0:
            assert total > ROOM / 2, "a lowering to nothing cannot wrap"

    @pytest.mark.parametrize("inputs", [3, 50, 90, 200])
    @pytest.mark.parametrize("beta", [1.0, 0.9, 0.0])
    @pytest.mark.parametrize("bias", [0.0, 0.3, -0.3])
    def test_a_readout_never_saturates(self, inputs, beta, bias):
        steps = 6
        weight = np.full((2, inputs), np.sign(bias) * 0.01 or 0.01)
        neuron = ir.LI(beta=beta, bias=np.array([bias, bias]))
        program = self.fixed(dense(weight, neuron=neuron, steps=steps))
        node = program.nodes["n"]
        assert isinstance(node, ir.FixedLI)
        fc = program.nodes["fc"]
        summed = 255 * fc.effective_weight.sum(1) * 2.0**fc.weight_exp
        drive = 64 * np.floor(summed).astype(int).astype(object)
        drive = drive + (node.bias_mant.astype(object) << int(node.bias_exp))
        v, trace = np.zeros(2, object), []
        for _ in range(steps):
            v = np.array(
                [int(x * (4096 - int(node.dv)) / 4096) + d for x, d in zip(v, drive, strict=True)]
            )
            trace.append(v)
        assert np.abs(trace).max() <= ROOM
        result = run(program, np.ones((1, 1, inputs)))
        assert np.array_equal(result.membrane["n"][0], np.array(trace, np.int64))
        exact = run(dense(weight, neuron=neuron, steps=steps), np.ones((1, 1, inputs))).scores
        step = program.score_unit * 64 * inputs * 255 * steps  # half a weight step per synapse
        assert np.abs(result.scores - exact).max() <= step

    def test_random_worst_cases(self, rng):
        """Inputs chosen against the weights' signs, spikes and values together."""
        for _ in range(40):
            n, m = rng.integers(2, 120, 2)
            nodes = {
                "input": ir.Input(shape=(int(n),)),
                "a": ir.Affine(weight=rng.normal(size=(m, n))),
                "h": ir.LIF(beta=0.0, threshold=0.0),
                "b": ir.Affine(
                    weight=rng.uniform(-0.2, 1, (3, m)) * 10.0 ** rng.uniform(-0.5, 0.5)
                ),
                "c": ir.Affine(
                    weight=rng.uniform(-3, 0.3, (3, n)) * 10.0 ** rng.uniform(-0.5, 0.5)
                ),
                "n": ir.LI(beta=rng.uniform(0.5, 1)),
                "output": ir.Output(readout="last"),
            }
            header = ir.Header(dt_s=1e-3, steps=8, levels=4)
            model = wired(["input a h b n output", "input c n"], header, **nodes)
            program = self.fixed(model)
            synapses = [program.nodes[k] for k in "bc"]
            b, c = (node.effective_weight * 2.0**node.weight_exp for node in synapses)
            floored = sum(node.weight_exp < 0 for node in synapses)
            kept = 1 - int(program.nodes["n"].dv) / 4096
            for part in (1, -1):
                peak = (part * b).clip(min=0).sum(1) + 3 * (part * c).clip(min=0).sum(1)
                peak = peak + floored * (part < 0)
                assert 64 * peak.max() <= ROOM
                assert 64 * peak.max() * sum(kept**k for k in range(8)) <= ROOM

    def test_a_graph_on_the_chips_own_grid_loses_nothing(self, rng):
        """IF and memoryless neurons, weights k/127 and threshold j/127: equal spike for spike."""
        for seed in range(8):
            draw = np.random.default_rng(seed)
            nodes = {"input": ir.Input(shape=(6,))}
            width = 6
            for layer in range(3):
                weight = 2 * draw.integers(-60, 100, (8, width))
                weight[0, 0] = 254
                nodes[f"fc{layer}"] = ir.Affine(weight=weight / 254)
                theta = 2 * draw.integers(30, 140) / 254
                nodes[f"lif{layer}"] = ir.LIF(beta=float(layer % 2 == 0), threshold=theta)
                width = 8
            header = ir.Header(dt_s=1e-3, steps=20, coding="events", levels=2)
            model = ir.Graph.chain(header, **nodes, output=ir.Output())
            program = self.fixed(model)
            values = draw.integers(0, 2, (5, 20, 6)).astype(float)
            # On the float side the thresholds are met exactly now and then; integers decide.
            scaled = model.with_(
                nodes={
                    name: replace(node, weight=np.rint(node.weight * 254))
                    if isinstance(node, ir.Affine)
                    else replace(node, threshold=np.rint(node.threshold * 254))
                    if isinstance(node, ir.LIF)
                    else node
                    for name, node in model.nodes.items()
                }
            )
            exact, integer = run(scaled, values), run(program, values)
            assert exact.spikes["lif2"].any()
            for name, spikes in exact.spikes.items():
                assert np.array_equal(spikes, integer.spikes[name])
            assert np.array_equal(exact.scores, integer.scores)

    def test_more_bits_come_closer(self, rng):
        nodes = {"input": ir.Input(shape=(16,))}
        for layer, width in enumerate((16, 24, 24)):
            nodes[f"fc{layer}"] = ir.Affine(weight=rng.normal(0.05, 0.3, (24, width)))
            nodes[f"lif{layer}"] = ir.LIF(beta=0.9, threshold=1.0, bias=0.01)
        nodes["fc"] = ir.Affine(weight=rng.normal(size=(4, 24)))
        nodes["li"] = ir.LI(beta=1.0)
        header = ir.Header(dt_s=1e-3, steps=12, levels=256)
        model = ir.Graph.chain(header, **nodes, output=ir.Output(readout="last"))
        values = rng.integers(0, 256, (40, 1, 16)) / 255
        exact = run(model, values)
        wrong, error = [], []
        for bits in (2, 4, 6, 8):
            limits = replace(LOIHI, weight_bits=bits)
            got = run(self.fixed(model, limits), values)
            wrong.append(np.mean([(got.spikes[k] != s).mean() for k, s in exact.spikes.items()]))
            error.append(np.abs(got.scores - exact.scores).mean())
        assert wrong == sorted(wrong, reverse=True)
        assert error == sorted(error, reverse=True)
        assert wrong[-1] < 0.06
        assert wrong[0] > 0.2
        assert error[-1] < 0.15 * error[0]

    def test_score_unit_gives_the_readout_in_the_graphs_units(self, rng):
        model = dense(
            rng.normal(size=(3, 20)), neuron=ir.LI(beta=0.75, bias=0.5), header={"levels": 2}
        )
        values = rng.integers(0, 2, (30, 1, 20)).astype(float)
        exact, got = run(model, values).scores, run(self.fixed(model), values).scores
        assert np.abs(exact - got).max() < 0.02 * np.abs(exact).max()
        assert np.array_equal(exact.argmax(1), got.argmax(1))

    def test_conv_is_taken_as_it_is(self, rng):
        weight = rng.normal(size=(4, 1, 3, 2))
        conv = ir.Conv2d(weight=weight, stride=(2, 1), padding=(1, 0), groups=2)
        lif, fc = ir.LIF(beta=0.5, threshold=1.0), ir.Affine(weight=np.ones((2, 48)))
        nodes = {"conv": conv, "lif": lif, "fc": fc, "out": ir.LIF(beta=0.5, threshold=3.0)}
        model = wired(["input conv lif flat fc out output"], 4, input=(2, 5, 5), **nodes)
        node = self.fixed(model).nodes["conv"]
        assert isinstance(node, ir.FixedConv2d)
        assert (node.stride, node.padding, node.groups) == ((2, 1), (1, 0), 2)
        assert (node.weight % 2 == 0).all()

    def test_input_grids(self):
        def grid(**header):
            return self.fixed(dense([[1.0]], header=header)).nodes["input"]

        assert (grid().scale, grid().high) == (255.0, 255)
        assert (grid(levels=17).scale, grid(levels=17).high) == (16.0, 16)
        assert grid(bounds=(0.0, 2.0)).scale == 127.5
        assert grid(coding="bernoulli", levels=None, bounds=(0.0, 2.0)).scale == 1.0
        assert grid(coding="bernoulli", levels=None).high == 1

    def test_of_record(self, rng):
        model = dense(rng.normal(size=(3, 4)))
        program = self.fixed(model)
        assert program.source_hash == model.content_hash
        assert program.profile == "x"
        assert program.header == model.header
        assert self.fixed(model).content_hash == program.content_hash


class TestRefusals:
    def test_everything_at_once_by_name(self):
        nodes = {
            "input": (1, 4, 4),
            "conv": ir.Conv2d(weight=np.ones((2, 1, 1, 1)), bias=np.ones(2)),
            "norm": ir.BatchNorm(
                mean=np.zeros(2), var=np.ones(2), scale=np.ones(2), shift=np.zeros(2)
            ),
            "soft": ir.LIF(beta=0.9, threshold=1.0, reset="soft", compare=">="),
            "pool": ir.Pool2d(op="avg", kernel=(2, 2), stride=(2, 2)),
            "a": ir.Affine(weight=np.ones((8, 8))),
            "b": ir.Affine(weight=np.ones((8, 8))),
            "odd": ir.LIF(
                beta=0.9, threshold=-1.0, v_init=0.5, v_min=-1.0, max_spikes=1, gain_in=2.0
            ),
            "rest": ir.LIF(beta=0.9, threshold=1.0, refractory=2, reset_value=0.1),
            "many": ir.LIF(beta=0.9, threshold=1.0, max_spikes=3),
            "fc": ir.Affine(weight=np.ones((2, 8))),
            "li": ir.LI(beta=1.0, v_init=1.0, gain_in=0.5),
            "output": ir.Output(readout="last"),
        }
        edges = [
            "input conv norm soft pool flat a b odd",
            "odd rest many",
            "many>63 fc li output",
            "rest fc",
            "flat>1 a",
        ]
        header = ir.Header(dt_s=1e-3, steps=4, bounds=(-1.0, 1.0), levels=256)
        with pytest.raises(LowerError) as caught:
            to_fixed(wired(edges, header, **nodes), LOIHI, profile="loihi2")
        text = str(caught.value)
        for part in (
            "header: input of 256 levels from -1 to 1 has no level at 0",
            "norm: BatchNorm has no integer form here; put it right behind",
            "soft: compares with '>=', Lava's LIF with '>'",
            "soft: resets soft in the same step, Lava's LIF hard in the same",
            "pool: Pool2d has no integer form here; write it as a convolution",
            "odd: has a threshold below its reset value",
            "odd: starts from a state other than the one it resets to",
            "odd: has a lower bound of the membrane",
            "rest: rests 2 steps after a spike",
            "rest: resets to a value other than 0",
            "rest: is fed by LIF 'odd'",
            "many: emits up to 3 spikes per step, Lava's LIF one",
            "fc: reads the sum of many and rest; give each its own synapse",
            "li: starts from a state other than 0; let it start from 0",
            "edge many -> fc: delay 63 exceeds 62 steps",
            "in loihi2's arithmetic",
            "or stay on the rung 'float'",
        ):
            assert part in text, part
        # What stands before and behind a map without a form follows from that.
        lines = [line for line in text.splitlines() if line.startswith("  - ")]
        named = [line[4:].partition(": ")[0] for line in lines]
        assert not {"conv", "a", "b"} & set(named)
        assert not any("gain" in line or "is fed by BatchNorm" in line for line in lines)

    @pytest.mark.parametrize(
        ("edges", "text"),
        [
            # A dense layer without messages counts any input once; two spikes would be lost as one.
            (["input a la fc out output", "input b lb fc"], "fc: reads the sum of la and lb"),
            (["input a li b lb output"], "li: feeds b; only an Output takes membranes"),
            (["input fc output"], "output: is fed by Affine; one population is read out"),
            (
                ["input fc la output", "fc lb output"],
                "fc: feeds la and lb; one population per synapse",
            ),
        ],
        ids=["two spikes", "membranes", "an output of no population", "a synapse of two"],
    )
    def test_wirings(self, edges, text):
        nodes = {name: ir.Affine(weight=np.eye(2)) for name in ("a", "b", "fc")}
        nodes |= {name: ir.LIF(beta=0.0, threshold=0.4) for name in ("la", "lb", "out")}
        nodes |= {"li": ir.LI(beta=1.0), "input": (2,)}
        used = " ".join(edges).split()
        model = wired(edges, **{name: node for name, node in nodes.items() if name in used})
        with pytest.raises(LowerError, match=text):
            to_fixed(model, LOIHI, profile="x")
