"""How the terminal is written to: lines and tables that hold text from anywhere.

Names come from files, and files from anybody: whatever is printed is neither read as markup nor as
commands to the terminal, and a terminal that lacks a letter gets another one for it.
"""

import codecs
import sys
import unicodedata
from collections.abc import Collection
from io import TextIOWrapper
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

QUIET: Any = {"header_style": "dim", "pad_edge": False}
"""How a table looks below sentences."""

_UNSEEN = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"))
"""Categories of Unicode that print nothing, or that a terminal obeys."""
_PLAIN = {
    **dict.fromkeys("‐‑‒–—−", "-"),
    **dict.fromkeys("“”„", '"'),
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("·•●", "*"),
    "…": "...",
    "→": "->",
    "×": "x",
    "µ": "u",
    "μ": "u",
    "ε": "eps",
    "²": "^2",
    "≤": "<=",
    "≥": ">=",
    "±": "+-",
}
_LETTERS = "neurorobust.letters"


def _other_letters(error: UnicodeError) -> tuple[str, int]:
    """What stands for letters that an output lacks: the like in ASCII, or the number of each."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    given = error.object[error.start : error.end]
    instead = (
        _PLAIN.get(letter, " " if unicodedata.category(letter) == "Zs" else _number(letter))
        for letter in given
    )
    return "".join(instead), error.end


codecs.register_error(_LETTERS, _other_letters)


def take_any_text() -> None:
    """Let the standard outputs take every letter, whatever the terminal can show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_LETTERS)


def visible(text: str) -> str:
    r"""The same with what a terminal would obey, or show nothing of, as ``\x1b``; lines stay."""
    if text.isprintable():
        return text
    return "".join(
        _number(letter)
        if letter not in "\n\t" and unicodedata.category(letter) in _UNSEEN
        else letter
        for letter in text
    )


def _number(letter: str) -> str:
    return (
        letter.encode("ascii", "backslashreplace").decode()
        if ord(letter) > 127
        else (f"\\x{ord(letter):02x}")
    )


def say(console: Console, text: str, style: str = "", end: str = "\n") -> None:
    """One line: names from files are neither read as markup nor broken apart when piped."""
    shown = visible(text)
    console.print(shown, style=style, end=end, markup=False, highlight=False, soft_wrap=True)


class _PlainTable(Table):
    """A table whose cells are text as it is; ``Text`` has a style."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        """A row of strings or ``Text``."""
        plain = [Text(visible(cell)) if isinstance(cell, str) else cell for cell in cells]
        super().add_row(*plain, **options)


def table(*columns: str, right: Collection[str] = (), title: str = "", **options: Any) -> Table:
    """A table whose cells fold; one with a title has lines too.

    Args:
        columns: Their heads.
        right: Those that stand to the right, as numbers do.
        title: Above it.
        options: Of ``rich.table.Table``, where it shall look otherwise.

    Returns:
        Cells are strings, printed as they are, or ``rich.text.Text`` for one with a style.
    """
    plain = {"box": None, "padding": (0, 2, 0, 0)}
    look: dict[str, Any] = (
        {"title": Text(visible(title)), "title_justify": "left"} if title else plain
    )
    made = _PlainTable(**look | options)
    for name in columns:
        justify: Any = "right" if name in right else "left"
        made.add_column(Text(visible(name)), justify=justify, overflow="fold")
    return made
