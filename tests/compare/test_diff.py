"""Comparing two networks: verdicts, first divergence, causes of planted faults, smallest input."""

import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

import neurorobust
from neurorobust import backends, ir
from neurorobust.api import diff
from neurorobust.chips import load_profile
from neurorobust.cli import app
from neurorobust.compare.law import Replay
from neurorobust.compare.shrink import shrink
from neurorobust.compare.sides import Observed, Side, match
from neurorobust.data import Stimulus
from neurorobust.errors import InvalidInput
from neurorobust.lower import lower
from neurorobust.lower.passes import fold_batch_norm
from neurorobust.testing import random_graph, random_stimulus
from neurorobust.testing.networks import lif, neurons
from tests.support.networks import stack
from tests.support.planted_faults import FAULTS, apart, box, conv_network, network, plant, renamed

PROFILE = load_profile("loihi2").profile


def dense(weight, steps=16, beta=0.9, threshold=1.0):
    """One layer of neurons, driven by values per step."""
    return stack(
        (len(weight[0]),),
        ir.Header(dt_s=1e-3, steps=steps, coding="events"),
        fc=ir.Affine(weight=np.array(weight)),
        lif=ir.LIF(beta=beta, threshold=threshold),
    )


def planted(cause, seed):
    """A random network and the same with one fault that shows on other inputs than those drawn."""
    rng = np.random.default_rng(seed)
    while True:
        graph = network(rng)
        other = plant(rng, graph, cause)
        if other is None:
            continue
        shown = random_stimulus(rng, graph, 8)
        values = np.resize(shown.values, (8, 20, *shown.values.shape[2:]))
        if apart(graph, other, Stimulus(values, 20)):
            return graph, other


@pytest.mark.parametrize("cause", FAULTS)
def test_the_planted_cause_is_found_and_its_input_is_small(cause):
    graph, other = planted(cause, sum(map(ord, cause)))
    found = diff(graph, box(other), samples=16)
    assert not found.agree
    assert found.causes[0].cause == cause
    assert found.causes[0].share == 1
    small = found.reproducer
    assert small.share <= 0.1
    shown = Stimulus(small.values[None], small.steps)
    assert apart(graph, other, shown), "the small input shows nothing"


@pytest.mark.parametrize("cause", ["compare", "soft-reset amount", "layer delay", "input gain"])
def test_the_cause_is_found_from_spikes_alone(cause):
    graph, other = planted(cause, 3)
    found = diff(graph, box(other, ("spikes",)), samples=16)
    assert cause in (found.causes[0].cause, *found.causes[0].rivals)


def test_a_change_of_all_layers_is_one_cause():
    graph = conv_network(np.random.default_rng(5), grid=True)
    turned = {
        name: ir.LIF(
            **node.arrays() | node.attributes() | {"compare": ">" if node.compare == ">=" else ">="}
        )
        for name, node in graph.of_kind(ir.LIF)
    }
    other = graph.with_(nodes={**graph.nodes, **turned})
    found = diff(graph, box(other), samples=24)
    assert [cause.cause for cause in found.causes] == ["compare"] * len(found.causes)
    assert {n for cause in found.causes for n in cause.layers} >= {"lif1", "lif2", "lif3"}
    assert found.left == 0


def test_first_divergence_by_hand():
    """beta 1/2 and inputs 3/4, 5/8: h = 0.75, then exactly 1, the threshold."""
    graph = neurons(lif(compare=">"), 4)
    other = neurons(lif(compare=">="), 4)
    shown = np.array([0.75, 0.625, 0.0, 0.0]).reshape(1, 4, 1)
    found = diff(graph, other, shown, samples=0)
    first = found.first
    assert (first.layer, first.step, first.neuron, first.kind) == ("neuron", 1, (0,), "given")
    assert first.outputs == (0, 1)
    assert first.membrane == (1.0, 1.0)
    assert first.distance == (0.0, 0.0)
    assert found.verdict == "systematic"
    assert found.causes[0].cause == "compare"
    assert found.causes[0].told
    small = found.reproducer
    assert (small.steps, small.nonzero) == (2, 2)
    assert small.values.tolist() == [[0.75], [0.625]]


def test_a_tie_that_rounding_decides_is_rounding():
    """0.1 + 0.2 exceeds 0.3 in double precision and equals it in single."""
    graph = dense([[0.1, 0.2]], 1, beta=0.5, threshold=0.3)
    values = np.ones((1, 1, 2))
    single = Side.of(graph, "torch", precision="single")
    found = diff(graph, single, values, samples=0)
    assert found.differing == 1, "the example no longer rounds to both sides"
    assert found.agree
    assert found.verdict == "rounding"
    assert found.first.excused
    assert abs(found.first.distance[0]) < 1e-15
    assert found.reproducer is None
    with pytest.raises(InvalidInput, match="part nowhere"):
        found.save_reproducer("unused.npz")


@pytest.mark.parametrize("seed", range(3))
def test_no_false_alarms(seed):
    rng = np.random.default_rng(seed)
    conv, any_graph = conv_network(rng, grid=True), random_graph(rng)
    pairs = {
        "renamed": (any_graph, box(renamed(any_graph))),
        "reference": (any_graph, Side.of(any_graph, "reference")),
        "folded": (conv, fold_batch_norm(conv)),
        "single": (any_graph, Side.of(any_graph, "torch", precision="single")),
    }
    for name, (a, b) in pairs.items():
        found = diff(a, b, samples=12, seed=seed)
        assert found.agree, f"{name}: {found.first}"
        assert not found.causes
        assert found.reproducer is None
        assert len(found.layers) == sum(node.population for node in a.nodes.values())


@pytest.mark.parametrize("seed", range(8))
def test_every_recording_of_the_golden_model_keeps_the_law(seed):
    """The replay of a layer, driven by recordings alone, gives what was recorded."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, grid=True)
    shown = random_stimulus(rng, graph, 4)
    result = backends.run(graph, shown, backend="reference", record=("spikes", "membrane"))
    outputs = {n: result.spikes.get(n, h) for n, h in result.membrane.items()}
    replay = Replay(shown, outputs, {n: result.membrane[n] for n in graph.spiking})
    for name in outputs:
        said = replay.predict(graph, name)
        assert (said.outputs == replay.seen(name)).all(), name
        assert said.membrane == pytest.approx(
            result.membrane[name].reshape(said.membrane.shape), abs=1e-12
        )


def test_integers_are_compared_by_their_parameters():
    graph = neurons(lif(beta=0.9), 16, n=4)
    program = lower(graph.with_(header=ir.Header(dt_s=1e-3, steps=16, coding="events")), PROFILE)
    node = program.nodes["neuron"]
    assert isinstance(node, ir.FixedLIF)
    slower = ir.FixedLIF(**node.arrays() | node.attributes() | {"dv": node.dv + 400})
    other = program.with_(nodes={**program.nodes, "neuron": slower})
    found = diff(program, other)
    assert found.causes[0].cause == "dt"
    assert found.causes[0].layers == ("neuron",)
    assert diff(program, Side.of(program, "reference")).verdict == "identical"


def test_a_float_network_and_its_integers_part_by_rounded_parameters():
    graph = dense(np.random.default_rng(0).normal(size=(12, 6)))
    program = lower(graph, PROFILE)
    found = diff(graph, Side.of(program, "torch"))
    assert found.causes[0].cause == "rounded weights"
    assert found.causes[0].share > 0.9
    assert any("only spikes" in note for note in found.notes)


def test_layers_are_matched_by_name_then_by_order_and_shape():
    a = [Observed("x", (4,), True), Observed("y", (8,), True), Observed("z", (2,), False)]
    b = [Observed("p", (8,), True), Observed("x", (4,), True), Observed("q", (2,), False)]
    found = match(a, b)
    assert {(p.a.name, p.b.name) for p in found.pairs} == {("x", "x"), ("y", "p"), ("z", "q")}
    less = match(a, b[1:])
    assert less.only_a == ("y",)
    assert less.only_b == ()


def test_another_shape_is_a_difference_with_its_cause():
    rng = np.random.default_rng(1)
    header = ir.Header(dt_s=1e-3, steps=16, coding="events", bounds=(0.0, 2.0))

    def network(padding):
        from neurorobust.ir import Conv2d

        conv = Conv2d(weight=np.random.default_rng(2).normal(size=(2, 1, 3, 3)), padding=padding)
        size = 5 + 2 * padding[0] - 2
        return stack(
            (1, 5, 5),
            header,
            conv=conv,
            lif=ir.LIF(beta=np.array(0.5), threshold=np.array(1.0)),
            flat=ir.Flatten(),
            fc=ir.Affine(weight=rng.normal(size=(3, 2 * size * size))),
            out=ir.LIF(beta=np.array(0.5), threshold=np.array(1.0)),
        )

    found = diff(network((1, 1)), box(network((0, 0))))
    assert not found.agree
    assert "shape" in found.layers[0].note
    assert found.causes[0].cause == "padding"
    assert found.causes[0].layers == ("lif",)


def test_shrink_finds_exactly_what_is_needed():
    """The sides part where 3 stands in input 5 some step before 7 does in input 2."""
    rng = np.random.default_rng(0)
    sample = rng.integers(1, 3, (20, 8)).astype(float)
    sample[4, 5], sample[9, 2] = 3, 7

    def parts(values):
        early = np.maximum.accumulate(values[:, :, 5] == 3, axis=1)
        return (early[:, :-1] & (values[:, 1:, 2] == 7)).any(axis=1)

    small = shrink(sample, parts, 10)
    assert (small.steps, small.nonzero) == (2, 2)
    assert small.values[0, 5] == 3
    assert small.values[1, 2] == 7
    assert small.original_values == 160
    assert small.share == pytest.approx(4 / (160 * 20))


def test_the_package_offers_it():
    graph = neurons(lif(), 4)
    assert neurorobust.diff(graph, graph).verdict == "identical"
    with pytest.raises(AttributeError, match="no attribute 'difff'"):
        _ = neurorobust.difff


def test_sides_that_cannot_be_compared():
    one, two = neurons(lif(), 4, n=1), neurons(lif(), 4, n=2)
    with pytest.raises(InvalidInput, match="cannot be shown the same"):
        diff(one, two)
    with pytest.raises(InvalidInput, match="cannot compare a float"):
        diff(one, 1.5)
    with pytest.raises(InvalidInput, match="give inputs as a Stimulus"):
        diff(box(one), box(one))
    with pytest.raises(InvalidInput, match="no backend is named 'torhc'"):
        diff(one, "model.safetensors@torhc")


@pytest.fixture
def files(tmp_path):
    graph = conv_network(np.random.default_rng(4), grid=True)
    other = plant(np.random.default_rng(1), graph, "lost bias")
    return ir.save_model(graph, tmp_path / "a.safetensors"), ir.save_model(other, tmp_path / "b.st")


def invoke(*arguments):
    return CliRunner().invoke(app, ["diff", *map(str, arguments)])


def test_command(files, tmp_path):
    a, b = files
    same = invoke(a, a, "--samples", 8, "--json")
    assert same.exit_code == 0
    assert json.loads(same.stdout)["verdict"] == "identical"
    page, small = tmp_path / "page.html", tmp_path / "small.npz"
    parted = invoke(a, b, "--samples", 8, "--html", page, "--reproducer", small)
    assert parted.exit_code == 1
    assert "lost bias" in parted.stdout
    assert "first divergence" in parted.stdout
    text = page.read_text("utf-8")
    assert "lost bias" in text
    assert text.count("<svg") >= 1
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", text), "the page loads something"
    assert len(re.findall(r'id="([^"]+)"', text)) == len(set(re.findall(r'id="([^"]+)"', text)))
    again = invoke(a, b, "--samples", 0, "--data", small, "--json")
    assert again.exit_code == 1
    found = json.loads(again.stdout)
    assert found["samples"] == {"given": 1}
    assert found["causes"][0]["cause"] == "lost bias"


def test_files_of_other_formats(tmp_path):
    from neurorobust.formats.nir import save_nir

    graph = dense(np.random.default_rng(0).normal(size=(4, 3)))
    save_nir(graph, tmp_path / "m.nir")
    assert diff(graph, tmp_path / "m.nir").verdict == "identical"
    pytest.importorskip("onnx")
    from neurorobust.formats.onnx import save_onnx

    save_onnx(graph, tmp_path / "m.onnx")
    assert diff(graph, f"{tmp_path / 'm.onnx'}@reference").agree


def test_command_that_cannot(files, tmp_path):
    missing = invoke(files[0], tmp_path / "none.safetensors")
    assert missing.exit_code == 2
    assert "none.safetensors" in missing.stderr
    rung = invoke(files[0], f"{files[0]}@torch:analogue")
    assert rung.exit_code == 2
    assert "no rung is named 'analogue'" in rung.stderr
