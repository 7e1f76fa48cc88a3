"""The part of a Program that runs before the chip: a Graph on the host, in floats."""

import numpy as np
import torch

from neurorobust.data import Stimulus
from neurorobust.engine.network import Network
from neurorobust.engine.threads import one_thread
from neurorobust.ir import Graph, Shape

CHUNK = 32
"""Samples that the host computes at a time."""


def sent(host: Graph, shape: Shape, stimulus: Stimulus) -> Stimulus:
    """What a host gives the chip: computed in double precision, on one thread of the CPU.

    Args:
        host: A Graph; what arrives at its Output is sent.
        shape: Of the chip's input.
        stimulus: What the host is shown.
    """
    network = Network(host)
    parts = []
    with one_thread(), torch.no_grad():
        for part in stimulus.chunks(CHUNK):
            values = np.ascontiguousarray(part.values, np.float64)
            arrived = network.arrivals(torch.tensor(values), stimulus.steps)
            parts.append(arrived.transpose(0, 1).double().numpy())
    whole = np.concatenate(parts)
    return Stimulus(whole.reshape(*whole.shape[:2], *shape), stimulus.steps)
