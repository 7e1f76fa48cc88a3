"""The doctor: every finding on a planted fault, and none on its clean counterpart."""

import json
import re
from functools import partial

import numpy as np
import pytest

from neurorobust.formats.netx import NetxCall, save_netx
from neurorobust.formats.netx.lint import RULES, examine
from tests.support.netx_files import CUBA, FLATTEN, REFUSED, conv, dense, source, write_net
from tests.support.netx_model import Netx
from tests.support.netx_programs import KINDS, random_program
from tests.support.running import invoke

W = np.array([[4, -8, 12], [2, 6, -20]])
K = np.arange(-4, 4).reshape(1, 2, 2, 2)
BACK = np.array([[2, -4], [6, 2]])


def one(weight=W, **more):
    return [dense(weight, **more)]


def with_neuron(**more):
    return [dense(W, neuron=CUBA | more)]


def image(**more):
    return [source(2, 3, 3, neuron=CUBA | {"iDecay": 4096} | more), conv(K, (1, 2, 2))]


def recurrent(**more):
    return dense(W, type=b"dense_rec", weight_rec=BACK, **more)


RESET = {"reset_interval": 9, "reset_offset": 1}
FAULTS = {
    "cannot-run": [
        ({}, [dense(W), {"type": b"pool"}], one(), "layer 1: .*'pool'.*unsupported-layer"),
        ({}, one(0 * W), one(), "layer 0: all weights are 0.*OverflowError"),
    ],
    "not-examined": [({}, with_neuron(type=b"SDNN"), one(), "layer 0: has sigma-delta neurons")],
    "weights-become-zero": [
        ({}, one(abs(W) * 20), one(abs(W) * 8), r"layer 0: all 6 entries of weight \(40..400\)"),
        ({}, one(np.array([[-200, -3, 0]])), one(np.array([[-100, -3, 0]])), "-200..0"),
    ],
    "weights-clipped": [({}, one(W * 14), one(W * 12), r"entry -280 at \[1, 2\] becomes -256")],
    "weight-loses-step": [
        (
            {},
            one(-np.array([[128, 2, 6], [4, 128, 8]])),
            one(-np.array([[126, 2, 6], [4, 126, 8]])),
            r"layer 0: weight: entry -128 at \[0, 0\] becomes -126, and 1 more of 6",
        ),
        (
            {},
            [dense(W, type=b"dense_rec", weight_rec=-np.array([[256, 2], [4, 6]]))],
            [dense(W, type=b"dense_rec", weight_rec=-np.array([[250, 2], [4, 6]]))],
            r"weight_rec: entry -256 at \[0, 0\] becomes -25[45]",
        ),
    ],
    "fractions-cut": [
        ({}, one(W + 0.75), one(W + 1.0), r"weight: entry 4.75 at \[0, 0\] becomes 4, and 5 more"),
        ({}, one(bias=np.array([0, -0.5])), one(bias=np.zeros(2)), "bias: entry -0.5 at"),
        ({}, one(delay=1.5), one(delay=1.0), "delay: entry 1.5"),
    ],
    "weights-need-nine-bits": [
        ({}, one(W * 12 + 1), one(W * 12), "weights of -239..145 with odd entries need nine bits")
    ],
    "delay-clipped": [
        ({}, one(delay=np.array([3, 90])), one(delay=np.array([3, 62])), r"1 delay\(s\).* 90 steps")
    ],
    "conv-delay-ignored": [
        (
            {},
            [source(2, 3, 3), conv(K, (1, 2, 2), delay=np.array([5]))],
            [source(2, 3, 3), conv(K, (1, 2, 2), delay=np.array([0]))],
            r"layer 1: delays of up to 5 steps \(1 of 1\) are not read",
        )
    ],
    "recurrent-delay": [
        (
            {},
            [dense(BACK, type=b"dense_rec", weight_rec=BACK, delay=np.array([[1, 2], [3, 4]]))],
            [dense(BACK, type=b"dense_rec", weight_rec=BACK)],
            "weights act 32 times as strong, and the recurrence waits up to 4 steps",
        )
    ],
    "delay-per-output": [
        ({}, one(BACK, delay=np.array([1, 2])), one(delay=np.array([1, 2])), "2 delays of a square")
    ],
    "delays-cross-reset": [
        (RESET, one(delay=np.array([1, 4])), one(), "the last 4 steps on their way")
    ],
    "bias-wraps": [
        (
            RESET,
            one(bias=np.array([40000, 3])),
            one(bias=np.array([30000, 3])),
            r"bias 40000 becomes -25536 \(1 in all\)",
        )
    ],
    "bias-needs-more-than-13-bits": [
        (
            RESET,
            one(bias=np.array([-4096, 30000])),
            one(bias=np.array([-4095, 4095])),
            r"layer 0: bias 30000 \(2 in all beyond ±4095\)",
        )
    ],
    "refractory-ignored": [
        ({}, with_neuron(refDelay=3), with_neuron(refDelay=1), "refDelay 3 is not read")
    ],
    "graded-spikes-ignored": [
        ({}, with_neuron(gradedSpike=True), with_neuron(gradedSpike=False), "counts as 1")
    ],
    "weight-exponent-ignored": [
        ({}, with_neuron(weight_exp=3), with_neuron(weight_exp=0), r"weight_exp 3 .* 2\^-3 off"),
        ({}, with_neuron(wgtExp=-1), with_neuron(wgtExp=0), r"neuron/wgtExp -1 .* 2\^1 off"),
        ({}, one(weight_exp=2), one(weight_exp=0), "weight_exp 2 is not read"),
    ],
    "threshold-epsilon": [
        ({}, with_neuron(vThMant=5000), with_neuron(vThMant=4095), "fires at v = 320000 already"),
        ({}, with_neuron(vThMant=4096), with_neuron(vThMant=131071), "vThMant 4096"),
    ],
    "input-decay-ignored": [
        ({}, image(iDecay=1024), image(), "layer 0: iDecay 1024 .* with 0.75 per step")
    ],
    "reset-off-by-one": [
        (
            {"reset_interval": 9},
            one(),
            RESET,
            r"resets every layer 1 step\(s\) before a stimulus begins",
        ),
        (RESET, image(), {"reset_interval": 9}, r"1 step\(s\) after a stimulus begins"),
    ],
    "bias-before-data": [
        (
            {},
            one(bias=np.array([0, 20])),
            one(bias=np.array([0, 0])),
            "up to 1280 of 2560, 0 neuron",
        ),
        ({}, one(bias=np.array([50, 20])), RESET, "up to 1280 of 2560, 1 neuron"),
    ],
    "bias-spikes-travel": [
        (
            RESET,
            [recurrent(bias=np.array([50, 0]))],
            [recurrent(bias=np.array([40, 0]))],
            r"layer 0: 1 neuron\(s\) fire by their bias .* its recurrence",
        ),
        (
            RESET,
            [dense(W, bias=np.array([50, 0])), dense(BACK, delay=np.array([[1, 2], [0, 0]]))],
            [dense(W, bias=np.array([50, 0])), dense(BACK)],
            "the delays of layer 1",
        ),
    ],
    "float-model": [
        ({"select_tag": None}, one(), {}, r"1 - 2047 = -2046 in every step"),
        ({"select_tag": "floating_pt"}, one(), {}, "'floating_pt'"),
    ],
    "payloads-count-as-one": [
        ({"input_range": (-1, 1)}, one(), {"input_range": (0, 1)}, "input of -1 counts as 1"),
        (
            {"input_range": (0, 9)},
            one(),
            {"input_range": (0, 9), "input_message_bits": 4},
            "input of 9 counts as 1",
        ),
    ],
    "input-port-unusable": [
        ({}, image(), [source(2, 3, 3), conv(K, (1, 2, 2))], "layer 0: a source connected")
    ],
}
"""Per rule: how it is called, a planted fault, its clean counterpart (or another call), message."""

CASES = [(code, case) for code, cases in FAULTS.items() for case in cases]


def found(path, layers, **options):
    """Findings by code, as text with their layer."""
    call = {k: options.pop(k) for k in list(options) if k not in ("select_tag", "input_range")}
    findings = examine(write_net(path, layers), NetxCall(**call), **options)
    return {
        f.code: "; ".join(f"layer {g.layer}: {g.message}" for g in findings if g.code == f.code)
        for f in findings
    }


@pytest.mark.parametrize(("code", "case"), CASES)
def test_finds_what_is_planted_and_only_that(tmp_path, code, case):
    options, planted, clean, message = case
    seen = found(tmp_path / "a.net", planted, **options)
    assert re.search(message, seen[code]), seen
    if isinstance(clean, dict):
        healthy = found(tmp_path / "b.net", planted, **clean)
    else:
        healthy = found(tmp_path / "b.net", clean, **options)
    assert code not in healthy


def test_every_rule_has_a_planted_fault():
    assert {rule.code for rule in RULES} == set(FAULTS)
    assert len({rule.code for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("name", REFUSED)
def test_whatever_is_refused_is_an_error(tmp_path, name):
    layers = REFUSED[name][0]
    findings = examine(write_net(tmp_path / "a.net", layers))
    assert any(f.code == "cannot-run" and f.severity == "error" for f in findings)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_found_in_what_is_exported(tmp_path, kind):
    for seed in range(3):
        call = save_netx(random_program(kind, seed), tmp_path / "a.net")
        findings = examine(tmp_path / "a.net", call)
        assert all(f.severity == "note" for f in findings), findings


def test_a_clean_image_network_has_a_note_only(tmp_path):
    layers = [*image(), FLATTEN, dense(np.array([[2, -4, 6, 2]]))]
    (finding,) = examine(write_net(tmp_path / "a.net", layers))
    assert (finding.code, finding.severity) == ("input-port-unusable", "note")


def test_the_numbers_of_a_lead_in_are_those_of_netx(tmp_path):
    layers = [dense(W, bias=np.array([7, -9])), dense(BACK, bias=np.array([25, 16]))]
    path = write_net(tmp_path / "a.net", layers)
    records = Netx(path).run(2, np.zeros((2, 3), int))
    for (_, membrane), layer, step in zip(records, (0, 1), (1, 2), strict=True):
        message = next(f.message for f in examine(path) if f.layer == layer)
        assert f"up to {np.abs(membrane[step - 1]).max()} of 2560" in message


def test_layers_that_the_file_has_not(tmp_path):
    (finding,) = examine(write_net(tmp_path / "a.net", one()), NetxCall(num_layers=99))
    assert (finding.code, finding.severity) == ("cannot-run", "error")
    assert "num_layers is 99, the file has 1 layer(s)" in finding.message


class TestCommand:
    """``neurorobust doctor``."""

    call = staticmethod(partial(invoke, "doctor"))

    def test_clean(self, tmp_path):
        path = write_net(tmp_path / "a.net", one())
        result = self.call(path)
        assert result.exit_code == 0
        assert "nothing found" in result.output

    def test_notes_do_not_fail(self, tmp_path):
        path = write_net(tmp_path / "a.net", image())
        result = self.call(path, "--json")
        assert result.exit_code == 0
        assert [f["severity"] for f in json.loads(result.output)["findings"]] == ["note"]

    def test_findings(self, tmp_path):
        path = write_net(tmp_path / "a.net", with_neuron(refDelay=3))
        result = self.call(path)
        assert result.exit_code == 1
        assert "refractory" in result.output
        (finding,) = json.loads(self.call(path, "--json").output)["findings"]
        assert finding["code"] == "refractory-ignored"
        assert finding["layer"] == 0
        assert set(finding) == {"code", "severity", "layer", "message", "avoid"}

    def test_how_it_is_run_counts(self, tmp_path):
        path = write_net(tmp_path / "a.net", [dense(W), {"type": b"average"}])
        assert self.call(path).exit_code == 1
        for options, code in (
            ((), 0),
            (("--reset-interval", 5), 1),
            (("--reset-interval", 5, "--reset-offset", 1), 0),
            (("--select-tag", "none"), 1),
            (("--input-range", 0, 7), 1),
        ):
            assert self.call(path, "--num-layers", 1, *options).exit_code == code, options
        path = write_net(tmp_path / "b.net", [conv(K, (1, 2, 2))])
        assert self.call(path).exit_code == 1
        assert self.call(path, "--input-shape", "2,3,3").exit_code == 0

    def test_unreadable(self, tmp_path):
        (tmp_path / "a.net").write_bytes(b"no")
        for arguments in ((), ("--json",)):
            result = self.call(tmp_path / "a.net", *arguments)
            assert result.exit_code == 2
            assert "cannot be read as HDF5" in result.output
        assert self.call(tmp_path / "b.net").exit_code == 2
        assert self.call(tmp_path / "b.net", "--reset-interval", 0).exit_code == 2
        assert self.call(tmp_path / "b.net", "--input-message-bits", 99).exit_code == 2
        refused = self.call(tmp_path / "b.net", "--input-range", 5, -3)
        assert refused.exit_code == 2
        assert "input_range is 5..-3" in refused.output
