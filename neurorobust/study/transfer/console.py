"""The main tables in the terminal; plain lines where there is none."""

from pathlib import Path

from rich.console import Console
from rich.text import Text

from neurorobust.metrics import scopes
from neurorobust.render import looks
from neurorobust.render.console import QUIET
from neurorobust.render.console import table as make_table
from neurorobust.render.numbers import Entry
from neurorobust.study.transfer.headline import headline
from neurorobust.study.transfer.store import read_results
from neurorobust.study.transfer.tables import (
    PairRow,
    TransferRow,
    TransferTable,
    agreement_rows,
    transfer_table,
)

_FIELD = {"attacked": "accuracy", "fooled": "success"}


def print_summary(console: Console, folder: Path | str) -> None:
    """Print the findings, the transfer of the headline attack, and the differing spikes.

    Raises:
        InvalidFile: if the folder is not whole.
    """
    results = read_results(folder)
    found = scopes(results.outcomes, results.surrogate)
    tables = [transfer_table(results, scope) for scope in found]
    pairs = agreement_rows(results)
    _line(console, results.manifest.title, style="bold")
    for sentence in headline(results, tables, pairs).sentences:
        _line(console, f"· {sentence}")
    for table in (table for table in tables if table.shown):
        _transfers(console, table)
    if pairs:
        _pairs(console, pairs)


def _transfers(console: Console, table: TransferTable) -> None:
    rows = table.shown
    title = f"Transfer of {rows[0].label}, crafted on {table.surrogate}"
    if table.scope.limited_by:
        title += f" (samples of {looks.column_list(table.scope.limited_by)})"
    console.print()
    _line(console, title, style="bold")
    if not console.is_terminal:
        for row in rows:
            parts = [f"clean {row.clean.text}", f"attacked {row.accuracy.text}"]
            parts.append(f"fooled {row.success.text} ({row.success.counts})")
            if row.kept.text:
                parts += [f"{n} {getattr(row, n).counts}" for n in ("kept", "lost", "gained")]
                parts.append(f"p {row.p_value}")
            _line(console, f"{row.column}: {', '.join(parts)}")
        return
    names = ("clean", "attacked", "fooled", "kept", "lost", "gained")
    heads = [*(f"{name}\n{_n(rows, name)}" for name in names), "p"]
    grid = make_table("backend · rung", *heads, right=heads, **QUIET)
    for row in rows:
        label = Text("● ", style=row.colour) + Text(str(row.column), style="default")
        cells = (_cell(getattr(row, _FIELD.get(name, name))) for name in names)
        grid.add_row(label, *cells, row.p_value or "–")
    console.print(grid)
    _line(console, "Second lines: Wilson 95 % intervals. p: McNemar's exact test.", "dim")


def _pairs(console: Console, pairs: tuple[PairRow, ...]) -> None:
    console.print()
    _line(console, "Spike values that differ", style="bold")
    if not console.is_terminal:
        for pair in pairs:
            first = f"; first at {pair.first}" if pair.first else ""
            _line(
                console,
                f"{pair.backend} · {pair.rung} against {pair.against}: "
                f"{pair.differing} of {pair.values}{first}",
            )
        return
    numbers = ("compared", "differ")
    grid = make_table(
        "backend · rung", "against", *numbers, "first parts at", right=numbers, **QUIET
    )
    for pair in pairs:
        name = Text("● ", style=pair.colour) + Text(f"{pair.backend} · {pair.rung}", "default")
        counts = looks.integer(pair.values), looks.integer(pair.differing)
        grid.add_row(name, pair.against, *counts, pair.first or "nowhere")
    console.print(grid)


def _n(rows: tuple[TransferRow, ...], name: str) -> str:
    """The n of a column of the table: common samples make it the same in every row."""
    counts = (getattr(row, _FIELD.get(name, name)).counts for row in rows)
    return next((f"of {text.partition('/')[2]}" for text in counts if text), "")


def _cell(entry: Entry) -> Text:
    if not entry.text:
        return Text("–", style="dim")
    small = f"\n{entry.interval}" if entry.interval else ""
    return Text.assemble(entry.text, (small, "dim"))


def _line(console: Console, text: str, style: str = "") -> None:
    # Names from files must neither be read as markup nor be broken apart when piped.
    whole = not console.is_terminal
    console.print(Text(text, style=style), soft_wrap=whole, highlight=False)
