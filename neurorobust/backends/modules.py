"""What adapters of torch-based frameworks share: plain layers as modules, and the executable.

Imported by adapters when they compile, never when they are loaded: it imports torch.
"""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

import numpy as np
import torch

from neurorobust import ir
from neurorobust.backends.capabilities import Deviation
from neurorobust.backends.contract import Precision, Record, RunResult
from neurorobust.backends.runs import read_out, require_precision, require_run
from neurorobust.backends.stepping import step_through
from neurorobust.data.stimulus import Stimulus
from neurorobust.errors import Unsupported

Step = Callable[[torch.Tensor], torch.Tensor]

DTYPES: Mapping[Precision, torch.dtype] = {"double": torch.float64, "single": torch.float32}


class Neuron(Protocol):
    """A population in the framework's own modules."""

    def start(self, batch: int) -> Step:
        """One step as a function of the input, with a fresh state for ``batch`` samples."""
        ...


class ModuleExecutable:
    """A Graph as native modules: torch for maps without memory, a framework's cells for neurons."""

    def __init__(
        self,
        model: ir.Graph,
        neurons: Mapping[str, Neuron],
        dtype: torch.dtype,
        deviations: tuple[Deviation, ...],
    ) -> None:
        self._model = model
        self._neurons = neurons
        self._dtype = dtype
        self._deviations = deviations
        self._maps: dict[str, Step] = {}
        for name, node in model.nodes.items():
            if isinstance(node, ir.Output):
                self._maps[name] = torch.nn.Identity()
            elif name not in neurons and name != model.input:
                shape = model.shapes[model.incoming(name)[0].source]
                self._maps[name] = as_module(name, node, shape, self._dtype)
        self._closed = False

    def run(self, stimulus: Stimulus, record: Collection[Record] = ()) -> RunResult:
        """Run all samples from their initial state.

        Raises:
            InvalidInput: for a wrong shape of the stimulus, an unknown record, or after ``close``.
            Unsupported: if membranes are to be recorded.
        """
        model, batch, steps = self._model, len(stimulus), stimulus.steps
        require_run(model, stimulus, record, closed=self._closed, membrane=False)
        began = time.perf_counter()
        (output,) = (node for _, node in model.of_kind(ir.Output))
        arrived = np.empty((batch, steps, *model.shapes[model.output]))
        spikes = {
            name: np.empty((batch, steps, *model.shapes[name]), np.uint8)
            for name in (model.spiking if "spikes" in record else ())
        }

        def see(name: str, t: int, value: torch.Tensor) -> None:
            if name in spikes:
                spikes[name][:, t] = value.numpy()
            elif name == model.output:
                arrived[:, t] = value.numpy()

        # Values are cast step by step: events of a whole batch can be large.
        def shown(t: int) -> torch.Tensor:
            values = np.ascontiguousarray(stimulus.values[:, 0 if stimulus.static else t])
            return ir.preprocess(model.header, tensor(values, self._dtype), 1)

        def silence(name: str) -> torch.Tensor:
            return torch.zeros((batch, *model.shapes[name]), dtype=self._dtype)

        with torch.no_grad():
            started = {name: neuron.start(batch) for name, neuron in self._neurons.items()}
            step_through(
                model,
                self._maps | started,
                steps=steps,
                shown=shown,
                static=stimulus.static,
                silence=silence,
                see=see,
            )
        return RunResult(
            scores=read_out(output.readout, arrived),
            spikes=spikes,
            deviations=self._deviations,
            wall_s=time.perf_counter() - began,
        )

    def close(self) -> None:
        """Refuse further runs."""
        self._closed = True


def dtype_of(precision: Precision) -> torch.dtype:
    """The type of all values of a run.

    Raises:
        InvalidInput: for an unknown precision.
    """
    require_precision(precision)
    return DTYPES[precision]


def tensor(values: ir.Array, dtype: torch.dtype) -> torch.Tensor:
    """A copy of an array as a tensor (arrays of nodes are read-only, which torch does not know)."""
    return torch.tensor(values, dtype=dtype)


def as_module(name: str, node: ir.Node, shape: ir.Shape, dtype: torch.dtype) -> torch.nn.Module:
    """The torch module of a map without memory.

    Args:
        name: For messages.
        node: Affine, Conv1d, Conv2d, BatchNorm, Pool2d or Flatten.
        shape: Of its input, without batch.
        dtype: Of weights and values.

    Raises:
        Unsupported: if torch has no module for it.
    """
    module: torch.nn.Module
    match node:
        case ir.Affine():
            out, into = node.weight.shape
            module = torch.nn.Linear(into, out, node.bias is not None, dtype=dtype)
        case ir.Conv1d() | ir.Conv2d():
            make: Any = torch.nn.Conv1d if isinstance(node, ir.Conv1d) else torch.nn.Conv2d
            out, into, *kernel = node.weight.shape
            module = make(
                into * node.groups,
                out,
                tuple(kernel),
                node.stride,
                node.padding,
                node.dilation,
                node.groups,
                node.bias is not None,
                dtype=dtype,
            )
        case ir.BatchNorm():
            return _batch_norm(node, shape, dtype)
        case ir.Pool2d():
            return _pool(node)
        case ir.Flatten():
            return torch.nn.Flatten()
        case _:
            raise Unsupported(f"{name}: no module is known for a {node.kind}")
    module.load_state_dict({key: tensor(value, dtype) for key, value in node.arrays().items()})
    return module.requires_grad_(requires_grad=False)


def _batch_norm(node: ir.BatchNorm, shape: ir.Shape, dtype: torch.dtype) -> torch.nn.Module:
    kinds = {1: torch.nn.BatchNorm1d, 2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm2d}
    module = kinds.get(len(shape), torch.nn.BatchNorm1d)(len(node.mean), node.eps, dtype=dtype)
    state = {
        "running_mean": node.mean,
        "running_var": node.var,
        "weight": node.scale,
        "bias": node.shift,
        "num_batches_tracked": np.zeros((), np.int64),
    }
    module.load_state_dict({key: tensor(value, dtype) for key, value in state.items()})
    module.requires_grad_(requires_grad=False).eval()
    if len(shape) in kinds:
        return module
    # The axes after the channel as one, since torch has no norm for so many.
    return torch.nn.Sequential(torch.nn.Flatten(2), module, torch.nn.Unflatten(2, shape[1:]))


def _pool(node: ir.Pool2d) -> torch.nn.Module:
    kernel, stride, padding = (
        (value[0], value[1]) for value in (node.kernel, node.stride, node.padding)
    )
    if node.op == "max":
        return torch.nn.MaxPool2d(kernel, stride, padding)
    return torch.nn.AvgPool2d(
        kernel, stride, padding, divisor_override=1 if node.op == "sum" else None
    )
