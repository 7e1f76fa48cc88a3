"""Options as fields: what a method is made with, refuses, is recorded as and is spelled by."""

import inspect
import math
from abc import ABC
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from numbers import Real
from typing import Any, ClassVar, TypeVar

from neurorobust.errors import InvalidInput
from neurorobust.names import known_are, known_name

METHODS: dict[str, type["Method"]] = {}
"""Every attack and every gradient estimator by name."""

_OPTION = "option"
_WORDS = {"true": True, "false": False, "none": None}


@dataclass(frozen=True, slots=True)
class Option:
    """What a field accepts, and how it is recorded.

    Attributes:
        low: Smallest value.
        above: Below the smallest value.
        high: Largest value.
        below: Above the largest value; infinity asks for a finite one.
        among: Names that are known; None is any value.
        read: Makes the value of what was given.
        record: JSON of the value, where it is not the value or a method itself; None leaves the
            option out of every record: it changes how a result is computed, not which.
        sparse: Whether None stays out of the record.
    """

    low: float | None = None
    above: float | None = None
    high: float | None = None
    below: float | None = None
    among: Collection[Any] | None = None
    read: Callable[[Any], Any] | None = None
    record: Callable[[Any], Any] | None = lambda value: value
    sparse: bool = False

    @property
    def bounded(self) -> bool:
        """Whether there is a range."""
        return (self.low, self.above, self.high, self.below) != (None,) * 4

    def refusal(self, value: Any) -> str:
        """What a value must be, if it is not; empty for one that fits."""
        if self.among is not None and value not in self.among:
            return known_are(value, self.among)
        if not self.bounded or (isinstance(value, Real) and self._holds(float(value))):
            return ""
        finite = self.below == math.inf
        words = {
            "at least": self.low,
            "above": self.above,
            "at most": self.high,
            "below": None if finite else self.below,
        }
        parts = [f"{word} {limit:g}" for word, limit in words.items() if limit is not None]
        return "it must be " + " and ".join([*(["finite"] if finite else []), *parts])

    def _holds(self, value: float) -> bool:
        return (
            (self.low is None or value >= self.low)
            and (self.above is None or value > self.above)
            and (self.high is None or value <= self.high)
            and (self.below is None or value < self.below)
        )


def option(default: Any = MISSING, **declared: Any) -> Any:
    """A field that is an option; see ``Option`` for what is declared."""
    return field(default=default, metadata={_OPTION: Option(**declared)})


@dataclass(frozen=True)
class Method(ABC):
    """A named way of doing something, whose options are the fields of a frozen dataclass.

    Without slots: methods are few, and subclasses may keep what they need.
    """

    name: ClassVar[str]
    title: ClassVar[str] = ""
    """The name as papers write it."""
    kind: ClassVar[str]
    """What it is cited as: ``attack`` or ``gradient``."""
    family: ClassVar[str] = ""
    cited: ClassVar[tuple[str, ...]] = ()
    """Keys of ``references.bib``; the package's own where there is no paper."""
    """In figures, where it has one of its own."""
    revision: ClassVar[int] = 1
    """Raised when the same options give another result, so that stored ones are not mistaken."""
    spelled_as: ClassVar[str] = ""
    """The option whose spelling stands for the whole, where there is one."""
    registry: ClassVar[dict[str, type[Any]]] = METHODS

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in vars(cls):
            cls.title = vars(cls).get("title", cls.name)
            METHODS[cls.name] = cls.registry[cls.name] = cls

    def __post_init__(self) -> None:
        for key, declared in options(type(self)).items():
            value = getattr(self, key)
            if declared.read is not None:
                value = declared.read(value)
                object.__setattr__(self, key, value)
            default = getattr(type(self), key, MISSING)
            if (value is not None or default is not None) and (wrong := declared.refusal(value)):
                shown = repr(value) if isinstance(value, str) else value
                raise InvalidInput(f"{self.title}: {key} is {shown}; {wrong}")

    def parameters(self) -> dict[str, Any]:
        """Every option that changes the result, as JSON values: for records and cache keys."""
        return {
            key: _json(declared.record(value))
            for key, declared in options(type(self)).items()
            if declared.record is not None
            and ((value := getattr(self, key)) is not None or not declared.sparse)
        }

    def describe(self) -> dict[str, Any]:
        """Name, revision and parameters."""
        return {"name": self.name, "revision": self.revision, **self.parameters()}

    def record(self) -> dict[str, Any]:
        """All of it, as part of the record of what is built on this."""
        return self.describe()

    def __str__(self) -> str:
        return spelling(self.describe())


def _json(value: Any) -> Any:
    if isinstance(value, Method):
        return value.record()
    return [_json(part) for part in value] if isinstance(value, list | tuple) else value


M = TypeVar("M", bound=Method)


@cache
def options(kind: type[Method]) -> Mapping[str, Option]:
    """The options of a method by name, its own before those of its bases."""
    declared = {f.name: f.metadata[_OPTION] for f in fields(kind) if _OPTION in f.metadata}
    order = [key for base in kind.__mro__ for key in inspect.get_annotations(base)]
    return {key: declared[key] for key in dict.fromkeys(order) if key in declared}


def needed(kind: type[Method]) -> tuple[str, ...]:
    """Fields that have no default."""
    return tuple(
        f.name for f in fields(kind) if f.init and f.default is f.default_factory is MISSING
    )


def make(known: Mapping[str, type[M]], what: str, name: str, *first: Any, **given: Any) -> M:
    """A method by name, with options.

    Args:
        known: Methods to choose from.
        what: The kind of thing, for messages.
        name: Case, hyphens and underscores do not matter.
        first: Fields that are no options.
        given: Options.

    Raises:
        InvalidInput: for an unknown name, an unknown or missing option, or a value out of range.
    """
    kind = known[known_name(name, known, what)]
    takes = options(kind)
    if unknown := sorted(set(given) - set(takes)):
        listed = ", ".join(takes) or "none"
        msg = f"{what} {kind.name!r}: it has no parameter {', '.join(unknown)}; it takes {listed}"
        raise InvalidInput(msg)
    try:
        return kind(*first, **given)
    except TypeError as error:
        raise InvalidInput(f"{what} {kind.name!r}: {error}") from error


def spelling(record: Mapping[str, Any]) -> str:
    """A method as it is recorded, with the parameters that are not the usual: ``pgd(steps=40)``."""
    given = {k: v for k, v in record.items() if k not in ("name", "revision", "gradient")}
    name = str(record["name"])
    kind = METHODS.get(name)
    if kind is not None and kind.spelled_as:
        return spelling(given[kind.spelled_as])
    usual = {} if kind is None else _usual(kind)
    changed = [f"{k}={_written(v)}" for k, v in sorted(given.items()) if usual.get(k, ...) != v]
    return f"{name}({', '.join(changed)})" if changed else name


@cache
def _usual(kind: type[Method]) -> Mapping[str, Any]:
    """Parameters where none were given; empty for what cannot be made without."""
    try:
        return kind(**{key: None for key in needed(kind) if key not in options(kind)}).parameters()
    except (InvalidInput, TypeError):
        return {}


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return spelling(value)
    if isinstance(value, list | tuple):
        return "+".join(map(_written, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def spelled(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Names with their parameters, of a comma-separated list: ``pgd(steps=40),sa-pgd``.

    Values are numbers, fractions as ``8/255``, ``true``, ``false``, ``none`` or words.

    Raises:
        InvalidInput: for an empty name, brackets without their other half, or a parameter without
            a value.
    """
    return [_one(part.strip()) for part in _split(text)]


def number(text: str) -> float:
    """``8/255`` or ``0.03``.

    Raises:
        InvalidInput: for anything else.
    """
    over, _, under = text.partition("/")
    try:
        return float(over) / float(under or 1)
    except (ValueError, ZeroDivisionError) as error:
        raise InvalidInput(f"{text!r} is no number; write it as 0.03 or 8/255") from error


def _split(text: str) -> list[str]:
    """Parts between the commas that are outside of brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if depth not in (0, 1):
            break
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    if depth:
        raise InvalidInput(f"{text!r}: a bracket lacks its other half; write pgd(steps=40),fgsm")
    return parts


def _one(text: str) -> tuple[str, dict[str, Any]]:
    name, _, inside = text.partition("(")
    if not name.strip() or (inside and not inside.endswith(")")):
        raise InvalidInput(f"{text!r} is no name with parameters; write pgd or pgd(steps=40)")
    parameters = {}
    for pair in filter(None, (p.strip() for p in inside.removesuffix(")").split(","))):
        key, is_, value = (part.strip() for part in pair.partition("="))
        if not (key and is_ and value):
            raise InvalidInput(f"{text!r}: {pair!r} is no parameter; write key=value, as steps=40")
        parameters[key] = _value(value)
    return name.strip(), parameters


def _value(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, number):
        try:
            return kind(text)
        except (ValueError, InvalidInput):
            continue
    return text


def table(kinds: Iterable[type[Method]]) -> str:
    """Methods as a Markdown table, by family: name, class with its options, first line of text."""
    rows = [
        f"| `{kind.name}` | `{kind.__name__}({', '.join(_own(kind))})` | {_line(kind)} |"
        for kind in sorted(kinds, key=lambda kind: (kind.family, kind.name))
    ]
    return "\n".join(["| name | class and options | what it does |", "|---|---|---|", *rows])


def _own(kind: type[Method]) -> list[str]:
    """Options that it does not share with its family."""
    return [key for key in options(kind) if key in inspect.get_annotations(kind)]


def _line(kind: type[Method]) -> str:
    """The first line of its text, as Markdown."""
    line = (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")
    return line.replace("``", "`").replace("|", "\\|")
