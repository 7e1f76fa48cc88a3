"""The suite itself: it can fail, it skips only for declared reasons, its generators cover all."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from neurorobust.backends import (
    Capabilities,
    Deviation,
    RunResult,
    Support,
    features_of,
    get_backend,
    known_features,
    require_support,
)
from neurorobust.errors import Unsupported
from neurorobust.ir import LIF, FixedDelayDense, FixedLI, FixedLIF, FixedTernaryLIF, Graph
from neurorobust.testing import CHECKS, Check, Expected, assert_agrees, random_graph, random_program
from neurorobust.testing.fuzz import fuzz
from neurorobust.testing.networks import lif, neurons, stimulus
from neurorobust.testing.trial import Trial


class Altered:
    """The reference under other declarations, or with something done to models or results."""

    name = "altered"

    def __init__(self, support=None, model=lambda m: m, result=lambda r: r, honest=True):
        self.support = support or Support(membrane=True)
        self.model, self.result, self.honest = model, result, honest

    def capabilities(self):
        return Capabilities(rungs={"float": self.support, "quantised": self.support})

    def missing(self):
        return None

    def versions(self):
        return {}

    def compile(self, model, rung, *, precision="double"):
        if self.honest:
            require_support(self.name, self.capabilities(), model, rung)
        inner = get_backend("reference").compile(self.model(model), rung, precision=precision)
        return _Executable(inner, self.result, self.support.overflows)


class _Executable:
    def __init__(self, inner, result, overflows):
        self.inner, self.result, self.overflows = inner, result, overflows

    def run(self, stimulus, record=()):
        if "overflows" in record and not self.overflows:
            raise Unsupported("it counts no overflows")
        return self.result(self.inner.run(stimulus, record=record))

    def close(self):
        self.inner.close()


def changed(kind, **fields):
    """A function that changes fields of all nodes of a kind."""

    def change(model):
        nodes = {
            name: replace(node, **{k: f(node) for k, f in fields.items()})
            if type(node) is kind
            else node
            for name, node in model.nodes.items()
        }
        return model.with_(nodes=nodes)

    return change


def statuses(backend, rung):
    return {
        name: check.run(backend, rung).status
        for name, check in CHECKS.items()
        if rung in check.rungs
    }


FAULTS = {
    "comparison": (
        changed(LIF, compare=lambda n: ">" if n.compare == ">=" else ">="),
        {"neuron/threshold equality with >", "neuron/threshold equality with >="},
    ),
    "decay": (
        changed(LIF, beta=lambda n: n.beta * (1 - 1e-7)),
        {"neuron/impulse response is beta^t", "agreement/random networks"},
    ),
    "lower bound": (
        changed(LIF, v_min=lambda n: n.v_min if n.v_min is not None else np.array(0.0)),
        {"reset/hard to -1/2", "agreement/random networks"},
    ),
    "threshold": (
        changed(FixedLIF, vth=lambda n: np.maximum(n.vth - 1, 0)),
        {"integer neuron/fires strictly above 64 vth"},
    ),
    "current decay": (
        changed(FixedLIF, du=lambda n: np.minimum(n.du + 1, 4095)),
        {"integer neuron/reset keeps the current", "agreement/random programs"},
    ),
    "lower threshold": (
        changed(FixedTernaryLIF, vth_low=lambda n: n.vth_low - 1),
        {"ternary neuron/fires strictly beyond either threshold"},
    ),
    "longest delay": (
        changed(FixedDelayDense, delay=lambda n: np.minimum(n.delay, 61)),
        {"synaptic delay/each synapse waits its own time"},
    ),
    "no reset": (
        changed(FixedLI, reset_interval=lambda n: 0, reset_offset=lambda n: 0),
        {"integer neuron/periodic reset"},
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_caught(name):
    fault, caught_by = FAULTS[name]
    rung = "float" if name in ("comparison", "decay", "lower bound") else "quantised"
    found = statuses(Altered(model=fault), rung)
    assert caught_by <= {name for name, status in found.items() if status == "failed"}


def forgetful(result):
    counts = {n: replace(o, wrapped=o.wrapped * 0) for n, o in result.overflows.items()}
    return replace(result, overflows=counts)


def test_a_crash_is_a_failure():
    def crash(result):
        raise ZeroDivisionError("of all things")

    outcome = CHECKS["reset/soft"].run(Altered(result=crash), "float")
    assert (outcome.status, outcome.detail) == ("failed", "ZeroDivisionError: of all things")


SOFT_GAP = Support(gaps={"LIF soft reset": "not today"}, membrane=True)


def deviating(result):
    return replace(result, deviations=(Deviation("rounding", "of something"),))


def leaking(result):
    return replace(result, scores=result.scores + len(result.scores) - 1)


COUNTING = Support(membrane=True, overflows=True)
FAILING = {
    "overflow/the current turns": (
        Altered(COUNTING, result=forgetful),
        "neuron: wrapped 0 in sample 0, expected 1",
    ),
    "state/a batch of n is n single samples": (Altered(result=leaking), "score"),
    "reset/soft": (Altered(SOFT_GAP, honest=False), "although"),
    "refusal/deviations are declared": (Altered(result=deviating), "rounding: of something"),
}


@pytest.mark.parametrize("check", FAILING)
def test_fails(check):
    """A wrong counter, a batch that leaks, a gap that runs, a deviation that is not declared."""
    backend, text = FAILING[check]
    outcome = CHECKS[check].run(backend, "quantised" if "current" in check else "float")
    assert outcome.status == "failed"
    assert text in outcome.detail


def test_an_undeclared_refusal_fails():
    class Refuses(Altered):
        def compile(self, model, rung, *, precision="double"):
            gap = Capabilities(rungs={rung: Support(gaps={"LIF soft reset": "not today"})})
            require_support(self.name, gap, model, rung)
            return super().compile(model, rung, precision=precision)

    outcome = CHECKS["reset/soft"].run(Refuses(), "float")
    assert outcome.status == "failed"
    assert "refused without a gap" in outcome.detail


def test_a_declared_gap_skips_with_its_reason():
    outcome = CHECKS["reset/soft"].run(Altered(SOFT_GAP), "float")
    assert outcome.status == "skipped"
    assert outcome.detail == "neuron: LIF soft reset (not today)"
    found = statuses(Altered(SOFT_GAP), "float")
    assert {n for n, s in found.items() if s == "skipped"} >= {"feature/LIF soft reset"}
    assert found["refusal/every declared gap is refused with its reason"] == "passed"
    assert "failed" not in found.values()


def test_a_backend_without_membranes_passes_on_spikes_and_scores():
    found = statuses(Altered(Support(membrane=False)), "quantised")
    assert set(found.values()) == {"passed", "skipped"}


class TestRounding:
    """A tie may fall otherwise where rounding is declared, and only there."""

    graph = neurons(lif(), 4)
    TIE = ([0.2, 1.0, 2.0, 0.1], [0, 1, 0, 0], [0, 0, 1, 0])

    def results(self, h, fired, expected_fired):
        def scored(spikes):
            trains = np.array(spikes, np.uint8).reshape(1, 4, 1)
            return {"neuron": trains}, membrane, np.array([[float(sum(spikes))]])

        membrane = {"neuron": np.array(h).reshape(1, 4, 1)}
        spikes, _, scores = scored(fired)
        actual = RunResult(scores=scores, spikes=spikes, membrane=membrane)
        return Expected(*scored(expected_fired)), actual

    def test_a_tie_is_excused_and_reported(self):
        notes = assert_agrees(self.graph, *self.results(*self.TIE), rounding=True)
        assert "1 sample(s) differ from a tie on" in notes[0]

    def test_a_tie_is_a_failure_without_the_declaration(self):
        with pytest.raises(AssertionError, match=r"neuron: first difference at step 1, sample 0"):
            assert_agrees(self.graph, *self.results(*self.TIE))

    def test_a_difference_away_from_the_threshold_is_never_excused(self):
        away = self.results([0.2, 1.00001, 2.0, 0.1], [0, 0, 1, 0], [0, 1, 1, 0])
        with pytest.raises(AssertionError, match=r"membrane 1.00001.*distance 1e-05"):
            assert_agrees(self.graph, *away, rounding=True)

    def test_nan_is_a_difference(self):
        expected, actual = self.results([0.2, 1.5, 2.0, 0.1], [0, 1, 1, 0], [0, 1, 1, 0])
        with pytest.raises(AssertionError, match="score nan"):
            assert_agrees(self.graph, expected, replace(actual, scores=np.array([[np.nan]])))


@pytest.mark.parametrize(("rung", "make"), [("float", random_graph), ("quantised", random_program)])
def test_random_models_cover_every_feature_and_avoid_any(rung, make):
    # A host part is a Graph beside the Program; a generator of one for the other would test both.
    features = [f for f in known_features(rung) if f != "host part"]
    found = set()
    for seed in range(150):
        found |= set(features_of(make(np.random.default_rng(seed)), rung))
    assert found == set(features)
    basic = {"Affine", "LIF", "LIF hard reset", "FixedDense", "FixedLIF", "readout count"}
    for feature in set(features) - basic:
        for seed in range(20):
            model = make(np.random.default_rng(seed), avoid={feature})
            assert feature not in features_of(model, rung)


def test_random_models_fire_and_repeat():
    reference = get_backend("reference")
    active = 0
    for seed in range(40):
        trial = Trial(reference, "float")
        model, drive = trial.draw(seed)
        again, drive_again = trial.draw(seed)
        assert model.content_hash == again.content_hash
        assert np.array_equal(drive.values, drive_again.values)
        result = reference.compile(model, "float").run(drive, record=("spikes",))
        active += any(0 < s.mean() < 1 for s in result.spikes.values())
    assert active >= 38


def test_fuzz_counts_differences():
    tally = fuzz(get_backend("reference"), 5)
    assert (tally.programs, tally.differing, tally.first) == (5, 0, "")
    assert tally.compared > 100
    assert tally.fired > 0
    wrong = fuzz(Altered(model=changed(FixedLIF, vth=lambda n: n.vth // 2)), 5)
    assert wrong.differing > 0
    assert wrong.first.startswith("seed ")


def test_command_line_prints_the_table():
    def printed(*more):
        command = [sys.executable, "-m", "neurorobust.testing", "--backend", "reference", "--only"]
        return subprocess.run([*command, *more], capture_output=True, text=True, check=True).stdout

    assert "reset/soft" in printed("reset/")
    rows = json.loads(printed("reset/soft", "--json"))
    assert {row["status"] for row in rows} == {"passed"}
    assert rows[0]["law"]


def test_every_check_states_its_law():
    assert all(isinstance(check, Check) and check.statement for check in CHECKS.values())


def test_hypothesis_is_not_needed():
    code = "import sys, neurorobust.testing; sys.exit('hypothesis' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_outcome_of_a_rung_that_is_missing():
    outcome = CHECKS["reset/soft"].run(get_backend("reference"), "device")
    assert outcome.status == "skipped"
    assert isinstance(TestRounding.graph, Graph)
    assert stimulus([1, 2]).values.shape == (1, 2, 1)
