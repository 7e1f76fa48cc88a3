"""How the terminal is written to: lines that hold text from anywhere, and tables."""

from collections.abc import Collection
from typing import Any

from rich.console import Console
from rich.table import Table

QUIET: Any = {"header_style": "dim", "pad_edge": False}
"""How a table looks below sentences."""


def say(console: Console, text: str, style: str = "", end: str = "\n") -> None:
    """One line: names from files are neither read as markup nor broken apart when piped."""
    console.print(text, style=style, end=end, markup=False, highlight=False, soft_wrap=True)


def table(*columns: str, right: Collection[str] = (), title: str = "", **options: Any) -> Table:
    """A table whose cells fold; one with a title has lines too.

    Args:
        columns: Their heads.
        right: Those that stand to the right, as numbers do.
        title: Above it.
        options: Of ``rich.table.Table``, where it shall look otherwise.
    """
    plain = {"box": None, "padding": (0, 2, 0, 0)}
    look: dict[str, Any] = {"title": title, "title_justify": "left"} if title else plain
    made = Table(**look | options)
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return made
