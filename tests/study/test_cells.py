"""A cell's key: what decides a result is in it, and nothing else is."""

import hashlib
import json

import pytest

from neurorobust.study.cells import Cell
from neurorobust.study.plan import Given, Named, make_plan
from tests.support import studies

DECIDED = {"model": "ab" * 32, "set": None, "count": 40, "eps": 8 / 255, "list": [1, 2]}


def test_the_key_is_the_hash_of_canonical_json():
    """Written out: keys sorted, no spaces, in UTF-8."""
    said = {"kind": "replay", "revision": 1, **DECIDED}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    wanted = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert Cell("replay", DECIDED).key == wanted


def test_what_is_for_people_or_machines_is_not_in_it():
    bare = Cell("replay", DECIDED)
    told = Cell(
        "replay",
        dict(reversed(DECIDED.items())),
        needs=("x",),
        after=("y",),
        using={"attack": "PGD"},
        row={"model": "named"},
        what="of a study",
        group="g",
        wants=("backend-lava",),
        estimate_s=3.0,
    )
    assert told.key == bare.key


@pytest.mark.parametrize("name", DECIDED)
def test_everything_that_decides_is_in_it(name):
    bare = Cell("replay", DECIDED)
    assert Cell("replay", DECIDED | {name: "another"}).key != bare.key
    assert Cell("craft", DECIDED).key != bare.key


def test_json_and_back():
    cell = Cell("craft", DECIDED, ("a",), ("b",), {"attack": "pgd"}, {"model": "m"}, "w", "g")
    again = Cell.from_json(json.loads(json.dumps(cell.as_json())))
    assert again == cell
    assert again.key == cell.key


CRAFT = {"attack": ["pgd(steps=2)"], "gradient": ["rga"], "epsilon": ["32/255"]}


def keys(folder, **changes):
    """Of all cells of a study, by kind."""
    found = studies.planned(folder, **{"craft": CRAFT, **changes})
    return {kind: {c.key for c in found.cells if c.kind == kind} for kind in CHANGED}


CHANGED = ("lower", "craft", "replay")


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"study": {"name": "other", "title": "Another"}}, CHANGED),
        ({"run": {"jobs": 4, "memory_mb": 9e3, "minutes_per_cell": 5, "store": "/x"}}, CHANGED),
        ({"craft": CRAFT | {"attack": ["PGD( steps=2 )"]}}, CHANGED),
        ({"craft": CRAFT | {"epsilon": [32 / 255]}}, CHANGED),
        ({"craft": CRAFT | {"seed": [1]}}, ("lower",)),
        ({"craft": CRAFT | {"epsilon": ["16/255"]}}, ("lower",)),
        ({"craft": CRAFT | {"gradient": ["stbp"]}}, ("lower",)),
        ({"craft": CRAFT | {"precision": "double"}}, ("lower",)),
        ({"craft": CRAFT | {"eot": 3}}, ("lower",)),
        ({"lower": {"profile": ["loihi2"], "scaling": ["mse"]}}, ("craft",)),
        ({"lower": {"profile": ["loihi2"], "weight_bits": [4]}}, ("craft",)),
        ({"lower": {"profile": ["loihi1"]}}, ("craft",)),
        ({"replay": {"backend": ["reference", "torch"], "compare": 3}}, ("lower", "craft")),
        ({"data": {"name": "noise", "chunk": 7}}, ("lower",)),
    ],
    ids=str,
)
def test_of_a_study(tmp_path, changes, same):
    before, after = keys(tmp_path / "a"), keys(tmp_path / "b", **changes)
    assert {kind for kind in CHANGED if before[kind] == after[kind]} == set(same)
    for kind in set(CHANGED) - set(same):
        assert before[kind] & after[kind] != before[kind]


def test_what_a_model_is_called_decides_nothing(tmp_path):
    found = [
        make_plan(
            studies.spec_of(craft=CRAFT),
            Given([Named(label, file, studies.network(), {})], studies.images()),
            tmp_path / label,
        )
        for label, file in (("one", "here/one.nir"), ("other", "there/other.nir"))
    ]
    one, other = ([cell.key for cell in plan.cells] for plan in found)
    assert one == other


def test_other_samples_and_weights_are_other_cells(tmp_path):
    before = keys(tmp_path / "a")
    data = keys(tmp_path / "b", samples=studies.images(seed=9))
    assert (data["lower"], data["craft"] & before["craft"]) == (before["lower"], set())
    weights = keys(tmp_path / "c", models=[studies.network(7)])
    assert all(not weights[kind] & before[kind] for kind in CHANGED)
