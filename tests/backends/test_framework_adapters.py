"""Networks around the neurons: layers, wiring, readouts and refusals of the two adapters."""

from dataclasses import replace

import numpy as np
import pytest

from neurorobust import ir
from neurorobust.backends import framework, get_backend
from neurorobust.data import Stimulus
from neurorobust.errors import BackendUnavailable, InvalidInput, Unsupported
from tests.support import small
from tests.support.helpers import require_backend
from tests.support.neuron_oracle import oracle
from tests.support.running import python

HEADER = small.header(steps=12, coding="direct", bounds=(-10.0, 10.0))
READOUTS = {"count": [2, 1], "mean": [0.5, 0.25], "last": [0, 1], "max": [1, 1], "first": [4, 1]}
NAMES = ("snntorch", "norse")


@pytest.fixture(params=NAMES)
def backend(request):
    return require_backend(request, request.param)


def run(backend, graph, x, steps=None, **options):
    executable = backend.compile(graph, "float", **options)
    return executable.run(Stimulus(x, steps or x.shape[1]), record={"spikes"})


def fire(node, x):
    """Oracle on inputs of any shape (B, T, ...)."""
    flat = x.reshape(*x.shape[:2], -1)
    return oracle(node, flat).reshape(x.shape)


def fold(x):
    """(B, T, ...) -> (B*T, ...) for maps without memory."""
    return x.reshape(-1, *x.shape[2:])


def windows2d(x, kernel, stride, padding, fill=0.0):
    pad = [(0, 0), (0, 0), *((p, p) for p in padding)]
    padded = np.pad(x, pad, constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(2, 3))
    return view[:, :, :: stride[0], :: stride[1]]


def test_convolutional_network(backend):
    rng = np.random.default_rng(1)
    neuron = ir.LIF(beta=0.75, threshold=1.0)
    weight, bias = rng.normal(0, 0.5, (4, 1, 3, 2)), rng.normal(0, 0.3, 4)
    conv = ir.Conv2d(weight=weight, bias=bias, stride=(2, 1), padding=(1, 0), groups=2)
    mean, (var, scale), shift = rng.normal(size=4), rng.uniform(0.5, 2, (2, 4)), rng.normal(size=4)
    norm = ir.BatchNorm(mean=mean, var=var, scale=scale, shift=shift)
    fc = ir.Affine(weight=rng.normal(0, 0.5, (3, 16)))
    graph = small.graph(
        (2, 7, 8),
        replace(HEADER, mean=(0.1, -0.2), std=(0.5,)),
        conv=conv,
        norm=norm,
        lif=neuron,
        sums=ir.Pool2d(op="sum", kernel=(2, 2), stride=(1, 2)),
        peak=ir.Pool2d(op="max", kernel=(2, 2), stride=(1, 1), padding=(1, 0)),
        mean=ir.Pool2d(op="avg", kernel=(2, 1), stride=(1, 1), padding=(1, 0)),
        pick=ir.Pool2d(op="max", kernel=(3, 1), stride=(2, 1)),
        flat=ir.Flatten(),
        fc=fc,
        out=neuron,
    )
    x = rng.normal(0, 1, (3, 12, 2, 7, 8))
    result = run(backend, graph, x)

    y = fold((x - np.array([0.1, -0.2])[:, None, None]) / 0.5)
    view = windows2d(y, (3, 2), (2, 1), (1, 0))
    halves = [
        np.einsum("bchwij,ocij->bohw", view[:, g : g + 1], weight[2 * g : 2 * g + 2])
        for g in range(2)
    ]
    y = np.concatenate(halves, axis=1) + bias[:, None, None]
    per = {k: v[:, None, None] for k, v in norm.arrays().items()}
    y = (y - per["mean"]) / np.sqrt(per["var"] + norm.eps) * per["scale"] + per["shift"]
    first = fire(neuron, y.reshape(3, 12, *y.shape[1:]))
    y = windows2d(fold(first).astype(float), (2, 2), (1, 2), (0, 0)).sum((-1, -2))
    y = windows2d(y, (2, 2), (1, 1), (1, 0), -np.inf).max((-1, -2))
    y = windows2d(y, (2, 1), (1, 1), (1, 0)).mean((-1, -2))
    y = windows2d(y, (3, 1), (2, 1), (0, 0)).max((-1, -2))
    y = y.reshape(len(y), -1) @ fc.weight.T
    last = fire(neuron, y.reshape(3, 12, 3))
    np.testing.assert_array_equal(result.spikes["lif"], first)
    np.testing.assert_array_equal(result.spikes["out"], last)
    np.testing.assert_array_equal(result.scores, last.sum(axis=1))
    assert 0 < first.mean() < 1
    assert 0 < last.mean() < 1


def test_one_dimensional_convolution_and_other_norms(backend):
    rng = np.random.default_rng(2)
    one = np.ones(2)
    norm = ir.BatchNorm(mean=0.5 * one, var=4 * one - 1e-5, scale=one, shift=one)
    graph = small.graph(
        (1, 6),
        HEADER,
        readout="last",
        conv=ir.Conv1d(weight=np.ones((2, 1, 2)), dilation=(2,)),
        norm=norm,
        flat=ir.Flatten(),
        fc=ir.Affine(weight=np.tile([[0.25], [-0.25]], (1, 8)), bias=np.zeros(2)),
        norm2=norm,
        li=ir.LI(beta=0.5),
    )
    x = rng.integers(-4, 5, (2, 1, 1, 6)).astype(float)
    y = x[:, 0, 0, :-2] + x[:, 0, 0, 2:]
    y = 2 * 0.25 * ((y - 0.5) / 2 + 1).sum(axis=1)
    y = (np.stack([y, -y], axis=1) - 0.5) / 2 + 1
    result = run(backend, graph, x, steps=12)
    np.testing.assert_allclose(result.scores, y * (1 - 0.5**12) / 0.5, rtol=1e-9)


@pytest.mark.parametrize("axes", [1, 2, 3, 4, 5])
def test_batch_norm_of_any_number_of_axes(backend, axes):
    rng = np.random.default_rng(axes)
    shape = (3, 2, 1, 2, 2)[:axes]
    norm = ir.BatchNorm(
        mean=rng.normal(size=3), var=np.ones(3), scale=rng.normal(size=3), shift=np.ones(3)
    )
    graph = small.graph(shape, HEADER, norm=norm, flat=ir.Flatten())
    x = rng.normal(size=(2, 1, *shape))
    per = {k: v.reshape(-1, *(1,) * (axes - 1)) for k, v in norm.arrays().items()}
    y = (x - per["mean"]) / np.sqrt(1 + norm.eps) * per["scale"] + per["shift"]
    np.testing.assert_allclose(run(backend, graph, x, steps=1).scores, y.reshape(2, -1))


def wired(extra=""):
    """Input, two layers and a sum, on the 1/4 grid, with further edges."""
    first, second = np.random.default_rng(3).integers(-2, 4, (2, 4, 4)) / 4
    graph = small.graph(
        4,
        HEADER,
        fc1=ir.Affine(weight=first),
        lif1=small.lif(beta=0.5, reset="soft"),
        fc2=ir.Affine(weight=second, bias=np.full(4, 0.25)),
        lif2=small.lif(beta=0.5),
    )
    return small.changed(graph, extra)


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param("lif1-lif2", id="skip"),
        pytest.param("lif1-lif2:3", id="delayed skip"),
        pytest.param("fc2-lif1:1", id="recurrence through an affine"),
        pytest.param("lif2-lif2:1 lif2-fc1:2", id="two loops"),
        pytest.param("input-lif2 input-lif2:12", id="delay as long as the run"),
    ],
)
def test_wiring(backend, extra):
    graph = wired(extra)
    x = np.random.default_rng(4).integers(-2, 6, (3, 12, 4)) / 4
    spikes = run(backend, graph, x).spikes
    # Node by node and step by step, with every past value at hand.
    past = {name: np.zeros((12, 3, 4)) for name in graph.nodes}
    v = {"lif1": np.zeros((3, 4)), "lif2": np.zeros((3, 4))}
    for t in range(12):
        for name in ("input", "fc1", "lif1", "fc2", "lif2"):
            edges = [edge for edge in graph.incoming(name) if edge.delay <= t]
            arriving = sum((past[e.source][t - e.delay] for e in edges), np.zeros((3, 4)))
            node = graph.nodes[name]
            if name == "input":
                past[name][t] = x[:, t]
            elif isinstance(node, ir.Affine):
                past[name][t] = arriving @ node.weight.T + (0 if node.bias is None else node.bias)
            else:
                h = 0.5 * v[name] + arriving
                past[name][t] = s = h > 1
                v[name] = h - s if node.reset == "soft" else h * ~s
    for name in ("lif1", "lif2"):
        want = past[name].transpose(1, 0, 2)
        assert 0 < want.mean() < 1
        np.testing.assert_array_equal(spikes[name], want)


def test_a_delayed_edge_is_the_only_one(backend):
    graph = small.graph(2, HEADER, lif=small.lif(beta=0.5), wires="input-lif:2 lif-output:1")
    for x in (np.full((1, 1, 2), 2.0), np.full((1, 6, 2), 2.0)):
        result = run(backend, graph, x, steps=6)
        np.testing.assert_array_equal(result.spikes["lif"][0, :, 0], [0, 0, 1, 1, 1, 1])
        np.testing.assert_array_equal(result.scores, [[3, 3]])


def test_a_static_stimulus_is_the_same_as_repeating_it(backend):
    graph = wired("lif1-lif2:1 fc1-lif2:2 fc2-lif1:1")
    x = np.random.default_rng(5).integers(-2, 6, (3, 1, 4)) / 4
    still, repeated = (run(backend, graph, v, steps=12) for v in (x, np.repeat(x, 12, axis=1)))
    for name in graph.spiking:
        np.testing.assert_array_equal(still.spikes[name], repeated.spikes[name])


def test_a_second_run_knows_nothing_of_the_first(backend):
    rng = np.random.default_rng(6)
    nodes = {
        "stock": small.lif(),
        "current": small.lif(alpha=0.5, v_init=0.3, i_init=0.2),
        "ours": small.lif(alpha=0.5, reset="soft", bias=0.1, refractory=0),
        "rests": small.lif(beta=1.0, refractory=2, v_min=-1.0),
        "li": ir.LI(beta=0.9, bias=0.1, v_init=0.5),
    }
    graph = small.graph(5, HEADER, **nodes)
    x = rng.normal(0.5, 1, (4, 12, 5))
    executable = backend.compile(graph, "float")
    a = executable.run(Stimulus(x, 12), record=("spikes",))
    executable.run(Stimulus(x[:2] + 1, 12))
    b = executable.run(Stimulus(x, 12), record=("spikes",))
    np.testing.assert_array_equal(a.scores, b.scores)
    for name in graph.spiking:
        np.testing.assert_array_equal(a.spikes[name], b.spikes[name])


@pytest.mark.parametrize(("readout", "want"), READOUTS.items())
def test_readouts(backend, readout, want):
    graph = small.graph(2, HEADER, readout=readout, lif=ir.LIF(beta=0.0, threshold=0.5))
    x = np.array([[[1.0, 0], [0, 0], [1, 0], [0, 1]]])
    result = run(backend, graph, x)
    assert result.scores.dtype == np.float64
    np.testing.assert_array_equal(result.scores, [want])
    np.testing.assert_array_equal(run(backend, graph, 0 * x).scores == 0, True)


def test_values_of_any_type_and_no_samples(backend):
    graph = wired()
    x = np.random.default_rng(7).integers(0, 3, (2, 12, 4)).astype(np.uint8)
    np.testing.assert_array_equal(
        run(backend, graph, x).scores, run(backend, graph, x.astype(float)).scores
    )
    assert run(backend, graph, x[:0]).scores.shape == (0, 4)


def test_several_spikes_are_refused_by_node_and_reason(backend):
    graph = small.graph(2, HEADER, burst=small.lif(beta=0.5, max_spikes=3))
    with pytest.raises(Unsupported, match=r"burst: LIF several spikes per step \(.*at most once"):
        backend.compile(graph, "float")


def test_programs_and_other_rungs_are_refused(backend):
    fc = ir.FixedDense(weight=np.ones((1, 1), np.int64))
    program = small.program(1, HEADER, fc=fc, lif=ir.FixedLIF(vth=1))
    with pytest.raises(Unsupported, match="floating point"):
        backend.compile(program, "quantised")
    with pytest.raises(Unsupported, match="takes a Graph"):
        backend.compile(program, "float")
    with pytest.raises(Unsupported, match="no neuromorphic chip"):
        backend.compile(wired(), "device")


def test_misuse_is_refused(backend):
    graph = wired()
    with pytest.raises(InvalidInput, match="precision is 'half'"):
        backend.compile(graph, "float", precision="half")
    executable = backend.compile(graph, "float")
    for shape, record, error, message in (
        ((1, 12, 3), (), InvalidInput, "the model takes"),
        ((1, 5, 4), (), InvalidInput, "12 steps"),
        ((1, 12, 4), ("membrane",), Unsupported, "reference"),
        ((1, 12, 4), ("currents",), InvalidInput, "record is .*known are"),
    ):
        with pytest.raises(error, match=message):
            executable.run(Stimulus(np.zeros(shape), 12), record=record)
    executable.close()
    with pytest.raises(InvalidInput, match="closed"):
        executable.run(Stimulus(np.zeros((1, 12, 4)), 12))


@pytest.mark.parametrize("name", NAMES)
def test_an_absent_library_is_missing_with_its_command(monkeypatch, name):
    backend = get_backend(name)
    monkeypatch.setattr(framework, "find_spec", lambda _: None)
    assert f"pip install 'neurorobust[{name}]'" in backend.missing()
    with pytest.raises(BackendUnavailable, match="pip install"):
        backend.compile(wired(), "float")


def test_another_release_is_reported(backend, monkeypatch):
    monkeypatch.setattr(framework, "version", lambda _: "99.0")
    declared = backend.capabilities().rungs["float"].deviations
    reported = run(backend, wired(), np.zeros((1, 12, 4))).deviations
    assert any(d.kind == "unverified" and "99.0" in d.text for d in reported)
    assert set(reported) <= set(declared)


@pytest.mark.parametrize("name", NAMES)
def test_loading_an_adapter_imports_no_framework(name):
    code = (
        f"import sys, neurorobust_{name} as adapter; adapter.backend.capabilities(); "
        "adapter.backend.missing(); "
        "sys.exit(', '.join({'torch', 'snntorch', 'norse'} & set(sys.modules)) or 0)"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
