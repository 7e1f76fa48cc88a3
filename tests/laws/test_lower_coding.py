"""Parts on the host: what the chip receives, by hand, and the same on every backend."""

from dataclasses import replace

import numpy as np
import pytest

from neurorobust import ir
from neurorobust.backends import compiled, get_backend
from neurorobust.chips import load_profile
from neurorobust.data import Stimulus, encode
from neurorobust.engine.host import sent
from neurorobust.errors import InvalidInput, LowerError, Unsupported
from neurorobust.lower import lower
from neurorobust.lower.ranges import host_range
from tests.support.helpers import require_backend
from tests.support.lowering_oracle import dense, run
from tests.support.networks import stack, wired

LOIHI2 = load_profile("loihi2").profile
LOIHI1 = load_profile("loihi1").profile
EXACT = ["torch", "reference", pytest.param("lava", marks=[pytest.mark.lava, pytest.mark.slow])]


def image_net(rng, **first):
    """Normalised images, a batch norm and a maximum before the first neurons."""
    return stack(
        (2, 6, 6),
        ir.Header(dt_s=1e-3, steps=6, levels=256, mean=(0.4, 0.5), std=(0.2, 0.3)),
        conv=ir.Conv2d(
            weight=rng.normal(size=(4, 2, 3, 3)), bias=rng.normal(size=4), padding=(1, 1)
        ),
        norm=ir.BatchNorm(
            mean=rng.normal(size=4), var=rng.uniform(1, 4, 4), scale=np.ones(4), shift=np.zeros(4)
        ),
        pool=ir.Pool2d(op="max", kernel=(2, 2), stride=(2, 2)),
        lif=ir.LIF(**{"beta": 0.75, "threshold": 1.0} | first),
        conv2=ir.Conv2d(weight=rng.normal(size=(5, 4, 2, 2)) / 2),
        lif2=ir.LIF(beta=0.75, threshold=0.5),
        flat=ir.Flatten(),
        fc=ir.Affine(weight=rng.normal(size=(3, 20)) / 3),
        li=ir.LI(beta=1.0),
    )


def pixels(rng, count=12):
    return rng.integers(0, 256, (count, 2, 6, 6)) / 255


class TestConstantCurrent:
    def test_the_mantissa_by_hand(self):
        """Weights that sum to 4095 and a whole threshold: a scale of 1, and nothing is rounded."""
        weight = np.array([[4000.0, 95.0, 0.0], [100.0, -50.0, -200.0]])
        nodes = {"input": (3,), "fc": ir.Affine(weight=weight)}
        nodes |= {"n": ir.LIF(beta=0.5, threshold=300.0)}
        model = wired(["input fc n output"], ir.Header(dt_s=1e-3, steps=9), **nodes)
        program = lower(model, LOIHI2, input_coding="bias")
        source, neuron = program.nodes[program.input], program.nodes["n"]
        assert (source.scale, source.low, source.high) == (1.0, -4095, 4095)
        assert (neuron.vth, neuron.du, neuron.dv) == (300, 4095, 2048)
        assert program.report[0]["limited_by"] == "input current"
        values = np.random.default_rng(0).integers(0, 2, (16, 1, 3)).astype(float)
        values[0] = 1.0
        first = run(program, values).membrane["n"][:, 0]
        assert np.array_equal(first, 64 * (values[:, 0] @ weight.T))
        assert np.array_equal(run(program, values).spikes["n"], run(model, values).spikes["n"])

    @pytest.mark.parametrize("kind", ["fires", "reads out"])
    def test_gain_bias_and_reset_are_part_of_the_current(self, kind):
        rng = np.random.default_rng(1)
        changes = {"gain_in": rng.uniform(0.5, 2, (4, 3, 3)), "bias": rng.normal(size=(4, 1, 1))}
        if kind == "fires":
            changes |= {"gain_syn": 1.5, "reset_value": -0.25, "v_init": -0.25}
        model = image_net(rng, **changes) if kind == "fires" else None
        if model is None:
            nodes = {"input": (4,), "fc": ir.Affine(weight=rng.normal(size=(3, 4)))}
            changes = {"gain_in": np.array([0.5, 1.0, 2.0]), "bias": rng.normal(size=3)}
            nodes |= {"li": ir.LI(beta=0.5, **changes), "output": ir.Output(readout="last")}
            model = wired(["input fc li output"], ir.Header(dt_s=1e-3, steps=6), **nodes)
        program = lower(model, LOIHI2, input_coding="bias")
        name = "lif" if kind == "fires" else "li"
        values = pixels(rng)[:, None] if kind == "fires" else rng.uniform(0, 1, (12, 1, 4))
        exact, got = run(model, values), run(program, values)
        assert not program.nodes[name].bias_mant.any() or kind == "fires"
        scale = program.report[0]["scale"]
        shift = -0.25 if kind == "fires" else 0.0
        # One rounding to half a mantissa step, before any reset.
        error = got.membrane[name][:, 0] / (64 * scale) + shift - exact.membrane[name][:, 0]
        assert np.abs(error).max() <= 0.5 / scale * (1 + 1e-9)
        if kind == "fires":
            assert (exact.spikes["lif"] != got.spikes["lif"]).mean() < 0.02
            assert 0.05 < exact.spikes["lif2"].mean() < 0.95
        else:
            assert np.abs(exact.scores - got.scores).max() < 6 / scale

    def test_the_host_is_part_of_the_file(self, tmp_path):
        model = image_net(np.random.default_rng(2))
        program = lower(model, LOIHI2, input_coding="bias")
        again = ir.load_model(ir.save_model(program, tmp_path / "p.safetensors"), ir.Program)
        assert again.content_hash == program.content_hash
        assert again.host.content_hash == program.host.content_hash
        assert again.input_shape == (2, 6, 6)
        assert again.header.mean == ()
        assert again.host.header.mean == (0.4, 0.5)

    def test_ends_of_the_current(self):
        """No input goes beyond them, and for a single map some input reaches them."""
        rng = np.random.default_rng(3)
        host = lower(image_net(rng), LOIHI2, input_coding="bias").host
        low, high = host_range(host)
        stimulus = Stimulus(pixels(rng, 300)[:, None], 6)
        given = sent(host, (len(low),), stimulus).values[:, 0]
        assert (given >= low).all()
        assert (given <= high).all()
        weight = rng.normal(size=(5, 8))
        model = dense(
            weight, bias=rng.normal(size=5), header={"bounds": (-0.5, 2.0), "levels": None}
        )
        host = lower(model, LOIHI2, input_coding="bias").host
        low, high = host_range(host)
        worst = np.concatenate([np.where(weight > 0, 2.0, -0.5), np.where(weight > 0, -0.5, 2.0)])
        given = sent(host, (5,), Stimulus(worst[:, None], 4)).values[:, 0]
        assert np.allclose(np.diag(given[:5]), high, rtol=0, atol=1e-12)
        assert np.allclose(np.diag(given[5:]), low, rtol=0, atol=1e-12)

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"header": {"coding": "events"}}, "stays the same in every step, coding 'direct'"),
            ({"alpha": 0.5}, "without synaptic current"),
        ],
    )
    def test_refusals(self, change, text):
        model = dense([[1.0]], **change)
        with pytest.raises(LowerError, match=rf"n: a constant current needs .*{text}"):
            lower(model, LOIHI2, input_coding="bias")

    def test_wiring_that_has_no_cut(self):
        nodes = {"input": (2,)}
        nodes |= {n: ir.Affine(weight=np.eye(2)) for n in ("a", "b", "c", "d")}
        nodes |= {n: ir.LIF(beta=0.5, threshold=0.5) for n in ("la", "lb", "lc")}
        two = wired(["input a la c lc output", "input b lb d lc"], **nodes)
        for coding in ("bias", "host"):
            with pytest.raises(LowerError, match="input: feeds la, lb; the host computes"):
                lower(two, LOIHI2, input_coding=coding)
        del nodes["b"], nodes["lb"]
        loop = wired(["input>1 a la c lc output", "lc>1 d a"], **nodes)
        with pytest.raises(LowerError) as caught:
            lower(loop, LOIHI2, input_coding="bias")
        assert "needs maps that only the input feeds" in str(caught.value)
        assert "needs edges without delay" in str(caught.value)
        with pytest.raises(LowerError, match="la: depends on lc as well"):
            lower(loop, LOIHI2, input_coding="host")
        with pytest.raises(LowerError, match="n: is all there is; nothing would be left"):
            lower(dense([[1.0]]), LOIHI2, input_coding="host")

    def test_together_with_other_synapses(self):
        rng = np.random.default_rng(4)
        nodes = {
            "input": (5,),
            "a": ir.Affine(weight=rng.normal(0.2, 0.5, (6, 5))),
            "la": ir.LIF(beta=0.5, threshold=0.7),
            "loop": ir.Affine(weight=rng.normal(0, 0.5, (6, 6))),
        }
        edges = ["input a la output", "la>1 loop la"]
        model = wired(edges, ir.Header(dt_s=1e-3, steps=8), **nodes)
        program = lower(model, LOIHI2, input_coding="bias")
        values = rng.uniform(0, 1, (30, 1, 5))
        exact, got = run(model, values), run(program, values)
        assert exact.spikes["la"].mean() > 0.1
        assert (exact.spikes["la"] != got.spikes["la"]).mean() < 0.01
        nodes["la"] = replace(nodes["la"], gain_in=np.array(2.0))
        with pytest.raises(LowerError, match="needs a gain of 1 where other synapses"):
            lower(wired(edges, **nodes), LOIHI2, input_coding="bias")

    def test_on_data_the_current_may_be_clipped(self):
        """A bound that nothing comes near costs resolution, which data can tell."""
        rng = np.random.default_rng(5)
        weight = np.tile([1.0, -1.0], (12, 200)) * rng.uniform(0.5, 1.5, (12, 400))
        model = dense(weight, threshold=1.0, beta=0.9, steps=20)
        samples = rng.uniform(0, 1, (60, 400))
        kept, clipped = (
            lower(model, LOIHI2, input_coding="bias", calibration=samples, scaling=scaling)
            for scaling in ("max_abs", "spikes")
        )
        assert clipped.report[0]["scale"] > 2 * kept.report[0]["scale"]
        agreement = [program.report[0]["spike_agreement"] for program in (kept, clipped)]
        assert agreement[1] > agreement[0]


class TestFirstOnTheHost:
    @pytest.mark.parametrize(
        "first",
        [
            {},
            {"reset": "soft", "alpha": 0.5},
            {"reset": "none", "compare": ">="},
            {"refractory": 2, "v_min": -0.5},
            {"max_spikes": 3, "reset": "soft", "threshold": 0.25},
            {"reset": "soft", "reset_timing": "next", "v_init": 0.5},
        ],
        ids=str,
    )
    def test_any_neuron_and_the_very_spikes(self, first):
        rng = np.random.default_rng(6)
        model = image_net(rng, **first)
        program = lower(model, LOIHI2, input_coding="host")
        values = pixels(rng)[:, None]
        exact = run(model, values)
        given = sent(program.host, (4, 3, 3), Stimulus(values, 6))
        assert np.array_equal(given.values, exact.spikes["lif"])
        assert exact.spikes["lif"].max() > (1 if "max_spikes" in first else 0)
        source = program.nodes[program.input]
        assert (source.scale, source.low, source.high) == (1.0, 0, first.get("max_spikes", 1))
        got = run(program, values)
        assert (exact.spikes["lif2"] != got.spikes["lif2"]).mean() < 0.03
        assert set(got.spikes) == {"lif2"}
        assert program.report[0] == {"layer": "lif", "limited_by": "computed on the host"}

    def test_a_layer_with_a_loop(self):
        rng = np.random.default_rng(7)
        nodes = {
            "input": (5,),
            "a": ir.Affine(weight=rng.normal(0.2, 0.5, (6, 5))),
            "la": ir.LIF(beta=0.5, threshold=0.7, reset="soft"),
            "loop": ir.Affine(weight=rng.normal(0, 0.5, (6, 6))),
            "b": ir.Affine(weight=2.0 * rng.integers(-60, 128, (4, 6))),
            "lb": ir.LIF(beta=1.0, threshold=300.0),
        }
        header = ir.Header(dt_s=1e-3, steps=8, coding="events")
        model = wired(["input a la b lb output", "la>1 loop la"], header, **nodes)
        program = lower(model, LOIHI2, input_coding="host")
        assert set(program.nodes) == {"input", "b", "lb", "output"}
        values = rng.uniform(0, 1, (10, 8, 5))
        assert run(model, values).spikes["lb"].any()
        exact, got = run(model, values), run(program, values)
        assert (exact.spikes["lb"] != got.spikes["lb"]).mean() < 0.02


class TestGraded:
    def test_values_below_zero(self):
        """Signed messages: on the grid nothing is rounded."""
        weight = np.array([[2.0, -4.0], [254.0, 6.0]])
        header = {"bounds": (-1.0, 2.0), "levels": 4, "coding": "events"}
        model = dense(weight, threshold=100.0, beta=1.0, steps=9, header=header)
        program = lower(model, LOIHI2)
        source, fc = program.nodes["input"], program.nodes["fc"]
        assert (source.scale, source.low, source.high) == (1.0, -1, 2)
        assert fc.message_bits == 3
        assert np.array_equal(fc.weight, weight)
        values = np.random.default_rng(0).integers(-1, 3, (40, 9, 2)).astype(float)
        exact, got = run(model, values), run(program, values)
        assert exact.spikes["n"].any()
        assert np.array_equal(exact.spikes["n"], got.spikes["n"])
        assert np.array_equal(64 * exact.membrane["n"], got.membrane["n"])

    def test_a_grid_without_zero(self):
        header = {"bounds": (-1.0, 1.0), "levels": 256}
        with pytest.raises(LowerError, match=r"header: input of 256 levels from -1 to 1 has no"):
            lower(dense([[1.0, 1.0]], header=header), LOIHI2, input_coding="graded")
        for coding in ("bias", "host"):
            changed = replace(ir.Header(dt_s=1e-3, steps=4), **header)
            model = image_net(np.random.default_rng(0)).with_(header=changed)
            assert lower(model, LOIHI2, input_coding=coding).header.bounds == (-1.0, 1.0)


class TestProfiles:
    def test_spikes_enter_any_target(self):
        model = dense([[1.0, -0.5]], header={"levels": 2})
        assert lower(model, LOIHI1).host is None
        assert lower(model, LOIHI1, input_coding="graded").nodes["input"].high == 1

    def test_loihi1_takes_no_graded_messages(self):
        model = image_net(np.random.default_rng(0))
        with pytest.raises(
            InvalidInput, match="input_coding is 'graded'; loihi1 takes bias or host"
        ):
            lower(model, LOIHI1, input_coding="graded")
        program = lower(model, LOIHI1)
        assert program.profile == "loihi1"
        assert program.host is not None
        assert program.nodes[program.input].low == -4095

    def test_what_a_profile_does_not_list(self):
        leaf = LOIHI2.arithmetic.weight_bits.model_copy(update={"value": ["host"]})
        arithmetic = LOIHI2.arithmetic.model_copy(update={"input_codings": leaf})
        profile = LOIHI2.model_copy(update={"arithmetic": arithmetic})
        model = image_net(np.random.default_rng(0))
        assert lower(model, profile).nodes["input"].high == 1
        with pytest.raises(InvalidInput, match="loihi2 takes host"):
            lower(model, profile, input_coding="bias")
        silent = LOIHI2.arithmetic.model_copy(update={"input_codings": None})
        with pytest.raises(LowerError, match="pool: takes a maximum"):
            lower(model, LOIHI2.model_copy(update={"arithmetic": silent}))


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("coding", ["bias", "host"])
def test_every_backend_gives_the_same(request, name, coding):
    backend = require_backend(request, name)
    rng = np.random.default_rng(8)
    model = image_net(rng)
    program = lower(model, LOIHI1, input_coding=coding)
    stimulus = encode(program, pixels(rng, 40))
    with compiled(program, backend) as executable:
        result = executable.run(stimulus, ("spikes",))
    with pytest.raises(InvalidInput, match="closed"):
        executable.run(stimulus)
    # By hand: the chip's part alone, on what the host sends.
    message = sent(program.host, program.shapes[program.input], stimulus)
    inner = get_backend("reference").compile(program.with_(host=None), "quantised")
    wanted = inner.run(message, ("spikes",))
    assert set(result.spikes) == set(wanted.spikes)
    for layer, spikes in wanted.spikes.items():
        assert spikes.any()
        assert np.array_equal(result.spikes[layer], spikes)
    assert np.array_equal(result.scores, wanted.scores)
    assert result.wall_s > 0


def test_a_hosted_program_is_shown_what_its_host_takes():
    program = lower(image_net(np.random.default_rng(9)), LOIHI2, input_coding="host")
    executable = get_backend("torch").compile(program, "quantised")
    with pytest.raises(InvalidInput, match=r"the model takes \(B, T or 1, 2, 6, 6\)"):
        executable.run(Stimulus(np.zeros((1, 1, 4, 3, 3)), 6))
    with pytest.raises(Unsupported):
        get_backend("torch").compile(program, "float")
