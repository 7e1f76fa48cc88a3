"""Printing a check: the verdict, what fails, where the layers go, what it costs."""

from rich.console import Console
from rich.table import Table

from neurorobust.fit.result import Check, Result
from neurorobust.fit.words import against, amount, quantity, span, verdict
from neurorobust.render.looks import integer

_ARTICLE = {"sample": "a sample", "event": "an event"}


def print_check(console: Console, check: Check, *, every_rule: bool) -> None:
    """The whole check, shortest first."""
    colour = "green" if check.ok else "red"
    console.print(f"{check.model} on {check.chip}: ", style="bold", end="", markup=False)
    console.print(verdict(check), style=f"bold {colour}", markup=False)
    shown = [r for r in check.results if every_rule or r.status == "fail"]
    if shown:
        console.print(_rules(shown))
    if check.placement.layers:
        console.print(_layers(check))
    elif check.placement.why:
        console.print(f"  cores: {check.placement.why}", markup=False, soft_wrap=True)
    _print_costs(console, check)
    passed = sum(result.status == "ok" for result in check.results)
    console.print(f"  {passed} results passed, {len(check.unchecked)} unchecked")
    for constraint in dict.fromkeys(result.constraint for result in check.unchecked):
        same = [r for r in check.unchecked if r.constraint == constraint]
        places = ", ".join(r.layer for r in same if r.layer)
        where = f" ({places})" if places else ""
        line = f"  unchecked: {constraint}{where}: {same[0].note}"
        console.print(line, markup=False, soft_wrap=True)
    for note in check.notes:
        console.print(f"  note: {note}", markup=False, soft_wrap=True)
    console.print()


def _rules(results: list[Result]) -> Table:
    table = Table(box=None, pad_edge=True, padding=(0, 2, 0, 0))
    for name in ("", "rule", "where", "needs", "kind", "remark"):
        table.add_column(name, overflow="fold")
    for result in results:
        mark = {"ok": "[green]ok[/]", "fail": "[red]fail[/]", "unchecked": "?"}[result.status]
        remark = result.advice or result.note
        table.add_row(mark, result.constraint, result.layer, against(result), result.kind, remark)
    return table


def _layers(check: Check) -> Table:
    table = Table(box=None, pad_edge=True, padding=(0, 2, 0, 0))
    table.add_column("layer")
    for name in ("neurons", "synapses", "cores"):
        table.add_column(name, justify="right")
    table.add_column("binding")
    for at in check.placement.layers:
        neurons, synapses = check.neurons.get(at.layer), check.synapses.get(at.layer)
        bound = ""
        if at.binding:
            use, limit = at.use[at.binding], at.limit[at.binding]
            bound = f"{at.binding} {amount(use)} of {amount(limit)}"
        table.add_row(
            at.layer,
            "" if neurons is None else integer(neurons),
            "" if synapses is None else integer(synapses),
            integer(len(at.cores)) if at.cores else "none",
            bound,
        )
    return table


def _print_costs(console: Console, check: Check) -> None:
    costs = check.costs
    rows = (
        ("static energy", costs.static, "J"),
        ("dynamic energy", costs.dynamic, "J"),
        ("total energy", costs.total, "J"),
        (f"latency of {_ARTICLE[costs.latency_of]}", costs.latency, "s"),
    )
    for name, estimate, unit in rows:
        text = span(estimate, unit) if estimate.value is not None else estimate.why
        console.print(f"  {name}: {text}", markup=False, soft_wrap=True)
        if estimate.value is not None and estimate.basis:
            console.print(f"    {estimate.basis}", style="dim", markup=False, soft_wrap=True)
    if costs.static.value is not None:
        over = quantity(costs.duration_s, "s")
        line = f"  per sample; static over {over}; boundary: {costs.boundary}"
        console.print(line, markup=False, soft_wrap=True)
