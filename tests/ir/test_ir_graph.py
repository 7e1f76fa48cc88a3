"""Checked networks: faults, shapes against torch's layers, arrays that cannot change, hashes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from neurorobust import ir
from neurorobust.errors import InvalidModel
from neurorobust.ir.base import ShapeError
from neurorobust.ir.edges import topological_order, undelayed_cycle
from tests.support.networks import edges_of, stack, wired

HEADER = ir.Header(dt_s=1e-3, steps=4)


def chain(**nodes):
    return stack((2,), HEADER, **nodes)


def faults(make, *args, **kwargs):
    with pytest.raises(InvalidModel) as caught:
        make(*args, **kwargs)
    return caught.value.faults


def conv(**changes):
    return ir.Conv2d(**{"weight": np.ones((4, 2, 3, 3))} | changes)


def lif(**changes):
    return ir.LIF(**{"beta": 0.5, "threshold": 1.0} | changes)


class TestFaults:
    def test_all_are_listed_at_once(self):
        header = ir.Header(
            dt_s=0.0, steps=0, coding="morse", bounds=(1.0, 1.0), levels=1, std=(0.0,), mean=()
        )
        weight = np.array([[np.nan, 1.0], [np.inf, 0.0]])
        nodes = {
            "input": ir.Input(shape=(2,)),
            "a/b": lif(),
            "fc": ir.Affine(weight=weight, bias=np.zeros(3)),
            "lif": lif(beta=1.5, compare="=", reset="most", max_spikes=0, refractory=-1),
            "orphan": lif(),
            "out1": ir.Output(readout="middle"),
            "out2": ir.Output(),
        }
        lines = ["input fc", "lif out1 out2", "lif nowhere", "lif input"]
        edges = (*edges_of(lines), ir.Edge("fc", "lif", -1))
        found = faults(ir.Graph, header=header, nodes=nodes, edges=edges)
        expected = (
            "header: dt_s is 0.0",
            "header: steps is 0",
            "header: coding is 'morse'",
            "header: bounds are (1.0, 1.0)",
            "header: levels is 1",
            "header: std is (0.0,)",
            "'a/b': a node's name must be non-empty and without '/'",
            "fc: weight has 2 value(s) that are NaN or infinite",
            "fc: bias has shape (3,); the weight (2, 2) needs (2,)",
            "lif: beta is outside 0..1 (min 1.5, max 1.5)",
            "lif: compare is '='",
            "lif: reset is 'most'",
            "lif: max_spikes is 0",
            "lif: refractory is -1",
            "out1: readout is 'middle'",
            "needs exactly one Output, has 2: ['out1', 'out2']",
            "edge fc -> lif: delay is -1 steps",
            "edge lif -> nowhere: no node is named 'nowhere'",
            "edge lif -> input: an Input takes no edge",
            "edge out1 -> out2: an Output feeds no node",
            "orphan: no edge leads to it",
            "orphan: no edge leads from it",
        )
        missing = [text for text in expected if not any(f.startswith(text) for f in found)]
        assert not missing

    def test_the_message_lists_what_the_attribute_holds(self):
        with pytest.raises(InvalidModel) as caught:
            chain(lif=lif(beta=-1.0, refractory=-1))
        assert len(caught.value.faults) == 2
        assert all(fault in str(caught.value) for fault in caught.value.faults)

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"beta": -0.1}, "beta is outside 0..1"),
            ({"alpha": 1.1}, "alpha is outside 0..1"),
            ({"beta": np.nan}, "beta has 1 value(s) that are NaN"),
            ({"threshold": np.array("high")}, "threshold has dtype <U4"),
            ({"threshold": np.array(True)}, "threshold has dtype bool"),
            ({"threshold": np.array(1 + 0j)}, "threshold has dtype complex128"),
            ({"threshold": np.array(1, np.longdouble)}, "floats and integers, to 64 bits"),
            ({"threshold": np.ones(0)}, "threshold is empty"),
            ({"reset_timing": "later"}, "reset_timing is 'later'"),
            ({"max_spikes": 256}, "counted in 8 bits"),
            ({"max_spikes": 2, "threshold": 0.0}, "needs a threshold above 0"),
            ({"max_spikes": 2, "reset_timing": "next"}, "reset in the same step only"),
            ({"refractory": 1, "reset": "soft"}, "hard reset in the same step only"),
            ({"refractory": 1, "reset_timing": "next"}, "hard reset in the same step only"),
            ({"threshold": np.ones(3)}, "does not broadcast to the population (2,)"),
            ({"v_init": np.ones((2, 2))}, "does not broadcast to the population (2,)"),
        ],
    )
    def test_lif(self, changes, text):
        found = faults(chain, lif=lif(**changes))
        assert len(found) == 1
        assert found[0].startswith("lif: ")
        assert text in found[0]

    @pytest.mark.parametrize(
        ("node", "text"),
        [
            (conv(weight=np.ones((4, 2, 3))), "takes (out, in/groups) and 2 kernel axes"),
            (conv(padding=(-1, 0)), "padding is (-1, 0)"),
            (conv(stride=(0, 1)), "stride is (0, 1)"),
            (conv(dilation=(1, 0)), "dilation is (1, 0)"),
            (conv(groups=3), "4 output channels do not split into 3 groups"),
            (conv(groups=0), "groups is (0,)"),
            (conv(padding=(1,)), "differ in length"),
            (conv(bias=np.ones(3)), "bias has shape (3,)"),
            (ir.Pool2d(op="min", kernel=(2, 2), stride=(2, 2)), "op is 'min'"),
            (ir.Pool2d(op="avg", kernel=(2, 2), stride=(2, 2), padding=(2, 0)), "exceeds half"),
            (ir.Pool2d(op="avg", kernel=(2,), stride=(2, 2)), "take two entries"),
            (
                ir.BatchNorm(mean=[0.0], var=[-1.0], scale=[1.0], shift=[0.0]),
                "var has 1 negative value(s)",
            ),
            (
                ir.BatchNorm(mean=[0.0], var=[1.0], scale=[1.0], shift=[0.0, 1.0]),
                "must all be (C,)",
            ),
            (ir.BatchNorm(mean=[0.0], var=[1.0], scale=[1.0], shift=[0.0], eps=0.0), "eps is 0.0"),
            (
                ir.BatchNorm(mean=[0.0], var=[1.0], scale=[1.0], shift=[0.0], eps=float("inf")),
                "eps is inf",
            ),
            (ir.Affine(weight=np.ones(3)), "an Affine takes (out, in)"),
            (ir.Affine(weight=np.ones((0, 3))), "weight is empty"),
            (ir.LI(beta=2.0), "beta is outside 0..1"),
            (ir.Input(shape=()), "every axis must be at least 1"),
            (ir.Input(shape=(3, 0)), "every axis must be at least 1"),
        ],
    )
    def test_other_nodes(self, node, text):
        assert any(text in fault for fault in faults(chain, odd=node))

    @pytest.mark.parametrize(
        ("header", "text"),
        [
            ({"bounds": (-np.inf, np.inf)}, "bounds is (-inf, inf)"),
            ({"bounds": (0.0, np.nan)}, "every entry must be finite"),
            ({"mean": (np.nan,)}, "mean is (nan,)"),
            ({"std": (np.inf,)}, "std is (inf,)"),
            ({"std": (-1.0,)}, "every entry must be above 0"),
            ({"mean": (0.0, 0.0, 0.0)}, "mean has 3 entries; the input has 2 channel(s)"),
            ({"dt_s": np.inf}, "dt_s is inf"),
            ({"dt_s": np.nan}, "dt_s is nan"),
        ],
    )
    def test_header(self, header, text):
        found = faults(stack, (2,), replace(HEADER, **header), lif=lif())
        assert any(text in fault for fault in found)

    def test_shapes_that_do_not_fit(self):
        weights = {
            "fc": ir.Affine(weight=np.ones((2, 3))),
            "fc2": ir.Affine(weight=np.ones((2, 2))),
        }
        found = faults(wired, ["input fc lif fc2 output"], 4, input=(2,), lif=lif(), **weights)
        assert found == ("fc: weight (2, 3) takes (3,), got (2,)",)

    def test_a_sum_of_different_shapes(self):
        maps = {"a": ir.Affine(weight=np.ones((2, 2))), "b": ir.Affine(weight=np.ones((3, 2)))}
        edges = ["input a lif output", "input b lif"]
        (found,) = faults(wired, edges, 4, input=(2,), **maps, lif=lif())
        assert found.startswith("lif: its inputs are added but differ in shape")

    def test_scores_need_one_axis(self):
        (found,) = faults(stack, (1, 2, 2), 4, lif=lif())
        assert "put a Flatten before it" in found

    def test_first_spike_of_what_gives_none(self):
        (found,) = faults(stack, (2,), 4, readout="first", li=ir.LI(beta=1.0))
        assert found == "output: readout 'first' needs spikes, but li give none"

    def test_integers_and_floats_do_not_mix(self):
        found = faults(chain, lif=ir.FixedLIF(vth=1))
        assert "lif: a Graph cannot hold a FixedLIF, which computes in integer numbers" in found
        nodes = {"input": ir.FixedInput(shape=(2,), scale=1.0, high=1), "lif": lif()}
        found = faults(
            ir.Program.chain, replace(HEADER, mean=(0.5,)), {**nodes, "output": ir.Output()}
        )
        assert "lif: a Program cannot hold a LIF, which computes in float numbers" in found
        assert any("fold mean and std before lowering" in fault for fault in found)

    @pytest.mark.parametrize(
        ("node", "text"),
        [
            (ir.FixedLIF(vth=1 << 17), "vth spans 131072..131072; allowed is 0..131071"),
            (ir.FixedLIF(vth=1.5), "vth has dtype float64; a Program holds integers"),
            (ir.FixedLIF(vth=1, du=4096), "du spans 4096..4096"),
            (ir.FixedLIF(vth=1, du=-2), "du spans -2..-2"),
            (ir.FixedLIF(vth=1, dv=4097), "dv spans 4097..4097"),
            (ir.FixedLIF(vth=1, bias_mant=1 << 15), "bias_mant spans 32768..32768"),
            (ir.FixedLIF(vth=1, bias_exp=8), "bias_exp spans 8..8"),
            (ir.FixedDense(weight=np.ones((2, 2))), "weight has dtype float64"),
            (ir.FixedDense(weight=np.ones((2, 2), int), weight_bits=9), "weight_bits is 9"),
            (ir.FixedDense(weight=np.ones((2, 2), int), weight_exp=8), "weight_exp is 8"),
            (ir.FixedDense(weight=np.ones((2, 2), int), sign_mode="odd"), "sign_mode is 'odd'"),
            (ir.FixedDense(weight=np.ones((2, 2), int), message_bits=25), "message_bits is 25"),
            (ir.FixedDense(weight=np.ones((2, 2), int), storage="odd"), "storage is 'odd'"),
            (
                ir.FixedDelayDense(weight=np.ones((2, 2), int), delay=np.full((2, 2), 63)),
                "delay spans 63..63; allowed is 0..62",
            ),
            (
                ir.FixedDelayDense(weight=np.ones((2, 2), int), delay=np.zeros((2, 1), int)),
                "delay has shape (2, 1), weight (2, 2)",
            ),
            (ir.FixedTernaryLIF(vth_high=1, vth_low=2), "the lower threshold may not exceed"),
            (ir.FixedTernaryLIF(vth_high=1 << 17, vth_low=0), "vth_high spans 131072..131072"),
            (ir.FixedLIF(vth=1, reset_interval=-1), "reset_interval is -1"),
            (
                ir.FixedLIF(vth=1, reset_interval=3, reset_offset=3),
                "reset_offset is 3; allowed is 0..2",
            ),
            (ir.FixedConv2d(weight=np.ones((1, 1, 1, 1), int), bias=np.ones(1)), "bias is set"),
            (
                ir.FixedConv2d(weight=np.ones((128, 1, 1, 1), int), groups=128),
                "groups reach 128; they are 8-bit",
            ),
            (ir.FixedInput(shape=(2,), scale=np.inf, high=1), "scale is inf"),
            (ir.FixedInput(shape=(2,), scale=1.0, offset=np.nan, high=1), "offset is nan"),
            (ir.FixedInput(shape=(2,), scale=1.0, high=0), "range 0..0 is empty"),
        ],
    )
    def test_integer_nodes(self, node, text):
        nodes = {"input": ir.FixedInput(shape=(2,), scale=1.0, high=1), "odd": node}
        found = faults(ir.Program.chain, HEADER, {**nodes, "output": ir.Output()})
        assert any(fault.startswith("odd: ") and text in fault for fault in found)


class TestLoops:
    def loop(self, there, back):
        edges = ["input lif output", f"lif>{there} back>{back} lif"]
        return wired(edges, 4, input=(2,), lif=lif(), back=ir.Affine(weight=np.eye(2)))

    def test_without_delay(self):
        (found,) = faults(self.loop, 0, 0)
        assert found.startswith("loop without delay: ")
        assert "lif" in found
        assert "back" in found
        assert "give one of its edges a delay" in found

    @pytest.mark.parametrize("delays", [(1, 0), (0, 1), (2, 3)])
    def test_with_delay(self, delays):
        graph = self.loop(*delays)
        assert graph.recurrent
        assert graph.shapes["back"] == (2,)
        order = {name: at for at, name in enumerate(graph.order)}
        assert all(order[e.source] < order[e.target] for e in graph.edges if not e.delay)

    def test_of_one_node(self):
        found = faults(wired, ["input lif output", "lif lif"], 4, input=(2,), lif=lif())
        assert any(f.startswith("loop without delay") for f in found)
        assert wired(["input lif output", "lif>1 lif"], 4, input=(2,), lif=lif()).recurrent

    def test_a_delay_alone_is_no_loop(self):
        graph = wired(["input>3 lif output"], 4, input=(2,), lif=lif())
        assert not graph.recurrent
        assert graph.order == ("input", "lif", "output")
        assert graph.spiking == ("lif",)


def torch_shape(layer, shape):
    with torch.no_grad():
        return tuple(layer(torch.zeros(1, *shape)).shape[1:])


class TestShapes:
    """Against the layers of torch, over every combination that they take."""

    @pytest.mark.parametrize("groups", [1, 2])
    @pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 5), (4, 1)])
    @pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
    def test_conv2d(self, kernel, stride, groups):
        for padding in ((0, 0), (1, 2)):
            for dilation in ((1, 1), (2, 1), (1, 2)):
                options = {"stride": stride, "padding": padding, "dilation": dilation}
                layer = nn.Conv2d(4, 6, kernel, groups=groups, **options)
                node = ir.Conv2d(weight=layer.weight.detach().numpy(), groups=groups, **options)
                for shape in ((4, 9, 11), (4, 8, 10), (4, 12, 9)):
                    assert node.output_shape(shape) == torch_shape(layer, shape)

    @pytest.mark.parametrize("groups", [1, 2])
    def test_conv1d(self, groups):
        for kernel, stride, padding, dilation in ((1, 1, 0, 1), (3, 2, 1, 2), (5, 3, 4, 1)):
            options = {"stride": (stride,), "padding": (padding,), "dilation": (dilation,)}
            layer = nn.Conv1d(2, 4, kernel, groups=groups, **options)
            node = ir.Conv1d(weight=layer.weight.detach().numpy(), groups=groups, **options)
            for length in (8, 9, 10):
                assert node.output_shape((2, length)) == torch_shape(layer, (2, length))

    @pytest.mark.parametrize("op", ["avg", "sum", "max"])
    def test_pool2d(self, op):
        kind = nn.MaxPool2d if op == "max" else nn.AvgPool2d
        for kernel, stride, padding in (((2, 2), (2, 2), (0, 0)), ((3, 2), (2, 1), (1, 1))):
            layer = kind(kernel, stride, padding)
            node = ir.Pool2d(op=op, kernel=kernel, stride=stride, padding=padding)
            for shape in ((3, 7, 6), (3, 8, 5)):  # incomplete windows are left out, as by default
                assert node.output_shape(shape) == torch_shape(layer, shape)

    def test_the_rest(self):
        assert ir.Affine(weight=np.ones((5, 3))).output_shape((3,)) == (5,)
        assert ir.Flatten().output_shape((3, 4, 5)) == torch_shape(nn.Flatten(), (3, 4, 5)) == (60,)
        norm = ir.BatchNorm(mean=np.zeros(3), var=np.ones(3), scale=np.ones(3), shift=np.zeros(3))
        assert norm.output_shape((3, 4, 5)) == (3, 4, 5)
        assert lif().output_shape((3, 4)) == (3, 4)

    @pytest.mark.parametrize(
        ("node", "shape", "text"),
        [
            (conv(), (2, 2, 9), "exceeds the padded input"),
            (conv(dilation=(4, 1)), (2, 8, 8), "exceeds the padded input"),
            (conv(), (3, 9, 9), "takes (2, H, W), got (3, 9, 9)"),
            (conv(), (2, 9), "takes (2, H, W)"),
            (conv(weight=np.ones((4, 1, 3, 3)), groups=2), (1, 9, 9), "takes (2, H, W)"),
            (ir.Conv1d(weight=np.ones((1, 2, 3))), (1, 9), "takes (2, L)"),
            (ir.Pool2d(op="avg", kernel=(3, 3), stride=(1, 1)), (1, 2, 3), "exceeds"),
            (ir.Pool2d(op="avg", kernel=(3, 3), stride=(1, 1)), (9,), "takes (C, H, W)"),
            (ir.BatchNorm(mean=[0], var=[1], scale=[1], shift=[0]), (2, 3), "1,) channels"),
            (ir.Affine(weight=np.ones((5, 3))), (3, 1), "takes (3,), got (3, 1)"),
        ],
    )
    def test_refused(self, node, shape, text):
        with pytest.raises(ShapeError) as caught:
            node.output_shape(shape)
        assert text in str(caught.value)


class TestArrays:
    def test_are_copies_that_cannot_be_written(self):
        mine = np.ones((2, 2))
        node = ir.Affine(weight=mine, bias=[1, 2])
        mine[0, 0] = 7
        assert node.weight[0, 0] == 1
        for value in node.arrays().values():
            with pytest.raises(ValueError, match="read-only"):
                value[...] = 0
        with pytest.raises(AttributeError):
            node.weight = mine
        with pytest.raises(TypeError):
            chain(lif=lif()).nodes["lif"] = lif()

    def test_are_in_order_and_in_the_machines_byte_order(self):
        node = ir.Affine(weight=np.asfortranarray(np.arange(6.0).reshape(2, 3)).astype(">f8"))
        assert node.weight.flags.c_contiguous
        assert node.weight.dtype == np.float64
        assert node.weight.dtype.isnative
        assert node.weight.tolist() == [[0, 1, 2], [3, 4, 5]]

    def test_keep_their_type(self):
        for kind in (np.float16, np.float32, np.float64, np.int8, np.int64):
            assert lif(beta=np.array(1, kind)).beta.dtype == kind


class TestHash:
    def base(self, **changes):
        nodes = {
            "conv": ir.Conv2d(weight=np.arange(8.0).reshape(2, 1, 2, 2), groups=2),
            "lif": lif(),
            "fc": ir.Affine(weight=np.ones((2, 8)), bias=np.zeros(2)),
            "li": ir.LI(beta=1.0),
            "output": ir.Output(readout="last"),
        }
        header = replace(HEADER, **changes.pop("header", {}))
        delays = changes.pop("delays", {})
        names = ("input", "conv", "lif", "flat", "fc", "li", "output")
        edges = " ".join(f"{name}>{delays.get(name, 0)}" for name in names)
        return wired([edges], header, input=(2, 3, 3), **nodes | changes).content_hash

    def test_ignores_name_and_origin(self):
        assert self.base(header={"name": "x", "provenance": {"a": "b"}}) == self.base()

    def test_of_equal_values_in_other_clothes(self):
        assert self.base(header={"steps": np.int64(4)}) == self.base()
        swapped = np.ones((2, 8)).astype(">f8")
        assert self.base(fc=ir.Affine(weight=swapped, bias=np.zeros(2))) == self.base()

    @pytest.mark.parametrize(
        "change",
        [
            {"conv": ir.Conv2d(weight=np.arange(8.0).reshape(2, 1, 2, 2) + 1e-15, groups=2)},
            {"conv": ir.Conv2d(weight=np.arange(8, dtype="f4").reshape(2, 1, 2, 2), groups=2)},
            {
                "conv": ir.Conv2d(
                    weight=np.arange(8.0).reshape(2, 1, 2, 2), bias=np.zeros(2), groups=2
                )
            },
            {"lif": lif(compare=">=")},
            {"lif": lif(refractory=1)},
            {"lif": lif(reset_value=0.0)},
            {"lif": lif(beta=np.array([0.5]))},
            {"lif": lif(v_init=1e-300)},
            {"lif": lif(v_init=-0.0)},
            {"lif": lif(v_init=0)},  # the same bytes in another type
            {"fc": ir.Affine(weight=np.ones((2, 8)))},
            {"fc": ir.Affine(weight=np.ones((2, 8)), bias=np.array([0, 1e-9]))},
            {"li": ir.LI(beta=1.0, gain_in=2.0)},
            {"output": ir.Output(readout="mean")},
            {"delays": {"lif": 1}},
            {"delays": {"input": 1}},
            {"header": {"dt_s": 2e-3}},
            {"header": {"steps": 5}},
            {"header": {"coding": "events"}},
            {"header": {"bounds": (0.0, 2.0)}},
            {"header": {"levels": 256}},
            {"header": {"mean": (0.5,)}},
            {"header": {"std": (0.5,)}},
            {"header": {"classes": ("a", "b")}},
        ],
        ids=str,
    )
    def test_sees_everything_else(self, change):
        assert self.base(**change) != self.base()

    def test_sees_geometry(self):
        def hashed(**geometry):
            return stack((2, 5, 5), 4, conv=conv(**geometry), flat=ir.Flatten()).content_hash

        plain = hashed()
        for geometry in ({"stride": (1, 2)}, {"padding": (0, 1)}, {"dilation": (2, 1)}):
            assert hashed(**geometry) != plain

    def test_sees_how_edges_run(self):
        def hashed(*more):
            edges = ["input a", "b lif output", *more]
            return wired(edges, 4, input=(2,), a=lif(), b=lif(), lif=lif()).content_hash

        chained, parallel = hashed("a b"), hashed("input b", "a lif")
        assert chained != parallel
        assert hashed("a b", "a lif") not in (chained, parallel)
        assert hashed("a lif", "a b") == hashed("a b", "a lif")


class TestOrder:
    """Only what closes a loop is left out of the order."""

    @pytest.mark.parametrize(
        ("nodes", "edges", "order"),
        [
            ("end behind b a in", "behind end, in a b, b>1 a, b>3 behind", "in a b behind end"),
            ("d c a", "d>1 c d, a>2 c, a>1 a", "a c d"),
        ],
        ids=["a delayed edge out of a loop still orders", "two loops in a row"],
    )
    def test_by_hand(self, nodes, edges, order):
        found = topological_order(nodes.split(), edges_of(edges.split(", ")))
        assert found == tuple(order.split())

    def test_an_undelayed_loop_is_named_alone(self):
        edges = edges_of(["a b a", "b>1 c>1 b"])
        assert set(undelayed_cycle(["a", "b", "c"], edges)) == {"a", "b"}
