"""Printing a comparison: verdict, layers, first divergence, causes, smallest input."""

from rich.console import Console
from rich.table import Table

from neurorobust.compare.result import Difference
from neurorobust.compare.words import fact_lines, number, sentence, where
from neurorobust.render.looks import integer

_COLOURS = {"identical": "green", "rounding": "yellow", "systematic": "red"}


def print_difference(console: Console, found: Difference) -> None:
    """All of it, shortest first."""
    console.print(f"A: {found.a}", markup=False, soft_wrap=True)
    console.print(f"B: {found.b}", markup=False, soft_wrap=True)
    console.print(sentence(found), style=f"bold {_COLOURS[found.verdict]}", markup=False)
    console.print(_layers(found))
    _print_first(console, found)
    for place, cause in enumerate(found.causes, 1):
        console.print(f"  {place}. {cause.cause}: ", style="bold", end="", markup=False)
        console.print(cause.text, markup=False, soft_wrap=True)
        for line in fact_lines(cause):
            console.print(f"     {line}", style="dim", markup=False, soft_wrap=True)
    if found.left is not None:
        line = f"  with this applied, {integer(found.left)} spikes of the whole network differ"
        console.print(line, markup=False, soft_wrap=True)
    small = found.reproducer
    if small is not None:
        console.print(
            f"  smallest input that shows it: {small.nonzero} values in {small.steps} step(s), "
            f"from {integer(small.original_values)} in {small.original_steps}",
            markup=False,
            soft_wrap=True,
        )
    shown = ", ".join(f"{count} {kind}" for kind, count in found.samples.items())
    console.print(f"  shown: {shown}; {found.steps} steps; other decisions: {found.decisions}")
    for side, names in (("A", found.only_a), ("B", found.only_b)):
        if names:
            line = f"  only in {side}: {', '.join(names)}"
            console.print(line, markup=False, soft_wrap=True)
    if found.agree and found.parameters:
        console.print("  parameters that differ without effect on these inputs:")
        for one in found.parameters:
            line = f"    {one.node}.{one.field}: {one.a} in A, {one.b} in B"
            console.print(line, markup=False, soft_wrap=True)
    for note in found.notes:
        console.print(f"  note: {note}", markup=False, soft_wrap=True)


def _layers(found: Difference) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("layer", "verdict"):
        table.add_column(name, overflow="fold")
    for name in ("differ", "of", "membranes apart", "break the law"):
        table.add_column(name, justify="right")
    table.add_column("")
    for layer in found.layers:
        verdict = f"[{_COLOURS[layer.verdict]}]{layer.verdict}[/]"
        handed = "handed on" if layer.verdict == "systematic" and not layer.own else ""
        table.add_row(
            layer.name,
            verdict,
            integer(layer.differing),
            integer(layer.total),
            "" if layer.membrane_gap is None else f"{layer.membrane_gap:.3g}",
            "" if layer.broken is None else integer(layer.broken),
            layer.note or handed,
        )
    return table


def _print_first(console: Console, found: Difference) -> None:
    first = found.first
    if first is None:
        return
    what = "first rounding difference" if first.excused else "first divergence"
    console.print(f"  {what}: {where(first)}", markup=False, soft_wrap=True)
    for k, side in enumerate(("A", "B")):
        law = " (by the law of its Graph)" if first.by_law[k] else ""
        line = f"    {side} gives {first.outputs[k]:g}; membrane {number(first.membrane[k])}{law}"
        if first.threshold[k] is not None:
            line += f", threshold {number(first.threshold[k])}"
        if first.distance[k] is not None:
            line += f", distance {first.distance[k]:.3g}"
        console.print(line, markup=False, soft_wrap=True)
