"""What a caller may have to say: a function's argument and a command's option, declared once.

A field of a dataclass declares its option (``option``). From it come the command line's options and
the words of messages, which speak of options inside a command and of arguments elsewhere::

    give(Reading, "time_unit_s", 1e-3)      time_unit_s=0.001        --time-unit 0.001
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, get_args

from neurorobust.errors import InvalidInput

_KEY = "asked"
_OPTIONS: ContextVar[bool] = ContextVar("options", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How one thing is said.

    Attributes:
        name: The argument.
        option: The option, with its dashes.
        kind: bool, int, float, or str for everything else.
        default: What stands where nothing is said.
        help: One line for the command line; empty where there is no option.
        off: The option that says no.
        least: Smallest number.
        most: Largest number.
        of: Kinds of things that it is said of; empty for all.
        read: Makes the value of what was typed, where that is more than its kind; a ValueError
            says what to type.
    """

    name: str
    option: str
    kind: type
    default: Any
    help: str = ""
    off: str = ""
    least: int | None = None
    most: int | None = None
    of: tuple[str, ...] = ()
    read: Callable[[str], Any] | None = None

    def __str__(self) -> str:
        return self.option if in_options() else self.name

    def said(self, value: Any) -> str:
        """How a value is said."""
        if not in_options():
            return f"{self.name}={value!r}"
        if isinstance(value, bool):
            return self.option if value else f"--{self.off}"
        return f"{self.option} {spelled(value)}"

    def taken(self, value: Any) -> Any:
        """The value of what was typed.

        Raises:
            InvalidInput: if it cannot be read.
        """
        if self.read is None or not isinstance(value, str):
            return value
        try:
            return self.read(value)
        except ValueError as error:
            raise InvalidInput(f"{self} is {value!r}; {error}") from error


def option(
    help: str = "",  # noqa: A002  # as typer calls it
    *,
    default: Any = None,
    name: str = "",
    **declared: Any,
) -> Any:
    """A field that a command takes as an option.

    Args:
        help: One line; a field without is for functions alone.
        default: Of the field.
        name: Of the option; by default as the field, with hyphens.
        declared: Further fields of ``Asked``.
    """
    return field(default=default, metadata={_KEY: {"help": help, **declared}, "name": name})


@cache
def questions(of: type) -> Mapping[str, Asked]:
    """What the fields of a dataclass ask, by name."""
    found = {}
    for part in fields(of):
        spelling = part.metadata["name"] or part.name.replace("_", "-")
        kinds = (part.type, *get_args(part.type))
        found[part.name] = Asked(
            name=part.name,
            option=f"--{spelling}",
            kind=next((kind for kind in (bool, int, float) if kind in kinds), str),
            default=part.default,
            **part.metadata[_KEY],
        )
    return found


def numbers(text: str) -> tuple[float, ...]:
    """As typed with commas.

    Raises:
        ValueError: with what to type.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError("give numbers with commas between them, as 0,1") from error


def sizes(text: str) -> tuple[int, ...]:
    """Whole numbers, at least 1, as typed with commas.

    Raises:
        ValueError: with what to type.
    """
    found = tuple(int(part) if part.strip().isdecimal() else 0 for part in text.split(","))
    if min(found) < 1:
        raise ValueError("give sizes with commas between them, as 3,32,32")
    return found


def in_range(of: type, holder: Any) -> None:
    """Refuse values of fields beyond their smallest or largest."""
    for name, asked in questions(of).items():
        value = getattr(holder, name)
        if value is None or (asked.least is None and asked.most is None):
            continue
        if asked.least is not None and value < asked.least:
            raise InvalidInput(f"{asked} is {value}; it must be at least {asked.least}")
        if asked.most is not None and value > asked.most:
            raise InvalidInput(f"{asked} is {value}; it must be at most {asked.most}")


def give(of: type, name: str, *values: Any) -> str:
    """How a field is said: with a value, one of several, or by its name alone."""
    asked = questions(of)[name]
    if not values:
        return str(asked)
    first, *others = values
    more = [spelled(value) if in_options() else repr(value) for value in others]
    return " or ".join([asked.said(first), *more])


def argument(name: str) -> str:
    """How an argument is called that no record declares: ``weight_bits``, ``--weight-bits``."""
    return f"--{name.replace('_', '-')}" if in_options() else name


def spelled(value: Any) -> str:
    """A value as people type it after an option."""
    if isinstance(value, Mapping):
        return ",".join(f"{key}={spelled(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(spelled, value))
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def in_options() -> bool:
    """Whether messages speak of a command's options."""
    return _OPTIONS.get()


@contextmanager
def speaking_options(on: bool = True) -> Iterator[None]:  # noqa: FBT001, FBT002
    """Messages made inside speak of a command's options."""
    before = _OPTIONS.set(on)
    try:
        yield
    finally:
        _OPTIONS.reset(before)
