"""Generated code, run where neurorobust cannot be imported, against NumPy and the reference."""

import ast
import json
import subprocess

import numpy as np
import pytest
from safetensors import safe_open

from benchmarks.exports import DRIVER, FIXED_AVOIDED, FLOAT_AVOIDED
from neurorobust import ir
from neurorobust.backends import run
from neurorobust.compare.selfcheck import Verdict, probes, self_check
from neurorobust.errors import InvalidInput, Unsupported
from neurorobust.formats.code import export_code
from neurorobust.formats.code.running import interpreter_of, result_of, samples_of
from neurorobust.testing.random_networks import random_graph
from neurorobust.testing.random_programs import random_program
from tests.support import small
from tests.support.helpers import require_lava
from tests.support.running import invoke


def chain(**lif):
    rng = np.random.default_rng(3)
    return small.graph(
        5,
        small.header(name="two layers", steps=12, bounds=(0.0, 1.0)),
        fc1=ir.Affine(weight=rng.normal(0.2, 0.6, (7, 5)), bias=rng.normal(0, 0.1, 7)),
        lif1=ir.LIF(beta=0.875, threshold=1.0, reset="soft"),
        fc2=ir.Affine(weight=rng.normal(0.1, 0.7, (3, 7))),
        lif2=ir.LIF(beta=np.array([0.5, 0.75, 0.9]), threshold=0.8, **lif),
    )


def standalone(target, folders):
    """Run generated files in the framework's environment, where neurorobust is not."""
    python, reason = interpreter_of(target)
    assert python is not None, reason
    driver = folders[0].parent / "driver.py"
    driver.write_text(DRIVER)
    subprocess.run([python, "-I", driver, *folders], check=True, timeout=300)
    return [result_of(folder / "outputs.npz") for folder in folders]


def by_hand(graph, x):
    """Both layers in float32 NumPy: soft reset by the threshold, then hard reset to 0."""
    nodes = graph.nodes
    w1, b1, w2 = (
        a.astype(np.float32) for a in (nodes["fc1"].weight, nodes["fc1"].bias, nodes["fc2"].weight)
    )
    beta2, threshold2 = nodes["lif2"].beta.astype(np.float32), np.float32(0.8)
    v1, v2 = np.zeros((len(x), 7), np.float32), np.zeros((len(x), 3), np.float32)
    count = np.zeros((len(x), 3))
    for t in range(x.shape[1]):
        h = np.float32(0.875) * v1 + (x[:, t] @ w1.T + b1)
        s = h > 1
        v1 = h - s
        h = beta2 * v2 + s.astype(np.float32) @ w2.T
        s = h > threshold2
        v2 = np.where(s, 0, h).astype(np.float32)
        count += s
    return count


@pytest.mark.parametrize("target", ["snntorch", "norse"])
def test_standalone_code_computes_the_equations(target, tmp_path):
    pytest.importorskip(target)
    graph = chain()
    x = np.random.default_rng(0).random((6, 12, 5)).astype(np.float32)
    made = export_code(graph, tmp_path / "chain", target, check=False)
    np.save(tmp_path / "chain" / "inputs.npy", x)
    (ran,) = standalone(target, [tmp_path / "chain"])
    wanted = by_hand(graph, x)
    assert wanted.sum() > 10
    np.testing.assert_array_equal(ran.scores, wanted)
    native = {"snntorch": "snn.Leaky(", "norse": "LIFBoxCell("}[target]
    assert native in made.code.read_text()


@pytest.mark.parametrize(("target", "exact"), [("snntorch", 0), ("norse", 0), ("norse", 1)])
def test_random_networks_agree_with_the_reference(target, exact, tmp_path):
    pytest.importorskip(target)
    cases = []
    for seed in range(6):
        graph = random_graph(np.random.default_rng(seed), avoid=FLOAT_AVOIDED, grid=seed % 2 == 0)
        made = export_code(graph, tmp_path / str(seed), target, exact=bool(exact), check=False)
        assert max(map(len, made.code.read_text().splitlines())) <= 100
        shown = probes(graph, np.random.default_rng(seed), 2)
        np.save(tmp_path / str(seed) / "inputs.npy", samples_of(graph, shown))
        cases.append(graph)
    results = standalone(target, [tmp_path / str(seed) for seed in range(6)])
    for seed, (graph, ran) in enumerate(zip(cases, results, strict=True)):
        assert set(ran.spikes) == {name for name, _ in graph.of_kind(ir.LIF)}
        verdict = self_check(
            lambda _, ran=ran: ran, graph, samples=2, seed=seed, backend="reference"
        )
        assert verdict.agrees, f"seed {seed}: {verdict}"
        if seed % 2 == 0:
            assert verdict.differing == 0, f"grid, seed {seed}: {verdict}"


@pytest.mark.lava
def test_lava_programs_agree_with_the_reference(tmp_path, request):
    require_lava(request, "lava")
    programs = []
    for seed in (0, 2, 4):
        program = random_program(np.random.default_rng(seed), avoid=FIXED_AVOIDED)
        export_code(program, tmp_path / str(seed), "lava", check=False)
        shown = probes(program, np.random.default_rng(seed), 1)
        np.save(tmp_path / str(seed) / "inputs.npy", samples_of(program, shown))
        programs.append((seed, program))
    results = standalone("lava", [tmp_path / str(seed) for seed, _ in programs])
    for (seed, program), ran in zip(programs, results, strict=True):
        verdict = self_check(
            lambda _, ran=ran: ran, program, samples=1, seed=seed, backend="reference"
        )
        assert verdict.agreement == "identical", f"seed {seed}: {verdict}"
        assert verdict.values > 0


def test_names_from_anywhere_stay_names(tmp_path):
    hostile = '"""\nimport os; os.abort()\n"""\\'
    graph = ir.Graph.chain(
        ir.Header(name=hostile, dt_s=1e-3, steps=2, provenance={"source": hostile}),
        **{
            "class": ir.Input(shape=(2,)),
            "forward": ir.Affine(weight=np.eye(2)),
            hostile: ir.LIF(beta=0.5, threshold=0.25),
            "spk_forward": ir.Affine(weight=np.eye(2)),
            "x": ir.LI(beta=1.0),
            "2": ir.Output(),
        },
    )
    for target in ("snntorch", "norse"):
        text = export_code(graph, tmp_path, target, check=False).code.read_text()
        tree = ast.parse(text)
        called = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        assert not any(node.attr == "abort" for node in called)
        assert "os" not in [
            a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names
        ]


@pytest.mark.parametrize(
    ("model", "target", "error", "words"),
    [
        (chain(max_spikes=2), "snntorch", Unsupported, "lif2: max_spikes is 2"),
        (chain(max_spikes=2), "norse", Unsupported, "lif2: max_spikes is 2"),
        (chain(), "lava", Unsupported, "lower the Graph"),
        (chain(), "sinabs", InvalidInput, "known are snntorch, norse, lava"),
        (random_program(np.random.default_rng(0)), "norse", Unsupported, "Graph"),
    ],
)
def test_what_has_no_form_is_refused_by_name(model, target, error, words, tmp_path):
    with pytest.raises(error, match=words):
        export_code(model, tmp_path / "none", target)
    assert not (tmp_path / "none").exists()


def test_exact_is_for_norse(tmp_path):
    with pytest.raises(InvalidInput, match="option of norse"):
        export_code(chain(), tmp_path, "snntorch", exact=True)


HALF = np.eye(4) / 2


@pytest.mark.parametrize(
    ("change", "agreement"),
    [
        ({}, "identical"),
        ({"lif1": ir.LIF(beta=0.5, threshold=0.5, compare=">=")}, "systematic"),
        ({"fc1": ir.Affine(weight=HALF * 1.3)}, "systematic"),
        ({"fc1": ir.Affine(weight=HALF * (1 + 1e-7 * np.array([1, -1, 1, -1])))}, "rounding"),
    ],
)
def test_a_check_tells_an_error_from_rounding(change, agreement):
    fc1, lif1 = ir.Affine(weight=HALF), ir.LIF(beta=0.5, threshold=0.5)
    graph = small.graph(4, ir.Header(dt_s=1e-3, steps=10, bounds=(0.0, 1.0)), fc1=fc1, lif1=lif1)
    shown = probes(graph, np.random.default_rng(0), 8)
    other = small.changed(graph, **change)
    given = {"backend": "reference", "precision": "single", "record": ("spikes",)}
    verdict = self_check(lambda _: run(other, shown, **given), graph, backend="reference")
    assert verdict.agreement == agreement, str(verdict)
    assert (verdict.first is None) == (agreement == "identical")
    assert Verdict.from_json(verdict.as_json()) == verdict


def test_the_verdict_lies_in_the_weights(tmp_path):
    pytest.importorskip("snntorch")
    made = export_code(chain(), tmp_path, "snntorch")
    assert made.verdict.agreement == "identical", str(made.verdict)
    assert made.verdict.values == 16 * 12 * 10
    assert made.verdict.versions["snntorch"] == "1.0.0"
    with safe_open(made.weights, framework="numpy") as file:
        metadata = file.metadata()
    assert Verdict.from_json(metadata["self_check"]) == made.verdict
    assert metadata["content_hash"] == chain().content_hash


def test_loops_delays_and_sums_keep_their_time(tmp_path):
    pytest.importorskip("snntorch")
    rng = np.random.default_rng(1)
    graph = small.graph(
        3,
        small.header(steps=9),
        wires="input-fc fc-lif:2 fc-lif lif-back:1 back-lif-output",
        fc=ir.Affine(weight=rng.normal(0.5, 0.5, (4, 3))),
        back=ir.Affine(weight=rng.normal(0, 0.5, (4, 4))),
        lif=ir.LIF(beta=0.5, threshold=0.7),
    )
    verdict = export_code(graph, tmp_path, "snntorch").verdict
    assert verdict.agreement == "identical", str(verdict)


def test_the_commands_end_as_they_say(tmp_path):
    ir.save_model(chain(), tmp_path / "graph.safetensors")
    ir.save_model(chain(max_spikes=3), tmp_path / "counts.safetensors")

    def export(name, target):
        out = ("--out", tmp_path / "code", "--no-check", "--json")
        return invoke("export", tmp_path / f"{name}.safetensors", "--to", target, *out)

    result = export("graph", "norse")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert shown["verdict"]["agreement"] == "not run"
    assert [path.rsplit(".", 1)[1] for path in shown["files"]] == ["py", "safetensors"]
    assert export("counts", "norse").exit_code == 1
    for name, target in (("graph", "lava"), ("graph", "nest"), ("none", "norse")):
        assert export(name, target).exit_code == 2


def test_files_of_other_formats_come_back(tmp_path):
    pytest.importorskip("onnxruntime")
    ir.save_model(chain(), tmp_path / "graph.safetensors")
    for to, ending in (("onnx", "onnx"), ("nir", "nir")):
        file, again = tmp_path / f"a.{ending}", tmp_path / f"{ending}.safetensors"
        given = (tmp_path / "graph.safetensors", "--to", to, "--out", file, "--json")
        result = invoke("export", *given)
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["verdict"]["agreement"] in {"identical", "rounding"}
        result = invoke("import", file, "--out", again)
        assert result.exit_code == 0, result.output
        assert ir.load_model(again, ir.Graph).content_hash == chain().content_hash
    assert invoke("import", file, "--from", "csv", "--out", again).exit_code == 2
