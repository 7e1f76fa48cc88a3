"""``neurorobust audit``: whether a robustness number means what it says."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from neurorobust.cli.console import command, console, errors

if TYPE_CHECKING:
    from neurorobust.audit import EvaluationCard
    from neurorobust.cli.stages import ConsoleStages
    from neurorobust.ir import Graph

RED, CANNOT = 1, 2
"""Exit codes: a check is red; the audit itself was not possible."""
DIGITS = "digits"
_COLOURS = {"red": "bold red", "amber": "yellow", "green": "green", "not applicable": "dim"}


@partial(command, code=CANNOT)
def audit(  # noqa: PLR0917  # options are passed by name
    model: Annotated[str, typer.Argument(help="A saved Graph, or digits: trains the built-in.")],
    data: Annotated[
        str | None, typer.Option(help="Folder of image Parquet files, or digits.")
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

    stages = ConsoleStages(errors if as_json else console)
    graph = _graph(model, models, seed, stages)
    card = _audit(
        graph,
        _source(data or (DIGITS if model == DIGITS else None)),
        stages,
        epsilon=_radius(eps),
        gradients=[name.strip() for name in gradient.split(",")],
        attack=(attack, {} if steps is None else {"steps": steps}),
        limit=limit,
        seed=seed,
        twin=None if twin is None else _graph(str(twin), models, seed, stages),
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


def _graph(model: str, folder: Path, seed: int, stages: "ConsoleStages") -> "Graph":
    from neurorobust.ir import Graph, load_model
    from neurorobust.zoo.digits import load_or_train

    if model != DIGITS:
        return load_model(Path(model), Graph)
    with stages.stage("Train or load the digits model") as progress:
        graph, _ = load_or_train(folder, seed=seed, progress=progress)
    return graph


def _source(data: str | None) -> str:
    from neurorobust.errors import InvalidInput

    if data is None:
        msg = "name the test images with --data: a folder of Parquet files, or digits"
        raise InvalidInput(msg)
    return data


def _radius(text: str) -> float:
    """``16/255`` or ``0.06``."""
    from neurorobust.errors import InvalidInput

    over, _, under = text.partition("/")
    try:
        return float(over) / float(under or 1)
    except (ValueError, ZeroDivisionError) as error:
        msg = f"--eps is {text!r}; give a number or a fraction, as 0.06 or 16/255"
        raise InvalidInput(msg) from error


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
    from neurorobust.engine.surrogate import Estimator
    from neurorobust.study import digits_samples, image_samples

    name, parameters = attack
    test = (
        digits_samples(seed=seed, limit=limit)
        if data == DIGITS
        else image_samples(Path(data), limit=limit)
    ).test

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
