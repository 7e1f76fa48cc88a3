"""``neurorobust demo`` and ``report``: the road on the built-in digits, and the page of a study."""

from pathlib import Path
from typing import Annotated

import typer

from neurorobust.cli import options
from neurorobust.cli.console import console, print_file, print_json


def demo(
    out: Annotated[Path, typer.Option(help="Folder for models, attacks, results, report.")] = Path(
        "neurorobust-demo"
    ),
    seed: Annotated[int, options.seed("Of split, weights, batches and attacks.")] = 0,
    jobs: Annotated[int, typer.Option(help="Processes of one thread.", min=1)] = 2,
) -> None:
    """Train, lower, attack and replay a small network on real digits; write report.html."""
    from neurorobust.cli.run import go
    from neurorobust.study.presets import demo as preset

    go(preset(seed, jobs), out, "demo", as_json=False)


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a study.")],
    as_json: options.AsJson = False,
) -> None:
    """Write report.html anew from the results in a folder."""
    from neurorobust.study.report import print_summary
    from neurorobust.study.running import report as write

    path = write(folder)
    if as_json:
        print_json({"report": str(path)})
        return
    print_summary(console, folder)
    print_file(path, "\nReport")
