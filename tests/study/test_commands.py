"""The commands of studies as people type them: plans, words, exit codes, and what they leave."""

import json
import os

import numpy as np
import polars as pl
import pytest

from tests.support import studies
from tests.support.running import invoke

STUDY = """
[models]
use = ["tiny.safetensors"]
twin = "twin.safetensors"
[data]
name = "noise.npz"
[lower]
profile = ["loihi2"]
weight_bits = [3, 8]
[fit]
check = false
[craft]
attack = ["noise", "pgd(steps=2)"]
gradient = ["rga"]
box = ["white", "twin"]
epsilon = ["16/255", "32/255"]
[replay]
backend = ["reference", "snntorch"]
[[exclude]]
when = {gradient = "rga", epsilon = "16/255"}
"""
CELLS = {"lower": 2, "craft": 2 + 2, "replay": (1 + 4) + (1 + 4) + 2 * ((1 + 4) + 1)}


@pytest.fixture
def folder(tmp_path):
    studies.files(tmp_path)
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path


def words(result):
    """All that was said, in one line."""
    return " ".join((result.stdout + result.stderr).split())


def everything(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*")}


class TestPlan:
    def test_says_what_would_run_and_runs_nothing(self, folder):
        pytest.importorskip("snntorch")
        before = everything(folder)
        done = invoke("run", folder / "study.toml", "--out", folder / "out", "--plan", "--json")
        assert done.exit_code == 0, done.output
        assert everything(folder) == before
        found = json.loads(done.stdout)
        assert {kind: row["cells"] for kind, row in found["kinds"].items()} == CELLS
        assert all(row["there"] == 0 for row in found["kinds"].values())
        assert found["open"] == sum(CELLS.values())
        assert found["excluded"] == 2
        assert found["left_s"] > 0
        assert found["bytes"] > 0
        assert any("snntorch quantised" in refusal for refusal in found["refusals"])
        assert found["axes"]["weight bits"] == ["3", "8"]
        shown = invoke("run", folder / "study.toml", "--out", folder / "out", "--plan")
        assert "2 combinations are left out by exclude" in words(shown)
        assert f"{sum(CELLS.values())} cells to run" in words(shown)
        assert everything(folder) == before

    def test_counts_what_is_there(self, folder):
        line = ["run", folder / "study.toml", "--out", folder / "out"]
        small = ["--set", "replay.backend=reference"]
        assert invoke(*line, *small).exit_code == 0
        before = everything(folder)
        done = invoke(*line, *small, "--plan", "--json", "--set", "lower.weight_bits=[3, 8, 5]")
        assert everything(folder) == before
        kinds = json.loads(done.stdout)["kinds"]
        assert {k: row["cells"] - row["there"] for k, row in kinds.items()} == {
            "lower": 1,
            "craft": 0,
            "replay": 1 + 4,
        }

    def test_a_model_that_is_known_by_name_is_not_left_there(self, tmp_path):
        pytest.importorskip("sklearn")
        line = ["run", "digits", "--limit", "4", "--attack", "none", "--audit", "0", "--plan"]
        done = invoke(*line, "--out", tmp_path / "out", "--backend", "torch", "--json")
        assert done.exit_code == 0, done.output
        assert not (tmp_path / "out").exists()


class TestStudyFiles:
    def test_options_beside_it(self, folder):
        path = folder / "study.toml"
        for given, text in (
            (["--limit", "3"], "--limit"),
            (["--attack", "pgd", "--bits", "3"], "--attack, --bits"),
        ):
            done = invoke("run", path, *given, "--out", folder / "out")
            assert done.exit_code == 2
            assert f"a study file says {text} itself" in words(done)
        done = invoke("run", folder / "tiny.safetensors", "--set", "run.jobs=2")
        assert (done.exit_code, "--set changes a study file" in words(done)) == (2, True)
        assert not (folder / "out").exists()

    def test_its_store_may_be_named(self, folder):
        small = ["--set", "craft.attack=[]", "--set", "replay.backend=reference"]
        for name in ("a", "b"):
            line = ["run", folder / "study.toml", *small, "--out", folder / name]
            assert invoke(*line, "--store", folder / "store").exit_code == 0
        cells = pl.read_parquet(folder / "b" / "cells.parquet")
        assert cells["reused"].all()
        assert not (folder / "a" / "cells").exists()
        status = invoke("study", "status", folder / "a")
        assert (status.exit_code, "0 open" in words(status)) == (0, True)
        assert words(invoke("study", "failed", folder / "a")) == "no cell failed"


class TestWhatCannotBe:
    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (("--eps", "8"), "8/255 is 0.031, not 8"),
            (("--eps", "0.1/255"), "moves in steps of"),
            (("--eps", "eight"), "is no number"),
            (("--eps", "8/0"), "is no number"),
            (("--attack", "pdg"), "no attack is named 'pdg'"),
            (("--attack", "pgd(steps=2"), "pgd(steps=2"),
            (("--gradient", "rgb"), "no gradient estimator is named 'rgb'"),
            (("--threat", "l3"), "no threat model is named 'l3'"),
            (("--threat", "linf(total=3)"), "total"),
            (("--first", 60), "40 samples"),
            (("--twin", "nowhere.safetensors"), "nowhere.safetensors"),
            (("--jobs", 0), "--jobs"),
        ],
    )
    def test_attack(self, folder, arguments, text):
        result = invoke(
            *("attack", folder / "tiny.safetensors", "--data", folder / "noise.npz"),
            *("--out", folder / "o", "--audit", 0, *arguments),
        )
        assert result.exit_code == 2
        assert text in words(result)
        assert not (folder / "o").exists()

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"--scaling": "best"}, "best"),
            ({"--input-coding": "morse"}, "morse"),
            ({"--bits": "all"}, "give whole numbers"),
            ({"--profile": "loihi9"}, "no hardware profile is named 'loihi9'"),
            ({"--data": None}, "--data: names no samples"),
            ({"--data": "nowhere"}, "nowhere"),
            ({"--attacks": "nowhere"}, "nowhere"),
        ],
    )
    def test_quantise(self, folder, change, match):
        asked = {"--data": folder / "noise.npz", "--bits": "8", "--out": folder / "o"} | change
        listed = [text for pair in asked.items() if pair[1] is not None for text in pair]
        result = invoke("quantise", folder / "tiny.safetensors", *listed)
        assert result.exit_code == 2
        assert match in words(result)
        assert not (folder / "o").exists()

    def test_data_that_do_not_fit(self, folder):
        whole = dict(np.load(folder / "noise.npz"))
        for change, text in (
            ({"y": whole["y"] + 7}, "labels up to"),
            ({"x": whole["x"] * 2}, "the model takes 0 to 1"),
            ({"x": whole["x"][:, :, :3]}, "shape"),
        ):
            np.savez(folder / "bad.npz", **(whole | change))
            line = ["attack", folder / "tiny.safetensors", "--data", folder / "bad.npz"]
            result = invoke(*line, "--out", folder / "o", "--audit", 0)
            assert result.exit_code == 2
            assert text in words(result)
            assert not (folder / "o").exists()

    def test_a_failed_command_leaves_an_older_study_whole(self, folder):
        line = ["quantise", folder / "tiny.safetensors", "--bits", "8", "--out", folder / "out"]
        assert invoke(*line, "--data", folder / "noise.npz").exit_code == 0
        before = everything(folder / "out")
        assert invoke(*line, "--data", folder / "nowhere.npz").exit_code == 2
        assert everything(folder / "out") == before

    @pytest.mark.parametrize("place", ["taken", "taken/below", "/dev/null", "/proc/nowhere"])
    def test_an_out_that_cannot_be_written(self, folder, place):
        (folder / "taken").write_text("mine")
        for line in (
            ["run", folder / "study.toml"],
            ["attack", folder / "tiny.safetensors", "--data", folder / "noise.npz"],
            ["demo"],
        ):
            done = invoke(*line, "--out", os.path.join(folder, place))
            assert done.exit_code == 2
            assert place.split("/")[-1] in words(done)
            assert "Traceback" not in words(done)
        assert (folder / "taken").read_text() == "mine"

    @pytest.mark.parametrize("command", ["status", "failed", "retry", "report"])
    def test_no_study(self, tmp_path, command):
        done = invoke("study", command, tmp_path)
        assert (done.exit_code, str(tmp_path.name) in words(done)) == (2, True)

    def test_an_unknown_cell_is_not_retried(self, folder):
        line = ["quantise", folder / "tiny.safetensors", "--bits", "8", "--out", folder / "out"]
        assert invoke(*line, "--data", folder / "noise.npz").exit_code == 0
        done = invoke("study", "retry", folder / "out", "0123")
        assert (done.exit_code, "0123 has not failed" in words(done)) == (2, True)
        assert words(invoke("study", "retry", folder / "out")).startswith("0 cell(s)")


class TestMerge:
    def test_folders_are_put_together_and_a_conflict_names_both(self, folder):
        def run(out, *profiles):
            chosen = [text for name in profiles for text in ("--profile", name)]
            line = ["run", folder / "tiny.safetensors", "--data", folder / "noise.npz", *chosen]
            line += [
                "--attack",
                "none",
                "--audit",
                "0",
                "--backend",
                "torch",
                "--out",
                folder / out,
            ]
            done = invoke(*line, "--compare-spikes", 0)
            assert done.exit_code == 0, done.output
            return pl.read_parquet(folder / out / "cells.parquet")

        run("a", "loihi2")
        run("b", "loihi1", "loihi2")
        done = invoke("study", "merge", folder / "a", folder / "b")
        assert (done.exit_code, "3 new cell(s)" in words(done)) == (0, True)
        assert run("a", "loihi1", "loihi2")["reused"].all()
        (victim, *_) = sorted((folder / "b" / "cells").glob("*/*.json"))
        said = json.loads(victim.read_text())
        victim.write_text(json.dumps(said | {"found": {"other": 1}}))
        done = invoke("study", "merge", folder / "a", folder / "b")
        assert done.exit_code == 2
        told = words(done).replace(" ", "")
        assert all(str(part) in told for part in (victim.stem, folder / "a", folder / "b"))
