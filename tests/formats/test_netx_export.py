"""Programs → ``.net`` files: what netx makes of them, and what is refused."""

import re
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from neurorobust import ir
from neurorobust.errors import InvalidFile, Unsupported
from neurorobust.formats.load import Reading, load
from neurorobust.formats.netx import NetxCall, netx_latency, save_netx
from neurorobust.formats.netx.lint import RULES
from tests.formats.test_netx_import import assert_equal_to_netx, run
from tests.support import small
from tests.support.netx_model import Netx
from tests.support.netx_programs import KINDS, STEPS, random_program, stimulus

PAGE = (Path(__file__).parents[2] / "docs" / "netx.md").read_text(encoding="utf-8")
EVEN = np.array([[2, -4, 6], [8, 2, -2]])
PLAIN = ir.FixedInput(shape=(3,), scale=1.0, high=1)
FC = ir.FixedDense(weight=EVEN)
LIF = ir.FixedLIF(vth=np.array(5))
SQUARE = ir.FixedDense(weight=np.array([[2, -4], [6, 2]]))


def only(*wires, source=PLAIN, **nodes):
    """These nodes behind an input, one after the other or wired."""
    return small.program(source, small.header(steps=8), wires=" ".join(wires), **nodes)


def chain(**nodes):
    """A Program of dense layers: what is not given is a plain input, weights, neurons."""
    return only(**{"fc": FC, "lif": LIF} | nodes)


def in_netx(path, call, program, codes):
    """All layers of the file, by the NumPy model of netx."""
    reset = None if call.reset_interval is None else (call.reset_interval, call.reset_offset)
    arranged = call.arrange(codes)
    first = program.nodes[program.outgoing(program.input)[0].target]
    block = isinstance(first, ir.FixedLIF)
    image = arranged[0] + first.bias_mant if block else None
    netx = Netx(path, image=image, reset=reset, message_bits=call.input_message_bits)
    late = max(netx_latency(program).values())
    return netx.run(len(codes) + late, None if block else arranged)


def flat(layers):
    """Layers of one axis where netx has (1, 1, n)."""
    return [
        tuple(value if value is None else value.reshape(len(value), -1) for value in layer)
        if layer[0].ndim == 4 and layer[0].shape[1:3] == (1, 1)
        else layer
        for layer in layers
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_netx_computes_the_program(tmp_path, kind):
    spikes = 0
    for seed in range(8):
        program, path = random_program(kind, seed), tmp_path / "a.net"
        codes = stimulus(program, seed)
        call = save_netx(program, path)
        layers = flat(in_netx(path, call, program, codes))
        spikes += assert_equal_to_netx(program, codes, layers)
    assert spikes > 50


@pytest.mark.parametrize("kind", ["dense", "conv", "delay", "recurrent", "bias", "block"])
def test_a_file_read_back_is_the_same_network(tmp_path, kind):
    program = random_program(kind, 3)
    call = save_netx(program, tmp_path / "a.net")
    reset = {"reset_interval": call.reset_interval}
    again = load(tmp_path / "a.net", Reading(steps=STEPS, **reset))
    codes = stimulus(program, 3)
    pairs = zip(run(program, codes)[0].values(), run(again, codes)[0].values(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert save_netx(again, tmp_path / "b.net") == call
    assert save_netx(again, tmp_path / "c.net") == call
    assert (tmp_path / "b.net").read_bytes() == (tmp_path / "c.net").read_bytes()


def test_the_call_says_what_the_file_does_not(tmp_path):
    path = tmp_path / "a.net"
    assert save_netx(chain(), path) == NetxCall()
    reset = {"reset_interval": 6, "reset_offset": 5}
    call = save_netx(chain(lif=ir.FixedLIF(vth=np.array(5), **reset)), path)
    assert (call.reset_interval, call.reset_offset) == (6, 0)
    graded = chain(
        source=ir.FixedInput(shape=(3,), scale=100.0, high=100),
        fc=ir.FixedDense(weight=EVEN, message_bits=7),
    )
    assert save_netx(graded, path).input_message_bits == 7
    program = random_program("conv", 0)
    call = save_netx(program, path)
    assert call.input_shape == program.input_shape
    assert call.arguments()["input_shape"] == program.input_shape[::-1]
    x = stimulus(program, 0)
    assert np.array_equal(call.arrange(x), x.transpose(0, 3, 2, 1))


def test_the_file_holds_what_netx_reads(tmp_path):
    bias = {"bias_mant": np.array([128, -256]), "bias_exp": np.array(5)}
    lif = ir.FixedLIF(vth=np.array([5, 6]), du=np.array(1000), dv=np.array(70), **bias)
    delay = ir.FixedDelayDense(weight=EVEN, delay=np.array([[1, 2, 3]] * 2))
    save_netx(chain(fc=delay, lif=lif), tmp_path / "a.net")
    with h5py.File(tmp_path / "a.net") as file:
        layer = file["layer/1"]
        assert layer["type"][()] == b"dense"
        assert np.array_equal(layer["weight"][()], EVEN)
        assert np.array_equal(layer["delay"][()], [[1, 2, 3]] * 2)
        assert np.array_equal(layer["bias"][()], [64, -128])
        assert layer["neuron/iDecay"][()] == 1001
        assert layer["neuron/vDecay"][()] == 70
        assert np.array_equal(layer["neuron/vThMant"][()], [5, 6])


def test_weights_with_an_exponent_are_written_out(tmp_path):
    for node, wanted in (
        (replace(FC, weight_exp=3), 8 * EVEN),
        (ir.FixedDense(weight=4 * EVEN, weight_exp=-2), EVEN),
        (replace(FC, weight_bits=6), EVEN // 8 * 8),
    ):
        save_netx(chain(fc=node), tmp_path / "a.net")
        with h5py.File(tmp_path / "a.net") as file:
            assert np.array_equal(file["layer/1/weight"][()], wanted)


@pytest.mark.parametrize("weight", [-np.array([[4, 2, 0], [1, 4, 3]]), np.zeros((2, 3), int)])
def test_weights_that_netx_would_change_become_a_convolution(tmp_path, weight):
    fc = ir.FixedDense(weight=weight, sign_mode="inh")
    lif = replace(LIF, bias_mant=np.array([9, 4]), bias_exp=np.array(6))
    call = save_netx(chain(fc=fc, lif=lif), tmp_path / "a.net")
    assert call.input_shape == (3, 1, 1)
    with h5py.File(tmp_path / "a.net") as file:
        assert file["layer/1/type"][()] == b"conv"
        assert np.array_equal(file["layer/1/weight"][()].reshape(2, 3), weight)


def test_weights_beyond_eight_bits_become_a_convolution(tmp_path):
    program = chain(
        fc=ir.FixedDense(weight=60 * EVEN // 2 * 2, weight_exp=4),
        lif=ir.FixedLIF(vth=np.array(9000)),
    )
    save_netx(program, tmp_path / "a.net")
    codes = np.random.default_rng(0).integers(0, 2, (20, 3))
    layers = flat(in_netx(tmp_path / "a.net", NetxCall(input_shape=(3, 1, 1)), program, codes))
    assert_equal_to_netx(program, codes, layers)


def recurrent(*, feed=FC, delay=1):
    wires = f"input-fc-lif-output lif-back:{delay} back-lif"
    return only(wires, fc=feed, lif=LIF, back=SQUARE)


TWO = {"a": FC, "lif": LIF, "b": SQUARE, "top": LIF}
REFUSED = {
    "ternary neurons": (
        lambda: chain(lif=ir.FixedTernaryLIF(vth_high=np.array(5), vth_low=np.array(-5))),
        "lif: a FixedTernaryLIF has no counterpart",
    ),
    "an integrator before the end": (
        lambda: only(fc=FC, li=ir.FixedLI(), fc2=SQUARE, lif=LIF),
        "li: an integrator sends membranes",
    ),
    "floored sums": (
        lambda: chain(fc=replace(FC, weight_exp=-2)),
        "fc: .* exponent -2, which floors.*multiples of 4",
    ),
    "a fine bias": (
        lambda: chain(lif=replace(LIF, bias_mant=np.array(3))),
        "lif: biases span 3..3; netx holds multiples of 64",
    ),
    "a large bias": (
        lambda: chain(lif=replace(LIF, bias_mant=np.array(30000), bias_exp=np.array(7))),
        "lif: biases span 3840000..3840000",
    ),
    "a delayed convolution": (
        lambda: only(
            "input-conv:2 conv-lif-flat-output",
            source=ir.FixedInput(shape=(1, 3, 3), scale=1.0, high=1),
            conv=ir.FixedConv2d(weight=np.ones((2, 1, 2, 2), int)),
            lif=LIF,
            flat=ir.Flatten(),
        ),
        "conv: netx ignores delays",
    ),
    "a long delay": (
        lambda: only("input-fc:63 fc-lif-output", fc=FC, lif=LIF),
        "fc: waits 63 steps; netx holds 62",
    ),
    "slow recurrence": (lambda: recurrent(delay=2), "lif: netx handles delays beside recurrence"),
    "recurrence beside delays": (
        lambda: recurrent(feed=ir.FixedDelayDense(weight=EVEN, delay=np.ones((2, 3), int))),
        "lif: netx handles delays beside recurrence",
    ),
    "a skipped layer": (
        lambda: only("input-a-lif-b-top input-c-top-output", **TWO, c=FC),
        "c: comes from input, not from lif; netx holds chains only",
    ),
    "an early output": (
        lambda: only("input-a-lif-b-top lif-output top-output", **TWO),
        "output: adds up 2 inputs",
    ),
    "resets of two kinds": (
        lambda: only(fc=FC, lif=LIF, fc2=SQUARE, top=replace(LIF, reset_interval=4)),
        "populations reset differently",
    ),
    "weights netx would change, with delays": (
        lambda: chain(
            fc=ir.FixedDelayDense(
                weight=-np.array([[4, 2, 1], [1, 2, 3]]),
                sign_mode="inh",
                delay=np.ones((2, 3), int),
            )
        ),
        "lif: netx would change its weights of -4..-1, and delays",
    ),
    "an input population with a current": (
        lambda: only(
            source=replace(PLAIN, scale=10.0, high=10), lif=replace(LIF, du=np.array(100))
        ),
        "lif: the current keeps the input",
    ),
    "an input population with a broken scale": (
        lambda: only(source=replace(PLAIN, scale=10.5, high=10), lif=LIF),
        r"lif: netx takes an input as x weight \+ bias",
    ),
    "an input population beyond 16 bits": (
        lambda: only(source=replace(PLAIN, high=40000), lif=LIF),
        "lif: input 0..40000 and bias 0 exceed 16 bits",
    ),
    "payloads and spikes at once": (
        lambda: only(
            "input-a-lif input-b-lif-output",
            source=replace(PLAIN, high=7),
            a=FC,
            lif=LIF,
            b=replace(FC, message_bits=3),
        ),
        "lif: takes its input once as payloads and once as spikes",
    ),
    "a host": (
        lambda: chain().with_(
            host=small.graph(
                4,
                ir.Header(dt_s=1e-3, steps=8),
                readout="last",
                fc=ir.Affine(weight=np.ones((3, 4))),
                li=ir.LI(beta=0.5),
            )
        ),
        "part on the host.*host=None",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(tmp_path, name):
    made, message = REFUSED[name]
    with pytest.raises(Unsupported, match=f"(?s)no exact form in a .net file: .*{message}"):
        save_netx(made(), tmp_path / "a.net")
    assert not list(tmp_path.iterdir())


def test_synapses_that_add_up_are_one_matrix(tmp_path):
    parts = {"a": FC, "b": FC, "lif": LIF}
    save_netx(only("input-a-lif input-b-lif-output", **parts), tmp_path / "a.net")
    with h5py.File(tmp_path / "a.net") as file:
        assert np.array_equal(file["layer/1/weight"][()], 2 * EVEN)
    late = only("input-a-lif input-b:3 b-lif-output", **parts)
    with pytest.raises(Unsupported, match="b: a second synapse between the same neurons"):
        save_netx(late, tmp_path / "a.net")


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(InvalidFile, match="cannot be written"):
        save_netx(chain(), tmp_path / "a" / "b.net")


def test_the_examples_of_the_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, scope)  # noqa: S102 - the page's own code
    assert scope["call"] == NetxCall()
    assert scope["inputs"].shape == (16, 3)
    codes = np.random.default_rng(0).integers(0, 2, (16, 3))
    layers = Netx(tmp_path / "again.net").run(17, codes)
    assert assert_equal_to_netx(scope["program"], codes, layers) > 0


def test_the_page_names_every_rule():
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \|", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted((rule.code, rule.severity) for rule in RULES)
