"""Options that several commands take, each written once."""

import functools
import inspect
from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from neurorobust.asking import Asked, questions
from neurorobust.data.source import Source
from neurorobust.formats.reading import Reading

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Calibration = Annotated[
    str | None,
    typer.Option(help="Data to choose scales by and to compare on, named as --data."),
]
CalibrationLimit = Annotated[int, typer.Option(help="Number of samples of it.", min=1)]
Html = Annotated[Path | None, typer.Option(help="Write all of it as one HTML page.")]
InputCoding = Annotated[
    str | None, typer.Option(help="graded, bias or host; the profile's first by default.")
]
Model = Annotated[
    str,
    typer.Argument(
        help="A file (saved, .nir, .net, .onnx), file.py:name, which runs that file, or digits."
    ),
]
Models = Annotated[list[str], typer.Argument(help="Models: files, file.py:name, or digits.")]
Percentile = Annotated[float, typer.Option(help="Of the rule percentile.")]
Target = Annotated[str, typer.Option(help="Target: name or file of a profile.")]

_FILES = {"nir": ".nir", "netx": ".net", "script": ".py"}
"""Endings of files that leave something open."""
Command = Callable[..., None]


def seed(of: str) -> Any:
    """A seed of anything that torch draws too."""
    return typer.Option(help=of, min=0, max=2**32 - 1)


def reads(*names: str) -> Callable[[Command], Command]:
    """A command that reads models: it is handed what was said of their files, as ``reading``.

    Args:
        names: Fields that it asks for; all by default.
    """
    asked = [one for name, one in questions(Reading).items() if not names or name in names]
    return _handed("reading", Reading, asked, "Model", {})


def shows(*, without: Container[str] = (), **defaults: Any) -> Callable[[Command], Command]:
    """A command that shows data: it is handed where they come from, as ``data``.

    Args:
        without: Fields that it does not ask for.
        defaults: Of fields, where the command has its own.
    """
    asked = [one for name, one in questions(Source).items() if name not in without]
    return _handed("data", Source, asked, "Data", defaults)


def _handed(
    parameter: str, of: type, asked: Iterable[Asked], panel: str, defaults: Mapping[str, Any]
) -> Callable[[Command], Command]:
    """Hands a command one value of a dataclass, in place of the options of its fields.

    An option that is there already, as ``--bounds`` of models and of data, serves both.
    """
    taken = [one for one in asked if one.help]

    def wrap(function: Command) -> Command:
        there = inspect.signature(function).parameters

        @functools.wraps(function)
        def gathered(**given: Any) -> None:
            said = {
                one.name: one.taken(given[one.name] if one.name in there else given.pop(one.name))
                for one in taken
            }
            function(**given, **{parameter: of(**said)})

        kept = [one for name, one in there.items() if name != parameter]
        more = [_parameter(one, panel, defaults) for one in taken if one.name not in there]
        vars(gathered)["__signature__"] = inspect.Signature([*kept, *more])
        gathered.__annotations__ = {one.name: one.annotation for one in (*kept, *more)}
        return gathered

    return wrap


def _parameter(asked: Asked, panel: str, defaults: Mapping[str, Any]) -> inspect.Parameter:
    files = ", ".join(_FILES[kind] for kind in asked.of)
    declared = typer.Option(
        f"{asked.option}/--{asked.off}" if asked.off else asked.option,
        help=f"{files}: {asked.help}" if files else asked.help,
        min=asked.least,
        max=asked.most,
        rich_help_panel=panel,
        show_default=defaults.get(asked.name, asked.default) is not None and not asked.off,
    )
    default = defaults.get(asked.name, asked.default)
    kind = asked.kind if default is not None else asked.kind | None
    return inspect.Parameter(
        asked.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, declared],
    )
