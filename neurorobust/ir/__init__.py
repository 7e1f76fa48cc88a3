"""The network, independent of any framework: nodes, edges, header; checked, hashed, saved."""

from neurorobust.ir.base import Array, Node, Shape
from neurorobust.ir.edges import Edge
from neurorobust.ir.fixed import (
    FixedConv2d,
    FixedDelayDense,
    FixedDense,
    FixedInput,
    FixedLI,
    FixedLIF,
    FixedNeuron,
    FixedTernaryLIF,
    Program,
)
from neurorobust.ir.header import Header, normalisation, preprocess
from neurorobust.ir.linear import Affine, BatchNorm, Conv1d, Conv2d, Pool2d
from neurorobust.ir.model import Graph, Model
from neurorobust.ir.neurons import LI, LIF
from neurorobust.ir.ports import Flatten, Input, Output
from neurorobust.ir.store import load_model, save_model
from neurorobust.ir.thresholds import nearest_threshold, thresholds

__all__ = [
    "LI",
    "LIF",
    "Affine",
    "Array",
    "BatchNorm",
    "Conv1d",
    "Conv2d",
    "Edge",
    "FixedConv2d",
    "FixedDelayDense",
    "FixedDense",
    "FixedInput",
    "FixedLI",
    "FixedLIF",
    "FixedNeuron",
    "FixedTernaryLIF",
    "Flatten",
    "Graph",
    "Header",
    "Input",
    "Model",
    "Node",
    "Output",
    "Pool2d",
    "Program",
    "Shape",
    "load_model",
    "nearest_threshold",
    "normalisation",
    "preprocess",
    "save_model",
    "thresholds",
]
