"""Models with and without spikes, and what is equal in two results of an attack."""

from dataclasses import replace

import numpy as np
import torch

from neurorobust.attacks import Target
from neurorobust.engine.network import Network
from neurorobust.ir import LI, LIF, Affine, Header
from tests.support.networks import stack

HEADER = Header(dt_s=1e-3, steps=6, levels=256)
WITHOUT_GRID = replace(HEADER, levels=None)


def spiking(header=HEADER, seed=6, readout="last"):
    """Twelve inputs, twenty neurons, five classes."""
    draw = np.random.default_rng(seed)
    weight = draw.normal(size=(20, 12))
    top = LI(beta=1.0, gain_in=1 / 6) if readout == "last" else LIF(beta=0.9, threshold=0.5)
    return stack(
        (12,),
        header,
        readout=readout,
        a=Affine(weight=weight, bias=0.8 - weight.sum(1) / 2),  # grey drives all alike
        lif=LIF(beta=0.8, threshold=1.0),
        b=Affine(weight=draw.normal(size=(5, 20))),
        top=top,
    )


def decided(network, x):
    return Target(network, None).decide(torch.as_tensor(x)).numpy()


def shown(network, count):
    """Samples on the grid, and what the network makes of them."""
    x = np.random.default_rng(9).integers(0, 256, (count, 12)) / 255
    return x, decided(network, x)


def linear(weight, header=WITHOUT_GRID, bias=None, **integrator):
    """No spikes: scores are ``weight @ x + bias``."""
    fc, li = Affine(weight=weight, bias=bias), LI(**(integrator or {"beta": 0.0}))
    return Network(stack(weight.shape[1:], header, fc=fc, li=li))


def same(one, other, rows=slice(None)):
    for field in ("clean", "adversarial", "adversarial_decision", "queries", "gradients", "wanted"):
        assert np.array_equal(getattr(one, field)[rows], getattr(other, field)), field
    count = other.fooled.shape[1]
    assert np.array_equal(one.fooled[rows][:, :count], other.fooled)
