"""Results folders: which files lie there, what their tables hold, what the manifests say."""

import json

import neurorobust.study.demo
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from neurorobust.cli import app
from neurorobust.data import load
from neurorobust.ir import Affine, Flatten, save_model
from neurorobust.progress import Silent
from tests.golden.networks import header, lif
from tests.golden.pinning import files, pinned, rounded, structure, table, without
from tests.support.networks import stack

pytest.importorskip("sklearn")
TIMES = ("wall_s", "created", "versions", "hardware")


def prototypes(hidden=2):
    """Digits told apart by what their means differ in; weights are sixteenths."""
    training = load("digits", "train")
    means = np.stack([training.values[training.labels == k].mean(0).ravel() for k in range(10)])
    apart = np.rint((means - means.mean(0)) * 16) / 16
    return stack(
        (1, 8, 8),
        header(8, name="prototypes", levels=256),
        flat=Flatten(),
        fc1=Affine(weight=np.repeat(apart, hidden, axis=0) / 4),
        lif1=lif(beta=0.75, threshold=np.resize([0.5, 0.75], 10 * hidden)),
        fc2=Affine(weight=np.repeat(np.eye(10), hidden, axis=1) - 1 / 16),
        lif2=lif(beta=0.75, threshold=0.5),
    )


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A command in an empty folder that holds the model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEUROROBUST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NEUROROBUST_LAVA_PYTHON", "")
    save_model(prototypes(), tmp_path / "model.safetensors")

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["neurorobust", *arguments])
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    return run


def manifest(path):
    """What it says but for times and versions, and all its keys with their types."""
    whole = json.loads(path.read_text())
    return {"values": rounded(without(whole, *TIMES)), "structure": structure(whole)}


def test_attack_and_quantise(run, tmp_path):
    attack = ("attack", "model.safetensors", "--data", "digits", "--out", "sets", "--limit", "24")
    attack += ("--attack", "fgsm,sign-noise", "--gradient", "stbp", "--audit", "0", "--json")
    first = run(*attack, "--eps", "16/255,48/255")
    again = run(*attack, "--eps", "48/255")
    assert [row["reused"] for row in again["sets"]] == [True, True]
    assert again["sets"][0]["set"] in {row["set"] for row in first["sets"]}
    sets = pl.read_parquet(tmp_path / "sets" / "attacks.parquet").drop("wall_s")
    found = {
        "sets": files(tmp_path / "sets"),
        "attacks.parquet": table(sets),
        "attacks.json": manifest(tmp_path / "sets" / "attacks.json"),
        "printed": rounded(without(first, *TIMES)),
    }
    pinned("results_attack", found)
    shown = run(
        "quantise", "model.safetensors", "--data", "digits", "--out", "study", "--limit", "30",
        "--bits", "3,8", "--scaling", "max_abs,spikes", "--decay-bits", "4", "--json",
        "--calibration", "digits", "--calibration-limit", "12", "--attacks", "sets",
    )  # fmt: skip
    study = tmp_path / "study"
    runs = {path.name: path for path in sorted((study / "runs").iterdir())}
    kept = next(path for path in runs.values() if path.suffix == ".parquet")
    found = {
        "files": files(study),
        "quantise.parquet": table(pl.read_parquet(study / "quantise.parquet")),
        "quantise.json": manifest(study / "quantise.json"),
        "printed": {key: structure(value) for key, value in shown.items()},
        "a run": table(pl.read_parquet(kept).head(40)),
        "spikes": {n: json.loads(p.read_text()) for n, p in runs.items() if p.suffix == ".json"},
    }
    pinned("results_quantise", rounded(found))


def test_replay(run, tmp_path, monkeypatch):
    test = load("digits", limit=12)
    demo = neurorobust.study.demo
    monkeypatch.setattr(demo, "EPSILONS", (16, 32))
    monkeypatch.setattr(demo, "load", lambda *_, **__: test)
    monkeypatch.setattr(demo, "load_or_train", lambda *_, **__: (prototypes(), {"data": "digits"}))
    made = demo.run_demo(tmp_path / "demo", Silent(), command="neurorobust demo")
    assert made.report == tmp_path / "demo" / "report.html"
    outcomes, agreement = (
        pl.read_parquet(tmp_path / "demo" / f"{name}.parquet") for name in ("outcomes", "agreement")
    )
    with np.load(tmp_path / "demo" / "rasters.npz") as file:
        rasters = {name: [str(a.dtype), a.shape, int(a.sum())] for name, a in file.items()}
    decided = outcomes.group_by("set", "backend", "rung", maintain_order=True).agg(
        *(pl.col(c).first() for c in ("attack", "gradient", "epsilon")),
        *(pl.col(c) for c in ("sample", "label", "decision")),
        pl.col("margin").sum(),
    )
    decided = decided.filter(pl.col("backend").is_in(["reference", "torch"]))
    said = manifest(tmp_path / "demo" / "manifest.json")
    text = json.dumps(said).replace(str(tmp_path), "...")
    found = {
        "files": files(tmp_path / "demo"),
        "columns": table(outcomes.head(0))["columns"],
        "outcomes": {" ".join(map(str, row[:3])): row[3:] for row in decided.iter_rows()},
        "rows": outcomes.height,
        "agreement": table(agreement),
        "rasters": rasters,
        "manifest": json.loads(text),
        "printed": run("report", "demo", "--json"),
    }
    pinned("results_replay", rounded(found))
