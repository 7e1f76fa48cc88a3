"""``neurorobust attack``: attacks on a saved model, frozen as sets, with success and worst case."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurorobust.cli import options
from neurorobust.cli.console import command_line, console, print_json
from neurorobust.cli.inputs import models_of, samples_of

if TYPE_CHECKING:
    from neurorobust.attacks import Threat
    from neurorobust.audit import EvaluationCard
    from neurorobust.cli.stages import ConsoleStages
    from neurorobust.data import Source
    from neurorobust.engine.network import Network
    from neurorobust.formats.reading import Reading
    from neurorobust.ir import Graph, Program
    from neurorobust.study.attack import Attacked


@options.reads()
@options.shows(limit=256)
def attack(
    model: options.Model,
    attack: Annotated[
        str, typer.Option(help="Attacks, as pgd(steps=40),sa-pgd; standard is the ensemble.")
    ] = "pgd",
    gradient: Annotated[
        str, typer.Option(help="Estimators, as rga,stbp(surrogate=arctan).")
    ] = "rga,stbp",
    eps: Annotated[str, typer.Option(help="Budgets, as 2/255,8/255.")] = "8/255",
    threat: Annotated[
        str, typer.Option(help="linf, l2, events or retiming, as events(insert=0).")
    ] = "linf",
    twin: Annotated[
        str | None, typer.Option(help="Independently trained model; attacks also transfer from it")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the sets.")] = Path("neurorobust-attacks"),
    audit: Annotated[
        int, typer.Option(help="Samples of the audit; without one there is no headline.", min=0)
    ] = 64,
    eot: Annotated[int, typer.Option(help="Draws per gradient, of drawn inputs.", min=1)] = 10,
    votes: Annotated[int, typer.Option(help="Draws per decision, of drawn inputs.", min=1)] = 10,
    double: Annotated[bool, typer.Option(help="Double precision instead of single.")] = False,
    device: Annotated[str, typer.Option(help="Where torch runs, as cpu or cuda.")] = "cpu",
    as_json: options.AsJson = False,
    *,
    reading: "Reading",
    data: "Source",
) -> None:
    """Craft every attack with every gradient at every radius, freeze the sets, and audit them.

    Sets that the folder holds are reused, and an interrupted run goes on where it was. Ends with 2
    if the attacks are not possible.
    """
    from neurorobust.cli.stages import stages
    from neurorobust.study.attack import attack_all, crafters, write_attacks
    from neurorobust.study.attack.console import print_attacks

    told = stages(as_json)

    samples, seed = samples_of(data, model), data.seed
    names = [model, *([] if twin is None else [twin])]
    models = models_of(names, reading, samples, stages=told, folder=out / "model", seed=seed)
    network, *others = [_network(one, device, double) for one in models]
    other = next(iter(others), None)
    done = attack_all(
        crafters(attack, gradient, other),
        _threats(threat, eps, network),
        network,
        samples.shown_to(models[0]),
        folder=out,
        stages=told,
        seed=seed,
        eot=eot,
        votes=votes,
    )
    card = _audited(done, other, audit, told, seed)
    written = write_attacks(done, out, card, command=command_line())
    if as_json:
        print_json(written)
    else:
        print_attacks(console, done, card, out)


def _network(model: "Graph | Program", device: str, double: bool) -> "Network":
    import torch

    from neurorobust.api import network_of
    from neurorobust.errors import InvalidInput

    try:
        where = torch.device(device)
        torch.empty(1, device=where)
    except (RuntimeError, AssertionError, AttributeError) as error:
        line = str(error).split("\n", maxsplit=1)[0]
        msg = f"torch cannot run on {device!r} here ({line}); use --device cpu"
        raise InvalidInput(msg) from error
    return network_of(model, device=where, dtype=torch.float64 if double else torch.float32)


def _threats(spelling: str, eps: str, network: "Network") -> "list[Threat]":
    """One threat per radius."""
    from neurorobust.attacks import THREATS
    from neurorobust.errors import InvalidInput
    from neurorobust.methods import number, spelled
    from neurorobust.names import known_name

    named, radii = spelled(spelling), [number(part.strip()) for part in eps.split(",")]
    if len(named) != 1 or len(set(radii)) < len(radii):
        msg = f"--threat {spelling} and --eps {eps} must name one threat, and each budget once"
        raise InvalidInput(msg)
    ((name, budgets),) = named
    threat = THREATS[known_name(name, THREATS, "threat model")]
    try:
        return [threat.of(network.graph.header, radius, **budgets) for radius in radii]
    except TypeError as error:
        raise InvalidInput(f"threat {spelling!r}: {error}") from error


def _audited(
    done: "Attacked", twin: "Network | None", limit: int, stages: "ConsoleStages", seed: int
) -> "EvaluationCard | str":
    """The card, or why there is none."""
    from neurorobust.errors import InvalidInput
    from neurorobust.study.attack import audit_attacks

    if not limit:
        return "no audit was asked for; leave out --audit 0"
    with stages.stage("Audit") as progress:
        try:
            return audit_attacks(done, twin=twin, limit=limit, seed=seed, progress=progress)
        except InvalidInput as error:
            return f"it cannot be audited ({error})"
