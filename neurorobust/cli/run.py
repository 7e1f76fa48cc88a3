"""``neurorobust run`` and ``replay``: from anyone's model, or a study file, to the report."""

import json
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurorobust.cli import options
from neurorobust.cli.console import command_line, console, print_file, print_json, say
from neurorobust.cli.inputs import tell_taken

if TYPE_CHECKING:
    from neurorobust.data import Source
    from neurorobust.formats.reading import Reading
    from neurorobust.study.spec import Spec

Models = Annotated[
    list[str],
    typer.Argument(
        help="Files (saved, .nir, .net, .onnx), file.py:name, which runs that file, or digits; "
        "or one study file, .toml.",
        metavar="MODEL...",
    ),
]
Profiles = Annotated[
    list[str] | None, typer.Option(help="Chip to lower to; may be given several times.")
]
Backends = Annotated[
    str | None, typer.Option(help="Where to run, as torch,lava; all that can run by default.")
]
Compare = Annotated[
    int, typer.Option(help="First samples of each set whose spikes are compared.", min=0)
]
Out = Annotated[Path, typer.Option(help="Folder of results, attack sets and report.")]
Jobs = Annotated[int, typer.Option(help="Processes of one thread.", min=1)]
Device = Annotated[str, typer.Option(help="Where torch crafts, as cpu or cuda.")]
Memory = Annotated[
    float | None, typer.Option(help="Megabytes that one process may take before it is ended.")
]
Minutes = Annotated[float | None, typer.Option(help="Minutes after which one step is ended.")]
Store = Annotated[Path | None, typer.Option(help="Folder of results that several studies share.")]
Plan = Annotated[
    bool, typer.Option("--plan", help="Show what would be run, and what it costs; run nothing.")
]


@options.reads()
@options.shows(limit=256)
def run(
    context: typer.Context,
    model: Models,
    profile: Profiles = None,
    attack: Annotated[
        str, typer.Option(help="Attacks, as pgd(steps=40),square; none for no attack.")
    ] = "",
    gradient: Annotated[str, typer.Option(help="Estimators, as rga,stbp(surrogate=arctan).")] = "",
    eps: Annotated[str, typer.Option(help="Radii, as 2/255,8/255.")] = "",
    threat: Annotated[
        str, typer.Option(help="linf, l2, events or retiming, as events(insert=0).")
    ] = "linf",
    on: Annotated[
        str, typer.Option(help="Rung of what the attacker sees: float, quantised, or both.")
    ] = "float",
    twin: Annotated[
        str | None, typer.Option(help="Independently trained model; attacks transfer from it too.")
    ] = None,
    bits: Annotated[str | None, typer.Option(help="Weight bits, as 4,6,8 or 2..8.")] = None,
    scaling: Annotated[str, typer.Option(help="Scaling rules, as max_abs,mse.")] = "max_abs",
    decay_bits: Annotated[str | None, typer.Option(help="Bits of the decays, as 8,12.")] = None,
    calibration: options.Calibration = None,
    calibration_limit: options.CalibrationLimit = 128,
    backend: Backends = None,
    compare_spikes: Compare = 64,
    audit: Annotated[int, typer.Option(help="Samples of the audit; 0 for none.", min=0)] = 16,
    chunk: Annotated[
        int | None, typer.Option(help="Samples of one step; all by default.", min=1)
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Of a study file: section.key=value in place of what it says."),
    ] = None,
    device: Device = "cpu",
    jobs: Jobs = 1,
    memory_mb: Memory = None,
    minutes_per_cell: Minutes = None,
    store: Store = None,
    out: Out = Path("neurorobust-run"),
    plan: Plan = False,
    as_json: options.AsJson = False,
    *,
    reading: "Reading",
    data: "Source",
) -> None:
    """Load, check, lower, attack, replay everywhere, audit, and report, in one command.

    Exit code 0: done. 1: a step failed; the others are in the report. 2: it cannot be done.
    """
    from neurorobust.errors import InvalidInput
    from neurorobust.study import presets
    from neurorobust.study.crafters import split
    from neurorobust.study.presets import whole_numbers
    from neurorobust.study.spec import read_spec

    execution = _execution(jobs, memory_mb, minutes_per_cell, store)
    if len(model) == 1 and model[0].endswith(".toml"):
        _require_none_else(context)
        if jobs == 1:
            del execution["jobs"]
        changes = [*(set_ or []), *(f"run.{k}={json.dumps(v)}" for k, v in execution.items())]
        _go(read_spec(model[0], changes), out, "study", plan=plan, as_json=as_json)
        return
    if set_:
        raise InvalidInput("--set changes a study file; of a model, say it with its option")
    lower: dict[str, Any] = {
        "profile": profile or [presets.PROFILE],
        "scaling": split(scaling),
    }
    if bits is not None:
        lower["weight_bits"] = list(whole_numbers(bits, "--bits"))
    if decay_bits is not None:
        lower["decay_bits"] = list(whole_numbers(decay_bits, "--decay-bits"))
    spec = presets.preset(
        model,
        data,
        reading,
        backends=split(backend) if backend else None,
        attacks="" if attack == "none" else attack or presets.ATTACKS,
        gradients=gradient or presets.GRADIENTS,
        eps=eps or presets.EPSILONS,
        models={"twin": twin},
        data={
            "chunk": chunk,
            "calibration": calibration,
            "calibration_count": calibration_limit,
        },
        lower=lower,
        craft={
            "threat": threat,
            "on": split(on),
            "box": ["white", "twin"] if twin else ["white"],
        },
        replay={"compare": compare_spikes},
        audit={"samples": audit},
        run=execution | {"device": device},
    )
    _go(spec, out, "run", plan=plan, as_json=as_json)


@options.reads()
@options.shows()
def replay(
    sets: Annotated[
        list[str], typer.Argument(help="Frozen attack sets, folders of them, or studies.")
    ],
    model: Annotated[list[str], typer.Option(help="Network, named as for run; repeatable.")],
    profile: Profiles = None,
    backend: Backends = None,
    compare_spikes: Compare = 64,
    jobs: Jobs = 1,
    memory_mb: Memory = None,
    minutes_per_cell: Minutes = None,
    store: Store = None,
    out: Out = Path("neurorobust-replay"),
    plan: Plan = False,
    as_json: options.AsJson = False,
    *,
    reading: "Reading",
    data: "Source",
) -> None:
    """Show frozen attacks to networks, on every backend and chip arithmetic, and report.

    Exit code 0: done. 1: a step failed; the others are in the report. 2: it cannot be done.
    """
    from neurorobust.study import presets
    from neurorobust.study.crafters import split

    spec = presets.preset(
        model,
        data,
        reading,
        backends=split(backend) if backend else None,
        slow=backend is None,
        lower={"profile": profile or [presets.PROFILE]},
        replay={"sets": sets, "compare": compare_spikes},
        run=_execution(jobs, memory_mb, minutes_per_cell, store),
    )
    _go(spec, out, "replay", plan=plan, as_json=as_json)


def _execution(
    jobs: int, memory_mb: float | None, minutes_per_cell: float | None, store: Path | None
) -> dict[str, Any]:
    said = {
        "jobs": jobs,
        "memory_mb": memory_mb,
        "minutes_per_cell": minutes_per_cell,
        "store": None if store is None else str(store.absolute()),
    }
    return {key: value for key, value in said.items() if value is not None}


OF_EXECUTION = frozenset(
    ("model", "set_", "jobs", "memory_mb", "minutes_per_cell", "store", "out", "plan", "as_json")
)
"""What is said beside a study file; it says the rest itself."""


def _require_none_else(context: typer.Context) -> None:
    """Refuse options that a study file would leave unheard.

    Raises:
        InvalidInput: naming them.
    """
    from neurorobust.errors import InvalidInput

    def typed(name: str | None) -> bool:
        source = context.get_parameter_source(name or "")
        return source is not None and source.name == "COMMANDLINE"

    more = [
        max(one.opts, key=len)
        for one in context.command.params
        if one.name not in OF_EXECUTION and typed(one.name)
    ]
    if more:
        raise InvalidInput(
            f"a study file says {', '.join(more)} itself; change it with --set section.key=value"
        )


def _go(spec: "Spec", out: Path, preset: str, *, plan: bool, as_json: bool) -> None:
    if plan:
        show_plan(spec, out, as_json=as_json)
    else:
        go(spec, out, preset, as_json=as_json)


def go(spec: "Spec", out: Path, preset: str, *, as_json: bool) -> None:
    """Run a study and print what it found."""
    from neurorobust.cli.stages import stages
    from neurorobust.files import require_folder
    from neurorobust.study.given import read_given
    from neurorobust.study.report import print_summary, worst_case
    from neurorobust.study.running import begin, run_study

    told = stages(as_json)
    begin(require_folder(out))
    given, before = read_given(spec, out, stages=told)
    for one in given.models:
        tell_taken(one.named, one.model)
    done = run_study(
        spec,
        given,
        out,
        stages=told,
        stages_before=before,
        preset=preset,
        command=command_line(),
    )
    manifest = done.results.manifest
    if as_json:
        print_json(
            {
                "report": str(done.report),
                "cells": manifest.cells,
                "worst_case": worst_case(done.results),
                "rows": done.results.rows.to_dicts(),
                "audits": manifest.audits,
                "failures": [failure.model_dump() for failure in manifest.failures],
            }
        )
    else:
        print_summary(console, out)
        print_file(done.report, "\nReport")
    if manifest.failures:
        raise typer.Exit(1)


def show_plan(spec: "Spec", out: Path, *, as_json: bool) -> None:
    """What a study would run, what of it is there, and what the rest costs."""
    from neurorobust.cli.stages import stages
    from neurorobust.render.console import table
    from neurorobust.render.looks import duration
    from neurorobust.study.given import read_given
    from neurorobust.study.outlook import outlook

    with TemporaryDirectory() as spare:
        # Models that are known by name are made in the folder of a study; a plan makes none there.
        if (made := out / "model").is_dir():
            copytree(made, Path(spare) / "model")
        given, _ = read_given(spec, Path(spare), stages=stages(as_json=True))
        found = outlook(spec, given, out)
    if as_json:
        print_json(found)
        return
    grid = table(
        "kind", "cells", "there", "CPU time left", right=("cells", "there", "CPU time left")
    )
    for kind, row in found["kinds"].items():
        grid.add_row(kind, str(row["cells"]), str(row["there"]), duration(row["left_s"]))
    console.print(grid)
    for axis, values in found["axes"].items():
        say(f"  {axis}: {', '.join(values)}")
    if found["excluded"]:
        say(f"{found['excluded']} combinations are left out by exclude")
    jobs = spec.run.jobs
    say(
        f"{found['open']} cells to run: about {duration(found['left_s'])} of CPU time, "
        f"{duration(found['left_s'] / jobs)} with {jobs} process(es), and "
        f"{found['bytes'] / 1e6:.1f} MB on disk"
    )
    for refusal in found["refusals"]:
        say(f"refused: {refusal}")
