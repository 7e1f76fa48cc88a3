"""A comparison in words: its sentences, and all of it on a console."""

from functools import partial

from rich.console import Console
from rich.table import Table
from rich.text import Text

from neurorobust.compare.result import Cause, Difference, Divergence
from neurorobust.render import console as terminal
from neurorobust.render.looks import integer, percent

_COLOURS = {"identical": "green", "rounding": "yellow", "systematic": "red"}


def sentence(found: Difference) -> str:
    """The verdict in one line."""
    if found.verdict == "identical":
        return "identical in every output"
    if found.verdict == "rounding":
        return f"{found.differing} outputs differ by rounding"
    return f"they differ in {found.differing} outputs, beyond rounding"


def number(value: float | None) -> str:
    """With the digits in which membranes part."""
    return "?" if value is None else f"{value:.9g}"


def where(first: Divergence) -> str:
    """Layer, step, neuron."""
    neuron = ", ".join(map(str, first.neuron))
    return f"{first.layer}, step {first.step}, neuron ({neuron}), a sample of kind {first.kind}"


def fact_lines(cause: Cause) -> list[str]:
    """What speaks for a cause."""
    lines = [f"in {', '.join(cause.layers)}"]
    if cause.bits:
        lines.append(
            f"explains {integer(cause.explained)} of {integer(cause.bits)} outputs that break the "
            f"law there ({percent(cause.share)})"
        )
    elif cause.share:
        lines.append(f"explains {percent(cause.share)} of the membranes that break the law there")
    if cause.told:
        lines.append("the parameters of both sides say so")
    if cause.rivals:
        lines.append(f"these explain as much: {', '.join(cause.rivals)}")
    return lines


def print_difference(console: Console, found: Difference) -> None:
    """All of it, shortest first."""
    say = partial(terminal.say, console)
    say(f"A: {found.a}")
    say(f"B: {found.b}")
    say(sentence(found), style=f"bold {_COLOURS[found.verdict]}")
    console.print(_layers(found))
    _print_first(console, found)
    for place, cause in enumerate(found.causes, 1):
        say(f"  {place}. {cause.cause}: ", style="bold", end="")
        say(cause.text)
        for line in fact_lines(cause):
            say(f"     {line}", style="dim")
    if found.left is not None:
        say(f"  with this applied, {integer(found.left)} spikes of the whole network differ")
    small = found.reproducer
    if small is not None:
        say(
            f"  smallest input that shows it: {small.nonzero} values in {small.steps} step(s), "
            f"from {integer(small.original_values)} in {small.original_steps}"
        )
    shown = ", ".join(f"{count} {kind}" for kind, count in found.samples.items())
    say(f"  shown: {shown}; {found.steps} steps; other decisions: {found.decisions}")
    for side, names in (("A", found.only_a), ("B", found.only_b)):
        if names:
            say(f"  only in {side}: {', '.join(names)}")
    if found.agree and found.parameters:
        say("  parameters that differ without effect on these inputs:")
        for one in found.parameters:
            say(f"    {one.node}.{one.field}: {one.a} in A, {one.b} in B")
    for note in found.notes:
        say(f"  note: {note}")


def _layers(found: Difference) -> Table:
    numbers = ("differ", "of", "membranes apart", "break the law")
    table = terminal.table("layer", "verdict", *numbers, "", right=numbers)
    for layer in found.layers:
        verdict = Text(layer.verdict, _COLOURS[layer.verdict])
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
    terminal.say(console, f"  {what}: {where(first)}")
    for k, side in enumerate(("A", "B")):
        law = " (by the law of its Graph)" if first.by_law[k] else ""
        line = f"    {side} gives {first.outputs[k]:g}; membrane {number(first.membrane[k])}{law}"
        if first.threshold[k] is not None:
            line += f", threshold {number(first.threshold[k])}"
        if first.distance[k] is not None:
            line += f", distance {first.distance[k]:.3g}"
        terminal.say(console, line)
