"""``import neurorobust as nr``: what it offers, that it is typed, documented and quick."""

import ast
import json
import runpy
from pathlib import Path

import neurorobust as nr
from tests.support.running import python

ROOT = Path(__file__).parents[2]
OFFERED = """
    Apgd Assg AttackSet Column Fgsm Graph Hart Header L2 Linf Network NeurorobustError Pgd Program
    Rga RunResult SaPgd Samples Side Square Stbp Stimulus __version__ attack audit check diff encode
    export get_backend load load_profile load_samples lower replay run save_model
    transfer
"""
HEAVY = {"torch", "numpy", "polars", "matplotlib", "neurorobust.ir"}


def loaded(code: str) -> set[str]:
    code += "; import json, sys; print(json.dumps(sorted(sys.modules)))"
    return set(json.loads(python("-c", code).stdout))


def test_what_is_offered():
    assert dir(nr) == OFFERED.split()


def test_every_name_is_typed_as_it_is_imported():
    (typed,) = (
        node
        for node in ast.parse(Path(nr.__file__).read_text("utf-8")).body
        if isinstance(node, ast.If)
    )
    found: dict[str, list[str]] = {}
    for node in typed.body:
        assert isinstance(node, ast.ImportFrom)
        (alias,) = node.names
        assert alias.asname == alias.name
        found.setdefault(node.module.removeprefix("neurorobust."), []).append(alias.name)
    assert {room: sorted(names) for room, names in found.items()} == {
        room: sorted(names.split()) for room, names in nr.FACE.items()
    }


def test_a_verb_stays_a_verb_where_a_room_has_its_name():
    code = "import neurorobust.lower, neurorobust.audit, neurorobust as nr; nr.lower.__call__"
    assert "neurorobust.audit" in loaded(f"{code}; assert nr.audit is not None; nr.audit.__code__")


def test_start_up_loads_nothing_heavy():
    assert not HEAVY & loaded("import neurorobust")
    assert not HEAVY & loaded("from neurorobust.cli import app")


def test_the_page_says_what_is_offered():
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    assert page == runpy.run_path(str(ROOT / "docs" / "api.py"))["page"](), "run docs/api.py"
