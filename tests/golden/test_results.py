"""Results folders: which files lie there, what their tables hold, what the manifests say."""

import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from neurorobust.cli import app
from neurorobust.data import load
from neurorobust.ir import Affine, Flatten, save_model
from tests.golden.networks import header, lif
from tests.golden.pinning import files, pinned, rounded, structure, table, without
from tests.support.networks import stack

pytest.importorskip("sklearn")
TIMES = (
    *("wall_s", "cpu_s", "created", "versions", "hardware", "bytes", "stages", "named"),
    *("estimate_s", "peak_mb"),
)


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

    def run(line):
        arguments = line.split()
        monkeypatch.setattr("sys.argv", ["neurorobust", *arguments])
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    return run


def kept(folder):
    """All that a folder holds, but for times, versions and the hashes that name files."""
    whole = json.loads((folder / "study.json").read_text())
    cells = pl.read_parquet(folder / "cells.parquet")
    tables = {
        name: pl.read_parquet(folder / f"{name}.parquet")
        for name in ("rows", "outcomes", "agreement")
    }
    names = ("backend", "rung", "program", "set")
    decided = tables["outcomes"].group_by(names, maintain_order=True).agg(
        *(pl.col(c).first() for c in ("attack", "gradient", "epsilon")),
        *(pl.col(c) for c in ("sample", "label", "decision")),
        pl.col("margin").sum(),
    )  # fmt: skip
    return rounded(
        {
            "files": [name for name in files(folder) if "/" not in name],
            "sets": sorted(path.name for path in (folder / "sets").glob("*")),
            "cells": {
                " ".join(row[:2]): row[2]
                for row in cells.group_by("kind", "status").len().sort("kind", "status").iter_rows()
            },
            "rows": table(tables["rows"]),
            "agreement": table(tables["agreement"]),
            "outcomes": table(tables["outcomes"].head(0))["columns"],
            "decisions": {" ".join(row[:4]): row[4:] for row in decided.iter_rows()},
            "manifest": without(whole, *TIMES),
            "structure": structure(without(whole, "versions")),
        }
    )


def test_attack_and_quantise(run, tmp_path):
    line = "attack model.safetensors --data digits --out sets --limit 24 --audit 0 --json"
    line += " --attack fgsm,sign-noise --gradient stbp --eps "
    first = run(f"{line}16/255,48/255")
    again = run(f"{line}48/255")
    assert pl.read_parquet(tmp_path / "sets" / "cells.parquet")["reused"].all()
    sets = [{row["set"] for row in shown["rows"]} for shown in (first, again)]
    assert sets[1] < sets[0]
    found = kept(tmp_path / "sets") | {"printed": without(first, *TIMES, "report")}
    pinned("results_attack", rounded(found))
    run(
        "quantise model.safetensors --data digits --out study --limit 30 --bits 3,8"
        " --scaling max_abs,spikes --decay-bits 4 --json --calibration digits"
        " --calibration-limit 12 --attacks sets"
    )
    pinned("results_quantise", kept(tmp_path / "study"))


def test_run_and_replay(run, tmp_path):
    backends = "--backend reference,torch,snntorch,norse,onnx"
    run(
        f"run model.safetensors --data digits --limit 12 --out road --audit 0 --json {backends}"
        " --attack noise,fgsm,pgd --gradient stbp,rga --eps 16/255,32/255"
    )
    found = kept(tmp_path / "road")
    with np.load(tmp_path / "road" / "pictures.npz") as file:
        found["pictures"] = {n: [str(a.dtype), a.shape, int(a.sum())] for n, a in file.items()}
    pinned("results_run", rounded(found))
    line = "replay road --model model.safetensors --data digits --limit 12 --out again --json"
    run(f"{line} {backends}")
    one, other = (
        pl.read_parquet(tmp_path / name / "outcomes.parquet").sort(pl.all())
        for name in ("road", "again")
    )
    assert one.equals(other)
    rows = [
        pl.read_parquet(tmp_path / name / "rows.parquet").drop("status", "reason").sort(pl.all())
        for name in ("road", "again")
    ]
    assert rows[0].equals(rows[1])
