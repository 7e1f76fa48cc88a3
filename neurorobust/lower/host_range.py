"""Ends of what a host without memory can give, over all inputs within the header's bounds."""

import numpy as np

from neurorobust.ir import Affine, Array, BatchNorm, Conv1d, Conv2d, Graph, Pool2d
from neurorobust.ir.linear import batch_norm_as_scale


def host_range(host: Graph) -> tuple[Array, Array]:
    """Smallest and largest value at the Output, each of shape (N,).

    Interval arithmetic node by node; exact for one linear map, never too narrow for several.

    Args:
        host: Maps without memory and without delays.
    """
    header, shape = host.header, host.input_shape
    per_channel = (-1, *[1] * (len(shape) - 1))
    mean = np.reshape(header.mean or (0.0,), per_channel)
    std = np.reshape(header.std or (1.0,), per_channel)
    low, high = (np.array(np.broadcast_to((e - mean) / std, shape)) for e in header.bounds)
    ends: dict[str, tuple[Array, Array]] = {host.input: (low, high)}
    for name in host.order:
        if name != host.input:
            given = [ends[edge.source] for edge in host.incoming(name)]
            low = np.sum([first for first, _ in given], axis=0)
            high = np.sum([second for _, second in given], axis=0)
            ends[name] = _through(host, name, low, high)
    return ends[host.output]


def _through(host: Graph, name: str, low: Array, high: Array) -> tuple[Array, Array]:
    from dataclasses import replace

    from neurorobust.engine.linear import linear_map

    node = host.nodes[name]
    import torch

    def run(part: Affine | Conv1d | Conv2d | Pool2d, image: Array) -> Array:
        function = linear_map(part, torch.empty((), dtype=torch.float64))
        assert function is not None  # noqa: S101  # these have no memory
        result: Array = function(torch.tensor(image)[None])[0].numpy()
        return result

    match node:
        case Affine() | Conv1d() | Conv2d():
            up = replace(node, weight=node.weight.clip(min=0))
            down = replace(node, weight=node.weight.clip(max=0), bias=None)
            return run(up, low) + run(down, high), run(up, high) + run(down, low)
        case BatchNorm():
            factor, offset = (
                part.reshape(-1, *[1] * (low.ndim - 1)) for part in batch_norm_as_scale(node)
            )
            ends = (low * factor + offset, high * factor + offset)
            return np.minimum(*ends), np.maximum(*ends)
        case Pool2d():
            return run(node, low), run(node, high)
        case _:  # Flatten and Output
            last = host.shapes[name]
            return low.reshape(last), high.reshape(last)
