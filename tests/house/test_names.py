"""One lookup for every name: what was meant first, then everything there is."""

import ast
import re

import pytest

from neurorobust.errors import BackendUnavailable, InvalidInput
from neurorobust.names import known_are, known_name, nearest, require_choice
from tests.house.test_floors import ROOT

CHIPS = ("akida", "loihi1", "loihi2", "truenorth")


def test_case_hyphens_underscores_and_spaces_do_not_matter():
    for typed in ("loihi2", "Loihi-2", "LOIHI_2", "loihi 2"):
        assert known_name(typed, CHIPS, "chip") == "loihi2"


def test_what_is_near_comes_first_and_then_all():
    assert nearest("lohi2", CHIPS) == ["loihi2", "loihi1"]
    assert nearest("north", CHIPS)[0] == "truenorth"
    assert nearest("zzz", CHIPS) == nearest("", CHIPS) == []
    with pytest.raises(InvalidInput) as caught:
        known_name("lohi2", CHIPS, "chip")
    assert str(caught.value) == (
        "no chip is named 'lohi2'; nearest are loihi2 and loihi1; "
        "known are akida, loihi1, loihi2, truenorth"
    )


def test_a_long_list_is_wrapped_and_loses_no_name():
    names = [f"method-{k}" for k in range(60)]
    text = known_are("nothing alike", names)
    assert max(map(len, text.splitlines())) <= 100
    assert re.findall(r"method-\d+", text) == names


def test_nothing_one_and_the_kind_of_error():
    assert known_are("x", []) == "there are none"
    assert known_are("x", ["digits"]) == "known is digits"
    with pytest.raises(BackendUnavailable, match="known is torch"):
        known_name("jax", ["torch"], "backend", BackendUnavailable)


def test_choices_are_words_of_the_code():
    require_choice("--to", "nir", ("nir", "onnx"))
    with pytest.raises(InvalidInput, match=r"^--to is 'NIR'; nearest is nir; known are nir, onnx$"):
        require_choice("--to", "NIR", ("nir", "onnx"))


LISTS_OF_THEIR_OWN = frozenset(
    (
        # What a network of another library may be made of: no names that anybody types.
        "neurorobust/formats/modules/norse.py",
        "neurorobust/formats/modules/sequential.py",
        "neurorobust/formats/modules/tracing/cells.py",
        "neurorobust/formats/modules/tracing/values.py",
    )
)


def test_no_second_lookup():
    """The words of an unknown name are written once."""
    found = set()
    for path in sorted((ROOT / "neurorobust").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and "known are" in text and "\n" not in text:
                found.add(str(path.relative_to(ROOT)))
    assert found - LISTS_OF_THEIR_OWN <= {"neurorobust/names.py"}
