"""A module of snnTorch, Norse or SpikingJelly → Graph: run once on tagged zeros, steps folded."""

from dataclasses import replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from neurorobust.errors import BackendUnavailable, InvalidInput
from neurorobust.formats.reading import give
from neurorobust.ir import Graph, Header, Shape
from neurorobust.ir.header import Coding
from neurorobust.ir.ports import Readout
from neurorobust.names import require_choice

if TYPE_CHECKING:
    from torch import nn

    from neurorobust.formats.modules.tracing.record import Framework
    from neurorobust.formats.reading import OutputKind

FRAMEWORKS = {"snntorch": "snnTorch", "norse": "Norse", "spikingjelly": "SpikingJelly"}
"""Packages whose neurons are known, and how they call themselves."""


def from_module(
    module: "nn.Module",
    *,
    input_shape: Shape,
    readout: Readout | None = None,
    framework: str | None = None,
    header: Header | None = None,
    dt_s: float | None = None,
    steps: int | None = None,
    coding: Coding = "direct",
    time_first: bool | None = None,
    output: "OutputKind" = "spikes",
) -> Graph:
    """The network that a module computes, with the rules of its source in the provenance.

    Args:
        module: Any module whose forward passes states on, or whose neurons keep them; it may run
            one step or loop over all of them. Arguments of forward beyond the first that have no
            default are given None.
        input_shape: Of one sample at one step, e.g. (C, H, W).
        readout: How the output becomes scores; None takes what forward itself computes over time,
            or counts spikes.
        framework: ``snntorch``, ``norse`` or ``spikingjelly``; None takes the one whose classes
            are in the module.
        header: Everything the module does not say; or give ``dt_s``, ``steps`` and ``coding``.
        dt_s: Duration of a step in seconds; None takes the ``dt`` of Norse's cells.
        steps: Number of steps T.
        coding: What the input means.
        time_first: Whether forward takes (T, B, ...) rather than one step, (B, ...); None takes
            it from the step mode of SpikingJelly's parts.
        output: Of snnTorch: whether the returned spikes or the returned membrane are the output;
            a membrane can be one with ``reset_mechanism="none"``.

    Raises:
        Unsupported: naming the first thing that a Graph cannot hold.
        InvalidInput: if the module fails on this shape, its hidden state was advanced, its cells
            have another ``dt``, or it has neurons of no framework or of several.
        BackendUnavailable: if the framework is not installed.
    """
    name = framework or framework_of(module)
    source = _loaded(name)
    if output not in source.outputs:
        known = ", ".join(source.outputs)
        msg = f"{give('output')} is {output!r}; of {FRAMEWORKS[name]} it can be {known}"
        raise InvalidInput(msg)
    if source.dt_s is not None:
        found = source.dt_s(module, dt_s if header is None else header.dt_s)
        dt_s = found if header is None else dt_s
    header = _header(header, dt_s, steps, coding)
    if time_first is None:
        time_first = source.time_first is not None and source.time_first(module)
    from neurorobust.formats.modules.tracing.build import build
    from neurorobust.formats.modules.tracing.record import record

    shape = tuple(input_shape)
    seen = record(module, source, input_shape=shape, steps=header.steps, time_first=time_first)
    nodes, edges = build(seen, input_shape=shape, readout=readout, output=output)
    rules = {path: population.rule for path, population in seen.populations.items()}
    rules |= dict.fromkeys(seen.identities, "changes nothing when evaluated; left out")
    origin = {"source": _origin(name, source.verified), **rules}
    header = replace(header, provenance={**header.provenance, **origin})
    return Graph(header=header, nodes=nodes, edges=edges)


def step_of(module: "nn.Module", name: str) -> float | None:
    """Seconds per step that the cells of a module state; None where they do not.

    Raises:
        InvalidInput: if they state several.
        BackendUnavailable: if the framework is not installed.
    """
    stated = _loaded(name).dt_s
    return None if stated is None else stated(module, None)


def framework_of(module: "nn.Module") -> str:
    """The package whose classes are in a module.

    Raises:
        InvalidInput: if there is none, or more than one.
    """
    bases = {base for part in module.modules() for base in type(part).__mro__}
    packages = {base.__module__.partition(".")[0] for base in bases}
    found = [name for name in FRAMEWORKS if name in packages]
    if len(found) != 1:
        known = ", ".join(FRAMEWORKS)
        what = f"has classes of {' and '.join(found)}" if found else f"has no class of {known}"
        msg = f"a {type(module).__name__} {what}; say whose module it is with {give('framework')}"
        raise InvalidInput(msg)
    return found[0]


def _loaded(name: str) -> "Framework":
    """What is particular to a framework, which must be installed to know its classes."""
    require_choice(give("framework"), name, FRAMEWORKS)
    try:
        version(name)
    except PackageNotFoundError as error:
        label = FRAMEWORKS[name]
        msg = f"{label} is not installed; run `pip install 'neurorobust[{name}]'`"
        raise BackendUnavailable(msg) from error
    found: Framework = import_module(f"neurorobust.formats.modules.{name}").FRAMEWORK
    return found


def _origin(name: str, verified: str) -> str:
    """Name and version; another version than the one whose laws were read is marked."""
    found = version(name)
    marked = "" if found == verified else f" (laws verified in {verified})"
    return f"{name} {found}{marked}"


def _header(header: Header | None, dt_s: float | None, steps: int | None, coding: Coding) -> Header:
    """The given header, or one of the given values; nothing is guessed."""
    if header is not None:
        if dt_s is not None or steps is not None:
            raise InvalidInput("give a header, or dt_s and steps, not both")
        return header
    if dt_s is None or steps is None:
        asked = [("dt_s", 0.001)] if dt_s is None else []
        asked += [("steps", 25)] if steps is None else []
        way_out = " and ".join(give(name, value) for name, value in asked)
        raise InvalidInput(
            "a module says neither how long a step is nor how many there are; say what is meant, "
            f"as {way_out}"
        )
    return Header(dt_s=dt_s, steps=steps, coding=coding)
