"""Lowering: each pass against the network before it, the integers against hand-worked bounds."""

from dataclasses import replace

import numpy as np
import pytest

from neurorobust import ir
from neurorobust.chips import load_profile
from neurorobust.errors import LowerError
from neurorobust.lower import lower
from neurorobust.lower.passes import fold_batch_norm, fold_gains, fold_preprocessing, round_weights
from tests.support.lowering_oracle import assert_equivalent, dense, run
from tests.support.networks import stack, wired


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def norm(rng, channels):
    return ir.BatchNorm(
        mean=rng.normal(size=channels),
        var=rng.uniform(0.1, 2, channels),
        scale=rng.normal(size=channels),
        shift=rng.normal(size=channels),
        eps=1e-3,
    )


class TestFoldBatchNorm:
    LINE = "input conv norm lif flat fc norm2 out output"

    def folded(self, rng, *edges, **more):
        nodes = {
            "input": (2, 5, 6),
            "conv": ir.Conv2d(weight=rng.normal(size=(4, 1, 3, 2)), padding=(1, 1), groups=2),
            "norm": norm(rng, 4),
            "lif": ir.LIF(beta=0.9, threshold=1.0),
            "fc": ir.Affine(weight=rng.normal(size=(3, 140)) / 5, bias=rng.normal(size=3)),
            "norm2": norm(rng, 3),
            "out": ir.LIF(beta=0.8, threshold=1.0),
        }
        before = wired(edges, **nodes, **more)
        after = fold_batch_norm(before)
        names = [name for name in ("lif", "other", "out") if name in before.nodes]
        assert_equivalent(before, after, rng.uniform(-1, 1, (5, 6, 2, 5, 6)), names)
        return after, [name for name, _ in after.of_kind(ir.BatchNorm)]

    def test_conv_and_affine(self, rng):
        after, kept = self.folded(rng, self.LINE)
        assert not kept
        assert after.nodes["conv"].weight.dtype == np.float64

    def test_by_hand(self):
        norm = ir.BatchNorm(mean=[2.0], var=[3.0], scale=[4.0], shift=[5.0], eps=1.0)
        fc = ir.Affine(weight=[[3.0]], bias=[1.0])
        model = wired(["input fc norm output"], input=(1,), fc=fc, norm=norm)
        folded = fold_batch_norm(model).nodes["fc"]
        assert folded.weight.tolist() == [[6.0]]  # 3 * 4 / sqrt(3 + 1)
        assert folded.bias.tolist() == [3.0]  # (1 - 2) * 2 + 5

    def test_a_delay_behind_the_norm_stays(self, rng):
        after, _ = self.folded(rng, self.LINE.replace("norm ", "norm>2 "))
        assert ir.Edge("conv", "lif", 2) in after.edges

    def test_a_delay_before_the_norm_is_not_folded(self, rng):
        # Before the delay has passed the norm sees zeros, not the bias of the map.
        assert self.folded(rng, self.LINE.replace("conv", "conv>1"))[1] == ["norm"]

    def test_two_readers_are_not_folded(self, rng):
        more = {"other": ir.LIF(beta=0.5, threshold=1.0), "flat2": ir.Flatten()}
        more["fc2"] = ir.Affine(weight=rng.normal(size=(3, 140)))
        assert self.folded(rng, self.LINE, "conv other flat2 fc2 out", **more)[1] == ["norm"]

    def test_a_norm_of_a_sum_is_not_folded(self, rng):
        conv2 = ir.Conv2d(weight=rng.normal(size=(4, 2, 3, 2)), padding=(1, 1))
        assert "norm" in self.folded(rng, self.LINE, "input conv2 norm", conv2=conv2)[1]


class TestFoldPreprocessing:
    header = ir.Header(dt_s=1e-3, steps=4, mean=(0.4, 0.6), std=(0.2, 0.5))

    def conv_net(self, rng, **conv):
        out, each = (4, 1) if conv.get("groups") == 2 else (3, 2)
        weight, bias = rng.normal(size=(out, each, 3, 3)) / 4, rng.normal(size=out) / 8
        return {
            "input": (2, 5, 5),
            "conv": ir.Conv2d(weight=weight, bias=bias, **conv),
            "lif": ir.LIF(beta=0.9, threshold=1.0, gain_in=0.5, gain_syn=1.5, bias=0.1),
        }

    def folded(self, rng, edges, header=header, **nodes):
        before = wired(edges, header, **nodes)
        after = fold_preprocessing(before)
        assert after.header.mean == after.header.std == ()
        assert_equivalent(before, after, rng.uniform(0, 1, (5, 4, *before.input_shape)), ["lif"])
        return after

    @pytest.mark.parametrize(
        "conv",
        [
            {},
            {"padding": (1, 1)},
            {"padding": (2, 0), "stride": (2, 1)},
            {"padding": (1, 2), "dilation": (1, 2)},
            {"padding": (1, 1), "groups": 2},
        ],
        ids=str,
    )
    def test_conv(self, rng, conv):
        after = self.folded(rng, ["input conv lif flat output"], **self.conv_net(rng, **conv))
        assert (after.nodes["lif"].bias.ndim == 3) == bool(conv)

    def test_affine_behind_flatten(self, rng):
        fc = ir.Affine(weight=rng.normal(size=(4, 18)) / 3)
        lif = ir.LIF(beta=0.9, threshold=1.0, alpha=0.5)
        self.folded(rng, ["input flat fc lif output"], input=(2, 3, 3), fc=fc, lif=lif)

    def test_one_number_for_all_channels(self, rng):
        header = replace(self.header, mean=(0.4,), std=())
        self.folded(rng, ["input conv lif flat output"], header, **self.conv_net(rng))

    def test_conv1d(self, rng):
        conv = ir.Conv1d(weight=rng.normal(size=(3, 2, 3)), padding=(1,))
        lif = ir.LIF(beta=0.9, threshold=1.0)
        self.folded(rng, ["input conv lif flat output"], input=(2, 7), conv=conv, lif=lif)

    def test_two_padded_convolutions_before_the_same_neurons(self, rng):
        nodes = self.conv_net(rng, padding=(1, 1))
        nodes["conv2"] = ir.Conv2d(weight=rng.normal(size=(3, 2, 1, 1)))
        nodes["conv3"] = ir.Conv2d(weight=rng.normal(size=(3, 2, 5, 5)) / 9, padding=(2, 2))
        self.folded(
            rng, ["input conv lif flat output", "input conv2 lif", "input conv3 lif"], **nodes
        )

    def test_nothing_to_fold(self, rng):
        plain = wired(["input conv lif flat output"], **self.conv_net(rng))
        assert fold_preprocessing(plain) is plain

    @pytest.mark.parametrize(
        ("changes", "edges", "named"),
        [
            ({"conv": ir.LI(beta=1.0)}, ["input conv lif flat output"], "conv: LI"),
            ({}, ["input>1 conv lif flat output"], "edge input -> conv"),
            (
                {"lif": ir.LIF(beta=0.9, threshold=1.0, alpha=0.5)},
                ["input conv lif flat output"],
                "conv: pads the normalised input and feeds LIF",
            ),
            ({}, ["input conv>1 lif flat output"], "conv: pads the normalised input"),
            (
                {
                    "back": ir.Affine(weight=np.ones((75, 75))),
                    "fc": ir.Affine(weight=np.ones((75, 50))),
                }
                | {"flat0": ir.Flatten(), "conv": ir.LIF(beta=0.5, threshold=1.0)}
                | {"lif": ir.LIF(beta=0.5, threshold=1.0)},
                ["input flat0 fc conv lif output", "lif>1 back conv"],
                None,
            ),
            (
                {"pool": ir.Pool2d(op="avg", kernel=(2, 2), stride=(2, 2)), "f2": ir.Flatten()}
                | {"fc": ir.Affine(weight=np.ones((75, 8)))},
                ["input conv lif flat output", "input pool f2 fc output"],
                "pool: Pool2d",
            ),
        ],
    )
    def test_no_place(self, rng, changes, edges, named):
        nodes = self.conv_net(rng, padding=(1, 1)) | changes
        used = {word.partition(">")[0] for line in edges for word in line.split()}
        before = wired(edges, self.header, **{n: nodes[n] for n in nodes if n in used})
        if named is None:
            fold_preprocessing(before)
            return
        with pytest.raises(LowerError, match="normalise the data before") as caught:
            fold_preprocessing(before)
        assert named in str(caught.value)

    def test_what_reads_spikes_as_well(self):
        nodes = {
            "input": (2,),
            "lif": ir.LIF(beta=0.5, threshold=0.1),
            "a": ir.Affine(weight=np.eye(2)),
            "fc": ir.Affine(weight=np.ones((2, 2))),
            "out": ir.LIF(beta=0.5, threshold=1.0),
        }
        before = wired(["input a lif fc out output", "input fc"], self.header, **nodes)
        with pytest.raises(LowerError, match=r"fc: adds something .* normalise the data before"):
            fold_preprocessing(before)


class TestFoldGains:
    def nodes(self, rng, **lif):
        return {
            "input": (2, 4, 4),
            "conv": ir.Conv2d(
                weight=rng.normal(size=(3, 2, 3, 3)) / 3, bias=rng.normal(size=3) / 4
            ),
            "lif": ir.LIF(**{"beta": 0.9, "threshold": 1.0} | lif),
            "fc": ir.Affine(weight=rng.normal(size=(4, 12)), bias=rng.normal(size=4)),
            "li": ir.LI(beta=0.9, gain_in=np.array([1.0, 0.5, 2.0, 0.125]), bias=0.25),
            "output": ir.Output(readout="last"),
        }

    @pytest.mark.parametrize("channelwise", [False, True])
    def test_exact(self, rng, channelwise):
        gain = np.array([0.5, 2.0, 1.5]).reshape(3, 1, 1) if channelwise else 0.3
        nodes = self.nodes(rng, gain_in=gain, gain_syn=1.25, bias=0.125)
        before = wired(["input conv lif flat fc li output"], **nodes)
        after = fold_gains(before)
        assert after.nodes["conv"].bias is None
        assert (after.nodes["lif"].gain_in == 1).all()
        assert (after.nodes["li"].gain_in == 1).all()
        assert_equivalent(before, after, rng.uniform(0, 1, (5, 6, 2, 4, 4)), ["lif", "li"])

    def test_a_synaptic_current_that_starts_above_zero(self, rng):
        nodes = self.nodes(rng, alpha=0.5, gain_in=0.5, gain_syn=4.0, i_init=0.75)
        nodes["conv"] = replace(nodes["conv"], bias=None)
        before = wired(["input conv lif flat fc li output"], **nodes)
        after = fold_gains(before)
        assert_equivalent(before, after, rng.uniform(0, 1, (5, 6, 2, 4, 4)), ["lif", "li"])

    @pytest.mark.parametrize(
        ("lif", "edges", "text"),
        [
            (
                {"alpha": 0.5},
                ["input conv lif flat fc li output"],
                "lif: filters the bias of what feeds it",
            ),
            ({}, ["input conv>1 lif flat fc li output"], "lif: delays the bias of what feeds it"),
            (
                {"gain_in": np.linspace(1, 2, 12).reshape(3, 2, 2)},
                ["input conv lif flat fc li output"],
                "its gain differs within a channel",
            ),
            (
                {},
                ["input conv lif flat fc li output", "conv two flat"],
                "feeds several populations",
            ),
            (
                {},
                ["input conv lif two flat fc li output"],
                "is fed by LIF 'lif'; put a linear layer",
            ),
        ],
    )
    def test_no_place(self, rng, lif, edges, text):
        nodes = self.nodes(rng, **lif) | {"two": ir.LIF(beta=0.5, threshold=1.0)}
        if not any("two" in line for line in edges):
            del nodes["two"]
        with pytest.raises(LowerError, match=text):
            fold_gains(wired(edges, **nodes))


class TestPipeline:
    def model(self, rng):
        header = ir.Header(dt_s=1e-3, steps=10, levels=256, mean=(0.3,), std=(0.4,))
        return stack(
            (1, 6, 6),
            header,
            conv=ir.Conv2d(weight=rng.normal(size=(4, 1, 3, 3)), padding=(1, 1)),
            norm=replace(norm(rng, 4), scale=np.ones(4)),
            lif=ir.LIF(beta=0.75, threshold=1.0, gain_in=0.5),
            flat=ir.Flatten(),
            fc=ir.Affine(weight=rng.normal(size=(3, 144)) / 6, bias=rng.normal(size=3)),
            li=ir.LI(beta=1.0, gain_in=0.1),
        )

    def test_float_is_left_alone(self, rng):
        model = self.model(rng)
        assert lower(model, load_profile("ideal-float").profile) is model

    def test_int8_rounds_weights_only(self, rng):
        model = self.model(rng)
        lowered = lower(model, load_profile("ideal-int8").profile)
        folded = fold_batch_norm(model)
        assert isinstance(lowered, ir.Graph)
        assert "norm" not in lowered.nodes
        for name in ("conv", "fc"):
            weight, kept = folded.nodes[name].weight, lowered.nodes[name].weight
            step = np.abs(weight).max() / 127
            assert np.abs(np.rint(kept / step) - kept / step).max() < 1e-9
            assert np.abs(kept - weight).max() <= step / 2 * (1 + 1e-12)
            assert np.array_equal(lowered.nodes[name].bias, folded.nodes[name].bias)
        assert round_weights(folded, 8).content_hash == lowered.content_hash
        coarse = round_weights(folded, 2).nodes["fc"].weight
        assert len(np.unique(coarse)) == 3

    def test_zero_weights_stay(self):
        model = dense([[0.0]])
        assert round_weights(model, 8).content_hash == model.content_hash

    def test_loihi_end_to_end(self, rng):
        model = self.model(rng)
        profile = load_profile("loihi2").profile
        program = lower(model, profile)
        assert isinstance(program, ir.Program)
        assert program.profile == "loihi2"
        assert isinstance(program.nodes["lif"], ir.FixedLIF)
        assert isinstance(program.nodes["fc"], ir.FixedDense)
        values = rng.integers(0, 256, (60, 1, 1, 6, 6)) / 255
        exact, got = run(model, values), run(program, values)
        assert exact.spikes["lif"].mean() > 0.05
        assert (exact.spikes["lif"] != got.spikes["lif"]).mean() < 0.02
        assert (exact.decisions == got.decisions).mean() > 0.9
        assert np.abs(exact.scores - got.scores).mean() < 0.05 * np.abs(exact.scores).max()
