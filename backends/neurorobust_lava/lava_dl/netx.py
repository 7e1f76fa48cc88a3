"""A ``.net`` file in lava-dl's own netx on real Lava: what an importer of such files must equal."""

import contextlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from neurorobust_lava.process import LavaWorker

Array = npt.NDArray[Any]
NetxRecording = Literal["spikes", "u", "v"]

LAVA_DL = "lava-dl"
"""Tier of the environment that has netx and SLAYER."""

SPIKES: tuple[NetxRecording, ...] = ("spikes",)


@dataclass(frozen=True, slots=True)
class NetxLayer:
    """A layer as netx built it, and what it did.

    Arrays have netx's own layout, images (W, H, C). Row t of a record belongs to Lava's step
    t + 1; a layer behind k synapses answers to row t of the input in row t + k.

    Args:
        kind: ``Input``, ``Dense``, ``RecurrentDense``, ``Conv`` or ``ComplexDense``.
        shape: Shape of the population.
        parameters: What was handed to Lava's processes: ``neuron.du``, ``neuron.dv``,
            ``neuron.vth``, ``neuron.bias_mant``, ``neuron.bias_exp``, ``synapse.weights`` (of a
            convolution ``synapse.weight``), ``synapse.weight_exp``, ``synapse.num_weight_bits``,
            ``synapse.delays``, ``synapse_rec.weights``, ``transform.weight`` and so on.
        spikes: Shape (steps, *shape), if recorded.
        u: Currents after each step, the same.
        v: Membranes after each step and its reset, the same.
    """

    kind: str
    shape: tuple[int, ...]
    parameters: Mapping[str, Array]
    spikes: Array | None = None
    u: Array | None = None
    v: Array | None = None


@dataclass(frozen=True, slots=True)
class NetxRecord:
    """A run of a ``.net`` file.

    Args:
        layers: Every layer that netx built, in order; skipped ones and ``flatten`` are none.
        timing: Seconds spent assembling and running.
    """

    layers: tuple[NetxLayer, ...]
    timing: Mapping[str, float] = field(default_factory=dict)

    @property
    def output(self) -> NetxLayer:
        """The last layer."""
        return self.layers[-1]


def run_netx(
    path: Path,
    inputs: Array | None = None,
    *,
    steps: int,
    image: Array | None = None,
    reset_interval: int | None = None,
    reset_offset: int = 0,
    num_layers: int | None = None,
    skip_layers: int = 0,
    input_shape: tuple[int, ...] | None = None,
    input_message_bits: int = 0,
    sparse: bool = False,
    record: Collection[NetxRecording] = SPIKES,
    timeout_s: float | None = None,
    worker: LavaWorker | None = None,
    on_progress: Callable[[Mapping[str, Any]], None] | None = None,
) -> NetxRecord:
    """Let netx build a network from a file and run it in the chip's arithmetic.

    Args:
        path: The ``.net`` file.
        inputs: Integers for the first layer, shape (≤ steps, *its input); missing rows are
            silence. Not for a network that begins with an Input block.
        steps: Length of the run, ≥ 1.
        image: Bias mantissas of an Input block, shape (W, H, C), int16.
        reset_interval: Steps between two resets; netx staggers them from layer to layer.
        reset_offset: Their phase; a network without an Input block needs 1.
        num_layers: Layers of the file to look at, from the first one; all if not given.
        skip_layers: Layers at its beginning to leave out.
        input_shape: (W, H, C) before a first convolution, where the file does not tell it.
        input_message_bits: 0: any input that is not zero is one spike; else its value counts.
        sparse: Whether dense layers become sparse synapses.
        record: What to keep of every layer. Spikes are exact and cheap; u and v take a process
            each.
        timeout_s: Limit, seconds; that of the worker's patience if not given.
        worker: A worker of the tier ``lava-dl`` to use; one is started and ended if not given.
        on_progress: Gets ``{"steps", "of"}`` now and then.

    Returns:
        All layers with their parameters and records.

    Raises:
        InvalidInput: The arguments do not fit the network.
        RemoteError: netx refused the file, or a Lava process failed; with the remote traceback.
        WorkerTimeout: No result in time; the worker was killed.
        BackendUnavailable: There is no environment with lava-dl.
    """
    params = {
        "path": str(path.absolute()),
        "steps": steps,
        "record": list(record),
        "options": {
            "reset_interval": reset_interval,
            "reset_offset": reset_offset,
            "num_layers": num_layers,
            "skip_layers": skip_layers,
            "input_shape": input_shape and list(input_shape),
            "input_message_bits": input_message_bits,
            "sparse_fc_layer": sparse,
        },
    }
    given = {"inputs": inputs, "image": image}
    arrays = {name: np.asarray(data) for name, data in given.items() if data is not None}
    with contextlib.ExitStack() as stack:
        used = worker or stack.enter_context(LavaWorker(tier=LAVA_DL))
        limit_s = used.limit_s(steps) if timeout_s is None else timeout_s
        answer, folder = stack.enter_context(
            used.exchange("run_netx", params, arrays, limit_s, on_progress)
        )
        layers = tuple(_layer(folder, layer) for layer in answer["layers"])
    return NetxRecord(layers, answer["timing"])


def _layer(folder: Path, described: Mapping[str, Any]) -> NetxLayer:
    with np.load(folder / described["parameters"], allow_pickle=False) as file:
        parameters = {name: file[name] for name in file.files}
    records = {
        name: np.load(folder / file, allow_pickle=False)
        for name, file in described["records"].items()
    }
    return NetxLayer(described["kind"], tuple(described["shape"]), parameters, **records)
