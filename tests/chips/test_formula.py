"""The grammar of formulas: what it computes, and that it computes nothing else."""

import math

import pytest

from neurorobust.chips.formula import parse
from neurorobust.errors import ProfileError


@pytest.mark.parametrize(
    ("text", "values", "wanted"),
    [
        ("1 + 2*3", {}, 7),
        ("(1 + 2)*3", {}, 9),
        ("a - b - c", {"a": 10, "b": 3, "c": 2}, 5),
        ("-a/4", {"a": 10}, -2.5),
        ("2**3**2", {}, 512),
        ("-2**2", {}, -4),
        ("ceil(7/2) + log2(8)", {}, 7),
        ("-ceil(-7/2)", {}, 3),
        ("max(a, b, 3)*min(a, b)", {"a": 5, "b": 2}, 10),
        ("f*2**(ceil(log2(fy)) + ceil(log2(fx)))", {"f": 8, "fy": 34, "fx": 34}, 32768),
        ("f*fy*fx", {"f": 8, "fy": 34, "fx": 34}, 9248),
        ("1e-3*a", {"a": 2}, 0.002),
    ],
)
def test_value(text, values, wanted):
    formula = parse(text)
    assert formula(values) == wanted
    assert formula.names == values.keys()


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "a.b",
        "a[0]",
        "lambda: 1",
        "1 if a else 2",
        "a and b",
        "a < b",
        "not a",
        "~a",
        "+a",
        "a // 2",
        "a % 2",
        "a << 3",
        "'a'",
        "True",
        "None",
        "1j",
        "[a]",
        "(a, b)",
        "{a}",
        "[x for x in a]",
        "(a := 1)",
        "abs(a)",
        "eval(a)",
        "max(*a, b)",
        "max(a, key=b)",
        "ceil.__class__(a)",
        "f'{a}'",
        "await a",
    ],
)
def test_outside_the_grammar(text):
    with pytest.raises(ProfileError, match=r"formula .* (outside the grammar|cannot be read)"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("2^(a)", r"write \*\* for powers"),
        ("a +", "cannot be read"),
        ("", "cannot be read"),
        ("a; b", "cannot be read"),
        ("max(a)", "max takes 2 argument"),
        ("log2(a, b)", "log2 takes 1 argument"),
        ("(" * 5000 + "a" + ")" * 5000, "cannot be read"),
        ("-" * 3000 + "a", "cannot be read|nested too deeply"),
    ],
)
def test_says_what_is_wrong(text, hint):
    with pytest.raises(ProfileError, match=hint) as caught:
        parse(text)
    assert text[:20] in str(caught.value)


@pytest.mark.parametrize(
    ("text", "values", "hint"),
    [
        ("a/b", {"a": 1, "b": 0}, "division by zero"),
        ("log2(a)", {"a": 0}, "has no value at a=0"),
        ("2**a", {"a": 65}, "exponent 65 is beyond 64"),
        ("a**b", {"a": -8, "b": 1 / 3}, "no real number"),
        ("a*b", {"a": 1}, "nothing is known as b"),
        ("a*a", {"a": 1e200}, "is inf"),
        ("a*1", {"a": math.nan}, "is nan"),
    ],
)
def test_without_a_value(text, values, hint):
    with pytest.raises(ProfileError, match=hint) as caught:
        parse(text)(values)
    assert repr(text) in str(caught.value)
