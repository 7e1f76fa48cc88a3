import json
import re

import numpy as np
import polars as pl
import pytest

from neurorobust.compare.spikes import AGREEMENT_COLUMNS
from neurorobust.errors import InvalidFile
from neurorobust.study.transfer import read_results, write_results
from neurorobust.study.transfer.store import (
    AGREEMENT,
    MANIFEST,
    OUTCOMES,
    RASTERS,
)
from tests.support.results_fixture import build, manifest, outcomes, rasters


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return build(tmp_path_factory.mktemp("whole") / "results")


def copy_of(folder, target):
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def test_what_was_written_is_read(whole):
    results = read_results(whole)
    assert results.outcomes.equals(outcomes())
    assert set(results.rasters) == set(rasters())
    assert results.manifest.title == manifest()["title"]
    assert str(results.surrogate) == "torch · float"


def test_writing_is_deterministic(whole, tmp_path):
    again = build(tmp_path / "again")
    for name in (OUTCOMES, AGREEMENT, RASTERS, MANIFEST):
        assert (again / name).read_bytes() == (whole / name).read_bytes()


def test_only_the_title_is_required(tmp_path):
    empty = pl.DataFrame(schema=AGREEMENT_COLUMNS)
    results = read_results(write_results(tmp_path, outcomes(), empty, {}, {"title": "x"}))
    assert results.manifest.backends == []
    assert results.rasters == {}


def test_unknown_keys_of_the_manifest_are_kept(tmp_path):
    folder = build(tmp_path, manifest=manifest() | {"further": 1})
    assert read_results(folder).manifest.model_extra == {"further": 1}


@pytest.mark.parametrize("name", [OUTCOMES, AGREEMENT, RASTERS, MANIFEST])
def test_a_missing_file_names_itself_and_the_way_out(whole, tmp_path, name):
    folder = copy_of(whole, tmp_path / "part")
    (folder / name).unlink()
    with pytest.raises(InvalidFile, match=rf"{re.escape(name)}: is missing.*run the study again"):
        read_results(folder)


@pytest.mark.parametrize("name", [OUTCOMES, AGREEMENT, RASTERS, MANIFEST])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_refused(whole, tmp_path, name, share):
    folder = copy_of(whole, tmp_path / "part")
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(share * len(data))])
    with pytest.raises(InvalidFile, match=re.escape(name)):
        read_results(folder)


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(InvalidFile, match="is no folder"):
        read_results(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda o: o.drop("margin", "label"), r"lacks the column\(s\) label, margin"),
        (lambda o: o.with_columns(epsilon=pl.lit("much")), "column of another type"),
        (lambda o: pl.concat([o, o[:2]]), "4 rows that share set, backend, rung and sample"),
        (lambda o: o.filter(pl.col("set") != "clean"), "has no rows of the set 'clean'"),
        (
            lambda o: o.with_columns(
                label=pl.when(pl.int_range(pl.len()) == 5).then(99).otherwise("label")
            ),
            "sample 5 has more than one label",
        ),
        (
            lambda o: o.with_columns(
                epsilon=pl.when(pl.int_range(pl.len()) == 5).then(1.0).otherwise("epsilon")
            ),
            "set 'clean' has more than one epsilon",
        ),
        (
            lambda o: o.with_columns(decision=pl.lit(None, dtype=pl.Int64)),
            "column decision is empty in",
        ),
    ],
)
def test_outcomes_that_break_their_rules_are_refused(tmp_path, change, message):
    with pytest.raises(InvalidFile, match=message):
        build(tmp_path, outcomes=change(outcomes()))
    assert not (tmp_path / MANIFEST).exists()


@pytest.mark.parametrize(
    "bad",
    [
        {"clean/a": np.zeros((3, 2))},
        {"clean/a": np.zeros((3, 2)), "adversarial/a": np.zeros((3, 4))},
        {"other/a": np.zeros((3, 2))},
        {"clean/a": np.zeros(3), "adversarial/a": np.zeros(3)},
    ],
)
def test_rasters_without_their_pair_are_refused(tmp_path, bad):
    with pytest.raises(InvalidFile, match="clean"):
        build(tmp_path, rasters=bad)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"title": None}, "title: Input should be a valid string"),
        ({"wall_s": float("nan")}, "cannot be written as JSON"),
        ({"backends": [{"rung": "float"}]}, r"backends\.0\.backend: Field required"),
    ],
)
def test_a_manifest_that_breaks_its_rules_is_refused(tmp_path, change, message):
    with pytest.raises(InvalidFile, match=message):
        build(tmp_path, manifest=manifest() | change)


def test_a_manifest_of_another_kind_is_refused(whole, tmp_path):
    folder = copy_of(whole, tmp_path / "part")
    (folder / MANIFEST).write_text(json.dumps([1, 2]))
    with pytest.raises(InvalidFile, match=re.escape(MANIFEST)):
        read_results(folder)
