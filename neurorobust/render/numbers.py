"""What several pages share about numbers: a rate in a table, and key numbers at the top."""

from dataclasses import dataclass

from neurorobust.metrics import Proportion
from neurorobust.render import looks


@dataclass(frozen=True, slots=True)
class Entry:
    """A rate with its interval and counts, in a table.

    Attributes:
        text: The rate, ``57.4 %``; empty where there is none.
        interval: Wilson 95 % interval, ``52.0–62.6``.
        counts: ``190/331``.
        value: What the column sorts by.
    """

    text: str = ""
    interval: str = ""
    counts: str = ""
    value: float = -1.0


@dataclass(frozen=True, slots=True)
class Tile:
    """One key number: what it is, the number, the small print below."""

    name: str
    number: str
    detail: str


@dataclass(frozen=True, slots=True)
class Headline:
    """Sentences and tiles at the top of a page."""

    sentences: tuple[str, ...]
    tiles: tuple[Tile, ...]


def entry(p: Proportion | None) -> Entry:
    """A proportion as it is printed."""
    if p is None:
        return Entry()
    if not p.n:
        return Entry(text="–", counts="0/0")
    return Entry(looks.percent(p.rate), looks.interval(p), f"{p.count}/{p.n}", p.rate)
