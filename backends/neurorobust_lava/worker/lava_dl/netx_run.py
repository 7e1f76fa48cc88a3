"""Running a ``.net`` file with lava-dl's own netx, and keeping what every layer does."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from checks import InvalidRun
from guard import Guard, Report
from lava.lib.dl.netx import hdf5  # noqa: TID251
from lava.magma.core.run_conditions import RunSteps  # noqa: TID251
from lava.magma.core.run_configs import Loihi2SimCfg  # noqa: TID251
from lava.proc.io.source import RingBuffer  # noqa: TID251
from processes.own import MappedProbe, MappedSink

Progress = Callable[[dict[str, Any]], None]
Arrays = dict[str, Any]

STATES = ("u", "v")
RECORDS = ("spikes", *STATES)

_CHUNK_STEPS = 500
_INT16 = np.iinfo(np.int16)
_INT32 = np.iinfo(np.int32)
_PARTS = ("neuron", "synapse", "synapse_rec")


class NetxRun:
    """A network that netx built, and one run of it.

    Args:
        params: ``path``, ``steps``, ``record`` and ``options``, the keywords of netx's Network.
        given: ``inputs``, shape (≤ steps, *shape), or ``image``, the bias of an Input block.
        outputs: Folder for the records.
        report: Called with (exception, traceback) when a Lava process fails.
        progress: Called with the number of steps done.

    Raises:
        InvalidRun: The arguments do not fit the network.
    """

    def __init__(
        self,
        params: dict[str, Any],
        given: Arrays,
        outputs: Path,
        report: Report,
        progress: Progress,
    ) -> None:
        """Let netx build the network and attach source, sinks and probes."""
        self._steps = params["steps"]
        self._report = report
        self._progress = progress
        options = dict(params["options"])
        if options["input_shape"] is not None:
            options["input_shape"] = tuple(options["input_shape"])
        self._net = hdf5.Network(net_config=params["path"], **options)
        try:
            self._feed(given)
            self.layers = [
                self._observed(number, layer, params["record"], outputs)
                for number, layer in enumerate(self._net.layers)
            ]
        except BaseException:
            self.close()
            raise
        self.timing = {}

    def close(self) -> None:
        """Close the file, which netx keeps open."""
        self._net.net_config.f.close()

    def execute(self) -> None:
        """Run all steps in the chip's arithmetic."""
        started = time.perf_counter()
        self._net.create_runtime(run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        self.timing["assemble_s"] = time.perf_counter() - started
        started = time.perf_counter()
        try:
            with Guard(self._net.runtime, self._report):
                for done in range(0, self._steps, _CHUNK_STEPS):
                    stop = min(done + _CHUNK_STEPS, self._steps)
                    self._net.run(condition=RunSteps(num_steps=stop - done))
                    self._progress({"steps": stop, "of": self._steps})
        finally:
            self._net.stop()
        self.timing["run_s"] = time.perf_counter() - started

    def _feed(self, given: Arrays) -> None:
        first = self._net.in_layer
        name, other = ("image", "inputs") if first.block == "Input" else ("inputs", "image")
        if other in given or name not in given:
            raise InvalidRun([f"the first layer is of kind {first.block}; it takes {name}"])
        data, shape = given[name], tuple(self._net.inp.shape)
        wanted = shape if name == "image" else (f"≤ {self._steps}", *shape)
        fits = data.shape == shape if name == "image" else data.shape[1:] == shape
        if not fits or (name == "inputs" and len(data) > self._steps):
            raise InvalidRun([f"{name} has shape {data.shape}; it must be {wanted}"])
        limits = _INT16 if name == "image" else _INT32
        if data.dtype.kind not in "biu":
            raise InvalidRun([f"{name} is of type {data.dtype}; fixed_pt needs integers"])
        if data.size and not limits.min <= data.min() <= data.max() <= limits.max:
            raise InvalidRun([f"{name} is in {data.min()}..{data.max()}; {limits.dtype} is held"])
        if name == "image":
            first.neuron.bias_mant.init = data.astype(np.int32)
            return
        padded = np.zeros((self._steps, *shape), np.int32)
        padded[: len(data)] = data
        source = RingBuffer(data=np.ascontiguousarray(np.moveaxis(padded, 0, -1)))
        source.s_out.connect(self._net.inp)

    def _observed(
        self, number: int, layer: Any, record: list[str], outputs: Path
    ) -> dict[str, Any]:
        """Attach what records a layer; its description and the names of its files."""
        neurons = {var.name: var for var in layer.neuron.vars}
        files = {}
        for what in record:
            if what not in RECORDS or (what in STATES and what not in neurons):
                known = ["spikes", *(name for name in STATES if name in neurons)]
                raise InvalidRun([f"layer {number} has no {what!r}; it has {', '.join(known)}"])
            path = outputs / f"{what}{number}.npy"
            shape = (self._steps, *layer.shape)
            np.lib.format.open_memmap(path, mode="w+", dtype=np.int32, shape=shape)
            if what == "spikes":
                layer.out.connect(MappedSink(shape=tuple(layer.shape), path=str(path)).a_in)
            else:
                MappedProbe(var=neurons[what], path=str(path))
            files[what] = path.name
        arrays = _parameters(layer)
        path = outputs / f"parameters{number}.npz"
        np.savez(path, **arrays)
        return {
            "kind": layer.block,
            "shape": [int(size) for size in layer.shape],
            "records": files,
            "parameters": path.name,
        }


def _parameters(layer: Any) -> Arrays:
    """Every number that netx gave to the processes of a layer, by ``process.name``."""
    found = {}
    parts = {part: vars(layer)[part] for part in _PARTS if part in vars(layer)}
    for part, process in parts.items():
        values = dict(process.proc_params._parameters)
        values |= {var.name: var.init for var in process.vars}
        for name, value in values.items():
            array = np.asarray(value.toarray() if hasattr(value, "toarray") else value)
            if array.dtype.kind in "biuf":
                found[f"{part}.{name}"] = array
    for name, value in getattr(layer, "transform", {}).items() if layer.block == "Input" else ():
        found[f"transform.{name}"] = np.asarray(value)
    return found
