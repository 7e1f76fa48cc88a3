"""Names as people type them: case, hyphens, underscores and spaces do not matter.

Whatever is looked up by name is looked up here, and an unknown name is answered in one way: what is
nearest to it first, then everything that there is.
"""

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from textwrap import fill

from neurorobust.errors import InvalidInput, NeurorobustError

_LINE = 100
"""Columns of a message; a longer list stands in lines of its own."""
_NEAR = 0.6
"""How alike names are that may have been meant, 0 to 1."""


def plain(name: str) -> str:
    """A name without what does not matter."""
    return name.casefold().replace("-", "").replace("_", "").replace(" ", "")


def nearest(given: str, known: Iterable[str]) -> list[str]:
    """Up to three names that may have been meant, the most likely one first."""
    names = {plain(name): name for name in known}
    typed = plain(given)
    found = get_close_matches(typed, names, cutoff=_NEAR) if typed else []
    # A name that begins or ends with what was typed may be much longer than it.
    parts = [name for name in names if len(typed) > 1 and (typed in name or name in typed)]
    parts.sort(key=lambda name: -SequenceMatcher(None, typed, name).ratio())
    return [names[name] for name in [*dict.fromkeys((*found, *parts))][:3]]


def known_are(given: object, known: Iterable[object]) -> str:
    """What there is instead of an unknown name: ``nearest is pgd; known are apgd, fgsm, pgd``.

    Args:
        given: As typed.
        known: All names, in the order in which they are listed.
    """
    names = [str(name) for name in known]
    if not names:
        return "there are none"
    near = nearest(str(given), names) if len(names) > 1 else []
    *first, last = near or [""]
    meant = f"are {', '.join(first)} and {last}" if first else f"is {last}"
    said = f"nearest {meant}; " if near else ""
    listed = ", ".join(names)
    if len(listed) > _LINE:
        indent = "  "
        lines = fill(
            listed,
            _LINE,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        return f"{said}known are\n{lines}"
    return f"{said}known {'are' if len(names) > 1 else 'is'} {listed}"


def known_name(
    given: str, known: Iterable[str], what: str, error: type[NeurorobustError] = InvalidInput
) -> str:
    """The known name that a typed one stands for.

    Args:
        given: As typed.
        known: Names that are plainly different.
        what: The kind of thing, for the message.
        error: Raised where there is none.

    Raises:
        NeurorobustError: ``error``, if there is none, with those that are near and then all.
    """
    names = {plain(name): name for name in known}
    if plain(given) in names:
        return names[plain(given)]
    raise error(f"no {what} is named {given!r}; {known_are(given, names.values())}")


def require_choice(what: str, given: object, choices: Iterable[object]) -> None:
    """Refuse a value that is none of the choices; these are words of the code, taken exactly.

    Args:
        what: The option or argument, as whoever asked knows it.
        given: Its value.
        choices: What it may be.

    Raises:
        InvalidInput: with those that are near and then all.
    """
    listed = list(choices)
    if given not in listed:
        raise InvalidInput(f"{what} is {given!r}; {known_are(given, listed)}")
