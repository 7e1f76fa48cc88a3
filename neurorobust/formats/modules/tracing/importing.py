"""The way of every module importer: run on tagged zeros, fold the steps, state the header."""

from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

from torch import nn

from neurorobust.errors import BackendUnavailable, InvalidInput
from neurorobust.formats.modules.tracing.build import OutputKind, build
from neurorobust.formats.modules.tracing.record import Framework, record
from neurorobust.ir import Graph, Header, Shape
from neurorobust.ir.header import Coding
from neurorobust.ir.ports import Readout


def import_module(
    module: nn.Module,
    framework: Framework,
    *,
    header: Header,
    input_shape: Shape,
    readout: Readout,
    time_first: bool,
    output: OutputKind = "spikes",
) -> Graph:
    """Graph of a module, with the rules of its source in the provenance of the header."""
    shape = tuple(input_shape)
    seen = record(module, framework, input_shape=shape, steps=header.steps, time_first=time_first)
    nodes, edges = build(seen, input_shape=shape, readout=readout, output=output)
    rules = {path: population.rule for path, population in seen.populations.items()}
    rules |= dict.fromkeys(seen.identities, "changes nothing when evaluated; left out")
    origin = {"source": source(framework), **rules}
    header = replace(header, provenance={**header.provenance, **origin})
    return Graph(header=header, nodes=nodes, edges=edges)


def source(framework: Framework) -> str:
    """Name and version; another version than the one whose laws were read is marked."""
    found = version(framework.distribution)
    marked = "" if found == framework.verified else f" (laws verified in {framework.verified})"
    return f"{framework.distribution} {found}{marked}"


def require_installed(label: str, distribution: str) -> None:
    """The framework must be there to know its classes.

    Raises:
        BackendUnavailable: with the command that installs it.
    """
    try:
        version(distribution)
    except PackageNotFoundError as error:
        msg = f"{label} is not installed; run `pip install 'neurorobust[{distribution}]'`"
        raise BackendUnavailable(msg) from error


def header_of(
    header: Header | None, dt_s: float | None, steps: int | None, coding: Coding
) -> Header:
    """The given header, or one of the given values; nothing is guessed.

    Raises:
        InvalidInput: if neither says all, or both are given.
    """
    if header is not None:
        if dt_s is not None or steps is not None:
            msg = "give a header, or dt_s and steps, not both"
            raise InvalidInput(msg)
        return header
    if dt_s is None or steps is None:
        msg = (
            f"dt_s is {dt_s} and steps is {steps}; a module says neither how long a step is nor "
            "how many there are: give both, or a header"
        )
        raise InvalidInput(msg)
    return Header(dt_s=dt_s, steps=steps, coding=coding)
