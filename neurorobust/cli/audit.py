"""``neurorobust audit``: whether a robustness number means what it says."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from neurorobust.cli.console import command, console, errors
from neurorobust.cli.inputs import graph_of, source_of

if TYPE_CHECKING:
    from neurorobust.audit import EvaluationCard
    from neurorobust.cli.stages import ConsoleStages
    from neurorobust.ir import Graph

RED, CANNOT = 1, 2
"""Exit codes: a check is red; the audit itself was not possible."""
_COLOURS = {"red": "bold red", "amber": "yellow", "green": "green", "not applicable": "dim"}


@partial(command, code=CANNOT)
def audit(  # noqa: PLR0917  # options are passed by name
    model: Annotated[str, typer.Argument(help="A saved Graph, or digits: trains the built-in.")],
    data: Annotated[
        str | None, typer.Option(help="Folder of image Parquet files, .npz with x, y, or digits.")
    ] = None,
    eps: Annotated[str, typer.Option(help="Radius, as 16/255 or 0.06.")] = "16/255",
    gradient: Annotated[str, typer.Option(help="Estimators, comma-separated.")] = "rga,stbp",
    attack: Annotated[str, typer.Option(help="An attack with gradients.")] = "pgd",
    steps: Annotated[int | None, typer.Option(help="Of the attack.", min=1)] = None,
    twin: Annotated[
        Path | None, typer.Option(help="A saved Graph, independently trained, for C10.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Number of test images.", min=8)] = 256,
    queries: Annotated[int, typer.Option(help="Of the gradient-free attack.", min=1)] = 1000,
    tuned_on: Annotated[
        str | None, typer.Option(help="Split on which anything was tuned, for C22.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the card as one HTML page.")] = None,
    models: Annotated[Path, typer.Option(help="Folder of the built-in model.")] = Path(
        "neurorobust-models"
    ),
    seed: Annotated[int, typer.Option(help="Of everything random.", min=0, max=2**32 - 1)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """Hold an evaluation against the checks for masked gradients; write its card.

    Exit code 0: no check is red. 1: a check is red. 2: it cannot be audited.
    """
    from neurorobust.cli.stages import ConsoleStages
    from neurorobust.study.attack.spelled import number

    stages = ConsoleStages(errors if as_json else console)
    card = _audit(
        graph_of(model, models, seed, stages),
        source_of(data, model),
        stages,
        epsilon=number(eps),
        gradients=[name.strip() for name in gradient.split(",")],
        attack=(attack, {} if steps is None else {"steps": steps}),
        limit=limit,
        seed=seed,
        twin=None if twin is None else graph_of(str(twin), models, seed, stages),
        queries=queries,
        tuned_on=tuned_on,
    )
    if html is not None:
        from neurorobust.audit import write_card

        write_card(card, html)
    if as_json:
        typer.echo(json.dumps(card.as_json(), indent=2))
    else:
        print_card(card)
    if not card.ok:
        raise typer.Exit(RED)


def print_card(card: "EvaluationCard") -> None:
    """One row per check, then the headline or why there is none."""
    table = Table(box=None, pad_edge=False)
    for column in ("id", "status", "check", "what was seen"):
        table.add_column(column, overflow="fold")
    for finding in card.findings:
        status = f"[{_COLOURS[finding.status]}]{finding.status.value}[/]"
        seen = finding.summary.replace("[", r"\[")
        if finding.status.value in ("red", "amber"):
            seen += f"\n[dim]{finding.remedy}[/]"
        table.add_row(finding.id, status, finding.title, seen)
    console.print(table)
    if card.headline is None:
        console.print(f"\nRobust accuracy {card.withheld}", markup=False, soft_wrap=True)
        return
    low, high = card.headline.interval
    console.print(
        f"\nAccuracy in the worst case over {len(card.by_attack)} attacks: "
        f"{100 * card.headline.rate:.1f} % (95 %: {100 * low:.1f}-{100 * high:.1f}), "
        f"{card.headline.count} of {card.headline.n} samples",
        soft_wrap=True,
    )


def _audit(
    graph: "Graph",
    data: str,
    stages: "ConsoleStages",
    *,
    epsilon: float,
    gradients: list[str],
    attack: tuple[str, dict[str, int]],
    limit: int,
    seed: int,
    twin: "Graph | None",
    queries: int,
    tuned_on: str | None,
) -> "EvaluationCard":
    from neurorobust.attacks import Attack, Linf, make_attack
    from neurorobust.audit import audit as hold
    from neurorobust.data import load
    from neurorobust.engine.estimators import Estimator

    name, parameters = attack
    test = load(data, limit=limit, seed=seed)

    def make(estimator: Estimator) -> Attack:
        return make_attack(name, estimator, **parameters)

    with stages.stage("Audit") as progress:
        return hold(
            graph,
            test.values,
            test.labels,
            Linf.of(graph.header, epsilon),
            gradients=gradients,
            attack=make,
            twin=twin,
            limit=limit,
            seed=seed,
            queries=queries,
            tuned_on=tuned_on,
            progress=progress,
        )
