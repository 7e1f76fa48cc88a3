"""Pools, merges and copies of maps: the same function as before, against torch and by spikes."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorobust import backends, ir
from neurorobust.backends import get_backend
from neurorobust.chips import load_profile
from neurorobust.data import Stimulus
from neurorobust.errors import LowerError
from neurorobust.lower import lower
from neurorobust.lower.log import Log
from neurorobust.lower.passes import compose as composing
from neurorobust.lower.passes import fold_batch_norm, one_synapse, pool_to_conv
from neurorobust.lower.passes.compose import NoSingleMapError, applied, compose
from neurorobust.lower.passes.pool_to_conv import regrouped
from neurorobust.lower.pipeline import PASSES
from neurorobust.testing.random_networks import random_graph
from tests.support.helpers import require_backend
from tests.support.lowering_oracle import run
from tests.support.networks import stack, wired

LOIHI2 = load_profile("loihi2").profile
fast = settings(derandomize=True, max_examples=150, deadline=None)


@st.composite
def geometries(draw):
    """Kernel, stride, padding and dilation of one axis."""
    kernel = draw(st.integers(1, 3))
    return (kernel, draw(st.integers(1, 3)), draw(st.integers(0, 2)), draw(st.integers(1, 2)))


@st.composite
def pairs(draw):
    """Two convolutions in a row, of whole numbers, and the size of their input."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    channels = 4
    size = (draw(st.integers(5, 10)), draw(st.integers(5, 10)))
    convs = []
    for _ in range(2):
        axes = [draw(geometries()) for _ in range(2)]
        kernel, stride, padding, dilation = zip(*axes, strict=True)
        groups = draw(st.sampled_from([1, 2, 4]))
        weight = rng.integers(-4, 5, (channels, channels // groups, *kernel)).astype(float)
        weight[weight == 0] = 1.0
        convs.append(
            ir.Conv2d(
                weight=weight, stride=stride, padding=padding, dilation=dilation, groups=groups
            )
        )
    return (channels, *size), convs


def by_torch(conv, x):
    return F.conv2d(
        x, torch.tensor(conv.weight), None, conv.stride, conv.padding, conv.dilation, conv.groups
    )


class TestCompose:
    @given(pairs())
    @fast
    def test_two_convolutions_are_one_or_refused(self, drawn):
        shape, (first, second) = drawn
        x = torch.tensor(np.random.default_rng(0).integers(-8, 9, (2, *shape)).astype(float))
        try:
            middle = by_torch(first, x)
            wanted = by_torch(second, middle)
        except RuntimeError:  # the kernel exceeds what is left of the image
            return
        between = tuple(middle.shape[1:])
        try:
            whole = compose(first, second, shape, between)
        except NoSingleMapError:
            # The formula without its condition gives something else, where nothing cancels.
            first, second = (replace(c, weight=np.ones_like(c.weight)) for c in (first, second))
            with patch.object(composing, "_require_zeros_where_padded"):
                whole = compose(first, second, shape, between)
            x = torch.ones_like(x)
            assert not torch.equal(by_torch(whole, x), by_torch(second, by_torch(first, x)))
            return
        assert torch.equal(by_torch(whole, x), wanted)

    @given(pairs())
    @fast
    def test_a_matrix_behind_a_convolution(self, drawn):
        shape, (conv, _) = drawn
        rng = np.random.default_rng(1)
        x = torch.tensor(rng.integers(-8, 9, (2, *shape)).astype(float))
        image = by_torch(conv, x)
        weight = rng.integers(-4, 5, (3, image[0].numel())).astype(float)
        whole = compose(conv, ir.Affine(weight=weight), shape, tuple(image.shape[1:]))
        wanted = image.flatten(1) @ torch.tensor(weight).T
        assert torch.equal(x.flatten(1) @ torch.tensor(whole.weight).T, wanted)

    @pytest.mark.parametrize("groups", [1, 2, 4])
    def test_a_norm_on_either_side_of_a_convolution(self, groups):
        rng = np.random.default_rng(2)
        draw = rng.uniform(0.5, 2, (4, 4))
        norm = ir.BatchNorm(mean=draw[0], var=draw[1], scale=draw[2], shift=draw[3])
        conv = ir.Conv2d(
            weight=rng.normal(size=(4, 4 // groups, 3, 3)), padding=(1, 1), groups=groups
        )
        image = rng.normal(size=(4, 6, 6))
        for first, second in ((norm, conv), (conv, norm)):
            whole = compose(first, second, (4, 6, 6), (4, 6, 6))
            wanted = applied(second, applied(first, image))
            assert np.allclose(applied(whole, image), wanted, rtol=0, atol=1e-12)

    @given(st.sampled_from([(6, 3), (6, 2), (6, 1), (4, 2), (12, 4)]), st.integers(1, 3))
    @settings(derandomize=True, max_examples=20)
    def test_fewer_groups_are_the_same_map(self, groups, each):
        many, fewer = groups
        rng = np.random.default_rng(3)
        weight = rng.integers(-9, 9, (many * 2, each, 2, 2)).astype(float)
        x = torch.tensor(rng.integers(-9, 9, (1, many * each, 4, 4)).astype(float))
        wanted = F.conv2d(x, torch.tensor(weight), groups=many)
        wide = regrouped(weight, many, fewer)
        assert torch.equal(F.conv2d(x, torch.tensor(wide), groups=fewer), wanted)


class TestPools:
    def model(self, shape, op, kernel=(2, 2), stride=(2, 2), padding=(0, 0)):
        pool = ir.Pool2d(op=op, kernel=kernel, stride=stride, padding=padding)
        lif = ir.LIF(beta=0.5, threshold=1.0)
        return wired(["input pool lif flat output"], input=shape, pool=pool, lif=lif)

    @pytest.mark.parametrize("op", ["avg", "sum"])
    @pytest.mark.parametrize(
        ("size", "kernel", "stride", "padding"),
        [
            ((6, 6), (2, 2), (2, 2), (0, 0)),
            ((7, 5), (2, 2), (2, 2), (0, 0)),
            ((7, 6), (3, 2), (1, 2), (1, 0)),
            ((5, 5), (2, 3), (2, 1), (1, 1)),
        ],
    )
    def test_is_what_torch_pools(self, op, size, kernel, stride, padding):
        x = np.random.default_rng(0).normal(size=(3, *size))
        conv = pool_to_conv(self.model(x.shape, op, kernel, stride, padding)).nodes["pool"]
        assert conv.groups == 3
        divisor = 1 if op == "sum" else None
        image = torch.tensor(x)[None]
        wanted = F.avg_pool2d(image, kernel, stride, padding, divisor_override=divisor)
        assert np.allclose(applied(conv, x), wanted[0].numpy(), rtol=0, atol=1e-14)

    @pytest.mark.parametrize(("channels", "groups"), [(127, 127), (128, 64), (131, 1), (254, 127)])
    def test_groups_stay_within_seven_bits(self, channels, groups):
        conv = pool_to_conv(self.model((channels, 4, 4), "sum")).nodes["pool"]
        assert conv.groups == groups
        x = np.random.default_rng(1).integers(0, 9, (channels, 4, 4)).astype(float)
        wanted = x.reshape(channels, 2, 2, 2, 2).sum((2, 4))
        assert np.array_equal(applied(conv, x), wanted)

    def test_the_largest_of_a_window_is_refused(self):
        with pytest.raises(LowerError, match=r"pool: takes a maximum, .* LIF with beta 0"):
            pool_to_conv(self.model((1, 4, 4), "max"))

    def test_what_the_refusal_of_a_maximum_proposes_is_the_same(self):
        rng = np.random.default_rng(2)
        base = {
            "input": (2, 5, 5),
            "conv": ir.Conv2d(weight=rng.normal(size=(3, 2, 2, 2))),
            "lif": ir.LIF(beta=0.5, threshold=0.3),
            "fc": ir.Affine(weight=rng.normal(size=(4, 12))),
            "out": ir.LIF(beta=0.5, threshold=0.5),
        }
        pool = ir.Pool2d(op="max", kernel=(2, 2), stride=(2, 2))
        any_fires = {
            "ones": ir.Conv2d(weight=np.ones((3, 1, 2, 2)), stride=(2, 2), groups=3),
            "any": ir.LIF(beta=0.0, threshold=0.0),
        }
        first = wired(["input conv lif pool flat fc out output"], **base, pool=pool)
        second = wired(["input conv lif ones any flat fc out output"], **base, **any_fires)
        values = rng.uniform(-1, 1, (6, 6, 2, 5, 5))
        assert np.array_equal(run(first, values).spikes["out"], run(second, values).spikes["out"])


def spiking(values, before, after):
    """Spikes of both networks, and that there are some."""
    first, second = run(before, values), run(after, values)
    for name, spikes in second.spikes.items():
        assert np.array_equal(first.spikes[name], spikes), name
    assert np.array_equal(first.scores, second.scores)
    return first


class TestOneSynapse:
    def nodes(self, rng, size=6, **extra):
        """Whole numbers, so that sums are exact and ties are common."""

        def whole(*shape):
            return rng.integers(-3, 5, shape).astype(float)

        return {
            "input": (2, size, size),
            "conv": ir.Conv2d(weight=whole(4, 2, 1, 1), bias=whole(4)),
            "pool": ir.Pool2d(op="sum", kernel=(2, 2), stride=(2, 2)),
            "conv2": ir.Conv2d(weight=whole(4, 4, 3, 3), padding=(1, 1)),
            "lif": ir.LIF(beta=0.5, threshold=20.0),
            "fc": ir.Affine(weight=whole(5, 4 * (size // 2) ** 2), bias=whole(5)),
            "fc2": ir.Affine(weight=whole(3, 5), bias=whole(3)),
            "out": ir.LIF(beta=0.5, threshold=4.0),
        } | extra

    def values(self, rng, size=6):
        return rng.integers(0, 3, (6, 6, 2, size, size)).astype(float)

    def test_chains_become_one(self):
        rng = np.random.default_rng(0)
        before = wired(["input conv pool conv2 lif flat fc fc2 out output"], **self.nodes(rng))
        after = one_synapse(pool_to_conv(before))
        assert [n for n, _ in after.of_kind(ir.Conv2d)] == ["conv2"]
        assert [n for n, _ in after.of_kind(ir.Affine)] == ["fc2"]
        conv = after.nodes["conv2"]
        assert (conv.weight.shape, conv.stride, conv.padding) == ((4, 2, 6, 6), (2, 2), (2, 2))
        assert after.nodes["lif"].bias.shape == (4, 3, 3), "the bias meets padding"
        assert spiking(self.values(rng), before, after).spikes["lif"].any()

    @pytest.mark.parametrize("target", [ir.LIF(beta=0.5, threshold=20.0, alpha=0.5), "delay"])
    def test_a_bias_without_a_place(self, target):
        rng = np.random.default_rng(0)
        nodes, wait = self.nodes(rng), ">1" if target == "delay" else ""
        if target != "delay":
            nodes["lif"] = target
        edges = [f"input conv pool conv2{wait} lif flat fc fc2 out output"]
        with pytest.raises(LowerError, match=r"conv2: pads a bias of .* 'lif' has no place"):
            one_synapse(pool_to_conv(wired(edges, **nodes)))

    @pytest.mark.parametrize("size", [5, 7])
    def test_a_pool_that_does_not_tile(self, size):
        rng = np.random.default_rng(0)
        nodes = self.nodes(rng, size) | {"pool": ir.Pool2d(op="sum", kernel=(2, 2), stride=(2, 2))}
        edges = ["input pool conv2 lif flat fc fc2 out output"]
        nodes["conv2"] = ir.Conv2d(weight=nodes["conv2"].weight[:, :2], padding=(1, 1))
        del nodes["conv"]
        padded = pool_to_conv(wired(edges, **nodes))
        with pytest.raises(LowerError, match=rf"conv2: cannot .* see the input \(height {size}\)"):
            one_synapse(padded)
        nodes["conv2"] = ir.Conv2d(weight=nodes["conv2"].weight[:, :, 1:2, 1:2])
        before = wired(edges, **nodes)
        after = one_synapse(pool_to_conv(before))
        assert "pool" not in after.nodes
        spiking(self.values(rng, size), before, after)

    def test_convolution_pool_matrix(self):
        rng = np.random.default_rng(4)
        nodes = self.nodes(rng)
        nodes["pool2"] = ir.Pool2d(op="avg", kernel=(2, 2), stride=(1, 1))
        nodes["fc"] = ir.Affine(weight=rng.integers(-3, 5, (5, 16)).astype(float))
        before = wired(
            ["input conv pool lif pool2 flat fc out output"],
            **{n: nodes[n] for n in ("input", "conv", "pool", "lif", "pool2", "fc")}
            | {"out": ir.LIF(beta=1.0, threshold=3.0)},
        )
        after = one_synapse(pool_to_conv(before))
        assert set(before.nodes) - set(after.nodes) == {"pool", "pool2"}
        assert after.nodes["fc"].weight.shape == (5, 36)
        assert spiking(self.values(rng), before, after).spikes["out"].any()

    def test_sums_and_several_readers_are_copied(self):
        rng = np.random.default_rng(5)

        def whole(*shape):
            return rng.integers(-2, 3, shape).astype(float)

        nodes = {
            "input": (4,),
            "a": ir.Affine(weight=whole(4, 4)),
            "la": ir.LIF(beta=0.5, threshold=1.0),
            "b": ir.Affine(weight=whole(4, 4), bias=whole(4)),
            "both": ir.Affine(weight=whole(4, 4), bias=whole(4)),
            "lb": ir.LIF(beta=0.5, threshold=1.0),
            "lc": ir.LIF(beta=1.0, threshold=2.0),
            "d": ir.Affine(weight=whole(2, 4)),
            "out": ir.LIF(beta=0.5, threshold=1.0),
        }
        # `b` reads a sum and feeds `both`, which two populations read, one of them later.
        edges = ["input a la b both lb d out output", "input b", "both>2 lc d", "la>1 both"]
        nodes["both"] = ir.Affine(weight=nodes["both"].weight)
        before = wired(edges, **nodes)
        after = one_synapse(before)
        for name, _ in after.of_kind(ir.Affine):
            assert len(after.incoming(name)) == len(after.outgoing(name)) == 1
        values = rng.integers(0, 2, (8, 6, 4)).astype(float)
        assert spiking(values, before, after).spikes["lc"].any()

    def test_a_bias_is_not_moved_over_a_delay(self):
        nodes = {n: ir.Affine(weight=np.eye(2), bias=np.ones(2)) for n in ("a", "b")}
        nodes |= {"input": (2,), "n": ir.LIF(beta=1.0, threshold=1.0)}
        model = wired(["input a>1 b n output"], **nodes, output=ir.Output())
        with pytest.raises(LowerError, match="b: delays the bias of 'a'; put the delay before"):
            one_synapse(model)
        nodes["a"] = ir.Affine(weight=2 * np.eye(2))
        before = wired(["input a>1 b n output"], **nodes, output=ir.Output())
        after = one_synapse(before)
        assert ir.Edge("input", "b", 1) in after.edges
        spiking(np.random.default_rng(0).integers(0, 2, (4, 6, 2)) / 4, before, after)

    def test_a_norm_alone_or_before_a_map(self):
        rng = np.random.default_rng(6)
        norm = ir.BatchNorm(
            mean=np.array([0.5, -1.0]), var=np.array([3.0, 0.0]), scale=np.array([2.0, 0.5]),
            shift=np.array([1.0, -1.0]), eps=1.0,
        )  # fmt: skip
        nodes = {
            "input": (2, 4, 4),
            "norm": norm,
            "lif": ir.LIF(beta=0.5, threshold=1.0),
            "norm2": norm,
            "conv": ir.Conv2d(weight=rng.integers(-3, 4, (3, 2, 3, 3)) * 1.0, padding=(1, 1)),
            "lif2": ir.LIF(beta=0.5, threshold=1.0),
        }
        before = wired(["input norm lif norm2 conv lif2 flat output"], **nodes)
        after = one_synapse(fold_batch_norm(before))
        assert not list(after.of_kind(ir.BatchNorm))
        assert after.nodes["norm"].groups == 2
        values = rng.integers(0, 3, (5, 6, 2, 4, 4)).astype(float)
        assert spiking(values, before, after).spikes["lif2"].any()

    def chained(self, rng, names):
        nodes = self.nodes(rng)
        return wired([names], **{n: nodes[n] for n in names.split() if n in nodes})

    def test_a_map_that_is_read_out(self):
        rng = np.random.default_rng(7)
        before = self.chained(rng, "input conv pool lif flat fc output")
        after = one_synapse(pool_to_conv(before))
        assert isinstance(after.nodes["readout"], ir.LI)
        values = self.values(rng)
        first, second = (run(model, values) for model in (before, after))
        assert np.array_equal(first.scores, second.scores)
        assert isinstance(lower(before, LOIHI2), ir.Program)

    def test_a_loop_without_neurons(self):
        nodes = {n: ir.Affine(weight=np.eye(2)) for n in ("a", "b")}
        nodes |= {"input": (2,), "n": ir.LIF(beta=1.0, threshold=1.0)}
        model = wired(["input a n output", "a>1 b a"], **nodes, output=ir.Output())
        with pytest.raises(LowerError, match="lies in a loop without neurons"):
            one_synapse(model)

    def test_what_has_this_form_is_left_alone(self):
        model = self.chained(np.random.default_rng(8), "input conv lif flat output")
        assert one_synapse(pool_to_conv(model)) is model


def test_random_networks_fire_alike_after_all_passes():
    """On a binary grid every sum is exact, so that nothing may differ."""
    avoid = ("Pool2d max", "LIF several spikes per step", "LI initial state")
    torch_backend, kept, fired = get_backend("torch"), 0, 0
    for seed in range(250):
        rng = np.random.default_rng(seed)
        before = random_graph(rng, avoid=avoid, grid=True)
        after, log = before, Log()
        for change in PASSES:
            after = change(after, log)
        if log.refused:
            continue
        kept += 1
        steps = before.header.steps
        values = rng.integers(-4, 9, (3, steps, *before.input_shape)) / 4
        stimulus = Stimulus(values[:, :1] if before.header.coding == "direct" else values, steps)
        first, second = (
            backends.run(model, stimulus, backend=torch_backend, record=("spikes",))
            for model in (before, after)
        )
        for name, spikes in second.spikes.items():
            assert np.array_equal(first.spikes[name], spikes), (seed, name)
            fired += int(spikes.sum())
        assert np.array_equal(first.scores, second.scores), seed
    assert kept > 60
    assert fired > 5_000


BACKENDS = ["torch", pytest.param("lava", marks=[pytest.mark.lava, pytest.mark.slow])]


@pytest.mark.parametrize("name", BACKENDS)
def test_lowered_networks_with_pools_agree_between_the_backends(request, name):
    backend = require_backend(request, name)
    rng = np.random.default_rng(11)
    model = stack(
        (2, 8, 8),
        ir.Header(dt_s=1e-3, steps=6, levels=16),
        conv=ir.Conv2d(weight=rng.normal(size=(6, 2, 3, 3)), padding=(1, 1)),
        pool=ir.Pool2d(op="avg", kernel=(2, 2), stride=(2, 2)),
        lif=ir.LIF(beta=0.75, threshold=0.5),
        pool2=ir.Pool2d(op="avg", kernel=(2, 2), stride=(2, 2)),
        conv2=ir.Conv2d(weight=rng.normal(size=(8, 6, 3, 3)) / 2, padding=(1, 1)),
        lif2=ir.LIF(beta=0.75, threshold=0.5),
        flat=ir.Flatten(),
        fc=ir.Affine(weight=rng.normal(size=(4, 32)) / 4),
        li=ir.LI(beta=1.0),
    )
    program = lower(model, LOIHI2)
    assert isinstance(program, ir.Program)
    assert [name for name, _ in program.of_kind(ir.Conv2d)] == ["conv", "conv2"]
    kernel = program.nodes["conv2"].weight
    assert kernel.shape == (8, 6, 6, 6)
    for y in range(0, 6, 2):  # an average in front repeats each weight over its window
        for x in range(0, 6, 2):
            assert (kernel[:, :, y : y + 2, x : x + 2] == kernel[:, :, y : y + 1, x : x + 1]).all()
    values = rng.integers(0, 16, (20, 1, 2, 8, 8)) / 15
    exact, golden = run(model, values), run(program, values)
    assert exact.spikes["lif2"].mean() > 0.05
    for layer in ("lif", "lif2"):
        assert (exact.spikes[layer] != golden.spikes[layer]).mean() < 0.02
    agrees(backend, program, values, golden)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_pool_of_very_many_channels_is_not_silent(request, name):
    backend = require_backend(request, name)
    model = stack(
        (128, 4, 4),
        ir.Header(dt_s=1e-3, steps=4, levels=2),
        pool=ir.Pool2d(op="sum", kernel=(2, 2), stride=(2, 2)),
        lif=ir.LIF(beta=0.5, threshold=1.2),
        flat=ir.Flatten(),
    )
    program = lower(model, LOIHI2)
    assert program.nodes["pool"].groups == 64
    values = np.random.default_rng(0).integers(0, 2, (6, 1, 128, 4, 4)).astype(float)
    exact, golden = run(model, values), run(program, values)
    assert np.array_equal(exact.spikes["lif"], golden.spikes["lif"])
    assert 0.2 < golden.spikes["lif"].mean() < 0.9
    agrees(backend, program, values, golden)


def agrees(backend, program, values, golden):
    """Every spike and score of a backend is that of the reference."""
    result = backends.run(
        program, Stimulus(values, program.header.steps), backend=backend, record=("spikes",)
    )
    for layer, spikes in golden.spikes.items():
        assert np.array_equal(result.spikes[layer], spikes)
    assert np.array_equal(result.scores, golden.scores)
