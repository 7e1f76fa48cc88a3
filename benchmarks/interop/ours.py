"""The same with neurorobust: modules and files in, files for each reader out."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.interop.frameworks import Run
from benchmarks.interop.networks import STEPS, Spec
from neurorobust import ir
from neurorobust.backends import get_backend
from neurorobust.data import Stimulus
from neurorobust.ir.edges import chain_edges

HEADER = ir.Header(dt_s=1e-4, steps=STEPS, coding="events")
PROFILES = {"snnTorch": "snntorch", "Norse": "norse", "SpikingJelly": "portable"}
"""Of ``save_nir``, by the reader that a file is for."""


class NotThere(Exception):
    """A part of neurorobust that cannot be imported."""


@dataclass(frozen=True)
class Written:
    """How a file is to be read.

    Attributes:
        dt: Duration of a step.
        soft: Whether the reader has to be told of a soft reset.
    """

    dt: float
    soft: bool


def run(graph: ir.Graph, x: Tensor) -> Tensor:
    """Spikes (T, B, classes) of what feeds the Output, in single precision."""
    executable = get_backend("torch").compile(graph, "float", precision="single")
    (edge,) = graph.incoming(graph.output)
    stimulus = Stimulus(x.transpose(0, 1).numpy(), len(x))
    spikes = executable.run(stimulus, ["spikes"]).spikes[edge.source]
    return torch.tensor(spikes).transpose(0, 1).to(x.dtype)


def from_module(framework: str, module: nn.Module, spec: Spec, dt: float) -> ir.Graph:
    """A module of a framework as a Graph."""
    header = ir.Header(dt_s=dt, steps=STEPS, coding="events")
    call = _part("neurorobust.formats.modules", "from_module")
    given = {"input_shape": spec.shape, "header": header, "readout": "count"}
    graph: ir.Graph = call(module, framework=framework.lower(), **given)
    return graph


def load(path: Path, dt: float, *, soft: bool) -> Run:
    """A file of another writer, told what the caller knows."""
    told = _part("neurorobust.formats.load", "Reading")(
        dt_s=dt, reset="soft" if soft else "hard", recurrence="spikes", steps=STEPS
    )
    graph = _part("neurorobust.formats.load", "load")(path, told)
    return lambda x: run(graph, x)


def reload(path: Path) -> Run:
    """A file of our own, which says everything itself."""
    graph = _part("neurorobust.formats.load", "load")(path)
    return lambda x: run(graph, x)


def save(graph: ir.Graph, path: Path, reader: str | None) -> Written:
    """A file for a reader, or for ourselves."""
    save_nir = _part("neurorobust.formats.nir", "save_nir")
    call = save_nir(graph, path, PROFILES[reader] if reader else "strict")
    return Written(call.dt_s, call.soft_reset)


def _part(module: str, name: str) -> Callable[..., Any]:
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        msg = f"{module}.{name}"
        raise NotThere(msg) from error


def graph_of(spec: Spec) -> ir.Graph:
    """The network as a Graph of its own."""
    lifs = [
        ir.LIF(beta=p.beta, threshold=p.threshold, reset="soft" if p.soft else "hard")
        for p in spec.populations
    ]

    def affine(name: str) -> ir.Affine:
        weight, bias = spec.weights[name]
        return ir.Affine(weight=weight, bias=bias)

    nodes = {"input": ir.Input(shape=spec.shape)}
    if spec.kind == "convolution":
        weight, bias = spec.weights["conv"]
        nodes |= {
            "conv": ir.Conv2d(weight=weight, bias=bias, padding=(1, 1)),
            "lif1": lifs[0],
            "pool": ir.Pool2d(op="avg", kernel=(2, 2), stride=(2, 2)),
            "flat": ir.Flatten(),
            "fc2": affine("fc2"),
            "lif2": lifs[1],
        }
        nodes["output"] = ir.Output()
        return ir.Graph(header=HEADER, nodes=nodes, edges=chain_edges(nodes))
    nodes |= {"fc1": affine("fc1"), "lif1": lifs[0]}
    more: list[ir.Edge] = []
    if spec.kind == "recurrent":
        nodes["loop"] = affine("loop")
        more = [ir.Edge("lif1", "loop", 1), ir.Edge("loop", "lif1"), ir.Edge("lif1", "out")]
    elif spec.kind == "residual":
        nodes |= {"fc2": affine("fc2"), "lif2": lifs[1]}
        more = [
            ir.Edge("lif1", "fc2"),
            ir.Edge("fc2", "lif2"),
            ir.Edge("lif1", "out"),
            ir.Edge("lif2", "out"),
        ]
    else:
        more = [ir.Edge("lif1", "out")]
    nodes |= {"out": affine("out"), "last": lifs[-1], "output": ir.Output()}
    edges = [ir.Edge("input", "fc1"), ir.Edge("fc1", "lif1"), *more]
    edges += [ir.Edge("out", "last"), ir.Edge("last", "output")]
    return ir.Graph(header=HEADER, nodes=nodes, edges=edges)
