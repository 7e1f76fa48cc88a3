"""The main job as a user runs it: a process, a folder, a report."""

import json
from pathlib import Path

import polars as pl
import pytest

from neurorobust.metrics import wilson
from tests.support.helpers import require_backend
from tests.support.running import neurorobust


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory):
    """One run without Lava, whose environment is looked for in an empty folder."""
    folder = tmp_path_factory.mktemp("demo")
    empty = str(tmp_path_factory.mktemp("home"))
    home = {"NEUROROBUST_HOME": empty, "NEUROROBUST_LAVA_PYTHON": ""}
    done = neurorobust("demo", "--out", folder, **home)
    assert done.returncode == 0, done.stderr
    return folder, done, home


class TestDemo:
    def test_says_where_the_report_is_and_how_to_add_lava(self, finished):
        folder, done, _ = finished
        assert str(folder / "report.html") in done.stdout.splitlines()[-1]
        assert "neurorobust env build lava" in done.stdout
        assert not done.stderr

    def test_clean_accuracy_is_that_of_the_table(self, finished):
        folder, _, _ = finished
        outcomes = pl.read_parquet(folder / "outcomes.parquet")
        told = pl.read_parquet(folder / "rows.parquet").filter(set="clean", status="done")
        clean = outcomes.filter(pl.col("set") == "clean")
        for (backend, rung), rows in clean.group_by("backend", "rung"):
            right = int((rows["decision"] == rows["label"]).sum())
            assert right / len(rows) >= 0.95, (backend, rung)
            (row,) = told.filter(backend=backend, rung=rung).to_dicts()
            assert (row["right"], row["n"]) == (right, len(rows))
            assert (row["accuracy_low"], row["accuracy_high"]) == wilson(right, len(rows))
        lanes = set(clean.select("backend", "rung").unique().iter_rows())
        assert lanes == {
            *((name, "float") for name in ("reference", "torch", "snntorch", "norse", "onnx")),
            *((name, "quantised") for name in ("reference", "torch", "onnx")),
        }

    def test_no_spike_differs_between_backends(self, finished):
        folder, _, _ = finished
        agreement = pl.read_parquet(folder / "agreement.parquet")
        assert agreement["values"].sum() > 20_000_000
        assert agreement["fired"].sum() > 1_000_000
        assert agreement["differing"].sum() == 0

    def test_attacks_beat_the_noise_floor_and_grow_with_epsilon(self, finished):
        folder, _, _ = finished
        names = ("attack", "gradient", "epsilon", "right", "fooled")
        manifest = json.loads((folder / "study.json").read_text())
        sets = pl.DataFrame([{name: made[name] for name in names} for made in manifest["sets"]])
        sets = sets.with_columns(success=pl.col("fooled") / pl.col("right"))
        noise = sets.filter(pl.col("attack") == "noise")["success"].max()
        for _, rows in sets.filter(pl.col("attack") != "noise").group_by("attack", "gradient"):
            rates = rows.sort("epsilon")["success"].to_list()
            assert rates == sorted(rates)
            assert rates[-1] > 0.5 > noise
        worst = sets.group_by("epsilon").agg(pl.col("success").max(), fast=pl.col("success").filter(
            pl.col("attack") == "fast"
        ).first())  # fmt: skip
        assert (worst["fast"] == worst["success"]).all()

    def test_report_is_one_offline_page(self, finished):
        folder, _, _ = finished
        page = (folder / "report.html").read_text()
        assert 'src="http' not in page
        assert 'href="http' not in page
        assert page.count("<svg") >= 4

    def test_second_run_reuses_all_and_finds_the_same(self, finished):
        folder, _, home = finished
        tables = ("rows", "outcomes", "agreement")
        before = {name: (folder / f"{name}.parquet").read_bytes() for name in tables}
        kept = [*(folder / "sets").iterdir(), *(folder / "model").iterdir()]
        times = {path: path.stat().st_mtime_ns for path in kept}
        again = neurorobust("demo", "--out", folder, **home)
        assert again.returncode == 0, again.stderr
        assert {name: (folder / f"{name}.parquet").read_bytes() for name in tables} == before
        assert {path: path.stat().st_mtime_ns for path in kept} == times
        cells = pl.read_parquet(folder / "cells.parquet")
        assert cells.filter(status="done")["reused"].all()
        assert set(cells.filter(~pl.col("reused"))["status"]) == {"unavailable"}

    def test_report_can_be_written_again_from_the_folder(self, finished):
        folder, _, _ = finished
        (folder / "report.html").unlink()
        done = neurorobust("report", folder, "--json")
        assert done.returncode == 0
        assert Path(json.loads(done.stdout)["report"]).is_file()


@pytest.mark.lava
def test_demo_on_real_lava(request, tmp_path):
    require_backend(request, "lava")
    done = neurorobust("demo", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    agreement = pl.read_parquet(tmp_path / "agreement.parquet").filter(backend="lava")
    assert set(agreement["rung"]) == {"float", "quantised"}
    assert agreement["fired"].sum() > 0
    assert agreement["differing"].sum() == 0
