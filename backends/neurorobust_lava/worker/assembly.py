"""Turning a checked network into Lava processes, one to one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from checks import DELAYED, MATRICES, NEURONS, SYNAPSES, Network, Process, shapes
from lava.proc.conv.process import Conv  # noqa: TID251
from lava.proc.dense.process import DelayDense, Dense  # noqa: TID251
from lava.proc.io.source import RingBuffer  # noqa: TID251
from lava.proc.lif.process import LIF, LIFReset, TernaryLIF  # noqa: TID251
from lava.proc.sparse.process import DelaySparse, Sparse  # noqa: TID251
from lava.utils.weightutils import SignMode  # noqa: TID251
from processes.own import MappedSink, StateReset
from scipy.sparse import csr_matrix

Arrays = dict[str, Any]
Paths = dict[str, Path]

_KINDS = {
    "dense": Dense,
    "sparse": Sparse,
    "delay_dense": DelayDense,
    "delay_sparse": DelaySparse,
}


class Assembly:
    """One instance of a network in Lava.

    Args:
        network: A network that passed the checks.
        inputs: Data of every source, shape (steps, *shape), by name.
        sinks: File of every sink, by name.
        first: Row of the sinks' files for the first step.
    """

    def __init__(self, network: Network, inputs: Arrays, sinks: Paths, first: int = 0) -> None:
        """Create and connect the processes."""
        self.fixed = network["tag"] == "fixed_pt"
        self.description = {process["name"]: process for process in network["processes"]}
        self.processes = {}
        for name, process in self.description.items():
            kind = process["kind"]
            if kind == "source":
                # Lava wants time last; step t sends column t - 1.
                data = np.ascontiguousarray(np.moveaxis(inputs[name], 0, -1))
                self.processes[name] = RingBuffer(data=data)
            elif kind == "sink":
                shape = tuple(process["shape"])
                self.processes[name] = MappedSink(shape=shape, path=str(sinks[name]), first=first)
            elif kind in NEURONS:
                self.processes[name] = _neuron(process)
            elif kind != "reset":
                self.processes[name] = _synapse(process, fixed=self.fixed)
        for source, target in network["connections"]:
            self._connect(source, target)
        for name, process in self.description.items():
            if process["kind"] == "reset":
                neuron = self.processes[process["target"]]
                timing = {key: process[key] for key in ("interval", "offset")}
                self.processes[name] = StateReset(u=neuron.u, v=neuron.v, **timing)

    @property
    def any_process(self) -> Any:
        """The process through which the whole network is run."""
        return next(iter(self.processes.values()))

    def states(self) -> Iterator[tuple[Any, Any]]:
        """Yield every state variable that outlives a step, with its value at the start."""
        for name, process in self.processes.items():
            kind = self.description[name]["kind"]
            if kind in NEURONS:
                for key in ("u", "v"):
                    start = np.asarray(self.description[name][key], dtype=float)
                    var = getattr(process, key)
                    yield var, np.array(np.broadcast_to(start, var.shape))
            elif kind in MATRICES:
                yield process.a_buff, np.zeros(process.a_buff.shape)
            elif kind == "conv":
                yield process.a_buf, np.zeros(process.a_buf.shape)

    def _connect(self, source: str, target: str) -> None:
        """Connect two processes; in C order where only one end is flat."""
        synapse_out = self.description[source]["kind"] in SYNAPSES
        synapse_in = self.description[target]["kind"] in SYNAPSES
        out = getattr(self.processes[source], "a_out" if synapse_out else "s_out")
        into = getattr(self.processes[target], "s_in" if synapse_in else "a_in")
        shape = shapes(self.description[target])[0]
        if tuple(out.shape) != shape:
            out = out.reshape(new_shape=shape)
        out.connect(into)


def _plain(value: Any) -> Any:
    """A Python number for a scalar: Lava keeps decays and thresholds exactly as they are given."""
    array = np.asarray(value)
    return array.item() if array.ndim == 0 else array


def _neuron(process: Process) -> Any:
    shape = tuple(process["shape"])
    parameters = {key: _plain(process[key]) for key in ("du", "dv")}
    for key in ("u", "v", "bias_mant", "bias_exp"):
        parameters[key] = _spread(process[key], shape)
    if process["kind"] == "lif":
        return LIF(shape=shape, vth=_plain(process["vth"]), **parameters)
    if process["kind"] == "lif_reset":
        timing = {key: process[key] for key in ("reset_interval", "reset_offset")}
        return LIFReset(shape=shape, vth=_plain(process["vth"]), **timing, **parameters)
    neuron = TernaryLIF(shape=shape, **parameters)
    for key in ("vth_hi", "vth_lo"):
        # Lava declares one number for all; its model takes one for each as well.
        var = getattr(neuron, key)
        var.shape, var.init = shape, _spread(process[key], shape)
    return neuron


def _spread(value: Any, shape: tuple[int, ...]) -> Any:
    return np.array(np.broadcast_to(np.asarray(value), shape))


def _synapse(process: Process, *, fixed: bool) -> Any:
    number = np.int64 if fixed else np.float64
    kind = process["kind"]
    if kind == "conv":
        return Conv(
            weight=process["weight"].astype(number),
            **{k: tuple(process[k]) for k in ("input_shape", "stride", "padding", "dilation")},
            groups=process["groups"],
            num_message_bits=process["num_message_bits"],
        )
    weights = process["weights"].astype(number)
    mode = process["sign_mode"]
    parameters = {"weights": weights, "sign_mode": mode and SignMode[mode.upper()]}
    for key in ("num_message_bits", "weight_exp", "num_weight_bits"):
        parameters[key] = process[key]
    if kind in DELAYED:
        # An int64 array exactly: Lava compares the type with int.
        parameters["delays"] = process["delays"].astype(np.int64)
        parameters["max_delay"] = process["max_delay"]
    if kind == "delay_sparse":
        parameters["delays"] = csr_matrix(np.where(weights != 0, parameters["delays"], 0))
    if kind in ("sparse", "delay_sparse"):
        parameters["weights"] = csr_matrix(weights)
    return _KINDS[kind](**parameters)
