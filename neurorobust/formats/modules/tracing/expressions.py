"""What a value in a forward pass is: the input, a layer or cell applied, a sum; and in which step.

A cell that is called once per step numbers its calls: these are steps. A value that holds all steps
at once (time first) is written in lags: a lag of 1 is the step before. Both are the same network
if the lags of the last step, written out for every earlier one, give what was seen there.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True)
class When:
    """A step (``step``, from 0) or a distance from the present step (``lag``)."""

    kind: Literal["step", "lag"]
    number: int


NOW = When("lag", 0)


@dataclass(frozen=True, slots=True)
class Source:
    """The input of the module."""

    when: When = NOW


@dataclass(frozen=True, slots=True)
class Zero:
    """Zeros: a constant, or what came before the first step."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A layer without memory, by its path in the module, applied to a value."""

    layer: str
    to: "Expression"


@dataclass(frozen=True, slots=True)
class Flattened:
    """All features on one axis, in C order."""

    of: "Expression"


@dataclass(frozen=True, slots=True)
class Fired:
    """The output of a cell: spikes, or the membrane of a readout."""

    cell: str
    when: When


@dataclass(frozen=True, slots=True)
class State:
    """A part of the state that a cell returned."""

    cell: str
    when: When
    part: str


@dataclass(frozen=True, slots=True)
class Membrane:
    """The membrane that a cell returned, used as a value."""

    cell: str
    when: When


@dataclass(frozen=True, slots=True)
class Added:
    """A sum, from left to right."""

    terms: tuple["Expression", ...]


CONNECTIVES = (Zero, Applied, Flattened, Added)
Expression = Source | Zero | Applied | Flattened | Fired | State | Membrane | Added


def added(first: Expression, second: Expression) -> Expression:
    """A sum in the order in which it was computed; the longer sum leads, which changes no bit."""
    left, right = (e.terms if isinstance(e, Added) else (e,) for e in (first, second))
    return Added(left + right if len(left) >= len(right) else right + left)


def at_step(value: Expression, t: int) -> Expression:
    """Every lag as a step, seen from step ``t``; before the first step there are zeros."""
    match value:
        case Source(when) | Fired(_, when) | State(_, when, _) | Membrane(_, when):
            step = when.number if when.kind == "step" else t - when.number
            return replace(value, when=When("step", step)) if step >= 0 else Zero()
        case Applied(_, to):
            return replace(value, to=at_step(to, t))
        case Flattened(of):
            inner = at_step(of, t)
            return inner if isinstance(inner, Zero) else Flattened(inner)
        case Added(terms):
            left = [e for e in (at_step(term, t) for term in terms) if not isinstance(e, Zero)]
            return Added(tuple(left)) if len(left) > 1 else left[0] if left else Zero()
    return value


def redated(value: Expression, date: Callable[[When], When]) -> Expression:
    """A value with other steps or lags."""
    match value:
        case Zero():
            return value
        case Applied(_, to):
            return replace(value, to=redated(to, date))
        case Flattened(of):
            return Flattened(redated(of, date))
        case Added(terms):
            return Added(tuple(redated(term, date) for term in terms))
    return replace(value, when=date(value.when))


def as_lags(value: Expression, t: int) -> Expression:
    """Every step as a lag, seen from step ``t``."""
    return redated(value, lambda w: w if w.kind == "lag" else When("lag", t - w.number))


def folded(values: Sequence[Expression]) -> Expression | int:
    """One expression in lags for what was seen in steps 0, 1, …, or the first step that differs."""
    end = len(values) - 1
    law = as_lags(values[end], end)
    if (last_step(values[end]) or 0) > end:  # it would be a lag below 0
        return end
    for t, value in enumerate(values):
        if at_step(law, t) != at_step(value, t):
            return t
    return law


def parts(value: Expression) -> Iterator[Expression]:
    """A value and all values that it is computed from within one step."""
    yield value
    match value:
        case Applied(_, inner) | Flattened(inner):
            yield from parts(inner)
        case Added(terms):
            for term in terms:
                yield from parts(term)


def undated(value: Expression) -> Expression:
    """A value without its steps and lags."""
    return redated(value, lambda _: NOW)


def last_step(value: Expression) -> int | None:
    """The latest step in a value, None for one in lags."""
    whens = [part.when for part in parts(value) if not isinstance(part, CONNECTIVES)]
    return max((when.number for when in whens if when.kind == "step"), default=None)


def described(value: Expression) -> str:
    """A value in words, for messages."""
    match value:
        case Source():
            return "the input"
        case Zero():
            return "zeros"
        case Applied(layer, _):
            return f"the output of {layer!r}"
        case Flattened(of):
            return f"{described(of)}, flattened"
        case Fired(cell, _):
            return f"the output of {cell!r}"
        case State(cell, _, part):
            return f"the state {part!r} of {cell!r}"
        case Membrane(cell, _):
            return f"the membrane of {cell!r}"
        case Added(terms):
            return "the sum of " + " and ".join(described(term) for term in terms)
