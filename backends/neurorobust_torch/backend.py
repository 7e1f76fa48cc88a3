"""Adapter around ``neurorobust.engine``."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from neurorobust.backends import (
    Capabilities,
    Executable,
    Overflow,
    Precision,
    Record,
    Rung,
    RunResult,
    require_support,
)
from neurorobust.backends.hosted import hosted
from neurorobust.backends.runs import require_run
from neurorobust.data import Stimulus
from neurorobust.ir import Array, Graph, Model, Program
from neurorobust_torch.gaps import CAPABILITIES

if TYPE_CHECKING:
    from torch import Tensor

    from neurorobust.engine.integer import FixedNetwork
    from neurorobust.engine.network import Network


@dataclass(frozen=True, slots=True)
class TorchBackend:
    """Runs on the GPU where there is one.

    Attributes:
        device: ``cpu``, ``cuda``, ``cuda:1`` …; None takes the GPU if torch sees one.
    """

    name: str = "torch"
    device: str | None = None

    def capabilities(self) -> Capabilities:
        """Everything a Graph or Program can say."""
        return CAPABILITIES

    def missing(self) -> str | None:
        """Torch is a dependency of the package."""
        return None

    def versions(self) -> Mapping[str, str]:
        """Version of torch."""
        return {"torch": version("torch")}

    def compile(self, model: Model, rung: Rung, *, precision: Precision = "double") -> Executable:
        """Put the model's arrays on the device."""
        import torch

        from neurorobust.backends.modules import dtype_of

        require_support(self.name, self.capabilities(), model, rung)
        if split := hosted(model, lambda part: self.compile(part, rung, precision=precision)):
            return split
        dtype = dtype_of(precision)
        device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        if isinstance(model, Program):
            from neurorobust.engine.integer import FixedNetwork

            return _Quantised(FixedNetwork(model, device=device))
        from neurorobust.engine.network import Network

        assert isinstance(model, Graph)  # noqa: S101  # require_support saw to it
        return _Float(Network(model, device=device, dtype=dtype))


backend = TorchBackend()


@dataclass(slots=True)
class _Float:
    network: "Network"
    closed: bool = False

    def run(self, stimulus: Stimulus, record: Collection[Record] = ()) -> RunResult:
        import torch

        from neurorobust.engine.network import Trace

        require_run(self.network.graph, stimulus, record, closed=self.closed)
        start = time.perf_counter()
        trace = Trace() if record else None
        x = torch.tensor(_plain(stimulus.values), device=self.network.like.device)
        with torch.no_grad():
            scores = self.network.run(x, stimulus.steps, trace=trace)
        spikes, membrane = (trace.spikes, trace.membrane) if trace else ({}, {})
        return _result(scores, spikes, membrane, record, start)

    def close(self) -> None:
        self.closed = True


@dataclass(slots=True)
class _Quantised:
    network: "FixedNetwork"
    closed: bool = False

    def run(self, stimulus: Stimulus, record: Collection[Record] = ()) -> RunResult:
        program = self.network.program
        require_run(program, stimulus, record, closed=self.closed, overflows=True)
        start = time.perf_counter()
        trace = self.network.run(stimulus.values, stimulus.steps, record)
        return RunResult(
            scores=trace.scores.numpy(),
            spikes={name: spikes.numpy() for name, spikes in trace.spikes.items()},
            membrane={name: h.numpy() for name, h in trace.membrane.items()},
            overflows={
                name: Overflow(wrapped=c.wrapped.numpy(), saturated=c.saturated.numpy())
                for name, c in trace.overflows.items()
            },
            wall_s=time.perf_counter() - start,
        )

    def close(self) -> None:
        self.closed = True


def _plain(values: Array) -> Array:
    """Torch takes no arrays that run backwards."""
    return np.ascontiguousarray(values)


def _result(
    scores: "Tensor",
    spikes: "Mapping[str, Tensor]",
    membrane: "Mapping[str, Tensor]",
    record: Collection[Record],
    start: float,
) -> RunResult:
    import torch

    def sample_first(value: "Tensor") -> Array:
        array: Array = value.transpose(0, 1).cpu().numpy()
        return array

    return RunResult(
        scores=scores.double().cpu().numpy(),
        spikes={n: sample_first(s.to(torch.uint8)) for n, s in spikes.items()}
        if "spikes" in record
        else {},
        membrane={n: sample_first(h) for n, h in membrane.items()} if "membrane" in record else {},
        wall_s=time.perf_counter() - start,
    )
