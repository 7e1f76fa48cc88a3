"""Rules, each a function that looks at one thing and says what it finds: how they are gathered."""

from types import ModuleType
from typing import TypeVar

R = TypeVar("R")


def gathered(kind: type[R], *modules: ModuleType) -> tuple[R, ...]:
    """The rules of a kind that modules define, in the order of modules and lines."""
    found = (thing for module in modules for thing in vars(module).values())
    return tuple(thing for thing in found if isinstance(thing, kind))
