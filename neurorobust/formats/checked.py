"""Files of other formats, run once they are written; the verdict goes into the file."""

import io
from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast, get_args

import h5py
import numpy as np

from neurorobust.backends import Record, RunResult, get_backend
from neurorobust.backends.runs import read_out
from neurorobust.compare.selfcheck import self_check
from neurorobust.compare.verdict import Verdict, not_run
from neurorobust.data import Stimulus
from neurorobust.errors import InvalidFile, InvalidInput, Unsupported
from neurorobust.files import write_atomic
from neurorobust.formats.nir import NirCall, load_nir, save_nir
from neurorobust.formats.nir.framework import READERS, run_nir_in
from neurorobust.formats.nir.save import Profile
from neurorobust.formats.onnx import save_onnx
from neurorobust.ir import LIF, Array, Graph, Model, Output

KEY = "neurorobust_self_check"
"""Under which a file holds the verdict."""


def export_onnx(
    model: Model, path: Path, *, check: bool = True, inputs: Array | None = None
) -> Verdict:
    """Write an ONNX file, run it in onnxruntime and store the verdict in its metadata.

    Raises:
        Unsupported: naming what has no form in ONNX.
        InvalidFile: if the folder cannot be written.
        BackendUnavailable: if onnx is not installed.
    """
    save_onnx(model, path)
    if not check:
        return not_run("it was not asked for", "onnx")
    if find_spec("onnxruntime") is None:
        return not_run("onnxruntime is not installed; pip install 'neurorobust[onnx]'", "onnx")
    import onnx  # noqa: TID251
    import onnxruntime  # noqa: TID251

    def run(stimulus: Stimulus) -> RunResult:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        (first, *others) = session.get_inputs()
        floats = np.float64 if "double" in first.type else np.float32
        values = np.ascontiguousarray(stimulus.values, floats)
        direct = model.header.coding == "direct"
        feed = {first.name: values[:, 0] if direct else values}
        feed |= {other.name: np.asarray(stimulus.steps) for other in others}
        scores, *_ = session.run(["scores"], feed)
        return RunResult(scores=scores.astype(np.float64))

    found = {name: version(name) for name in ("onnx", "onnxruntime")}
    verdict = self_check(run, model, inputs=inputs, target="onnx", versions=found)
    file = onnx.load(str(path))
    file.metadata_props.add(key=KEY, value=verdict.as_json())
    write_atomic(path, file.SerializeToString(deterministic=True))
    return verdict


def export_nir(
    graph: Graph, path: Path, profile: str, *, check: bool = True, inputs: Array | None = None
) -> tuple[Verdict, dict[str, Any]]:
    """Write a ``.nir`` file, run it as its profile promises and store the verdict in it.

    The profiles ``snntorch``, ``norse`` and ``portable`` are run by the frameworks' own readers
    (of ``portable`` the first that is installed); ``strict`` by what NIR's nodes alone say, under
    Euler.

    Returns:
        The verdict, and how the file is to be read.

    Raises:
        Unsupported: naming every node that the profile cannot carry exactly.
        InvalidInput: for an unknown profile.
        InvalidFile: if the folder cannot be written.
    """
    if profile not in get_args(Profile):
        msg = f"profile is {profile!r}; known are {', '.join(get_args(Profile))}"
        raise InvalidInput(msg)
    call = save_nir(graph, path, cast("Profile", profile))
    if not check:
        return not_run("it was not asked for", f"nir, {profile}"), asdict(call)
    verdict = _nir_verdict(graph, path, call, inputs)
    stream = io.BytesIO(path.read_bytes())
    with h5py.File(stream, "r+") as file:
        file.require_group("node/metadata")[KEY] = verdict.as_json()
    write_atomic(path, stream.getvalue())
    return verdict, asdict(call)


def _nir_verdict(graph: Graph, path: Path, call: NirCall, inputs: Array | None) -> Verdict:
    target = f"nir, {call.profile}"
    if call.profile == "strict":
        return _strict_verdict(graph, path, inputs)
    readers = READERS[call.profile]
    installed = [name for name in readers if find_spec(name) is not None]
    if not installed:
        return not_run(f"none of {', '.join(readers)} is installed", target)
    reader = installed[0]

    def run(stimulus: Stimulus) -> RunResult:
        shape = (len(stimulus), stimulus.steps, *stimulus.values.shape[2:])
        values = _preprocessed(graph, np.broadcast_to(stimulus.values, shape))
        try:
            arrived = run_nir_in(reader, path, call, values)
        except Exception as error:
            msg = f"{reader} does not run the file: {type(error).__name__}: {error}"
            raise Unsupported(msg) from error
        return RunResult(scores=read_out(_output(graph).readout, arrived))

    found = {name: version(name) for name in ("nir", reader)}
    return self_check(run, graph, inputs=inputs, target=target, versions=found)


def _strict_verdict(graph: Graph, path: Path, inputs: Array | None) -> Verdict:
    target = "nir, strict"
    resets = {name: node.reset for name, node in graph.of_kind(LIF)}
    try:
        again = load_nir(
            path,
            reset=resets,
            readout=_output(graph).readout,
            header=graph.header,
            use_metadata=False,
        )
    except (InvalidFile, InvalidInput) as error:
        reason = f"NIR's nodes alone leave something open, which the metadata say: {error}"
        return not_run(reason, target)

    def run(stimulus: Stimulus) -> RunResult:
        record: tuple[Record, ...] = ("spikes",)
        executable = get_backend("torch").compile(again, "float", precision="single")
        return executable.run(stimulus, record)

    found = {"nir": version("nir")}
    return self_check(run, graph, inputs=inputs, target=target, versions=found)


def _output(graph: Graph) -> Output:
    node = graph.nodes[graph.output]
    assert isinstance(node, Output)  # noqa: S101  # holds for every checked model
    return node


def _preprocessed(graph: Graph, values: Array) -> Array:
    """``(x - mean) / std`` per channel: NIR has no place for it."""
    channels = (-1, *(1,) * (values.ndim - 3))
    single: Array = values.astype(np.float32)
    if graph.header.mean:
        single = single - np.asarray(graph.header.mean, np.float32).reshape(channels)
    if graph.header.std:
        single = single / np.asarray(graph.header.std, np.float32).reshape(channels)
    return single
