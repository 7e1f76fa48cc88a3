"""Names as people type them: case, hyphens, underscores and spaces do not matter."""

from collections.abc import Iterable
from difflib import get_close_matches

from neurorobust.errors import InvalidInput


def plain(name: str) -> str:
    """A name without what does not matter."""
    return name.casefold().replace("-", "").replace("_", "").replace(" ", "")


def known_name(given: str, known: Iterable[str], what: str) -> str:
    """The known name that a typed one stands for.

    Args:
        given: As typed.
        known: Names that are plainly different.
        what: The kind of thing, for the message.

    Raises:
        InvalidInput: if there is none, with those that are close.
    """
    names = {plain(name): name for name in known}
    if plain(given) in names:
        return names[plain(given)]
    close = get_close_matches(plain(given), names, cutoff=0.5) or sorted(names)
    listed = ", ".join(names[name] for name in close)
    raise InvalidInput(f"no {what} is named {given!r}; known are {listed}")
