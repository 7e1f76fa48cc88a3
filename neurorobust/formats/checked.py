"""Files of other formats, run once they are written; the verdict goes into the file."""

import io
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

import h5py
import numpy as np

from neurorobust.backends import RunResult
from neurorobust.backends import run as run_model
from neurorobust.backends.runs import read_out
from neurorobust.compare.selfcheck import RunExported, Verdict, not_run, self_check
from neurorobust.data import Stimulus
from neurorobust.errors import InvalidFile, InvalidInput, Unsupported
from neurorobust.files import write_atomic
from neurorobust.formats.nir import NirCall, save_nir
from neurorobust.formats.nir.framework import READERS, Framework, run_nir_in
from neurorobust.formats.nir.load import load_nir
from neurorobust.formats.nir.save import Profile
from neurorobust.formats.onnx import save_onnx
from neurorobust.formats.reading import Reading
from neurorobust.ir import LIF, Array, Graph, Model, Output

KEY = "neurorobust_self_check"
"""Under which a file holds the verdict."""


class _Written(NamedTuple):
    keep: Callable[[str], None]
    """Stores a verdict in the file."""
    run: RunExported | str
    """Runs the file, or why nothing does."""
    ran_by: tuple[str, ...] = ()
    call: Mapping[str, Any] = {}


def export_file(
    model: Model,
    path: Path,
    to: Literal["nir", "onnx"],
    *,
    profile: Profile = "strict",
    check: bool = True,
    inputs: Array | None = None,
) -> tuple[Verdict, Mapping[str, Any]]:
    """Write a NIR or ONNX file, run it and store the verdict in it.

    An ONNX file is run by onnxruntime; NIR files of the profiles ``snntorch``, ``norse`` and
    ``portable`` by the frameworks' own readers (of ``portable`` the first that is installed), of
    ``strict`` by what NIR's nodes alone say, under Euler.

    Args:
        model: A Graph; for ONNX a Program, too.
        path: The file.
        to: Its format.
        profile: Of NIR: for which readers.
        check: Whether it is run.
        inputs: Samples for the check, beside random ones.

    Returns:
        The verdict, and how the file is to be read, beyond what it says itself.

    Raises:
        Unsupported: naming what has no exact form there.
        InvalidInput: for an unknown profile, or a Program for NIR.
        InvalidFile: if the folder cannot be written.
        BackendUnavailable: if onnx is not installed.
    """
    target = "onnx" if to == "onnx" else f"nir, {profile}"
    if to == "onnx":
        written = _onnx(model, path)
    elif isinstance(model, Graph):
        written = _nir(model, path, profile)
    else:
        raise InvalidInput("NIR holds no Program, in integers; give the Graph that was lowered")
    if not check:
        return not_run("it was not asked for", target), written.call
    if isinstance(written.run, str):
        verdict = not_run(written.run, target)
    else:
        found = {name: version(name) for name in written.ran_by}
        verdict = self_check(written.run, model, inputs=inputs, target=target, versions=found)
    written.keep(verdict.as_json())
    return verdict, written.call


def _onnx(model: Model, path: Path) -> _Written:
    save_onnx(model, path)
    import onnx  # noqa: TID251

    def keep(verdict: str) -> None:
        file = onnx.load(str(path))
        file.metadata_props.add(key=KEY, value=verdict)
        write_atomic(path, file.SerializeToString(deterministic=True))

    if find_spec("onnxruntime") is None:
        return _Written(keep, "onnxruntime is not installed; pip install 'neurorobust[onnx]'")
    run = partial(_run_onnx, path, model.header.coding == "direct")
    return _Written(keep, run, ("onnx", "onnxruntime"))


def _run_onnx(path: Path, direct: bool, stimulus: Stimulus) -> RunResult:  # noqa: FBT001
    import onnxruntime  # noqa: TID251

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (first, *others) = session.get_inputs()
    floats = np.float64 if "double" in first.type else np.float32
    values = np.ascontiguousarray(stimulus.values, floats)
    feed = {first.name: values[:, 0] if direct else values}
    feed |= {other.name: np.asarray(stimulus.steps) for other in others}
    scores, *_ = session.run(["scores"], feed)
    return RunResult(scores=scores.astype(np.float64))


def _nir(graph: Graph, path: Path, profile: Profile) -> _Written:
    call = save_nir(graph, path, profile)

    def keep(verdict: str) -> None:
        stream = io.BytesIO(path.read_bytes())
        with h5py.File(stream, "r+") as file:
            file.require_group("node/metadata")[KEY] = verdict
        write_atomic(path, stream.getvalue())

    if profile == "strict":
        return _Written(keep, _strict(graph, path), ("nir",), asdict(call))
    readers = READERS[profile]
    installed = [name for name in readers if find_spec(name) is not None]
    if not installed:
        return _Written(keep, f"none of {', '.join(readers)} is installed", call=asdict(call))
    run = partial(_run_nir, graph, path, call, installed[0])
    return _Written(keep, run, ("nir", installed[0]), asdict(call))


def _run_nir(
    graph: Graph, path: Path, call: NirCall, reader: Framework, stimulus: Stimulus
) -> RunResult:
    shape = (len(stimulus), stimulus.steps, *stimulus.values.shape[2:])
    # The profiles refuse a mean and std in the header: values enter as they are.
    values = np.broadcast_to(stimulus.values, shape)
    try:
        arrived = run_nir_in(reader, path, call, values)
    except Exception as error:
        msg = f"{reader} does not run the file: {type(error).__name__}: {error}"
        raise Unsupported(msg) from error
    return RunResult(scores=read_out(_output(graph).readout, arrived))


def _strict(graph: Graph, path: Path) -> RunExported | str:
    """Runs what NIR's nodes alone say."""
    reading = Reading(
        reset={name: node.reset for name, node in graph.of_kind(LIF)},
        readout=_output(graph).readout,
        header=graph.header,
        use_metadata=False,
    )
    try:
        again = load_nir(path, reading)
    except (InvalidFile, InvalidInput) as error:
        return f"NIR's nodes alone leave something open, which the metadata say: {error}"

    def run(stimulus: Stimulus) -> RunResult:
        return run_model(again, stimulus, precision="single", record=["spikes"])

    return run


def _output(graph: Graph) -> Output:
    node = graph.nodes[graph.output]
    assert isinstance(node, Output)  # noqa: S101  # holds for every checked model
    return node
