"""A study file: which models, lowered how, attacked by what, replayed where.

Every list is an axis; a study is the product of its axes, less what ``exclude`` names. All faults
of a file are told at once.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from neurorobust.backends import SIMULATED, Rung, backend_names
from neurorobust.chips.arithmetic import InputCoding
from neurorobust.data.loading import parts_of
from neurorobust.data.source import DIGITS, Source
from neurorobust.errors import InvalidFile, InvalidInput, NeurorobustError, listed
from neurorobust.formats.load import model_names
from neurorobust.lower.population.scaling import Scaling
from neurorobust.methods import number
from neurorobust.names import known_name
from neurorobust.study.crafters import known_attacks, known_gradients, takes_gradient

Box = Literal["white", "twin"]


class Section(BaseModel):
    """Of a study file; unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _numbers(given: Any) -> Any:
    return _every(lambda one: number(one) if isinstance(one, str) else one, given)


def _every(read: Any, given: Any) -> list[Any]:
    """What is read of each of a list; all its faults at once."""
    found, faults = [], []
    for one in _list(given):
        try:
            found.append(read(one))
        except (NeurorobustError, AttributeError, TypeError) as error:
            faults.append(str(error) if isinstance(error, NeurorobustError) else f"no name: {one}")
    if faults:
        raise ValueError("; ".join(faults))
    return found


def _value(read: Any, given: Any) -> Any:
    try:
        return read(given)
    except NeurorobustError as error:
        raise ValueError(str(error)) from error


def _list(given: Any) -> Any:
    return given if isinstance(given, list | tuple) else [given]


def _each(read: Any) -> Any:
    """A list of names, or one name."""
    return BeforeValidator(lambda given: _every(read, given))


def _backend(name: str) -> str:
    return known_name(name, backend_names(), "backend")


def _device(name: str) -> str:
    import torch

    try:
        torch.empty(1, device=torch.device(name))
    except (RuntimeError, AssertionError, AttributeError) as error:
        line = str(error).split("\n", maxsplit=1)[0]
        raise InvalidInput(f"torch cannot run on {name!r} here ({line}); use cpu") from error
    return name


def _rung(name: str) -> str:
    return known_name(name, SIMULATED, "rung")


Numbers = Annotated[tuple[float, ...], BeforeValidator(_numbers)]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], BeforeValidator(_list)]
Names = Annotated[tuple[str, ...], BeforeValidator(_list)]


class Study(Section):
    """What it is called: decides nothing."""

    name: str = "study"
    title: str = ""
    claims: Names = ()


class Models(Section):
    """The networks.

    Attributes:
        use: Files of any format, ``file.py:name``, or names.
        twin: Independently trained, for attacks from the black box.
        seeds: Trainings of models that are known by name.
        reading: What files leave open, as the options of ``neurorobust import`` have it.
    """

    use: Names = ()
    twin: str | None = None
    seeds: Seeds = (0,)
    reading: dict[str, Any] = Field(default_factory=dict)


class Data(Section):
    """What they are shown: ``name`` is what ``--data`` takes.

    Attributes:
        part: As the data set names it; ``test`` by default, where there are parts.
        count: Samples, from ``first`` on; all by default.
        chunk: Samples of one cell; all by default.
        calibration: Name of the samples that lowering looks at.
        calibration_part: Its part; ``train`` by default, where there are parts.
        calibration_count: How many of them.
    """

    name: str = ""
    part: str | None = None
    first: int = Field(default=0, ge=0)
    count: int | None = Field(default=None, ge=1)
    chunk: int | None = Field(default=None, ge=1)
    seed: int = 0
    image_column: str | None = None
    label_column: str | None = None
    bounds: tuple[float, float] | None = None
    levels: int | None = Field(default=None, ge=2)
    calibration: str | None = None
    calibration_part: str | None = None
    calibration_count: int = Field(default=128, ge=1)

    @property
    def source(self) -> Source:
        """Of the samples."""
        names = ("part", "first", "seed", "image_column", "label_column", "bounds", "levels")
        return Source(self.name, limit=self.count, **{name: getattr(self, name) for name in names})

    @property
    def held_out(self) -> Source:
        """Of those that lowering looks at."""
        part = self.calibration_part
        if part is None and "train" in parts_of(self.calibration or ""):
            part = "train"
        return replace(
            self.source,
            name=self.calibration,
            part=part,
            first=0,
            limit=self.calibration_count,
        )


class Lower(Section):
    """Chips, and how networks are lowered to them; None takes the chip's own."""

    profile: Names = ()
    weight_bits: Annotated[tuple[int | None, ...], BeforeValidator(_list)] = (None,)
    scaling: Annotated[tuple[Scaling, ...], BeforeValidator(_list)] = ("max_abs",)
    decay_bits: Annotated[tuple[int | None, ...], BeforeValidator(_list)] = (None,)
    percentile: float = Field(default=99.9, gt=0, le=100)
    input_coding: InputCoding | None = None
    approximate: Names = ()


class Craft(Section):
    """Attacks.

    Attributes:
        on: The rung of what the attacker sees.
        samples: First samples that are attacked; all by default.
        box: Whether the attacker has the model itself or a twin.
        threat: As ``linf`` or ``events(insert=0)``.
        eot: Draws per gradient of drawn inputs; ``votes`` per decision.
        precision: Of the network that is attacked.
    """

    attack: Annotated[tuple[str, ...], _each(known_attacks)] = ()
    gradient: Annotated[tuple[str, ...], _each(known_gradients)] = ()
    box: Annotated[tuple[Box, ...], BeforeValidator(_list)] = ("white",)
    on: Annotated[tuple[Rung, ...], _each(_rung)] = ("float",)
    epsilon: Numbers = ()
    threat: str = "linf"
    samples: int | None = Field(default=None, ge=1)
    seed: Seeds = (0,)
    eot: int = Field(default=10, ge=1)
    votes: int = Field(default=10, ge=1)
    precision: Literal["single", "double"] = "single"


class Lane(Section):
    """Where sets are replayed.

    Attributes:
        samples: Most samples of a set, the first ones; all by default.
        epsilon: Radii that are replayed; all by default.
    """

    backend: Annotated[str, BeforeValidator(lambda name: _value(_backend, name))]
    rung: Annotated[Rung, BeforeValidator(lambda name: _value(_rung, name))]
    samples: int | None = Field(default=None, ge=1)
    epsilon: Annotated[tuple[float, ...] | None, BeforeValidator(lambda g: g and _numbers(g))] = (
        None
    )


class Replay(Section):
    """Where everything is run.

    Attributes:
        lane: Backends and rungs; or ``backend`` and ``rung``, whose product is taken.
        sets: Frozen attack sets, or folders of them, besides those that are crafted.
        compare: First samples of each set whose spikes are compared; 0 compares none.
    """

    lane: tuple[Lane, ...] = ()
    backend: Annotated[tuple[str, ...], _each(_backend)] = ()
    rung: Annotated[tuple[Rung, ...], _each(_rung)] = SIMULATED
    sets: Names = ()
    compare: int = Field(default=64, ge=0)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Every lane, the given ones first."""
        given = {(lane.backend, lane.rung) for lane in self.lane}
        product = ((backend, rung) for rung in self.rung for backend in self.backend)
        rest = (Lane(backend=b, rung=r) for b, r in product if (b, r) not in given)
        return (*self.lane, *rest)


class Audit(Section):
    """Whether the numbers mean what they say: the first samples are audited; 0 audits none."""

    samples: int = Field(default=0, ge=0)


class Fit(Section):
    """Whether networks fit their chips, and how much activity that is judged by."""

    samples: int = Field(default=32, ge=0)
    check: bool = True


class Exclude(Section):
    """Combinations that are left out: every named axis matches, with ``*`` for any text."""

    when: dict[str, Any]


class Run(Section):
    """How it is run: decides nothing.

    Attributes:
        jobs: Processes of one thread.
        minutes_per_cell: A cell that takes longer is ended.
        memory_mb: A process that takes more is ended.
        device: Where torch crafts, as ``cpu`` or ``cuda``.
        store: Folder of results that several studies share; the study's own by default.
    """

    jobs: int = Field(default=1, ge=1)
    minutes_per_cell: float | None = Field(default=None, gt=0)
    memory_mb: float | None = Field(default=None, gt=0)
    device: Annotated[str, BeforeValidator(lambda name: _value(_device, name))] = "cpu"
    store: str | None = None


class Spec(Section):
    """A whole study."""

    study: Study = Study()
    models: Models = Models()
    data: Data = Data()
    lower: Lower = Lower()
    fit: Fit = Fit()
    craft: Craft = Craft()
    replay: Replay = Replay()
    audit: Audit = Audit()
    exclude: tuple[Exclude, ...] = ()
    run: Run = Run()


def read_spec(path: Path | str, changes: Iterable[str] = ()) -> Spec:
    """A study file.

    Args:
        path: A TOML file; relative paths in it are taken from its folder.
        changes: As ``craft.epsilon=[4/255]``: replace what the file says.

    Raises:
        InvalidFile: listing every fault.
    """
    path = Path(path)
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidFile(path, f"cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidFile(path, f"is not TOML ({error})") from error
    for change in changes:
        _set(said, change)
    return _located(make_spec(said, path), path.parent)


def _located(spec: Spec, folder: Path) -> Spec:
    """The same with paths that begin in a folder."""

    def at(name: str) -> str:
        return name if name == DIGITS or name in model_names() else str(folder / name)

    def of_chip(name: str) -> str:
        return at(name) if Path(name).suffix else name

    def changed(part: BaseModel, read: Any, *names: str) -> dict[str, Any]:
        said = {name: getattr(part, name) for name in names}
        return {
            name: tuple(map(read, value)) if isinstance(value, tuple) else read(value)
            for name, value in said.items()
            if value
        }

    paths = {
        "models": changed(spec.models, at, "use", "twin"),
        "data": changed(spec.data, at, "name", "calibration"),
        "lower": changed(spec.lower, of_chip, "profile"),
        "replay": changed(spec.replay, at, "sets"),
        "run": changed(spec.run, at, "store"),
    }
    parts = {name: getattr(spec, name).model_copy(update=own) for name, own in paths.items()}
    return spec.model_copy(update=parts)


def make_spec(
    said: Mapping[str, Any],
    path: Path | str = "the study",
    names: Mapping[str, str] | None = None,
) -> Spec:
    """A study from what a file says.

    Args:
        said: Its sections.
        path: Of the file.
        names: What keys are called by those who did not write a file.

    Raises:
        InvalidFile: listing every fault.
    """
    faults = _missing(said)
    try:
        found = Spec.model_validate(dict(said))
    except ValidationError as error:
        faults += [(fault["loc"], _fault(fault)) for fault in error.errors()]
    if not faults:
        return found
    told = [f"{_place(place, names or {})}: {text}" for place, text in faults]
    if names is not None:
        raise InvalidInput("; ".join(told))
    raise InvalidFile(path, f"{len(told)} fault(s) in the study:\n{listed(told)}")


Place = tuple[str | int, ...]


def _missing(said: Mapping[str, Any]) -> list[tuple[Place, str]]:
    """What a study cannot do without, whatever else is wrong with it."""

    def section(name: str) -> Mapping[str, Any]:
        found = said.get(name, {})
        return found if isinstance(found, Mapping) else {}

    models, craft = section("models"), section("craft")
    attacks = craft.get("attack") or ()
    needed = {
        ("models", "use"): (not models.get("use"), "names no model"),
        ("data", "name"): (
            not section("data").get("name"),
            "names no samples; give digits, or the path of arrays or images",
        ),
        ("craft", "epsilon"): (
            attacks and not craft.get("epsilon"),
            "names no radius for the attacks; give one, as 8/255",
        ),
        ("models", "twin"): (
            "twin" in _list(craft.get("box", ())) and not models.get("twin"),
            "names no model, and craft.box asks for a twin",
        ),
        ("craft", "gradient"): (
            not craft.get("gradient") and any(map(_takes_gradient, _list(attacks))),
            "names no estimator, and attacks need one, as rga",
        ),
    }
    return [(place, text) for place, (wrong, text) in needed.items() if wrong]


def _takes_gradient(attack: Any) -> bool:
    try:
        return takes_gradient(attack)
    except (NeurorobustError, AttributeError, TypeError):
        return False  # it is told what is wrong with it where it is read


def _place(place: Place, names: Mapping[str, str]) -> str:
    whole = ".".join(map(str, place)) or "study"
    return names.get(".".join(map(str, place[:2])), whole)


def _fault(fault: Any) -> str:
    text = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        return "is no key of a study"
    given = fault.get("input")
    if fault["type"] == "value_error":
        return text  # in our own words, which name the value
    unsaid = isinstance(given, dict) or repr(given) in text
    return text if unsaid else f"{text}, got {given!r}"


def _set(said: dict[str, Any], change: str) -> None:
    name, is_, value = change.partition("=")
    keys = name.strip().split(".")
    if not is_ or not all(keys):
        raise InvalidInput(f"--set {change!r} is no change; write section.key=value")
    try:
        new = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parts = [part.strip() for part in re.split(r",(?![^(]*\))", value)]
        new = parts if len(parts) > 1 else parts[0]
    at: Any = said
    for key in keys[:-1]:
        at = at.setdefault(key, {})
        if not isinstance(at, dict):
            raise InvalidInput(f"--set {change!r}: {key} is no section")
    at[keys[-1]] = new


def excluded(spec: Spec, axes: Mapping[str, Any]) -> bool:
    """Whether a combination is one that the study leaves out."""

    def matches(wanted: Any, is_: Any) -> bool:
        if isinstance(wanted, list):
            return any(matches(one, is_) for one in wanted)
        if isinstance(is_, float):
            return isinstance(wanted, str | int | float) and _close(wanted, is_)
        return fnmatchcase(str(is_), str(wanted).replace("(...)", "(*)"))

    return any(
        all(name in axes and matches(value, axes[name]) for name, value in one.when.items())
        for one in spec.exclude
    )


def _close(wanted: str | float, is_: float) -> bool:
    value = number(wanted) if isinstance(wanted, str) else float(wanted)
    return abs(value - is_) < 1e-12
