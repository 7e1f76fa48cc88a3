"""lava-dl's SLAYER on the CPU: the training framework's own forward pass, and its export."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from neurorobust.formats.lava.network import described
from neurorobust_lava.lava_dl.netx import LAVA_DL
from neurorobust_lava.process import LavaWorker

Array = npt.NDArray[Any]
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class SlayerBlock:
    """One CUBA block of SLAYER, in SLAYER's own parameters and PyTorch's layout.

    With Q rounding to even multiples of 1 / scale, the integers on the chip are
    ``W = scale Q(weight)`` in -256..254, ``du = round(4096 current_decay) - 1``,
    ``dv = round(4096 voltage_decay)`` and ``vth = int(scale threshold)``.

    Args:
        kind: ``dense``, ``conv``, ``recurrent`` (dense with a second matrix) or ``flatten``.
        weight: Shape (out, in), or (out, in / groups, height, width).
        recurrent_weight: Shape (out, out).
        threshold: Firing threshold.
        current_decay: Share of the current lost per step, 0..1.
        voltage_decay: Share of the membrane lost per step, 0..1.
        scale: Integer steps per unit of weight.
        delay: Steps that the spikes of each output (channel) are held back, 0..62; None for none.
        stride: Of a convolution, (height, width).
        padding: The same.
        dilation: The same.
        groups: Of a convolution.
    """

    kind: Literal["dense", "conv", "recurrent", "flatten"]
    weight: Array | None = None
    recurrent_weight: Array | None = None
    threshold: float = 1.0
    current_decay: float = 1.0
    voltage_decay: float = 0.1
    scale: int = 64
    delay: Array | None = None
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1


def slayer_forward(
    blocks: Sequence[SlayerBlock],
    spikes: Array,
    *,
    export: Path | None = None,
    timeout_s: float = 300.0,
    worker: LavaWorker | None = None,
) -> tuple[Array, ...]:
    """Outputs of every block; each holds its spikes back by one step, and by its delays.

    Args:
        blocks: The network.
        spikes: Input, shape (B, T, ...), images (B, T, C, H, W).
        export: A ``.net`` file to write, as SLAYER's ``export_hdf5`` does.
        timeout_s: Limit, seconds.
        worker: A worker of the tier ``lava-dl`` to use; one is started and ended if not given.

    Returns:
        Per block, shape (B, T, ...), float32 zeros and ones.

    Raises:
        RemoteError: SLAYER refused the network; with the remote traceback.
        WorkerTimeout: No result in time; the worker was killed.
        BackendUnavailable: There is no environment with lava-dl.
    """
    arrays: dict[str, Array] = {"spikes": np.asarray(spikes)}
    params = {
        "layers": [described(block, arrays) for block in blocks],
        "export": None if export is None else str(export.absolute()),
    }
    with contextlib.ExitStack() as stack:
        used = worker or stack.enter_context(LavaWorker(tier=LAVA_DL))
        answer, folder = stack.enter_context(
            used.exchange("slayer_forward", params, arrays, timeout_s)
        )
        return tuple(np.load(folder / name, allow_pickle=False) for name in answer["blocks"])
