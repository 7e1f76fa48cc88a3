"""At which membranes spikes change, and what a header's mean and deviation do."""

import numpy as np
import pytest
import torch

from neurorobust import ir


@pytest.mark.parametrize(
    ("node", "levels", "membrane", "nearest"),
    [
        (ir.LIF(beta=0.5, threshold=0.3), [0.3], [-5.0, 0.4, 9.0], [0.3, 0.3, 0.3]),
        (
            ir.LIF(beta=0.5, threshold=0.5, reset="soft", max_spikes=3),
            [0.5],
            [-5.0, 0.6, 0.8, 1.3, 9.0],
            [0.5, 0.5, 1.0, 1.5, 1.5],
        ),
        (ir.FixedLIF(vth=10), [640], [0, 641], [640, 640]),
        (
            ir.FixedTernaryLIF(vth_low=-20, vth_high=10),
            [-1280, 640],
            [-9000, -1281, -321, -319, 0, 700],
            [-1280, -1280, -1280, 640, 640, 640],
        ),
    ],
)
def test_thresholds_are_in_the_units_of_the_membrane(node, levels, membrane, nearest):
    assert [int(t) if t.dtype.kind == "i" else float(t) for t in ir.thresholds(node)] == levels
    found = np.broadcast_to(ir.nearest_threshold(node, np.array(membrane)), len(membrane))
    assert found.tolist() == nearest


def test_what_does_not_fire_has_none():
    assert ir.thresholds(ir.LI(beta=0.5)) == ()
    assert ir.nearest_threshold(ir.LI(beta=0.5), np.zeros(3)) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_and_tensors_are_preprocessed_alike(dtype):
    header = ir.Header(dt_s=1e-3, steps=1, mean=(0.1, 0.2, 0.3), std=(0.5, 0.7, 0.9))
    x = np.random.default_rng(0).random((2, 4, 3, 5, 5)).astype(dtype)
    found = ir.preprocess(header, x, 2)
    mean, std = (np.array(v, dtype).reshape(3, 1, 1) for v in (header.mean, header.std))
    assert found.dtype == dtype
    assert (found == (x - mean) / std).all()
    assert (ir.preprocess(header, torch.tensor(x), 2).numpy() == found).all()
    assert (ir.preprocess(header, x[:, 0], 1) == found[:, 0]).all()
    plain = ir.Header(dt_s=1e-3, steps=1)
    assert ir.preprocess(plain, x, 2) is x
