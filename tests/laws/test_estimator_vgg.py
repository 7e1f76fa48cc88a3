"""VGG-11: its size, its weights, and its statistics."""

import numpy as np
import pytest
import torch

from neurorobust.engine.network import Network, Trace
from neurorobust.errors import InvalidInput
from neurorobust.ir import LIF, Affine, Conv2d
from neurorobust.zoo.vgg import calibrated, vgg11

small = {"width": 0.125, "hidden": (32, 16)}


def test_shapes_of_the_published_network():
    """Counted by hand; the full weights are not drawn for it."""
    graph = vgg11(**small)
    channels = [n.weight.shape[0] * 8 for _, n in graph.of_kind(Conv2d)]
    assert channels == [64, 128, 256, 512, 512, 512, 512, 512]
    assert [graph.shapes[f"pool{i}"][1] for i in (1, 2, 3)] == [16, 8, 4]
    assert graph.shapes["flatten"] == (512 // 8 * 4 * 4,)
    assert [n.weight.shape[0] for _, n in graph.of_kind(Affine)] == [32, 16, 10]
    assert len(dict(graph.of_kind(LIF))) == 10
    assert graph.order[:4] == ("input", "conv1", "norm1", "lif1")
    assert graph.order[-2:] == ("fc3", "output")


def test_the_seed_decides_the_weights():
    assert vgg11(**small).content_hash == vgg11(**small).content_hash
    assert vgg11(**small, seed=1).content_hash != vgg11(**small).content_hash
    with pytest.raises(InvalidInput, match="leaves no channel"):
        vgg11(width=0.001)


def test_calibrated_statistics_make_every_layer_fire():
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    graph, trace = calibrated(vgg11(**small), images), Trace()
    with torch.no_grad():
        Network(graph, dtype=torch.float32).run(images[:, None], 8, trace=trace)
    for name, drive in trace.drive.items():
        if drive.ndim == 5:
            assert np.allclose(drive.mean((0, 1, 3, 4)), 0, atol=1e-3), name
            assert np.allclose(drive.var((0, 1, 3, 4)), 1, atol=1e-2), name
    assert all(trace.spikes[f"lif{i}"].mean() > 0.01 for i in range(1, 9))
