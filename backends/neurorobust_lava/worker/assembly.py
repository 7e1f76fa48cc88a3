"""Turning a checked network into Lava processes, one to one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from checks import NEURONS, Network, Process, shapes
from lava.proc.conv.process import Conv  # noqa: TID251
from lava.proc.dense.process import DelayDense, Dense  # noqa: TID251
from lava.proc.io.source import RingBuffer  # noqa: TID251
from lava.proc.lif.process import LIF, LIFReset  # noqa: TID251
from lava.utils.weightutils import SignMode  # noqa: TID251
from processes.mapped_sink import MappedSink

Arrays = dict[str, Any]
Paths = dict[str, Path]

_SIGN_MODES = {
    None: None,
    "mixed": SignMode.MIXED,
    "excitatory": SignMode.EXCITATORY,
    "inhibitory": SignMode.INHIBITORY,
}

_OUT_PORT = {"source": "s_out", "dense": "a_out", "delay_dense": "a_out", "conv": "a_out"}
_IN_PORT = {"dense": "s_in", "delay_dense": "s_in", "conv": "s_in"}


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
            else:
                self.processes[name] = _synapse(process, fixed=self.fixed)
        for source, target in network["connections"]:
            self._connect(source, target)

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
            elif kind in ("dense", "delay_dense"):
                yield process.a_buff, np.zeros(process.a_buff.shape)
            elif kind == "conv":
                yield process.a_buf, np.zeros(process.a_buf.shape)

    def _connect(self, source: str, target: str) -> None:
        """Connect two processes; in C order where only one end is flat."""
        kind_out = self.description[source]["kind"]
        kind_in = self.description[target]["kind"]
        out = getattr(self.processes[source], _OUT_PORT.get(kind_out, "s_out"))
        into = getattr(self.processes[target], _IN_PORT.get(kind_in, "a_in"))
        shape = shapes(self.description[target])[0]
        if tuple(out.shape) != shape:
            out = out.reshape(new_shape=shape)
        out.connect(into)


def _plain(value: Any) -> Any:
    """A Python number for a scalar: Lava keeps decays and thresholds exactly as they are given."""
    array = np.asarray(value)
    return array.item() if array.ndim == 0 else array


def _neuron(process: Process) -> Any:
    """LIF or LIFReset."""
    shape = tuple(process["shape"])
    parameters = {key: _plain(process[key]) for key in ("du", "dv", "vth")}
    for key in ("u", "v", "bias_mant", "bias_exp"):
        parameters[key] = np.array(np.broadcast_to(np.asarray(process[key]), shape))
    if process["kind"] == "lif":
        return LIF(shape=shape, **parameters)
    return LIFReset(
        shape=shape,
        reset_interval=process["reset_interval"],
        reset_offset=process["reset_offset"],
        **parameters,
    )


def _synapse(process: Process, *, fixed: bool) -> Any:
    """Dense, DelayDense or Conv."""
    number = np.int64 if fixed else np.float64
    if process["kind"] == "conv":
        return Conv(
            weight=process["weight"].astype(number),
            input_shape=tuple(process["input_shape"]),
            stride=tuple(process["stride"]),
            padding=tuple(process["padding"]),
            dilation=tuple(process["dilation"]),
            groups=process["groups"],
            num_message_bits=process["num_message_bits"],
        )
    parameters = {
        "weights": process["weights"].astype(number),
        "num_message_bits": process["num_message_bits"],
        "weight_exp": process["weight_exp"],
        "num_weight_bits": process["num_weight_bits"],
        "sign_mode": _SIGN_MODES[process["sign_mode"]],
    }
    if process["kind"] == "dense":
        return Dense(**parameters)
    # An int64 array exactly: DelayDense compares the type with int.
    delays = process["delays"].astype(np.int64)
    return DelayDense(delays=delays, max_delay=process["max_delay"], **parameters)
