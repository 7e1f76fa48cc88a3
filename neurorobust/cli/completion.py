"""What a shell completes after an option: names, without anything that is slow to import.

Every parameter of a command that stands in the table below is completed, in whichever command it
is. A shell asks after every key, so that the names of methods are written out here; a test holds
them to what there is.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from typer.models import ParameterInfo

ATTACKS = (
    *("apgd", "arithmetic", "bim", "cw", "dvs_corner", "dvs_dash", "dvs_frame", "event_flips"),
    *("fast", "fgsm", "gaussian_noise", "mifgsm", "noise", "pgd", "retiming", "rfgsm", "sapgd"),
    *("sda", "sign_noise", "spikefool", "spsa", "square", "standard", "swarm"),
)
ESTIMATORS = ("assg", "bptr", "cba", "hart", "mix", "pdsg", "rga", "stbp", "time_extended")
THREATS = ("events", "l2", "linf", "retiming")
SCALINGS = ("max_abs", "mse", "percentile", "spikes")
CODINGS = ("bias", "graded", "host")
FORMS = ("lava", "netx", "nir", "norse", "onnx", "snntorch")
SOURCES = ("auto", "netx", "nir", "onnx", "script")
RESETS = ("hard", "none", "soft")
READOUTS = ("count", "first", "last", "max", "mean")
ENVIRONMENTS = ("lava", "lava-dl")
_FILES = frozenset((".nir", ".net", ".onnx", ".safetensors", ".py"))


def _registered(group: str) -> list[str]:
    from importlib.metadata import entry_points

    return sorted(point.name for point in entry_points(group=group))


def backends() -> list[str]:
    """Names of all backends."""
    return _registered("neurorobust.backends")


def models() -> list[str]:
    """Models that are known by name."""
    return _registered("neurorobust.models")


def profiles() -> list[str]:
    """Names of all profiles that are found; the slowest of all to ask for."""
    from neurorobust.chips.load import profile_names

    return list(profile_names())


def _model(incomplete: str) -> Iterator[str]:
    """A known name, or a file that may be a model."""
    yield from _starting(models(), incomplete)
    before, slash, name = incomplete.rpartition("/")
    try:
        inside = sorted(Path(before + slash or ".").iterdir())
    except OSError:
        return
    for path in inside:
        if path.name.startswith(name) and (name or not path.name.startswith(".")):
            if path.is_dir():
                yield f"{before}{slash}{path.name}/"
            elif path.suffix in _FILES:
                yield f"{before}{slash}{path.name}"


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _one(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return _starting(names(), incomplete)

    return complete


def _several(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Names between commas: the last of them is completed."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in _starting(names(), last)]

    return complete


COMPLETED: Mapping[str, Callable[[str], Iterable[str]]] = {
    "model": _model,
    "twin": _model,
    "profile": _one(profiles),
    "backend": _several(backends),
    "attack": _several(lambda: ATTACKS),
    "gradient": _several(lambda: ESTIMATORS),
    "threat": _one(lambda: THREATS),
    "scaling": _several(lambda: SCALINGS),
    "input_coding": _one(lambda: CODINGS),
    "to": _one(lambda: FORMS),
    "source": _one(lambda: SOURCES),
    "reset": _one(lambda: RESETS),
    "readout": _one(lambda: READOUTS),
    "name": _one(lambda: ENVIRONMENTS),
    "data": _one(lambda: ["digits"]),
}
"""What completes a parameter of this name."""


def completed(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same command, whose parameters a shell completes."""
    for name, parameter in inspect.signature(function).parameters.items():
        for told in getattr(parameter.annotation, "__metadata__", ()):
            if isinstance(told, ParameterInfo) and told.autocompletion is None:
                told.autocompletion = COMPLETED.get(name)
    return function
