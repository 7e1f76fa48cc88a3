"""A Graph as a model of NeuroBench, so that NeuroBench's own benchmark runs on it.

Importing this module imports NeuroBench: ``pip install 'neurorobust[neurobench]'``.
"""

from collections.abc import Mapping

import torch
from neurobench.hooks.neuron import snn
from neurobench.models import NeuroBenchModel
from torch import Tensor, nn

from neurorobust.backends import Precision
from neurorobust.backends.modules import as_module, dtype_of
from neurorobust.backends.runs import read_out
from neurorobust.backends.stepping import step_through
from neurorobust.engine import dynamics
from neurorobust.errors import InvalidInput
from neurorobust.ir import LI, LIF, Graph, Output, preprocess
from neurorobust.metrics.footprint import stored_arrays


class NeuroBenchAdapter(NeuroBenchModel):  # type: ignore[misc]  # NeuroBench has no types
    """A Graph whose layers are torch modules, one call per step.

    Args:
        graph: The model.
        precision: Of parameters and values; ``single`` halves the footprint.
    """

    def __init__(self, graph: Graph, *, precision: Precision = "double") -> None:
        super().__init__()
        self.graph = graph
        self.dtype = dtype_of(precision)
        self.cells = {
            name: _cell(graph, name, self.dtype) for name in graph.order if name != graph.input
        }
        self.net = nn.Module()
        for name, cell in self.cells.items():
            self.net.add_module(_free(self.net, name), cell)
        self.net.eval()
        self.add_activation_module(Population)

    def __call__(self, batch: Tensor) -> Tensor:
        """What arrives at the Output, (B, T, classes).

        Args:
            batch: A stimulus (B, T, ...), before the preprocessing of the header.

        Raises:
            InvalidInput: for another shape.
        """
        if batch.shape[2:] != self.graph.input_shape or not batch.shape[1]:
            wanted = ", ".join(map(str, self.graph.input_shape))
            msg = f"batch has shape {tuple(batch.shape)}; the model takes (B, T, {wanted})"
            raise InvalidInput(msg)
        arrived: list[Tensor] = []

        def see(name: str, _: int, value: Tensor) -> None:
            if name == self.graph.output:
                arrived.append(value)

        with torch.no_grad():
            for name, cell in self.cells.items():
                if isinstance(cell, Population | Readout):
                    cell.start(batch.new_zeros(len(batch), *self.graph.shapes[name]).to(self.dtype))
            step_through(
                self.graph,
                self.cells,
                steps=batch.shape[1],
                shown=lambda t: preprocess(self.graph.header, batch[:, t].to(self.dtype), 1),
                static=False,
                silence=lambda name: batch.new_zeros(
                    len(batch), *self.graph.shapes[name], dtype=self.dtype
                ),
                see=see,
            )
        return torch.stack(arrived, 1)

    def __net__(self) -> nn.Module:
        """The layers, each under the name of its node."""
        return self.net

    def decisions(self, outputs: Tensor) -> Tensor:
        """A postprocessor: the first largest score of the model's own readout, shape (B,)."""
        node = self.graph.nodes[self.graph.output]
        assert isinstance(node, Output)  # noqa: S101  # holds for every checked Graph
        return torch.from_numpy(read_out(node.readout, outputs.numpy()).argmax(1))


class Population(snn.SpikingNeuron):  # type: ignore[misc]
    """A LIF node; NeuroBench reads ``mem`` of the kind of neuron it derives from."""

    init_hidden = True
    output = False
    state: dynamics.State

    def __init__(self, node: LIF, dtype: torch.dtype) -> None:
        nn.Module.__init__(self)  # the parent's own parameters belong to another law
        self.neuron = dynamics.Neuron.of(node, torch.empty((), dtype=dtype))
        _register(self, stored_arrays(node), dtype)

    def start(self, like: Tensor) -> None:
        """Begin from the initial state, for a batch (B, ...)."""
        self.state = dynamics.initial_state(self.neuron, like)

    @property
    def mem(self) -> Tensor:
        """Membrane after the last step, after its reset."""
        return self.state.v

    def forward(self, x: Tensor) -> Tensor:
        """Spikes of one step."""
        return dynamics.lif_step(self.neuron, self.state, x, dynamics.exact_fire)[0]


class Readout(nn.Module):
    """An LI node."""

    def __init__(self, node: LI, dtype: torch.dtype) -> None:
        super().__init__()
        self.integrator = dynamics.Integrator.of(node, torch.empty((), dtype=dtype))
        _register(self, stored_arrays(node), dtype)

    def start(self, like: Tensor) -> None:
        """Begin from the initial membrane."""
        self.v = self.integrator.v_init.expand_as(like)

    def forward(self, x: Tensor) -> Tensor:
        """Membranes of one step."""
        self.v = dynamics.li_step(self.integrator, self.v, x)
        return self.v


def _cell(graph: Graph, name: str, dtype: torch.dtype) -> nn.Module:
    match graph.nodes[name]:
        case LIF() as node:
            return Population(node, dtype)
        case LI() as node:
            return Readout(node, dtype)
        case Output():
            return nn.Identity()
        case node:
            shape = graph.shapes[graph.incoming(name)[0].source]
            module = as_module(name, node, shape, dtype)
            for part in module.modules():
                if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                    part.num_batches_tracked = None  # counts batches of training; not of the model
            return module


def _register(module: nn.Module, arrays: Mapping[str, object], dtype: torch.dtype) -> None:
    for name, value in arrays.items():
        module.register_buffer(f"node_{name}", torch.tensor(value, dtype=dtype))


def _free(module: nn.Module, name: str) -> str:
    """A name that torch takes: without dots, and no attribute of a module."""
    found = name.replace(".", "_")
    while hasattr(module, found):
        found += "_"
    return found
