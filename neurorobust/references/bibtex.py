"""BibTeX in and out: entries of fields in braces, and nothing that is skipped."""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurorobust.errors import InvalidFile

CITED_FOR = "neurorobust"
"""Field of what an entry is cited for: ``kind:name``, separated by commas. It is not printed."""

_BETWEEN = re.compile(r"(?:\s+|%[^\n]*(?:\n|$))*")
_HEAD = re.compile(r"@(\w+)\{([^\s,{}]+),")
_FIELD = re.compile(r"\s*(\w+)\s*=\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_COMMA = re.compile(r"\s*,")
_END = re.compile(r"\s*\}")
_NAME = re.compile(r"[a-z]+:[a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Reference:
    """One entry.

    Attributes:
        key: To cite it by.
        type: ``article``, ``software``, ...
        fields: Values by name, in the order of the file, with single spaces.
        names: What it is cited for, as ``kind:name``.
    """

    key: str
    type: str
    fields: Mapping[str, str]
    names: tuple[str, ...]

    @property
    def bibtex(self) -> str:
        """The entry as BibTeX, without what it is cited for."""
        fields = [
            textwrap.fill(
                f"{name} = {{{value}}},",
                width=100,
                initial_indent="  ",
                subsequent_indent="    ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            for name, value in self.fields.items()
        ]
        return "\n".join([f"@{self.type}{{{self.key},", *fields, "}"])

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        fields, names = dict(self.fields), list(self.names)
        return {"key": self.key, "type": self.type, "fields": fields, "names": names}


def parse(text: str, source: Path | str = "BibTeX") -> tuple[Reference, ...]:
    """Read BibTeX: entries of fields in braces, with comments after ``%`` between them.

    Args:
        text: All of it.
        source: Where it is from, for messages.

    Raises:
        InvalidFile: for anything else, a field or key given twice, or a name without its kind.
    """
    found: dict[str, Reference] = {}
    at = _after(_BETWEEN, text, 0)
    while at < len(text):
        try:
            entry, after = _entry(text, at)
            if entry.key in found:
                raise ValueError(f"the key {entry.key} is given twice")
        except ValueError as error:
            line = text.count("\n", 0, at) + 1
            raise InvalidFile(source, f"entry in line {line}: {error}") from error
        found[entry.key] = entry
        at = _after(_BETWEEN, text, after)
    return tuple(found.values())


def _entry(text: str, at: int) -> tuple[Reference, int]:
    """The entry at a place, and the place after it."""
    head = _HEAD.match(text, at)
    if head is None:
        raise ValueError("an entry starts with @type{key,")
    fields: dict[str, str] = {}
    at, more = head.end(), True
    while more and (field := _FIELD.match(text, at)):
        name = field[1].lower()
        if name in fields:
            raise ValueError(f"{head[2]} has the field {name} twice")
        fields[name], at = _braced(text, field.end(), name)
        more = _COMMA.match(text, at) is not None
        at = _after(_COMMA, text, at)
    end = _END.match(text, at)
    if end is None:
        last = f"its field {next(reversed(fields))}" if fields else "its key"
        msg = f"{head[2]}: after {last} comes neither another, as field = {{value}}, nor the end"
        raise ValueError(msg)
    names = [name.strip() for name in fields.pop(CITED_FOR, "").split(",") if name.strip()]
    if wrong := [name for name in names if not _NAME.fullmatch(name)]:
        raise ValueError(f"{head[2]} is cited for {wrong[0]!r}; write kind:name")
    return Reference(head[2], head[1].lower(), fields, tuple(names)), end.end()


def _braced(text: str, start: int, name: str) -> tuple[str, int]:
    """The value up to the brace that closes it, with single spaces, and the place after it."""
    depth = 1
    for brace in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if not depth:
            return " ".join(text[start : brace.start()].split()), brace.end()
    raise ValueError(f"the brace of its field {name} is not closed")


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()
