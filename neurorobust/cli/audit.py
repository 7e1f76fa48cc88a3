"""``neurorobust audit``: whether a robustness number means what it says."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from neurorobust.cli import options
from neurorobust.cli.console import console, print_json, say
from neurorobust.cli.inputs import graphs_of, samples_of
from neurorobust.render.console import table, visible

if TYPE_CHECKING:
    from neurorobust.audit import EvaluationCard
    from neurorobust.data import Source
    from neurorobust.formats.reading import Reading

_COLOURS = {"red": "bold red", "amber": "yellow", "green": "green", "not applicable": "dim"}


@options.reads()
@options.shows(limit=256)
def audit(
    model: options.Model,
    eps: Annotated[str, typer.Option(help="Radius, as 16/255 or 0.06.")] = "16/255",
    gradient: Annotated[str, typer.Option(help="Estimators, comma-separated.")] = "rga,stbp",
    attack: Annotated[
        str, typer.Option(help="An attack with gradients, as pgd(steps=40).")
    ] = "pgd",
    twin: Annotated[
        str | None, typer.Option(help="A Graph, independently trained, for C10.")
    ] = None,
    queries: Annotated[int, typer.Option(help="Of the gradient-free attack.", min=1)] = 1000,
    tuned_on: Annotated[
        str | None, typer.Option(help="Split on which anything was tuned, for C22.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the card as one HTML page.")] = None,
    models: Annotated[Path, typer.Option(help="Folder of the built-in model.")] = Path(
        "neurorobust-models"
    ),
    as_json: options.AsJson = False,
    *,
    reading: "Reading",
    data: "Source",
) -> None:
    """Hold an evaluation against the checks for masked gradients; write its card.

    Exit code 0: no check is red. 1: a check is red. 2: it cannot be audited.
    """
    from neurorobust.attacks import Attack, Linf, make_attack
    from neurorobust.audit import audit as hold
    from neurorobust.audit import write_card
    from neurorobust.cli.stages import stages
    from neurorobust.engine.estimators import Estimator
    from neurorobust.errors import InvalidInput
    from neurorobust.methods import number, spelled

    named = spelled(attack)
    if len(named) != 1:
        raise InvalidInput(f"--attack {attack} names {len(named)} attacks; give one")
    ((name, parameters),) = named

    def make(estimator: Estimator) -> Attack:
        return make_attack(name, estimator, **parameters)

    told = stages(as_json)
    samples, seed, epsilon = samples_of(data, model), data.seed, number(eps)
    names = [model, *([] if twin is None else [twin])]
    graph, *others = graphs_of(names, reading, samples, stages=told, folder=models, seed=seed)
    test = samples.shown_to(graph)
    with told.stage("Audit") as progress:
        card = hold(
            graph,
            test.values,
            test.labels,
            Linf.of(graph.header, epsilon),
            gradients=[name.strip() for name in gradient.split(",")],
            attack=make,
            twin=next(iter(others), None),
            limit=len(test),
            seed=seed,
            queries=queries,
            tuned_on=tuned_on,
            progress=progress,
        )
    if html is not None:
        write_card(card, html)
    if as_json:
        print_json(card.as_json())
    else:
        _print(card)
    if not card.ok:
        raise typer.Exit(1)


def _print(card: "EvaluationCard") -> None:
    """One row per check, then the headline or why there is none."""
    shown = table("id", "status", "check", "what was seen", padding=(0, 1), pad_edge=False)
    for finding in card.findings:
        status = Text(finding.status.value, _COLOURS[finding.status])
        seen = Text(visible(finding.summary))
        if finding.status.value in ("red", "amber"):
            seen.append(f"\n{visible(finding.remedy)}", "dim")
        shown.add_row(finding.id, status, finding.title, seen)
    console.print(shown)
    if card.headline is None:
        say(f"\nRobust accuracy {card.withheld}")
        return
    low, high = card.headline.interval
    say(
        f"\nAccuracy in the worst case over {len(card.by_attack)} attacks: "
        f"{100 * card.headline.rate:.1f} % (95 %: {100 * low:.1f}-{100 * high:.1f}), "
        f"{card.headline.count} of {card.headline.n} samples"
    )
