"""Samples and runs are independent of each other, and time only runs forwards."""

from dataclasses import replace
from typing import Any

import numpy as np

from neurorobust.backends import RunResult
from neurorobust.data import Stimulus
from neurorobust.errors import NeurorobustError
from neurorobust.ir import LIF, Affine, Array, FixedDense, FixedLIF, Graph, Input, Model, Output
from neurorobust.testing.expected import Expected
from neurorobust.testing.networks import fixed_lif, header, lif, program, spike_input
from neurorobust.testing.outcome import check
from neurorobust.testing.trial import Trial

SEEDS = range(100, 106)


def as_expected(result: RunResult, samples: Any = slice(None)) -> Expected:
    """Part of a result, as what another run must give."""

    def pick(value: Array) -> Array:
        return np.asarray(value[samples])

    return Expected(
        {name: pick(value) for name, value in result.spikes.items()},
        {name: pick(value) for name, value in result.membrane.items()},
        pick(result.scores),
        {name: (pick(o.wrapped), pick(o.saturated)) for name, o in result.overflows.items()},
    )


@check("state/a batch of n is n single samples", "float", "quantised")
def batch_is_singles(trial: Trial) -> None:
    """Running samples together gives what each gives alone."""
    for seed in SEEDS:
        model, stimulus = trial.draw(seed, samples=4)
        with trial.optional(), trial.compiled(model) as executable:
            together = trial.run_compiled(executable, stimulus)
            for n in range(4):
                alone = trial.run_compiled(executable, stimulus[n : n + 1])
                trial.compare(model, as_expected(together, slice(n, n + 1)), alone)


@check("state/the order of samples does not matter", "float", "quantised")
def order_of_samples(trial: Trial) -> None:
    """A reordered batch gives the reordered result."""
    order = np.array([2, 0, 4, 1, 3])
    for seed in SEEDS:
        model, stimulus = trial.draw(seed, samples=5)
        with trial.optional(), trial.compiled(model) as executable:
            straight = trial.run_compiled(executable, stimulus)
            shuffled = Stimulus(stimulus.values[order], stimulus.steps)
            mixed = trial.run_compiled(executable, shuffled)
            trial.compare(model, as_expected(straight, order), mixed)


@check("state/equal runs give equal results", "float", "quantised")
def runs_repeat(trial: Trial) -> None:
    """Nothing is left over from a run: A, B, A gives the same for A, bit for bit."""
    for seed in SEEDS:
        model, stimulus = trial.draw(seed)
        other = Stimulus(stimulus.values[::-1] * 2 + 1, stimulus.steps)
        with trial.optional(), trial.compiled(model) as executable:
            first = trial.run_compiled(executable, stimulus)
            trial.run_compiled(executable, other)
            second = trial.run_compiled(executable, stimulus)
            unrecorded = executable.run(stimulus)
            _assert_identical(first, second)
            assert np.array_equal(first.scores, unrecorded.scores), "recording changes the scores"
            assert not unrecorded.spikes, "spikes are returned although none were to be recorded"
            assert not unrecorded.membrane, "membranes are returned although none were asked for"
            assert not unrecorded.overflows, "overflows are counted although none were asked for"


@check("state/a constant stimulus equals its repetition", "float", "quantised")
def constant_is_repeated(trial: Trial) -> None:
    """Values given once for all steps mean the same as the values given in every step."""
    for seed in SEEDS:
        model, stimulus = trial.draw(seed)
        once = Stimulus(stimulus.values[:, :1], stimulus.steps)
        repeated = Stimulus(np.repeat(once.values, stimulus.steps, axis=1), stimulus.steps)
        with trial.optional(), trial.compiled(model) as executable:
            first = trial.run_compiled(executable, once)
            trial.compare(model, as_expected(first), trial.run_compiled(executable, repeated))


@check("state/the future does not act on the past", "float", "quantised")
def causality(trial: Trial) -> None:
    """Input from step k on changes nothing before step k."""
    for seed in SEEDS:
        model, stimulus = trial.draw(seed)
        k = stimulus.steps // 2
        values = np.repeat(stimulus.values[:, :1], stimulus.steps, axis=1)
        changed = values.copy()
        changed[:, k:] = values[:, k:] * -3 + 1
        with trial.optional(), trial.compiled(model) as executable:
            before = trial.run_compiled(executable, Stimulus(values, stimulus.steps))
            after = trial.run_compiled(executable, Stimulus(changed, stimulus.steps))
            past = (slice(None), slice(0, k))
            whole = replace(before, scores=before.scores[:, None], overflows={})
            expected = as_expected(whole, past)
            early = replace(after, overflows={})
            early = replace(early, spikes={n: s[past] for n, s in after.spikes.items()})
            early = replace(early, membrane={n: h[past] for n, h in after.membrane.items()})
            trial.compare(model, replace(expected, scores=None), early)


@check("state/permuting hidden neurons permutes their spikes", "float", "quantised")
def permutation(trial: Trial) -> None:
    """Hidden neurons in another order, weights and parameters with them: the same network."""
    rng = np.random.default_rng(7)
    order = rng.permutation(6)
    stimulus = Stimulus(rng.integers(0, 2, (4, 10, 5)).astype(float), 10)
    make = _two_layers if trial.rung == "float" else _two_fixed_layers
    straight, permuted = make(np.arange(6)), make(order)
    first = trial.run(straight, stimulus)
    expected = as_expected(first)
    hidden = {"hidden": expected.spikes["hidden"][..., order]}
    shown = {n: h[..., order] for n, h in expected.membrane.items() if n == "hidden"}
    assert first.spikes["hidden"].any(), "the check needs a network that fires"
    trial.compare(
        permuted,
        Expected({**expected.spikes, **hidden}, {**expected.membrane, **shown}, expected.scores),
        trial.run(permuted, stimulus),
    )


@check("state/a closed executable does not run", "float", "quantised")
def closed(trial: Trial) -> None:
    """After ``close()`` a run is an error, not a result."""
    model, stimulus = trial.draw(100)
    with trial.compiled(model) as executable:
        trial.run_compiled(executable, stimulus)
    try:
        executable.run(stimulus)
    except NeurorobustError:
        return
    raise AssertionError("runs although it was closed")


def _assert_identical(first: RunResult, second: RunResult) -> None:
    assert np.array_equal(first.scores, second.scores), "equal runs give different scores"
    for what in ("spikes", "membrane"):
        ours, theirs = getattr(first, what), getattr(second, what)
        for name in ours:
            assert np.array_equal(ours[name], theirs[name]), f"{name}: equal runs differ in {what}"
    for name, counts in Expected.of(first).overflows.items():
        again = Expected.of(second).overflows[name]
        assert np.array_equal(counts, again), f"{name}: equal runs differ in overflows"


def _two_layers(order: Array) -> Model:
    rng = np.random.default_rng(8)  # a binary grid: sums are exact in any order
    first, second = rng.integers(-8, 17, (6, 5)) / 16, rng.integers(-8, 17, (3, 6)) / 16
    theta = rng.integers(8, 24, 6) / 16
    hidden: LIF = lif(threshold=theta[order])
    return Graph.chain(
        header(10),
        input=Input(shape=(5,)),
        fc1=Affine(weight=first[order]),
        hidden=hidden,
        fc2=Affine(weight=second[:, order]),
        neuron=lif(),
        output=Output(),
    )


def _two_fixed_layers(order: Array) -> Model:
    rng = np.random.default_rng(8)
    first, second = rng.integers(-60, 120, (6, 5)), rng.integers(-60, 120, (3, 6))
    hidden: FixedLIF = fixed_lif(vth=rng.integers(50, 150, 6)[order], dv=1000)
    return program(
        10,
        input=spike_input(5),
        fc1=FixedDense(weight=first[order]),
        hidden=hidden,
        fc2=FixedDense(weight=second[:, order]),
        neuron=fixed_lif(vth=60, du=2000, dv=500),
        output=Output(),
    )
