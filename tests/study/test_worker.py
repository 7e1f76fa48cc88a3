"""Running a study: what fails, what is killed, what is shared, and what is left behind."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
import pytest

from neurorobust.attacks import ATTACKS, UniformNoise
from neurorobust.errors import NeurorobustError
from neurorobust.ir import LI, LIF, Affine, Flatten, Header
from neurorobust.methods import METHODS
from neurorobust.study import running
from neurorobust.study.store import Store
from tests.support import small, studies
from tests.support.running import invoke

CRAFT = {"attack": ["noise"], "epsilon": ["16/255", "32/255"]}
SWEEP = {"profile": ["loihi2"], "weight_bits": [2, 3, 4, 5, 6, 7, 8], "scaling": ["max_abs", "mse"]}


@pytest.fixture
def stumbling():
    """An attack that divides by zero where the radius is large, until it is mended."""

    @dataclass(frozen=True)
    class Stumbling(UniformNoise):
        name: ClassVar[str] = "stumbling"
        mended: ClassVar[bool] = False
        tried: ClassVar[list[float]] = []

        def propose(self, case):
            self.tried.append(case.threat.epsilon)
            if case.threat.epsilon > 0.1 and not self.mended:
                return case.x * (1 / 0)
            return super().propose(case)

    yield Stumbling
    ATTACKS.pop("stumbling")
    METHODS.pop("stumbling", None)


class TestFailures:
    def test_one_failing_cell_stops_nothing_and_is_tried_twice(self, tmp_path, stumbling):
        craft = CRAFT | {"attack": ["noise", "stumbling"]}
        found = studies.run(tmp_path, craft=craft)
        assert len([at for at in stumbling.tried if at > 0.1]) == 2
        (failure,) = found.manifest.failures
        assert failure.attempts == 2
        assert "division by zero" in failure.reason
        assert "test_worker.py:" in failure.reason
        assert "stumbling" in failure.what
        assert found.manifest.cells == {"blocked": 4, "done": 1 + 3 + 4 * 4, "failed": 1}
        rows = found.rows.filter(status="failed")
        assert rows.height == 4
        assert set(rows["reason"]) == {failure.reason}
        assert found.rows.filter(status="done").height == 4 * 4
        info = next(info for info in found.manifest.sets if info.status == "failed")
        assert (info.attack, info.reason) == ("stumbling", failure.reason)

        tried = len(stumbling.tried)
        studies.run(tmp_path, craft=craft)
        assert len(stumbling.tried) == tried  # it stays failed

        status = running.status(tmp_path)
        assert [one["cell"] for one in status["failed"]] == [failure.cell]
        assert status["cells"]["craft"] == {"done": 3, "failed": 1}
        stumbling.mended = True
        assert running.retry(tmp_path) == 1
        mended = studies.run(tmp_path, craft=craft)
        assert set(mended.rows["status"]) == {"done"}
        assert not mended.manifest.failures
        assert mended.cells.filter(~pl.col("reused")).height == 1 + 4

    def test_a_damaged_set_fails_what_is_to_replay_it_alone(self, tmp_path):
        lanes = {"backend": ["torch"], "compare": 0}
        studies.run(tmp_path, craft=CRAFT, replay=lanes)
        victim = sorted((tmp_path / "sets").glob("*.safetensors"))[0]
        whole = victim.read_bytes()
        victim.write_bytes(whole[:-20])
        lanes = {"backend": ["torch", "reference"], "compare": 0}
        found = studies.run(tmp_path, craft=CRAFT, replay=lanes)
        assert len(found.manifest.failures) == 2  # on float and in integers
        assert all(victim.name in failure.reason for failure in found.manifest.failures)
        rows = found.rows.filter(status="failed")
        assert rows["set"].n_unique() == 1
        assert found.rows.height - rows.height == 2 * 6 - 2
        victim.write_bytes(whole)
        keys = [failure.cell for failure in found.manifest.failures]
        assert running.retry(tmp_path, keys[:1]) == 1
        mended = studies.run(tmp_path, craft=CRAFT, replay=lanes)
        assert [failure.cell for failure in mended.manifest.failures] == keys[1:]
        with pytest.raises(NeurorobustError, match=f"{keys[0]} has not failed"):
            running.retry(tmp_path, keys[:1])

    def test_what_went_on_without_a_failed_cell_runs_again_with_it(self, tmp_path, stumbling):
        """The comparison with a lane that failed is made when that lane is mended."""
        replay = {"backend": ["reference", "torch"], "rung": ["float"]}
        studies.run(tmp_path, lower={}, replay=replay)
        store = Store(tmp_path)
        plan = studies.planned(tmp_path, lower={}, replay=replay)
        base = next(c for c in plan.cells if c.row["backend"] == "reference")
        after = next(c for c in plan.cells if c.row["backend"] == "torch")
        assert after.after == (base.key,)
        store.put(replace(store.get(base.key), status="failed", attempts=2, found={}))
        store.forget(after.key)
        lost = studies.run(tmp_path, lower={}, replay=replay)
        assert lost.agreement.is_empty()
        assert running.retry(tmp_path) == 1
        found = studies.run(tmp_path, lower={}, replay=replay)
        assert found.agreement["samples"].to_list() == [40]


class TestSharing:
    def test_the_same_cell_in_two_studies_is_computed_once(self, tmp_path):
        shared = {"store": str(tmp_path / "store")}
        one = studies.run(tmp_path / "a", craft=CRAFT, run=shared)
        assert not one.cells["reused"].any()
        more = CRAFT | {"epsilon": ["16/255", "32/255", "64/255"]}
        two = studies.run(
            tmp_path / "b", craft=more, run=shared | {"jobs": 1}, study={"name": "other"}
        )
        assert two.cells.filter(pl.col("reused")).height == one.cells.height
        anew = two.cells.filter(~pl.col("reused"))
        assert dict(anew["kind"].value_counts().iter_rows()) == {"craft": 1, "replay": 4}
        alone = studies.run(tmp_path / "c", craft=more)
        assert alone.outcomes.equals(two.outcomes)
        assert studies.tables(tmp_path / "b") == studies.tables(tmp_path / "c")

    def test_a_finished_study_runs_nothing(self, tmp_path):
        studies.run(tmp_path, craft=CRAFT)
        before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.safetensors")}
        tables = studies.tables(tmp_path)
        again = studies.run(tmp_path, craft=CRAFT)
        assert again.cells["reused"].all()
        assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.safetensors")} == before
        assert studies.tables(tmp_path) == tables

    def test_other_samples_or_weights_run_anew(self, tmp_path):
        studies.run(tmp_path)
        other = studies.run(tmp_path, samples=studies.images(seed=9))
        anew = other.cells.filter(~pl.col("reused"))
        assert dict(anew["kind"].value_counts().iter_rows()) == {"replay": 4}
        weights = studies.run(tmp_path, models=[studies.network(gain_in=np.array(1.5))])
        assert not weights.cells["reused"].any()

    def test_a_moved_folder_takes_its_store_along(self, tmp_path):
        studies.run(tmp_path / "here")
        (tmp_path / "here").rename(tmp_path / "there")
        again = studies.run(tmp_path / "there")
        assert again.cells["reused"].all()
        assert running.status(tmp_path / "there")["open"] == 0


def big():
    """A network whose spikes alone take some hundred megabytes."""
    count = 30_000
    weight = np.random.default_rng(0).normal(0, 0.1, (3, count)).astype(np.float32)
    return small.graph(
        (1, studies.SIDE, studies.SIDE),
        Header(name="big", dt_s=1e-3, steps=100, levels=256),
        readout="last",
        flat=Flatten(),
        fc=Affine(weight=np.ones((count, studies.SIDE**2), np.float32) / 16),
        lif=LIF(beta=0.9, threshold=1.0),
        out=Affine(weight=weight),
        li=LI(beta=np.array(1.0)),
    )


class TestProcesses:
    def test_as_many_as_asked_give_the_same_bytes(self, tmp_path):
        studies.run(tmp_path / "one", craft=CRAFT)
        found = studies.run(tmp_path / "two", craft=CRAFT, run={"jobs": 2})
        assert set(found.rows["status"]) == {"done"}
        assert studies.tables(tmp_path / "two") == studies.tables(tmp_path / "one")
        assert studies.leavings(tmp_path / "two") == []

    def test_a_cell_that_takes_too_long_is_ended_and_the_others_are_done(self, tmp_path):
        endless = "square(queries=100000000)"
        found = studies.run(
            tmp_path,
            craft=CRAFT | {"attack": ["noise", endless], "epsilon": ["32/255"]},
            run={"minutes_per_cell": 0.05},
        )
        (failure,) = found.manifest.failures
        assert failure.attempts == 2
        assert (
            "took longer than the 0.05 minutes that run.minutes_per_cell allows" in failure.reason
        )
        assert "data.chunk" in failure.reason
        assert set(found.rows.filter(status="failed")["attack"]) == {endless}
        assert found.rows.filter(status="done").height == 8
        assert studies.leavings(tmp_path) == []

    def test_a_cell_that_takes_too_much_memory_is_ended_and_the_others_are_done(self, tmp_path):
        usual = studies.run(tmp_path / "small", lower={}, run={"memory_mb": 1e6})
        limit = usual.cells["peak_mb"].max() + 150
        found = studies.run(
            tmp_path / "big",
            models=[studies.network(), big()],
            lower={},
            replay={"backend": ["torch"], "rung": ["float"], "compare": 40},
            run={"memory_mb": limit},
        )
        (failure,) = found.manifest.failures
        assert failure.attempts == 2
        assert "MB of memory, more than the" in failure.reason
        assert "run.memory_mb allows" in failure.reason
        assert dict(found.rows.select("model", "status").rows()) == {
            "tiny": "done",
            "big": "failed",
        }

    def test_a_limit_below_what_a_process_needs_is_said(self, tmp_path):
        with pytest.raises(NeurorobustError, match=r"more than the 20 MB that run.memory_mb"):
            studies.run(tmp_path, run={"memory_mb": 20})
        assert studies.leavings(tmp_path) == []

    def test_killed_workers_cost_nothing_but_time(self, tmp_path):
        studies.run(tmp_path / "whole", craft=CRAFT, lower=SWEEP)
        store, killed = Store(tmp_path / "cut"), []

        def kill():
            while len(killed) < 2:
                for held in store.claims():
                    if held.name not in killed and len(store.keys()) > 30 * len(killed):
                        killed.append(held.name)
                        os.kill(held.process, signal.SIGKILL)
                        break
                time.sleep(0.01)

        killer = threading.Thread(target=kill)
        killer.start()
        found = studies.run(tmp_path / "cut", craft=CRAFT, lower=SWEEP, run={"jobs": 2})
        killer.join()
        assert len(killed) == 2
        assert set(found.rows["status"]) == {"done"}
        assert studies.tables(tmp_path / "cut") == studies.tables(tmp_path / "whole")
        assert studies.leavings(tmp_path / "cut") == []


STUDY = """
[models]
use = ["tiny.safetensors"]
[data]
name = "noise.npz"
[lower]
profile = ["loihi2"]
weight_bits = [2, 3, 4, 5, 6, 7, 8]
scaling = ["max_abs", "mse"]
[fit]
check = false
[craft]
attack = ["noise"]
epsilon = ["16/255", "32/255"]
[replay]
backend = ["reference", "torch"]
"""


def at_work(folder):
    """Processes whose command line names a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def test_ended_by_force_and_started_again_it_ends_with_the_same_tables(tmp_path):
    """With Ctrl-C, and with SIGKILL while processes of its own are at work."""
    studies.files(tmp_path)
    (tmp_path / "study.toml").write_text(STUDY)
    out = tmp_path / "out"

    def start(jobs):
        line = [sys.executable, "-m", "neurorobust", "run", tmp_path / "study.toml"]
        line += ["--jobs", str(jobs), "--out", out]
        return subprocess.Popen(
            [*map(str, line)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    store, least = Store(out), 0
    for jobs, number in ((1, signal.SIGINT), (2, signal.SIGKILL)):
        process = start(jobs)
        least += 25
        while len(store.keys()) < least and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(number)
        said, complaint = process.communicate(timeout=60)
        assert process.returncode in ((130,) if number == signal.SIGINT else (-signal.SIGKILL,)), (
            said
        )
        assert not (out / "study.json").exists()
        if number == signal.SIGINT:
            assert "what was finished is kept" in complaint
            assert studies.leavings(out) == []
    status = running.status(out)
    assert status["open"] > 0
    process = start(1)
    said, complaint = process.communicate(timeout=200)
    assert process.returncode == 0, said + complaint
    assert at_work(out) == []
    assert studies.leavings(out) == []
    whole = studies.run(
        tmp_path / "whole", craft=CRAFT, lower=SWEEP, samples=studies.loaded(tmp_path)
    )
    rows = pl.read_parquet(out / "rows.parquet")
    assert set(rows["status"]) == {"done"}
    assert rows.height == whole.rows.height
    assert studies.tables(out) == studies.tables(tmp_path / "whole")


def test_a_study_that_is_under_way_is_reported_with_holes(tmp_path):
    """What has not run yet says so, in the tables and on the page."""
    whole = studies.run(tmp_path, craft=CRAFT)
    store = Store(tmp_path)
    plan = running.status(tmp_path)
    assert plan["open"] == 0
    torch = [
        c for c in studies.planned(tmp_path, craft=CRAFT).cells if c.row.get("backend") == "torch"
    ]
    for cell in torch:
        store.forget(cell.key)
    (tmp_path / "study.json").unlink()
    done = invoke("study", "report", tmp_path)
    assert done.exit_code == 0, done.output
    assert "report.html" in done.stdout.replace("\n", "")
    rows = pl.read_parquet(tmp_path / "rows.parquet")
    assert set(rows.filter(backend="torch")["status"]) == {"open"}
    assert set(rows.filter(backend="reference")["status"]) == {"done"}
    kept = pl.read_parquet(tmp_path / "outcomes.parquet")
    assert kept.equals(whole.outcomes.filter(backend="reference"))
    assert json.loads((tmp_path / "study.json").read_text())["cells"]["open"] == len(torch)
    status = json.loads(invoke("study", "status", tmp_path, "--json").stdout)
    assert status["open"] == len(torch)
    assert status["cells"]["replay"] == {"done": 6, "open": 6}
    assert (tmp_path / "report.html").stat().st_size > 10_000
