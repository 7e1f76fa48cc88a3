"""ONNX files: what onnxruntime computes from them, what they say, and how they are read back."""

# ruff: noqa: TID251 (the tests look into files with onnx itself)

import json
from dataclasses import replace

import numpy as np
import pytest

from neurorobust import ir
from neurorobust.backends import get_backend, run
from neurorobust.data import Stimulus
from neurorobust.errors import (
    BackendUnavailable,
    InvalidFile,
    InvalidInput,
    NeurorobustError,
    Unsupported,
)
from neurorobust.formats.load import load
from neurorobust.formats.onnx import initial_state, onnx_model, save, save_onnx
from neurorobust.formats.onnx.seal import FUNCTIONS, OPERATORS, nodes
from neurorobust.testing import random_graph, random_program
from neurorobust.testing.draws import random_stimulus
from tests.support.helpers import require_backend
from tests.support.running import python
from tests.support.small import graph, header, program

BATCH = 3
HEADER = header(steps=12, bounds=(-10.0, 10.0))


@pytest.fixture(autouse=True)
def _installed(request):
    require_backend(request, "onnx")


def session(file):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    data = file.SerializeToString() if hasattr(file, "SerializeToString") else file.read_bytes()
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def call(loaded, feed):
    names = [output.name for output in loaded.get_outputs()]
    return dict(zip(names, loaded.run(None, feed), strict=True))


def reference(model, stimulus):
    return run(model, stimulus, backend="reference", record=("spikes", "membrane"))


def drawn(make, seed, **options):
    rng = np.random.default_rng(seed)
    model = make(rng, **options)
    return model, random_stimulus(rng, model, BATCH)


def assert_equal(model, want, got, steps=slice(None)):
    """Spikes to the bit; membranes to the bit for integers, within 1e-9 for floats."""
    for name, spikes in want.spikes.items():
        np.testing.assert_array_equal(got[f"{name}/spikes"], spikes[:, steps], err_msg=name)
        assert got[f"{name}/spikes"].dtype == spikes.dtype
    for name, h in want.membrane.items():
        if isinstance(model, ir.Program):
            np.testing.assert_array_equal(got[f"{name}/membrane"], h[:, steps], err_msg=name)
        else:
            np.testing.assert_allclose(
                got[f"{name}/membrane"], h[:, steps], rtol=1e-9, atol=1e-9, err_msg=name
            )


def small(**fields):
    """Two inputs, one LIF of width 2, an LI readout."""
    return graph(
        2,
        HEADER,
        readout="last",
        fc=ir.Affine(weight=np.array([[1.0, 0.5], [-0.5, 1.5]]), bias=np.array([0.25, 0.0])),
        lif=ir.LIF(**{"beta": 0.5, "threshold": 1.0, "v_init": 0.5} | fields),
        out=ir.Affine(weight=np.eye(2)),
        li=ir.LI(beta=0.75),
    )


def chip():
    """Two inputs and two integer neurons."""
    source = ir.FixedInput(shape=(2,), scale=4.0, high=40, low=-40)
    fc = ir.FixedDense(weight=np.array([[10, -6], [4, 20]]), message_bits=8)
    return program(source, HEADER, fc=fc, lif=ir.FixedLIF(vth=25, dv=512, du=2048))


class TestForms:
    """All steps in one call, or one step at a time: the numbers are those of the reference."""

    @pytest.mark.parametrize("seed", range(12))
    def test_graphs_in_double_precision(self, seed):
        model, drive = drawn(random_graph, seed, grid=seed % 3 == 0)
        self.check(model, drive, precision="double")

    @pytest.mark.parametrize("bounded", [False, True])
    @pytest.mark.parametrize("seed", range(12))
    def test_programs(self, seed, bounded):
        model, drive = drawn(random_program, seed)
        self.check(model, drive, bounded=bounded)

    def check(self, model, drive, **options):
        want = reference(model, drive)
        record = ("spikes", "membrane")
        scan = session(onnx_model(model, static=drive.static, record=record, **options))
        values = drive.values.astype(float)
        feed = (
            {"input": values[:, 0], "steps": np.array(drive.steps)}
            if drive.static
            else {"input": values}
        )
        got = call(scan, feed)
        assert_equal(model, want, got)
        np.testing.assert_allclose(got["scores"], want.scores, rtol=1e-9, atol=1e-9)
        step = session(onnx_model(model, "step", record=record, **options))
        state = initial_state(model, BATCH, **options)
        for t in range(drive.steps):
            got = call(step, {"input": values[:, 0 if drive.static else t], **state})
            assert_equal(model, want, got, steps=t)
            state = {k.removesuffix("/next"): v for k, v in got.items() if k.endswith("/next")}

    def test_a_closed_form(self):
        steps = 9
        model = graph(1, HEADER, readout="last", li=ir.LI(beta=0.5, v_init=8.0))
        loaded = session(onnx_model(model, precision="double", record=("membrane",)))
        x = np.zeros((1, steps, 1))
        x[0, 0] = 2.0
        got = call(loaded, {"input": x})
        np.testing.assert_array_equal(got["li/membrane"][0, :, 0], 6.0 * 0.5 ** np.arange(steps))
        np.testing.assert_array_equal(got["scores"], [[6.0 * 0.5**8]])

    def test_any_number_of_samples_and_steps(self):
        model = small()
        loaded = session(onnx_model(model, precision="double", static=False))
        for samples, steps in ((1, 1), (7, 30)):
            x = np.random.default_rng(0).normal(size=(samples, steps, 2))
            want = reference(model, Stimulus(x, steps)).scores
            np.testing.assert_allclose(call(loaded, {"input": x})["scores"], want, rtol=1e-12)

    def test_a_constant_input_passes_the_first_layer_once(self):
        file = onnx_model(small().with_(header=ir.Header(dt_s=1e-3, steps=4)))
        where = {node.name: place for place, node in nodes(file.graph)}
        assert where["fc:Gemm"] == ""
        assert where["out:Gemm"] == " of a step"
        assert [port.name for port in file.graph.input] == ["input", "steps"]

    @pytest.mark.parametrize("readout", ["count", "mean", "last", "max", "first"])
    def test_readouts(self, readout):
        model = graph(2, HEADER, readout=readout, lif=ir.LIF(beta=0.0, threshold=0.5))
        x = np.array([[[1.0, 0], [0, 0], [1, 0], [0, 1]], np.zeros((4, 2))])
        want = {"count": [2, 1], "mean": [0.5, 0.25], "last": [0, 1], "max": [1, 1]}
        got = call(session(onnx_model(model)), {"input": x.astype(np.float32)})["scores"]
        np.testing.assert_array_equal(got, [want.get(readout, [4, 1]), [0, 0]])
        assert got.dtype == np.float32


def test_convolutions_and_pools_in_single_precision_against_torch():
    rng = np.random.default_rng(1)
    lif = ir.LIF(beta=0.75, threshold=1.0, compare=">=")
    model = graph(
        (2, 9, 8),
        ir.Header(dt_s=1e-3, steps=8, bounds=(0.0, 1.0), mean=(0.25, 0.5), std=(0.5,)),
        conv=ir.Conv2d(
            weight=rng.integers(-4, 7, (4, 1, 3, 2)) / 8,
            bias=rng.integers(-2, 3, 4) / 8,
            stride=(2, 1),
            padding=(1, 0),
            groups=2,
        ),
        lif=lif,
        sums=ir.Pool2d(op="sum", kernel=(2, 2), stride=(1, 2)),
        peak=ir.Pool2d(op="max", kernel=(2, 2), stride=(1, 1), padding=(1, 0)),
        mean=ir.Pool2d(op="avg", kernel=(2, 1), stride=(1, 1), padding=(1, 0)),
        flat=ir.Flatten(),
        fc=ir.Affine(weight=rng.integers(-4, 6, (3, 48)) / 16),
        out=lif,
    )
    x = rng.integers(0, 9, (5, 1, 2, 9, 8)) / 8
    runs = [
        run(model, Stimulus(x, 8), backend=name, precision="single", record=("spikes",))
        for name in ("torch", "onnx")
    ]
    for name in model.spiking:
        # All numbers lie on a grid that float32 holds for eight steps: nothing is rounded.
        np.testing.assert_array_equal(runs[0].spikes[name], runs[1].spikes[name])
        assert 0.05 < runs[0].spikes[name].mean() < 0.95
    np.testing.assert_array_equal(runs[0].scores, runs[1].scores)


def hosted_program():
    head = ir.Header(dt_s=1e-3, steps=6)
    conv = ir.Conv2d(weight=np.array([1.0, -0.75]).reshape(2, 1, 1, 1))
    lif = ir.LIF(beta=0.5, threshold=1.0)
    seen = replace(head, mean=(0.5,), std=(0.25,))
    host = graph((1, 2, 2), seen, conv=conv, lif=lif, flat=ir.Flatten())
    chip_part = program(
        ir.FixedInput(shape=(2, 2, 2), scale=1.0, high=1),
        head,
        flat=ir.Flatten(),
        fc=ir.FixedDense(weight=np.random.default_rng(2).integers(-40, 60, (3, 8))),
        lif=ir.FixedLIF(vth=40, dv=400, reset_interval=4),
    )
    return chip_part.with_(host=host)


@pytest.mark.parametrize("static", [True, False])
def test_the_host_part_is_in_the_file(static, tmp_path):
    model = hosted_program()
    x = np.random.default_rng(3).integers(0, 17, (4, 1 if static else 6, 1, 2, 2)) / 16
    want = run(model, Stimulus(x, 6), record=("spikes",))
    file = save_onnx(model, tmp_path / "hosted.onnx", static=static, record=("spikes",))
    feed = {"input": x[:, 0], "steps": np.array(6)} if static else {"input": x}
    got = call(session(file), feed)
    np.testing.assert_array_equal(got["lif/spikes"], want.spikes["lif"])
    assert 0 < got["lif/spikes"].mean() < 1
    assert load(file).content_hash == model.content_hash


class TestFile:
    """What a file is, for readers other than ours."""

    @pytest.mark.parametrize("form", ["scan", "step"])
    @pytest.mark.parametrize("model", [small(), chip()], ids=["graph", "program"])
    def test_it_passes_the_checker_and_shows_its_neurons(self, model, form):
        import onnx

        file = onnx_model(model, form, record=("spikes",))
        onnx.checker.check_model(file, full_check=True)
        assert (file.ir_version, file.opset_import[0].version) == (10, 21)
        calls = [n.op_type for _, n in nodes(file.graph) if n.domain == "ai.neurorobust"]
        assert calls == (["LIF", "LI"] if isinstance(model, ir.Graph) else ["FixedLIF"])
        assert {f.name for f in file.functions} == set(calls)

    def test_arrays_are_kept_as_they_are(self):
        import onnx

        model = small()
        file = onnx_model(model)
        kept = {t.name: onnx.numpy_helper.to_array(t) for t in file.graph.initializer}
        assert kept["fc/weight"].dtype == np.float64
        np.testing.assert_array_equal(kept["fc/weight"], model.nodes["fc"].weight)

    def test_metadata(self):
        model = small()
        record = {p.key: p.value for p in onnx_model(model).metadata_props}
        assert record["neurorobust.content_hash"] == model.content_hash
        facts = json.loads(record["neurorobust"])
        assert (facts["form"], facts["precision"]) == ("scan", "single")
        assert facts["model"]["header"]["dt_s"] == 1e-3

    def test_only_listed_operators_and_no_idle_initializers(self):
        seen = set()
        for seed in range(30):
            for make in (random_graph, random_program):
                for precision in ("single", "double"):
                    model = make(np.random.default_rng(seed))
                    file = onnx_model(model, precision=precision, bounded=True)
                    found = [n for _, n in nodes(file.graph)]
                    seen |= {n.op_type for n in found}
                    seen |= {n.op_type for f in file.functions for n in f.node}
                    read = {name for n in found for name in n.input}
                    assert {t.name for t in file.graph.initializer} <= read
        assert seen == OPERATORS | FUNCTIONS

    def test_equal_models_give_equal_bytes(self, tmp_path):
        one, two = (save_onnx(small(), tmp_path / name) for name in ("a.onnx", "b.onnx"))
        assert one.read_bytes() == two.read_bytes()


def named(file, name):
    return next(n for _, n in nodes(file.graph) if n.name == name)


def zeroed(part):
    def change(file):
        (tensor,) = (t for t in file.graph.initializer if t.name == part)
        tensor.raw_data = bytes(len(tensor.raw_data))

    return change


def other_comparison(file):
    for node in file.functions[0].node:
        if node.op_type == "Greater":
            node.op_type = "GreaterOrEqual"


def shorter_step(file):
    scan = next(n for n in file.graph.node if n.op_type == "Scan")
    del next(a.g for a in scan.attribute if a.name == "body").node[-1]


def described(change):
    def edit(file):
        entry = next(p for p in file.metadata_props if p.key == "neurorobust")
        entry.value = change(entry.value)

    return edit


ALTERED = {
    "operator": (
        lambda file: setattr(named(file, "out:Gemm"), "op_type", "Softmax"),
        Unsupported,
        r"Softmax \(operator 'out:Gemm' of a step\).*import",
    ),
    "domain": (
        lambda file: setattr(file.graph.node[0], "domain", "com.microsoft"),
        Unsupported,
        r"com\.microsoft::",
    ),
    "foreign": (
        lambda file: file.ClearField("metadata_props"),
        InvalidFile,
        r"holds no neurorobust model.*neither dt",
    ),
    "weight": (zeroed("fc/weight"), InvalidFile, "initializer fc/weight was changed"),
    "beta": (zeroed("lif/beta"), InvalidFile, "initializer lif/beta was changed"),
    "function": (other_comparison, InvalidFile, r"function LIF \(hard.same.gt\) was changed"),
    "step": (shorter_step, InvalidFile, r"operator .* of a step is gone"),
    "metadata": (
        described(lambda text: text.replace('"dt_s":0.001', '"dt_s":0.002')),
        InvalidFile,
        "metadata were altered",
    ),
    "format": (
        described(lambda text: json.dumps(json.loads(text) | {"format": 99})),
        InvalidFile,
        "format 99, this version reads 1",
    ),
}
"""What is done to a file, the error, and what it says."""


class TestReading:
    """Back to the same model, or a refusal that says what is wrong."""

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"form": "step", "precision": "double"},
            {"bounded": True, "record": ("spikes", "membrane")},
        ],
        ids=["scan", "step", "recorded"],
    )
    def test_round_trip(self, tmp_path, options):
        for seed in range(15):
            for make in (random_graph, random_program):
                model = make(np.random.default_rng(seed))
                found = load(save_onnx(model, tmp_path / "model.onnx", **options))
                assert type(found) is type(model)
                assert found.content_hash == model.content_hash
                assert found.header == model.header

    def altered(self, tmp_path, change, model=None):
        file = onnx_model(model or small())
        change(file)
        path = tmp_path / "altered.onnx"
        path.write_bytes(file.SerializeToString())
        return path

    @pytest.mark.parametrize("name", ALTERED)
    def test_what_was_altered_is_named(self, tmp_path, name):
        change, error, message = ALTERED[name]
        with pytest.raises(error, match=message):
            load(self.altered(tmp_path, change))

    def test_truncated_or_no_file_at_all(self, tmp_path):
        data = onnx_model(small()).SerializeToString()
        path = tmp_path / "cut.onnx"
        for end in range(0, len(data), len(data) // 60):
            path.write_bytes(data[:end])
            with pytest.raises(InvalidFile, match="truncated"):
                load(path)
        path.write_text("hello")
        with pytest.raises(InvalidFile, match="no ONNX"):
            load(path)
        with pytest.raises(InvalidFile, match="is no file; give the path of a model"):
            load(tmp_path / "absent.onnx")

    def test_a_flipped_bit_never_passes(self, tmp_path):
        data = onnx_model(chip()).SerializeToString(deterministic=True)
        start = data.index(b"input")  # behind the version and the producer's name
        rng = np.random.default_rng(0)
        path = tmp_path / "flipped.onnx"
        for _ in range(60):
            bits = bytearray(data)
            bits[rng.integers(start, len(data))] ^= 1 << rng.integers(8)
            path.write_bytes(bytes(bits))
            with pytest.raises(NeurorobustError):
                load(path)


class TestRefusals:
    def test_of_the_exporter(self, tmp_path, monkeypatch):
        for given, message in (
            ({"form": "loop"}, "form is 'loop'; known are scan, step"),
            ({"precision": "half"}, "precision is 'half'"),
            ({"record": ("spikes", "overflows")}, "record is 'overflows'"),
        ):
            with pytest.raises(InvalidInput, match=message):
                onnx_model(small(), **given)
        monkeypatch.setattr(save, "LARGEST", 10)
        with pytest.raises(Unsupported, match="less than 2 GiB"):
            save_onnx(small(), tmp_path / "a.onnx")
        assert not list(tmp_path.iterdir())

    def test_without_the_library(self, monkeypatch):
        monkeypatch.setattr(save, "find_spec", lambda _: None)
        with pytest.raises(BackendUnavailable, match="pip install 'neurorobust"):
            onnx_model(small())

    def test_of_the_backend(self):
        backend = get_backend("onnx")
        with pytest.raises(InvalidInput, match="precision is 'half'"):
            backend.compile(small(), "float", precision="half")
        with pytest.raises(Unsupported, match="no neuromorphic chip"):
            backend.compile(small(), "device")
        executable = backend.compile(chip(), "quantised")
        with pytest.raises(InvalidInput, match="NaN"):
            executable.run(Stimulus(np.full((1, 12, 2), np.nan), 12))
        with pytest.raises(Unsupported, match="overflows cannot be counted"):
            executable.run(Stimulus(np.zeros((1, 12, 2)), 12), record=("overflows",))
        executable.close()
        with pytest.raises(InvalidInput, match="closed"):
            executable.run(Stimulus(np.zeros((1, 12, 2)), 12))


def test_the_backend_runs_large_batches_in_parts(monkeypatch):
    from neurorobust_onnx import session as module

    model = small()
    x = np.random.default_rng(5).normal(size=(11, 12, 2))
    whole = run(model, Stimulus(x, 12), backend="onnx", record=("spikes",))
    monkeypatch.setattr(module, "WORKING_SET", 500)
    parts = run(model, Stimulus(x, 12), backend="onnx", record=("spikes",))
    np.testing.assert_array_equal(whole.spikes["lif"], parts.spikes["lif"])
    np.testing.assert_array_equal(whole.scores, parts.scores)


def test_the_backend_runs_no_samples_at_all():
    executable = get_backend("onnx").compile(small(), "float")
    result = executable.run(Stimulus(np.zeros((0, 12, 2)), 12), ("spikes",))
    assert result.scores.shape == (0, 2)
    assert result.spikes["lif"].shape == (0, 12, 2)


def test_loading_imports_no_onnx():
    code = (
        "import sys, neurorobust_onnx, neurorobust.formats.onnx, neurorobust.formats.onnx; "
        "neurorobust_onnx.backend.missing(); "
        "sys.exit(', '.join({'torch', 'onnx', 'onnxruntime'} & set(sys.modules)) or 0)"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
