"""lava-dl's SLAYER on the CPU: the forward pass of given layers, and their export to ``.net``."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from checks import InvalidRun
from lava.lib.dl.slayer import block  # noqa: TID251

Arrays = dict[str, Any]
Layer = dict[str, Any]

KINDS = ("dense", "conv", "recurrent", "flatten")


def forward(layers: list[Layer], spikes: Any, export: Path | None) -> list[Any]:
    """Outputs of every block for spikes (B, T, ...), each (B, T, ...), one step late per block.

    Args:
        layers: Descriptions with their arrays filled in.
        spikes: Input of the first block.
        export: File that the network is written to, as SLAYER writes it.

    Raises:
        InvalidRun: A layer is of no kind that is known.
    """
    blocks = [_block(layer) for layer in layers]
    x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(spikes, 1, -1))).float()
    outputs = []
    with torch.no_grad():
        for part in blocks:
            x = part(x)
            outputs.append(np.moveaxis(x.numpy(), -1, 1))
    if export is not None:
        _export(blocks, export)
    return outputs


def _block(layer: Layer) -> Any:
    kind = layer["kind"]
    if kind not in KINDS:
        raise InvalidRun([f"a layer is of kind {kind!r}; there are {', '.join(KINDS)}"])
    if kind == "flatten":
        return block.cuba.Flatten()
    keys = ("threshold", "current_decay", "voltage_decay", "scale")
    settings = {"neuron_params": {key: layer[key] for key in keys}}
    settings["delay"] = layer["delay"] is not None
    weight = torch.from_numpy(np.ascontiguousarray(layer["weight"])).float()
    if kind == "conv":
        outputs, inputs, *kernel = weight.shape
        made = block.cuba.Conv(
            in_features=inputs * layer["groups"],
            out_features=outputs,
            kernel_size=tuple(kernel),
            groups=layer["groups"],
            **{key: tuple(layer[key]) for key in ("stride", "padding", "dilation")},
            **settings,
        )
        made.synapse.weight.data = weight[..., None]
    else:
        outputs, inputs = weight.shape
        kind_of = block.cuba.Dense if kind == "dense" else block.cuba.Recurrent
        made = kind_of(in_neurons=inputs, out_neurons=outputs, **settings)
        synapse = made.synapse if kind == "dense" else made.input_synapse
        synapse.weight.data = weight[:, :, None, None, None]
        if kind == "recurrent":
            back = torch.from_numpy(np.ascontiguousarray(layer["recurrent_weight"])).float()
            made.recurrent_synapse.weight.data = back[:, :, None, None, None]
    if made.delay is not None:
        made.delay.delay.data = torch.from_numpy(np.asarray(layer["delay"])).float()
        made.delay.init = True  # otherwise the first pass draws delays
    return made.eval()


def _export(blocks: list[Any], path: Path) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with h5py.File(part, "w") as file:
            layers = file.create_group("layer")
            for number, made in enumerate(blocks):
                made.export_hdf5(layers.create_group(str(number)))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
