"""``neurorobust attack``: attacks on a model, frozen as sets, with success and worst case."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurorobust.cli import options
from neurorobust.cli.run import Device, Jobs, Out, go

if TYPE_CHECKING:
    from neurorobust.data import Source
    from neurorobust.formats.reading import Reading


@options.reads()
@options.shows(limit=256)
def attack(
    model: options.Model,
    attack: Annotated[
        str, typer.Option(help="Attacks, as pgd(steps=40),sa-pgd; standard is the ensemble.")
    ] = "",
    gradient: Annotated[str, typer.Option(help="Estimators, as rga,stbp(surrogate=arctan).")] = "",
    eps: Annotated[str, typer.Option(help="Radii, as 2/255,8/255.")] = "8/255",
    threat: Annotated[
        str, typer.Option(help="linf, l2, events or retiming, as events(insert=0).")
    ] = "linf",
    twin: Annotated[
        str | None, typer.Option(help="Independently trained model; attacks transfer from it too.")
    ] = None,
    audit: Annotated[
        int, typer.Option(help="Samples of the audit; without one there is no headline.", min=0)
    ] = 64,
    eot: Annotated[int, typer.Option(help="Draws per gradient, of drawn inputs.", min=1)] = 10,
    votes: Annotated[int, typer.Option(help="Draws per decision, of drawn inputs.", min=1)] = 10,
    double: Annotated[bool, typer.Option(help="Double precision instead of single.")] = False,
    device: Device = "cpu",
    jobs: Jobs = 1,
    out: Out = Path("neurorobust-attacks"),
    as_json: options.AsJson = False,
    *,
    reading: "Reading",
    data: "Source",
) -> None:
    """Craft every attack with every gradient at every radius, freeze the sets, and audit them.

    Sets that the folder holds are reused, and an interrupted run goes on where it was. Exit code 0:
    done. 1: a step failed. 2: it cannot be done.
    """
    from neurorobust.study import presets

    spec = presets.preset(
        [model],
        data,
        reading,
        backends=["torch"],
        slow=False,
        attacks=attack or presets.ATTACKS,
        gradients=gradient or presets.GRADIENTS,
        eps=eps,
        models={"twin": twin},
        craft={
            "threat": threat,
            "box": ["white", "twin"] if twin else ["white"],
            "eot": eot,
            "votes": votes,
            "precision": "double" if double else "single",
        },
        fit={"check": False},
        replay={"compare": 0},
        audit={"samples": audit},
        run={"jobs": jobs, "device": device},
    )
    go(spec, out, "attack", as_json=as_json)
