"""Results by key: claims that outlive nobody, merging, and damage."""

import os
import platform
import subprocess
import sys
import time
from multiprocessing import get_context

import pytest

from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.study.store import VOID_S, Ended, Store
from tests.support import studies


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def gone():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def planted(store, name, process, *, host=None, age=0.0):
    """A claim as another process would have left it."""
    path = store.folder / "claims" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{host or platform.node()} {process} {time.time():.1f}")
    os.utime(path, (time.time() - age,) * 2)
    return path


def _win(folder, names, won):
    store = Store(folder)
    won.put([name for name in names if store.claim(name) is not None])


class TestClaims:
    def test_one_holds_it_until_it_is_given_up(self, store):
        claim = store.claim("a")
        assert store.claim("a") is None
        (holder,) = store.claims()
        assert (holder.name, holder.process) == ("a", os.getpid())
        claim.release()
        assert store.claims() == []
        store.claim("a").release()
        assert list((store.folder / "claims").iterdir()) == []

    def test_of_several_processes_one_gets_it(self, store):
        context = get_context("fork")
        won, names = context.Queue(), [f"c{i}" for i in range(40)]
        many = [context.Process(target=_win, args=(store.folder, names, won)) for _ in range(4)]
        for one in many:
            one.start()
        found = [name for _ in many for name in won.get(timeout=60)]
        for one in many:
            one.join()
        assert sorted(found) == sorted(names)

    def test_who_is_gone_holds_nothing(self, store):
        planted(store, "dead", gone())
        planted(store, "elsewhere", gone(), host="another")
        mine = store.claim("mine")
        assert [held.name for held in store.release()] == ["dead"]
        assert {held.name for held in store.claims()} == {"elsewhere", "mine"}
        mine.release()

    def test_a_claim_that_nobody_renews_is_void(self, store):
        planted(store, "fresh", 1, host="another")
        planted(store, "old", 1, host="another", age=VOID_S + 1)
        assert store.claim("fresh") is None
        claim = store.claim("old")
        assert claim is not None
        claim.release()

    def test_what_was_left_behind_is_removed(self, store, tmp_path):
        planted(store, "dead", gone())
        planted(store, "old", 1, host="another", age=VOID_S + 1)
        planted(store, "garbled", 1, age=VOID_S + 1).write_text("")
        os.utime(store.folder / "claims" / "garbled", (0, 0))
        half = store.folder / "cells" / "ab" / ".abc.json.x1.part"
        half.parent.mkdir(parents=True)
        beside, own = tmp_path / "study" / ".rows.parquet.x2.part", tmp_path / "study" / ".hidden"
        beside.parent.mkdir()
        for path in (half, beside, own):
            path.write_text("half")
        store.tidy(tmp_path / "study")
        assert studies.leavings(store.folder) == studies.leavings(tmp_path / "study") == []
        assert own.exists()

    def test_what_another_may_be_writing_stays(self, store):
        claim = store.claim("busy")
        half = store.folder / "sets" / ".made.x1.part"
        half.parent.mkdir()
        half.write_text("half")
        store.tidy()
        assert half.exists()
        os.utime(half, (time.time() - VOID_S - 1,) * 2)
        store.tidy()
        assert not half.exists()
        claim.release()


def ended(key, status="done", **more):
    return Ended(key, status, **more)


class TestResults:
    def test_kept_and_forgotten(self, store):
        assert store.get("aa") is None
        assert store.keys() == set()
        store.put(ended("aa", found={"n": 3}, versions={"numpy": "2"}))
        assert Store(store.folder).get("aa").found == {"n": 3}
        assert store.keys() == {"aa"}
        store.forget("aa")
        assert (store.get("aa"), store.keys()) == (None, set())

    @pytest.mark.parametrize(
        ("status", "attempts", "final"),
        [
            ("done", 1, True),
            ("refused", 1, True),
            ("unavailable", 1, False),
            ("failed", 1, False),
            ("failed", 2, True),
        ],
    )
    def test_what_is_tried_again(self, status, attempts, final):
        assert ended("aa", status, attempts=attempts).final is final

    @pytest.mark.parametrize("text", ["", "[", "3", '{"key": "aa", "status": "done", "more": 1}'])
    def test_damage_is_named(self, store, text):
        store.put(ended("aa"))
        store.path("aa").write_text(text)
        with pytest.raises(InvalidFile, match=r"aa\.json.*delete it, and the study runs it again"):
            Store(store.folder).get("aa")


class TestMerging:
    @pytest.fixture
    def other(self, tmp_path):
        return Store(tmp_path / "other")

    def test_is_a_union(self, store, other):
        store.put(ended("aa", found={"n": 1}))
        other.put(ended("aa", found={"n": 1}, cost={"cpu_s": 9.0}, versions={"numpy": "9"}))
        other.put(ended("bb", found={"n": 2}))
        other.path("bb", "safetensors").write_bytes(b"arrays")
        other.put(ended("cc", found={"file": "sets/one.safetensors"}))
        (other.folder / "sets").mkdir()
        (other.folder / "sets" / "one.safetensors").write_bytes(b"set")
        assert store.merge(other) == 2
        assert store.keys() == {"aa", "bb", "cc"}
        assert store.path("bb", "safetensors").read_bytes() == b"arrays"
        assert (store.folder / "sets" / "one.safetensors").read_bytes() == b"set"
        assert store.merge(other) == 0

    @pytest.mark.parametrize(
        ("ours", "theirs", "kept"),
        [
            ("failed", "done", "done"),
            ("done", "failed", "done"),
            ("unavailable", "refused", "refused"),
            ("refused", "unavailable", "refused"),
            ("failed", "unavailable", "failed"),
            (None, "failed", "failed"),
        ],
    )
    def test_a_result_is_kept(self, store, other, ours, theirs, kept):
        if ours:
            store.put(ended("aa", ours))
        other.put(ended("aa", theirs))
        assert store.merge(other) == (kept == theirs != ours)
        assert store.get("aa").status == kept

    @pytest.mark.parametrize("of", ["found", "arrays"])
    def test_two_results_of_one_cell_name_both_folders(self, store, other, of):
        for one, value in ((store, 1), (other, 2)):
            found = {"n": value if of == "found" else 0}
            said = {"what": "replay clean", "kind": "replay"}
            one.put(ended("aa", found=found, decided=said, versions={"numpy": f"2.{value}"}))
            if of == "arrays":
                one.path("aa", "safetensors").write_bytes(bytes([value]))
        with pytest.raises(InvalidInput) as told:
            store.merge(other)
        said = str(told.value)
        for part in ("aa", "replay clean", str(store.folder), str(other.folder), "2.1", "2.2"):
            assert part in said

    def test_of_a_real_study(self, tmp_path):
        """Each half of the samples' lanes in a folder of its own; together they are the whole."""
        whole = studies.run(tmp_path / "whole", replay={"backend": ["reference", "torch"]})
        for name in ("reference", "torch"):
            studies.run(tmp_path / name, replay={"backend": [name], "compare": 0})
        both = studies.run(
            tmp_path / "both", replay={"backend": ["reference", "torch"], "compare": 0}
        )
        store = Store(tmp_path / "reference")
        assert store.merge(Store(tmp_path / "torch")) > 0
        assert Store(tmp_path / "both").merge(store) == 0  # the same results, cell by cell
        again = studies.run(
            tmp_path / "reference", replay={"backend": ["reference", "torch"], "compare": 0}
        )
        assert again.cells["reused"].all()
        assert studies.tables(tmp_path / "reference") == studies.tables(tmp_path / "both")
        assert both.outcomes.equals(whole.outcomes)
