"""Writes ``api.md``: run it after changing what ``neurorobust`` offers, or a first line."""

import inspect
from pathlib import Path

import neurorobust as nr

HEAD = """# In Python

`import neurorobust as nr` offers what most scripts need; a name is imported when it is first used.
What else there is stands in the rooms of the last column: `from neurorobust.attacks import Apgd`.

| name | what it is | room |
|---|---|---|
"""
FOOT = """
A script from the file to the chip is [`examples/transfer.py`](../examples/transfer.py).
"""


def call(thing: object) -> str:
    """Names of the arguments that have no default."""
    if inspect.isclass(thing):
        return ""
    needed = inspect.signature(thing).parameters.values()  # type: ignore[arg-type]
    named = (p.name for p in needed if p.default is p.empty and p.kind < p.VAR_POSITIONAL)
    return f"({', '.join(named)})"


def page() -> str:
    """All of it."""
    rows = []
    for room, names in nr.FACE.items():
        for name in names.split():
            thing = getattr(nr, name)
            first = (inspect.getdoc(thing) or "").split("\n", maxsplit=1)[0].replace("|", r"\|")
            rows.append(f"| `nr.{name}{call(thing)}` | {first} | `{room}` |")
    return HEAD + "\n".join(rows) + "\n" + FOOT


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(page(), encoding="utf-8")
