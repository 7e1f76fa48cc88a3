"""Printing a check: the verdict, what fails, where the layers go, what it costs."""

from collections.abc import Callable
from functools import partial

from rich.console import Console
from rich.table import Table
from rich.text import Text

from neurorobust.fit.result import Check, Result
from neurorobust.fit.words import (
    against,
    amount,
    lacking,
    quantity,
    span,
    unknown,
    verdict,
    worst,
)
from neurorobust.render import console as terminal
from neurorobust.render.console import table
from neurorobust.render.looks import integer

_MARKS = {"ok": Text("ok", "green"), "fail": Text("fail", "red"), "unchecked": Text("?")}
_ARTICLE = {"sample": "a sample", "event": "an event"}


def print_check(console: Console, check: Check, *, every_rule: bool) -> None:
    """The whole check, shortest first; what several layers share is said once."""
    say = partial(terminal.say, console)
    colour = "green" if check.ok else "red"
    say(f"{check.model} on {check.chip}: ", style="bold", end="")
    say(verdict(check), style=f"bold {colour}")
    shown = [r for r in check.results if every_rule or r.status == "fail"]
    if shown:
        console.print(_rules(shown))
    if check.placement.layers:
        console.print(_layers(check))
    elif check.placement.why:
        say(f"  cores: {check.placement.why}")
    _print_costs(say, check)
    passed = sum(result.status == "ok" for result in check.results)
    say(f"  {passed} results passed, {len(check.unchecked)} unchecked")
    for constraint, places, why in unknown(check):
        say(f"  unchecked: {constraint}{places and f' ({places})'}: {why}")
    for note in check.notes:
        say(f"  note: {note}")
    console.print()


def _rules(results: list[Result]) -> Table:
    shown = table("", "rule", "where", "needs", "kind", "remark")
    alike: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        # Where there is no number, the note is what was found.
        found = result.note if result.used is None else ""
        remark = "; ".join(filter(None, (found, result.advice))) or result.note
        # What fails is said once with the worst case, what passes with every case of its own.
        needs = "" if result.status == "fail" else against(result)
        said = (result.status, result.constraint, result.kind, remark, needs)
        alike.setdefault(said, []).append(result)
    for (status, constraint, kind, remark, _), same in alike.items():
        where = ", ".join(dict.fromkeys(result.layer for result in same if result.layer))
        shown.add_row(_MARKS[status], constraint, where, against(worst(same)), kind, remark)
    return shown


def _layers(check: Check) -> Table:
    numbers = ("neurons", "synapses", "cores")
    shown = table("layer", *numbers, "binding", right=numbers)
    for at in check.placement.layers:
        neurons, synapses = check.neurons.get(at.layer), check.synapses.get(at.layer)
        bound = ""
        if at.binding:
            use, limit = at.use[at.binding], at.limit[at.binding]
            bound = f"{at.binding} {amount(use)} of {amount(limit)}"
        shown.add_row(
            at.layer,
            "" if neurons is None else integer(neurons),
            "" if synapses is None else integer(synapses),
            integer(len(at.cores)) if at.cores else "none",
            bound,
        )
    return shown


def _print_costs(say: Callable[..., None], check: Check) -> None:
    costs = check.costs
    rows = (
        ("static energy", costs.static, "J"),
        ("dynamic energy", costs.dynamic, "J"),
        ("total energy", costs.total, "J"),
        (f"latency of {_ARTICLE[costs.latency_of]}", costs.latency, "s"),
    )
    for name, estimate, unit in rows:
        if estimate.value is not None:
            say(f"  {name}: {span(estimate, unit)}")
            if estimate.basis:
                say(f"    {estimate.basis}", style="dim")
    for names, why in lacking(check):
        say(f"  {names}: {why}")
    if costs.static.value is not None:
        over = quantity(costs.duration_s, "s")
        say(f"  per sample; static over {over}; boundary: {costs.boundary}")
