"""A side of a comparison as people name it: a file, and where it runs."""

from dataclasses import replace
from pathlib import Path

from neurorobust.backends import RUNGS, Executable, backend_names
from neurorobust.chips import load_profile
from neurorobust.compare.sides import Side
from neurorobust.errors import InvalidInput
from neurorobust.formats.load import Reading, fitting, load
from neurorobust.ir import Graph, Model, Shape
from neurorobust.lower import lower
from neurorobust.names import known_name, require_choice


def open_side(
    given: Model | str | Path | Executable | Side,
    reading: Reading,
    profile: str,
    shape: Shape | None = None,
) -> Side:
    """A side from what people name.

    Args:
        given: A Side; a model; anything that follows ``Executable``; or a file, with
            ``@backend``, ``@backend:rung`` or ``@backend:rung:precision`` after it if wanted.
        reading: What files of other formats do not say.
        profile: Target that a Graph is lowered to for the rung ``quantised``.
        shape: Of a sample that it is to be shown, where a module of torch leaves it open.

    Raises:
        InvalidInput: for anything else, or an unknown rung or precision.
        InvalidFile: for a file that cannot be read.
    """
    if isinstance(given, Side):
        return given
    if isinstance(given, Model):
        return Side.of(given)
    if isinstance(given, str | Path):
        return _named(str(given), reading, profile, shape)
    if callable(getattr(given, "run", None)):
        return Side(label=type(given).__name__, executable=given, precision="single")
    raise InvalidInput(
        f"cannot compare a {type(given).__name__}; give a Graph, a Program, a file, "
        "file@backend:rung, an Executable or a Side"
    )


def side_file(text: str | Path) -> str:
    """The file that is named, without where it runs."""
    return _parted(str(text))[0]


def _parted(text: str) -> tuple[str, str]:
    path, at, lane = text.rpartition("@")
    return (path, lane) if at and not Path(text).exists() else (text, "torch")


def _named(text: str, reading: Reading, profile: str, shape: Shape | None) -> Side:
    path, lane = _parted(text)
    backend, _, rest = lane.partition(":")
    rung, _, precision = rest.partition(":")
    backend = known_name(backend, backend_names(), "backend")
    rung = rung and known_name(rung, RUNGS, "rung")
    if precision:
        require_choice(f"{text}: precision", precision, ("double", "single"))
    model: Model = load(path, fitting(reading, path), shape=shape)
    if rung == "quantised" and isinstance(model, Graph):
        model = lower(model, load_profile(profile).profile)
    side = Side.of(
        model,
        backend,
        next((known for known in RUNGS if known == rung), None),
        precision="single" if precision == "single" else "double",
    )
    return replace(side, label=text)
