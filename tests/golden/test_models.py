"""Models: content hashes, files, and what they compute."""

import hashlib

import numpy as np
import pytest

import neurorobust.ir
from neurorobust.backends import get_backend
from neurorobust.chips import load_profile, profile_names
from neurorobust.data import encode
from neurorobust.errors import NeurorobustError
from neurorobust.ir import Graph, Program, load_model, save_model
from neurorobust.ir.base import KINDS
from neurorobust.lower import lower
from neurorobust.testing.random_networks import random_graph
from neurorobust.testing.random_programs import random_program
from tests.golden.networks import conv, dense, events, graphs, header, images, lif, programs, wired
from tests.golden.pinning import pinned, rounded

INTEGERS = ("loihi1", "loihi2")
SCALINGS = ("max_abs", "percentile", "mse", "spikes")


def stimulus(model):
    """Four samples, spikes or values of the sensor where the model has one."""
    rng, shape = np.random.default_rng(3), model.input_shape
    timed = model.header.coding == "events"
    size = (4, model.header.steps, *shape) if timed else (4, *shape)
    low, high = model.header.bounds
    steps = (model.header.levels or 17) - 1
    values = low + rng.integers(0, steps + 1, size) * ((high - low) / steps)
    return encode(model, values, rng=np.random.default_rng(4))


def computed(model, shown=None):
    """Scores of the reference, and spikes by node; torch has to agree."""
    rung = "quantised" if isinstance(model, Program) else "float"
    shown = stimulus(model) if shown is None else shown
    runs = [
        get_backend(name).compile(model, rung).run(shown, ["spikes"])
        for name in ("reference", "torch")
    ]
    assert np.array_equal(runs[0].scores, runs[1].scores)
    spikes = {name: int(trains.sum()) for name, trains in runs[0].spikes.items()}
    return {"scores": rounded(runs[0].scores.tolist(), 12), "spikes": spikes}


def stored(model, folder):
    """Hash and file of a model, which is the same once read back."""
    path = save_model(model, folder / "model.safetensors")
    again = load_model(path, type(model))
    assert again.content_hash == model.content_hash
    assert save_model(again, folder / "again.safetensors").read_bytes() == path.read_bytes()
    return {"hash": model.content_hash, "file": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_graphs_and_programs(tmp_path):
    models = {**graphs(), **programs()}
    made = {node.kind for model in models.values() for node in model.nodes.values()}
    assert made == KINDS.keys() & {*neurorobust.ir.__all__} - {"FixedNeuron"}  # that is a base
    found = {name: stored(m, tmp_path) | computed(m) for name, m in models.items()}
    found["kinds"] = sorted(made)
    found["what a hash leaves out"] = [
        dense(given=header(name=name, provenance={"made": name})).content_hash for name in "ab"
    ]
    assert len(set(found["what a hash leaves out"])) == 1
    pinned("models", found)


def test_random_networks():
    found = {}
    for seed in range(12):
        for name, make in (
            ("Graph", random_graph),
            ("Graph on the grid", lambda rng: random_graph(rng, grid=True)),
            ("Program", random_program),
        ):
            model = make(np.random.default_rng(seed))
            found.setdefault(name, []).append(model.content_hash)
    pinned("random_networks", found)


def cases():
    """Name, Graph and options of each lowering."""
    plain = dense(90)
    for coding in ("graded", "bias", "host"):
        yield f"dense, {coding}", plain, {"input_coding": coding}
        yield f"conv, {coding}", conv(), {"input_coding": coding}
    for scaling in SCALINGS:
        samples = {"calibration": images(91, 12, 6)} if scaling == "spikes" else {}
        yield f"dense, {scaling}", plain, {"scaling": scaling, "percentile": 90.0, **samples}
        samples = {"calibration": images(92, 6, 2, 6, 6)} if scaling == "spikes" else {}
        yield f"conv, {scaling}", conv("sum"), {"scaling": scaling, **samples}
    yield "dense, few bits", plain, {"weight_bits": 4, "decay_bits": 6}
    yield "dense, measured", plain, {"calibration": images(91, 12, 6)}
    yield "alpha, gains, bias", dense(93, alpha=0.25, gain_in=0.5, gain_syn=2.0, bias=0.125), {}
    yield "compare >=", dense(94, compare=">=", last=lif(), readout="count"), {}
    yield "hard to a value", dense(95, reset_value=-0.25), {}
    yield "bernoulli", dense(96, given=header(coding="bernoulli", levels=None)), {}
    yield "events", events(), {}
    yield "preprocessing", conv(given=header(mean=(0.25, 0.5), std=(0.5, 2.0))), {}
    yield "loop and delays", wired(last=lif(), readout="count"), {}
    yield "soft", dense(97, reset="soft"), {}
    yield "max pool", conv("max"), {}


@pytest.mark.parametrize("profile", INTEGERS)
def test_lowering(profile, tmp_path):
    found, target = {}, load_profile(profile).profile
    for name, graph, options in cases():
        try:
            program = lower(graph, target, **options)
        except NeurorobustError as error:
            found[name] = {"refused": str(error)}
            continue
        found[name] = {
            **stored(program, tmp_path),
            "nodes": {n: node.kind for n, node in program.nodes.items()},
            "host": None if program.host is None else program.host.content_hash,
            "report": rounded(program.report),
            **computed(program),
        }
    pinned(f"lowered_{profile}", found)


def test_other_profiles():
    found = {}
    for profile in sorted(set(profile_names()) - set(INTEGERS)):
        target = load_profile(profile).profile
        for name, graph, bits in (("dense", dense(90), None), ("conv", conv(), 4)):
            try:
                lowered = lower(graph, target, weight_bits=bits)
            except NeurorobustError as error:
                found[f"{profile}, {name}"] = {"refused": str(error)}
            else:
                assert isinstance(lowered, Graph)
                found[f"{profile}, {name}"] = {"hash": lowered.content_hash}
    pinned("other_profiles", found)
