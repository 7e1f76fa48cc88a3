"""The process that runs a file of Python and turns the model in it into a Graph: see ``script``."""

import json
import sys
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from inspect import Parameter, isclass, isfunction, signature
from math import prod
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from neurorobust.asking import speaking_options
from neurorobust.engine.layers import SpikingSequential
from neurorobust.errors import InvalidInput, NeurorobustError
from neurorobust.formats.modules.importing import framework_of, from_module, step_of
from neurorobust.formats.modules.sequential import from_sequential
from neurorobust.formats.modules.tracing.record import WrongShape
from neurorobust.formats.reading import Reading, give
from neurorobust.formats.script import TAKEN
from neurorobust.ir import Graph, Header, Model, Program, Shape, save_model

_STEP_S = 1e-3
_NEEDS = "name a Graph, a Program, a module of torch, or a function without arguments giving one"


class _Fault(Exception):
    """What is wrong with the file, in words."""


def main(job: dict[str, Any]) -> dict[str, str]:
    """In the process: the answer, beside which the model was saved."""
    with speaking_options(job["options"]):
        try:
            found = _found(_module(Path(job["file"])), job["name"], Path(job["file"]))
            said = {key: _tupled(value) for key, value in job["said"].items()}
            model = converted(found, Reading(**said), _tupled(job["shape"]), job["name"])
        except _Fault as fault:
            return {"fault": str(fault)}
        except NeurorobustError as error:
            return {"error": type(error).__name__, "text": str(error)}
    save_model(model, Path(job["folder"]) / "model.safetensors")
    return {"model": type(model).__name__}


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _module(file: Path) -> ModuleType:
    """The file, run."""
    sys.path.insert(0, str(file.parent))
    name = file.stem if file.stem not in sys.modules else f"{file.stem}_script"
    spec = spec_from_file_location(name, file)
    assert spec is not None  # noqa: S101  # the name ends in .py
    assert spec.loader is not None  # noqa: S101
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise _Fault(f"the file fails when it runs{_where(error, file)}") from error
    return module


def _where(error: BaseException, file: Path) -> str:
    """Place in the user's files, and what happened."""
    line, at = 0, file
    trace = error.__traceback__
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if path.parent == file.parent or path == file:
            line, at = trace.tb_lineno, path
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename:
        line, at = error.lineno or 0, Path(error.filename)
    last = (str(error).strip().splitlines() or [""])[-1]
    what = f"{type(error).__name__}: {last}" if last else type(error).__name__
    return f", at {at.name}:{line}: {what}" if line else f": {what}"


def _found(module: ModuleType, name: str, file: Path) -> Any:
    """What has the name; what a function of it gives."""
    thing: Any = module
    for part in name.split("."):
        if not hasattr(thing, part):
            raise _Fault(f"has no {name!r}; {_offered(module)}")
        thing = getattr(thing, part)
    if isinstance(thing, Model | nn.Module):
        return thing
    if isclass(thing):
        msg = f"{name} is a class; name a variable with a trained network, or a function giving it"
        raise _Fault(msg)
    if not callable(thing):
        raise _Fault(f"{name} is a {type(thing).__name__} and no model; {_NEEDS}")
    needed = [
        one.name
        for one in signature(thing).parameters.values()
        if one.default is Parameter.empty
        and one.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    ]
    if needed:
        raise _Fault(f"{name} needs {', '.join(needed)}; name a function without arguments")
    try:
        made = thing()
    except (Exception, SystemExit) as error:
        raise _Fault(f"{name}() fails{_where(error, file)}") from error
    if not isinstance(made, Model | nn.Module):
        raise _Fault(f"{name}() gives a {type(made).__name__} and no model; {_NEEDS}")
    return made


def _offered(module: ModuleType) -> str:
    """The names in a file that may be models."""
    names = [
        name
        for name, thing in vars(module).items()
        if isinstance(thing, Model | nn.Module)
        or (isfunction(thing) and thing.__module__ == module.__name__)
    ]
    return f"it has {', '.join(names)}" if names else f"it has no model; {_NEEDS}"


def converted(found: Any, reading: Reading, shape: Shape | None, name: str) -> Graph | Program:
    """What a name stands for as a Graph or Program: a module of torch is read.

    Args:
        found: A Graph, a Program, or a module.
        reading: What a module leaves open.
        shape: Of a sample that it is to be shown, where ``input_shape`` is not said.
        name: Of the network.
    """
    if isinstance(found, Graph | Program):
        return _agreeing(found, reading)
    module: nn.Module = found.eval().cpu()
    taken: dict[str, Any] = {}
    if reading.steps is None:
        ask = give("steps", 25)
        raise InvalidInput(f"a module does not say how many steps a sample lasts; say it, as {ask}")
    header = Header(
        name=name,
        dt_s=reading.dt_s or _STEP_S,
        steps=reading.steps,
        coding=reading.coding or taken.setdefault("coding", "direct"),
        bounds=reading.bounds or taken.setdefault("bounds", (0.0, 1.0)),
        levels=reading.levels,
    )
    if reading.input_shape is not None:
        graph = _graph(module, header, reading, reading.input_shape)
    else:
        graph = _of_shape(module, header, reading, shape)
        taken["input_shape"] = graph.input_shape
    if reading.dt_s is None:
        taken["dt_s"] = graph.header.dt_s
    if reading.readout is None:
        taken["readout"] = getattr(graph.nodes[graph.output], "readout", None)
    words = ", ".join(give(key, value) for key, value in taken.items())
    provenance = {**graph.header.provenance, **({TAKEN: words} if words else {})}
    return graph.with_(header=replace(header, dt_s=graph.header.dt_s, provenance=provenance))


def _of_shape(module: nn.Module, header: Header, reading: Reading, shape: Shape | None) -> Graph:
    """The Graph for samples of a shape: as they are, or on one axis if the module takes only that.

    Raises:
        InvalidInput: without a shape, or if the module takes neither.
    """
    way_out = f"say the shape of its input, as {give('input_shape', (1, 28, 28))}"
    if shape is None:
        raise InvalidInput(f"a module does not say what it takes; {way_out}")
    timed = header.coding == "events"
    own = shape[1:] if timed else shape
    try:
        return _graph(module, header, reading, own)
    except WrongShape as error:
        wrong = error
    if not timed and len(own) > 1:
        try:
            return _graph(module, header, reading, (prod(own),))
        except WrongShape:
            pass
    raise InvalidInput(f"{wrong}; {way_out}") from wrong


def _graph(module: nn.Module, header: Header, reading: Reading, shape: Shape) -> Graph:
    if isinstance(module, SpikingSequential):
        return from_sequential(module, header=header, input_shape=shape, readout=reading.readout)
    framework = reading.framework or framework_of(module)
    return from_module(
        module,
        input_shape=shape,
        readout=reading.readout,
        framework=framework,
        dt_s=reading.dt_s or step_of(module, framework) or _STEP_S,
        steps=header.steps,
        coding=header.coding,
        time_first=reading.time_first,
        output=reading.output,
    )


def _agreeing(model: Graph | Program, reading: Reading) -> Graph | Program:
    """Refuse what was said although a Graph or Program says it itself, in other words."""
    for name in reading.beyond("saved"):
        given, own = getattr(reading, name), getattr(model.header, name, None)
        if given != own:
            says = f"says {give(name, own)} itself" if own is not None else "says so itself"
            kind = type(model).__name__
            raise InvalidInput(f"{give(name, given)}: a {kind} {says}; leave it out")
    return model


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    (Path(job["folder"]) / "answer.json").write_text(json.dumps(main(job)), "utf-8")
