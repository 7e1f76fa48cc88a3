"""Metrics of NeuroBench: against NeuroBench's own code, and against unit vectors pushed through."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from typer.testing import CliRunner

from neurorobust import backends, ir
from neurorobust.backends import get_backend
from neurorobust.cli import app
from neurorobust.data import Stimulus
from neurorobust.engine.linear import linear_map
from neurorobust.errors import InvalidInput, Unsupported
from neurorobust.metrics.footprint import footprint
from neurorobust.metrics.neurobench import count
from neurorobust.metrics.synapses import fan_out
from neurorobust.testing.draws import random_stimulus
from neurorobust.testing.random_networks import random_graph
from tests.support.networks import stack, wired

STEPS = 7
EVENTS = ir.Header(dt_s=1e-3, steps=STEPS, coding="events", bounds=(-9.0, 9.0))


def weights(rng, *shape):
    """About a quarter are 0."""
    drawn = rng.normal(0.2, 0.6, shape)
    return np.where(rng.random(shape) < 0.25, 0.0, drawn)


def lif(**fields):
    return ir.LIF(**{"beta": 0.8, "threshold": 0.7} | fields)


def dense(rng):
    return stack(
        (6,),
        EVENTS,
        fc1=ir.Affine(weight=weights(rng, 9, 6), bias=weights(rng, 9)),
        lif1=lif(),
        fc2=ir.Affine(weight=weights(rng, 4, 9)),
        lif2=lif(reset="soft", compare=">="),
    )


def deep(rng):
    """Every kind of neuron state, heterogeneous parameters and a readout without spikes."""
    return stack(
        (6,),
        EVENTS,
        fc1=ir.Affine(weight=weights(rng, 9, 6)),
        lif1=lif(alpha=0.4, beta=rng.uniform(0.3, 0.9, 9), reset="soft", reset_timing="next"),
        fc2=ir.Affine(weight=weights(rng, 8, 9)),
        lif2=lif(refractory=2, v_min=-0.2, bias=0.1),
        fc3=ir.Affine(weight=weights(rng, 7, 8)),
        lif3=lif(max_spikes=3, threshold=0.3),
        fc4=ir.Affine(weight=weights(rng, 3, 7)),
        li=ir.LI(beta=0.9),
    )


def convolutional(rng, op, **header):
    return stack(
        (2, 8, 7),
        replace(EVENTS, **header),
        conv1=ir.Conv2d(weight=weights(rng, 4, 2, 3, 2), stride=(1, 2), padding=(1, 1)),
        norm=ir.BatchNorm(
            mean=weights(rng, 4), var=np.ones(4), scale=np.full(4, 1.5), shift=weights(rng, 4)
        ),
        lif1=lif(),
        pool=ir.Pool2d(op=op, kernel=(2, 2), stride=(2, 2)),
        conv2=ir.Conv2d(weight=weights(rng, 4, 2, 2, 2), groups=2, padding=(1, 0)),
        lif2=lif(),
        flat=ir.Flatten(),
        fc=ir.Affine(weight=weights(rng, 3, 20)),
        lif3=lif(),
    )


def recurrent(rng):
    nodes = {
        "into": ir.Affine(weight=weights(rng, 6, 5)),
        "lif.1": lif(),
        "loop": ir.Affine(weight=weights(rng, 6, 6), bias=weights(rng, 6)),
        "out": ir.Affine(weight=weights(rng, 3, 6)),
        "type": lif(),
    }
    edges = ["input into lif.1>2 out type output", "lif.1 loop>1 lif.1"]
    return wired(edges, EVENTS, input=(5,), **nodes)


def residual(rng):
    """The sum of two populations makes MACs of a call in which both fire."""
    nodes = dict(dense(rng).nodes) | {
        "fc2": ir.Affine(weight=weights(rng, 9, 9)),
        "fc3": ir.Affine(weight=weights(rng, 4, 9)),
        "lif3": lif(),
    }
    return wired(["input fc1 lif1 fc2 lif2 fc3 lif3 output", "lif1 fc3"], EVENTS, **nodes)


NETWORKS = {
    "dense": dense,
    "deep": deep,
    "average pooling": lambda rng: convolutional(rng, "avg"),
    "maximum pooling": lambda rng: convolutional(rng, "max"),
    "direct images": lambda rng: convolutional(
        rng, "max", coding="direct", bounds=(0.0, 1.0), mean=(0.3,), std=(0.5,)
    ),
    "recurrent": recurrent,
    "residual": residual,
}


def samples_for(rng, graph, size=5):
    if graph.header.coding == "direct":
        return rng.random((size, *graph.input_shape))
    spikes = (rng.random((size, STEPS, *graph.input_shape)) < 0.4).astype(np.float64)
    spikes[:, 2] = 0
    return spikes


def benchmark(model, stimulus, batch, *, post=()):
    """NeuroBench's own results."""
    from neurobench.benchmarks import Benchmark
    from neurobench.metrics.static import ConnectionSparsity, Footprint
    from neurobench.metrics.workload import (
        ActivationSparsity,
        ClassificationAccuracy,
        MembraneUpdates,
        SynapticOperations,
    )

    labels = torch.zeros(len(stimulus), dtype=torch.int64)
    loader = DataLoader(TensorDataset(torch.from_numpy(stimulus), labels), batch_size=batch)
    workload = [ActivationSparsity, SynapticOperations, MembraneUpdates]
    workload += [ClassificationAccuracy] if post else []
    metrics = [[Footprint, ConnectionSparsity], workload]
    return Benchmark(model, loader, [], list(post), metrics).run(quiet=True)


def alike(ours, theirs):
    """All digits, but for the last bit of the sparsity, which is a mean over batches there."""
    sparsity = "ActivationSparsity"
    assert ours | {sparsity: 0} == theirs | {sparsity: 0}
    assert ours[sparsity] == pytest.approx(theirs[sparsity], rel=0, abs=3e-16)


@pytest.fixture(scope="module", autouse=True)
def _neurobench():
    pytest.importorskip("neurobench")


@pytest.mark.parametrize("batch", [5, 2])
@pytest.mark.parametrize("name", NETWORKS)
def test_equals_neurobench_to_every_digit(name, batch):
    from neurorobust.metrics.neurobench.adapter import NeuroBenchAdapter

    rng = np.random.default_rng(3)
    graph = NETWORKS[name](rng)
    samples = samples_for(rng, graph)
    counts = count(graph, samples, batch=batch)
    adapter = NeuroBenchAdapter(graph)
    shown = samples if graph.header.coding == "events" else samples[:, None].repeat(STEPS, 1)
    theirs = benchmark(adapter, shown, batch, post=[adapter.decisions])
    accuracy = theirs.pop("ClassificationAccuracy")
    alike(counts.in_neurobench_terms(), theirs)
    assert 0 < theirs["ActivationSparsity"] < 1
    assert counts.by_call.acs > 0
    assert counts.by_call.macs > 0 or name in {"dense", "maximum pooling", "recurrent"}
    executable = get_backend("torch").compile(graph, "float")
    values = samples if graph.header.coding == "events" else samples[:, None]
    decided = executable.run(Stimulus(values, STEPS)).decisions
    assert accuracy == pytest.approx((decided == 0).mean())


def test_equals_neurobench_on_a_network_of_snntorch_itself():
    """Nothing of ours runs on their side: snnTorch's modules and NeuroBench's own wrapper."""
    from neurobench.hooks.neuron import snn
    from neurobench.models import SNNTorchModel

    rng = np.random.default_rng(5)
    graph = stack(
        (2, 6, 6),
        EVENTS,
        conv=ir.Conv2d(weight=weights(rng, 3, 2, 3, 3).astype(np.float32)),
        lif1=lif(),
        pool=ir.Pool2d(op="avg", kernel=(2, 2), stride=(2, 2)),
        flat=ir.Flatten(),
        fc=ir.Affine(weight=weights(rng, 4, 12).astype(np.float32)),
        lif2=lif(),
    )
    hidden = {"beta": 0.8, "threshold": 0.7, "reset_mechanism": "zero", "init_hidden": True}
    hidden["reset_delay"] = False
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, bias=False),
        snn.Leaky(**hidden),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(12, 4, bias=False),
        snn.Leaky(**hidden, output=True),
    )
    net[0].weight.data = torch.tensor(graph.nodes["conv"].weight)
    net[4].weight.data = torch.tensor(graph.nodes["fc"].weight)
    samples = samples_for(rng, graph)
    theirs = benchmark(SNNTorchModel(net), samples.astype(np.float32), 5)
    ours = count(graph, samples, batch=5).in_neurobench_terms()
    theirs["Footprint"] = ours["Footprint"]  # snnTorch keeps states and flags as buffers
    alike(ours, theirs)
    assert theirs["SynapticOperations"]["Effective_MACs"] > 0


def by_unit_vectors(node, shape):
    """Outputs that differ from 0 for each input alone, and for weights of one."""
    ones = replace(node, weight=np.ones_like(node.weight))
    found = []
    for one in (node, ones):
        function = linear_map(replace(one, bias=None), torch.zeros((), dtype=torch.float64))
        units = torch.eye(int(np.prod(shape)), dtype=torch.float64).reshape(-1, *shape)
        found.append((function(units).flatten(1) != 0).sum(1).numpy().reshape(shape))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_fan_out_is_that_of_unit_vectors(seed):
    rng = np.random.default_rng(seed)
    groups, kernel = int(rng.integers(1, 3)), tuple(rng.integers(1, 4, 2))
    ranges = {"stride": (1, 4), "padding": (0, 3), "dilation": (1, 3)}
    geometry = {name: tuple(map(int, rng.integers(*ends, 2))) for name, ends in ranges.items()}
    line = {name: pair[:1] for name, pair in geometry.items()}
    cases = (
        (ir.Conv2d(weight=weights(rng, 4, 2, *kernel), groups=groups, **geometry), (9, 8)),
        (ir.Conv1d(weight=weights(rng, 4, 2, kernel[0]), groups=groups, **line), (9,)),
        (ir.Affine(weight=weights(rng, 5, 7), bias=np.ones(5)), None),
    )
    for node, size in cases:
        shape = (7,) if size is None else (2 * groups, *size)
        (fan,) = fan_out(node, shape)
        connected, every = by_unit_vectors(node, shape)
        np.testing.assert_array_equal(fan.connected, connected)
        np.testing.assert_array_equal(fan.dense, every)


@pytest.mark.parametrize("op", ["avg", "sum"])
def test_folded_pooling_keeps_accumulations(op):
    """The oracle is the one matrix of pooling and convolution, entry by entry."""
    rng = np.random.default_rng(8)
    graph = convolutional(rng, op)
    samples = samples_for(rng, graph)
    counts = count(graph, samples)
    run = backends.run(graph, Stimulus(samples, STEPS), record=["spikes"])
    like = torch.zeros((), dtype=torch.float64)
    shape = graph.shapes["lif1"]
    units = torch.eye(int(np.prod(shape)), dtype=torch.float64).reshape(-1, *shape)
    for name in ("pool", "conv2"):
        units = linear_map(graph.nodes[name], like)(units)
    synapses = (units.flatten(1) != 0).sum(1).numpy().reshape(shape)
    spikes = run.spikes["lif1"].astype(np.int64).sum((0, 1))
    layer = counts.layers["conv2"]
    assert layer.by_event.acs == (spikes * synapses).sum() > 0
    assert layer.by_event.macs == 0
    assert layer.by_call.macs > 0
    assert counts.by_event.macs == 0


def test_kinds_of_input():
    """Spikes of a sample are 0, 1 and -1, or whole events; grey values are graded."""
    rng = np.random.default_rng(0)
    graph, fan = dense(rng), 9
    graph = graph.with_(nodes=dict(graph.nodes) | {"fc1": ir.Affine(weight=np.ones((fan, 6)))})
    events = np.zeros((2, STEPS, 6))
    events[0, 1, 2], events[1, 0, 0] = 3, -1
    assert count(graph, events).layers["fc1"].by_event == replace(
        count(graph, 0 * events).layers["fc1"].by_event, acs=4 * fan
    )
    assert count(graph, events).layers["fc1"].by_call.acs == fan, "3 is no spike to NeuroBench"
    events[1, 3, 4] = 0.5
    mixed = count(graph, events).layers["fc1"].by_event
    assert (mixed.acs, mixed.macs) == (3 * fan, 2 * fan)
    still = graph.with_(header=replace(EVENTS, coding="direct"))
    grey = count(still, np.full((1, 6), 2.0)).layers["fc1"].by_event
    assert (grey.acs, grey.macs) == (0, 6 * fan * STEPS)


def test_a_sum_of_populations_stays_spikes():
    rng = np.random.default_rng(4)
    graph = residual(rng)
    samples = samples_for(rng, graph)
    run = backends.run(graph, Stimulus(samples, STEPS), record=["spikes"])
    fan = (graph.nodes["fc3"].weight != 0).sum(0)
    spikes = sum(run.spikes[name].astype(np.int64).sum((0, 1)) for name in ("lif1", "lif2"))
    layer = count(graph, samples).layers["fc3"]
    assert (layer.by_event.acs, layer.by_event.macs) == ((spikes * fan).sum(), 0)
    assert layer.by_call.macs > 0


def test_program_with_delays():
    """Synaptic delays that reach beyond the end cost nothing; anything but 0 is one spike."""
    weight = np.array([[10, 0, -20], [0, 4, 6]])
    delay = np.array([[0, 0, 2], [0, 1, 5]])
    program = ir.Program.chain(
        ir.Header(dt_s=1e-3, steps=4, coding="events", bounds=(-9.0, 9.0)),
        {
            "input": ir.FixedInput(shape=(3,), scale=1.0, low=-8, high=8),
            "fc": ir.FixedDelayDense(weight=weight, delay=delay, weight_bits=8),
            "lif": ir.FixedLIF(du=4095, dv=1024, vth=5),
            "output": ir.Output(),
        },
    )
    events = np.zeros((1, 4, 3))
    events[0, :, 0], events[0, 2:, 1], events[0, 1:, 2] = 5, 1, 1
    layer = count(program, events).layers["fc"]
    reached = 4 * 1 + 1 * 1 + 1 * 1 + 0  # in order: delays 0, 1, 2 and 5, of which four steps see
    assert (layer.by_event.acs, layer.by_event.macs) == (reached, 0)
    assert (layer.connections.weights, layer.connections.zeros) == (6, 2)
    print_ = count(program, events).footprint
    assert print_.parameter_bits == 6 * 8 + 6 * 6 + 12 + 13 + 17 + 16 + 4
    assert print_.state_bits == 2 * 48 + 5 * 3


def test_program_with_convolution_and_host():
    rng = np.random.default_rng(1)
    conv = ir.FixedConv2d(weight=rng.integers(-5, 4, (2, 1, 2, 2)))
    nodes = {
        "input": ir.FixedInput(shape=(1, 4, 4), scale=1.0, low=-8, high=8),
        "conv": conv,
        "lif": ir.FixedLIF(du=4095, dv=1024, vth=2),
        "flat": ir.Flatten(),
        "fc": ir.FixedDense(weight=np.full((3, 18), 2), message_bits=0),
        "last": ir.FixedLIF(du=4095, dv=1024, vth=2),
        "output": ir.Output(),
    }
    header = ir.Header(dt_s=1e-3, steps=5, bounds=(0.0, 1.0))
    program = ir.Program.chain(header, nodes)
    host = stack((3,), header, fc=ir.Affine(weight=rng.normal(size=(16, 3))), lif=lif())
    whole = program.with_(host=host)
    samples = rng.random((4, 3))
    counts = count(whole, samples, batch=3)
    assert list(counts.layers) == ["host/fc", "conv", "fc"]
    assert counts.layers["host/fc"].by_event.macs == np.count_nonzero(samples) * 16 * 5
    run = backends.run(whole, Stimulus(samples[:, None], 5), record=["spikes"])
    spent = run.spikes["lif"].astype(np.int64).sum()
    assert counts.layers["fc"].by_event.acs == 3 * spent > 0
    assert counts.layers["conv"].by_event.acs > 0, "spikes of the host arrive as spikes"
    assert counts.populations["lif"].activations.spikes == spent
    bits = sum(n * b for n, b in ((8, 4), (54, 8), (2, 12 + 13 + 17 + 16 + 4)))
    assert footprint(program).parameter_bits == bits


def test_footprint_of_a_graph():
    rng = np.random.default_rng(2)
    graph = deep(rng)
    found = footprint(graph, item_bytes=4)
    numbers = 9 * 6 + 8 * 9 + 7 * 8 + 3 * 7  # weights
    numbers += (9 + 1 + 1) + (1 + 1 + 1 + 1) + (1 + 1) + 1  # beta, threshold, alpha, v_min, bias
    assert (found.parameters, found.parameter_bytes) == (numbers, 4 * numbers)
    state = 32 * (2 * 9 + 8 + 7 + 3) + 9 * 1 + 8 * 2  # last spikes; counters of two steps
    assert found.state_bits == state
    assert footprint(recurrent(rng)).state_bits == 64 * (6 + 3) + 64 * 6 + 2 * 6


@pytest.mark.parametrize("seed", range(15))
def test_random_graphs_equal_neurobench(seed):
    from neurorobust.metrics.neurobench.adapter import NeuroBenchAdapter

    rng = np.random.default_rng(seed)
    graph = random_graph(rng)
    stimulus = random_stimulus(rng, graph)
    samples = stimulus.values[:, 0] if graph.header.coding == "direct" else stimulus.values
    shown = np.broadcast_to(
        stimulus.values, (len(stimulus), stimulus.steps, *graph.input_shape)
    ).copy()
    theirs = benchmark(NeuroBenchAdapter(graph), shown, 3)
    alike(count(graph, samples, item_bytes=8).in_neurobench_terms(), theirs)


def test_refusals():
    graph = dense(np.random.default_rng(0))
    with pytest.raises(InvalidInput, match="batch is 0 samples"):
        count(graph, np.zeros((1, STEPS, 6)), batch=0)
    with pytest.raises(InvalidInput, match="at least one sample"):
        count(graph, np.zeros((0, STEPS, 6)))
    eyes = {name: ir.Affine(weight=np.eye(6)) for name in "ab"}
    edges = ["input fc1 lif1 fc2 lif2 output", "input a b>1 a fc1"]
    loop = wired(edges, EVENTS, **graph.nodes, **eyes)
    with pytest.raises(Unsupported, match="a loop without neurons"):
        count(loop, np.zeros((1, STEPS, 6)))
    from neurorobust.metrics.neurobench.adapter import NeuroBenchAdapter

    with pytest.raises(InvalidInput, match=r"batch has shape \(1, 7, 5\)"):
        NeuroBenchAdapter(graph)(torch.zeros(1, STEPS, 5))


def test_command(tmp_path):
    rng = np.random.default_rng(0)
    graph, file, data = dense(rng), tmp_path / "graph.safetensors", tmp_path / "data.npz"
    samples = samples_for(rng, graph)
    ir.save_model(graph, file)
    np.savez(data, x=samples, y=np.zeros(len(samples), np.int64))
    arguments = ["neurobench", str(file), "--data", str(data), "--batch", "2"]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    wanted = count(graph, samples, batch=2)
    assert f"{wanted.by_call.acs / 5:,.1f}" in shown.output
    given = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert given == wanted.as_json()
    assert CliRunner().invoke(app, ["neurobench", str(file)]).exit_code == 2
