"""A model without spikes, and what is equal in two results of an attack."""

from dataclasses import replace

import numpy as np

from neurorobust.engine.network import Network
from neurorobust.ir import LI, Affine, Graph, Header, Input, Output

HEADER = Header(dt_s=1e-3, steps=6, levels=256)
WITHOUT_GRID = replace(HEADER, levels=None)


def linear(weight, header=WITHOUT_GRID, **integrator):
    """No spikes: scores are ``weight @ x``."""
    return Network(
        Graph.chain(
            header,
            input=Input(shape=weight.shape[1:]),
            fc=Affine(weight=weight),
            li=LI(**(integrator or {"beta": 0.0})),
            output=Output(readout="last"),
        )
    )


def same(one, other, rows=slice(None)):
    for field in ("clean", "adversarial", "adversarial_decision", "queries", "gradients", "wanted"):
        assert np.array_equal(getattr(one, field)[rows], getattr(other, field)), field
    count = other.fooled.shape[1]
    assert np.array_equal(one.fooled[rows][:, :count], other.fooled)
