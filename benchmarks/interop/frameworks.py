"""What each framework makes of a network: its own modules, its own NIR writer, its own reader."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import nir
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.interop.networks import (
    LIF,
    Population,
    Recurrent,
    Residual,
    Spec,
    convolution,
    linear,
    plain,
    run_stepwise,
    run_with_state,
)

Run = Callable[[Tensor], Tensor]
"""From a stimulus (T, B, ...) to spikes (T, B, classes)."""

NOISE = (
    (DeprecationWarning, r"nirtorch\.(extract_nir_graph|load) is being deprecated"),
    (UserWarning, r"Multiple input nodes found"),
    (UserWarning, r"converting a masked element|The given NumPy array is not writable"),
)
"""What the libraries say on the way whatever the network is, and what is no error."""


class CannotSay(Exception):
    """The framework has no modules for such a network."""


class Framework(Protocol):
    """Modules, writer and reader of one library."""

    name: str
    dt: float
    """Duration of a step that its files assume; readers that ask are told."""

    def build(self, spec: Spec) -> nn.Module:
        """The network in modules of the framework."""
        ...

    def run(self, module: nn.Module, x: Tensor) -> Tensor:
        """What the framework itself computes."""
        ...

    def write(self, module: nn.Module, spec: Spec, path: Path) -> None:
        """Its own writer."""
        ...

    def read(self, path: Path, dt: float, *, soft: bool) -> Run:
        """Its own reader."""
        ...


@dataclass(frozen=True)
class SnnTorch:
    """snnTorch; decays and thresholds as vectors, since its writer fails on numbers."""

    name: str = "snnTorch"
    dt: float = 1e-4

    def build(self, spec: Spec) -> nn.Module:
        """Leaky and RLeaky with hidden states."""
        import snntorch as snn  # noqa: TID251

        def leaky(p: Population) -> nn.Module:
            return snn.Leaky(**_leaky(p))

        if spec.kind != "recurrent":
            return _assemble(spec, leaky)
        first = snn.RLeaky(linear_features=24, **_leaky(spec.populations[0]))
        loop = linear(spec, "loop")
        first.recurrent.weight.data, first.recurrent.bias.data = loop.weight.data, loop.bias.data
        last = leaky(spec.populations[-1])
        return nn.Sequential(linear(spec, "fc1"), first, linear(spec, "out"), last)

    def run(self, module: nn.Module, x: Tensor) -> Tensor:
        """From a fresh state."""
        _reset_snntorch(module)
        return run_stepwise(module, x)

    def write(self, module: nn.Module, spec: Spec, path: Path) -> None:
        """``export_to_nir``, with the batch left out of the types."""
        from snntorch.export_nir import export_to_nir  # noqa: TID251

        _reset_snntorch(module)
        graph = export_to_nir(module, torch.zeros(1, *spec.shape), ignore_dims=[0])
        nir.write(path, graph)

    def read(self, path: Path, dt: float, *, soft: bool) -> Run:
        """``import_from_nir``; it takes no dt."""
        from snntorch.import_nir import import_from_nir  # noqa: TID251

        module = import_from_nir(nir.read(path))
        return lambda x: run_with_state(module, x)


def _leaky(p: Population) -> dict[str, object]:
    return {
        "beta": torch.tensor(p.beta),
        "threshold": torch.tensor(p.threshold),
        "reset_mechanism": "subtract" if p.soft else "zero",
        "init_hidden": True,
    }


def _reset_snntorch(module: nn.Module) -> None:
    import snntorch as snn  # noqa: TID251

    for part in module.modules():
        if isinstance(part, snn.SpikingNeuron):
            part.reset_mem()


@dataclass(frozen=True)
class Norse:
    """Norse; ``export_dt`` is the argument of its writer, whose default its reader misreads."""

    name: str = "Norse"
    export_dt: float | None = None
    dt: float = 1e-3

    def build(self, spec: Spec) -> nn.Module:
        """LIFBoxCell; LIFRecurrentCell for the loop."""
        import norse.torch as norse  # noqa: TID251

        if spec.kind == "recurrent":
            p = spec.populations[0]
            rates = {"tau_mem_inv": torch.tensor((1 - p.beta) / self.dt)}
            loop = linear(spec, "loop").weight.data
            first = norse.LIFRecurrentCell(
                20,
                24,
                p=norse.LIFParameters(
                    **rates, v_th=torch.tensor(p.threshold * (1 - p.beta)), tau_syn_inv=1 / self.dt
                ),
                dt=self.dt,
            )
            first.input_weights.data = linear(spec, "fc1").weight.data
            first.recurrent_weights.data = loop
            last = self._cell(spec.populations[-1])
            return norse.SequentialState(first, linear(spec, "out"), last)
        if spec.kind == "residual":
            return _NorseResidual(_assemble(spec, self._cell))
        return norse.SequentialState(*_assemble(spec, self._cell))

    def _cell(self, p: Population) -> nn.Module:
        import norse.torch as norse  # noqa: TID251
        from norse.torch.functional.reset import reset_subtract, reset_value  # noqa: TID251

        parameters = norse.LIFBoxParameters(
            tau_mem_inv=torch.tensor((1 - p.beta) / self.dt),
            v_th=torch.tensor(p.threshold * (1 - p.beta)),
            v_leak=torch.zeros(p.beta.shape),
            v_reset=torch.zeros(p.beta.shape),
            reset_method=reset_subtract if p.soft else reset_value,
        )
        return norse.LIFBoxCell(parameters, dt=self.dt)

    def run(self, module: nn.Module, x: Tensor) -> Tensor:
        """With its state handed on."""
        return run_with_state(module, x)

    def write(self, module: nn.Module, spec: Spec, path: Path) -> None:
        """``to_nir``."""
        from norse.torch.utils.export_nir import to_nir  # noqa: TID251

        chosen = {} if self.export_dt is None else {"dt": self.export_dt}
        nir.write(path, to_nir(module, torch.zeros(spec.shape), **chosen))

    def read(self, path: Path, dt: float, *, soft: bool) -> Run:
        """``from_nir``, told the dt and the reset of the file."""
        from norse.torch.functional.reset import reset_subtract, reset_value  # noqa: TID251
        from norse.torch.utils.import_nir import from_nir  # noqa: TID251

        module = from_nir(
            nir.read(path), dt=dt, reset_method=reset_subtract if soft else reset_value
        )
        return lambda x: run_with_state(module, x)


class _NorseResidual(nn.Module):
    """The same wiring with states handed on."""

    def __init__(self, layers: Residual) -> None:
        super().__init__()
        for name, module in layers.named_children():
            self.add_module(name, module)

    def forward(self, x: Tensor, state: list[object] | None = None) -> tuple[Tensor, list[object]]:
        """One step."""
        before = state or [None] * 3
        first, s1 = self.lif1(self.fc1(x), before[0])
        second, s2 = self.lif2(self.fc2(first), before[1])
        last, s3 = self.lif3(self.out(first + second), before[2])
        return last, [s1, s2, s3]


@dataclass(frozen=True)
class SpikingJelly:
    """SpikingJelly, single-step; LIFNode fires at ``>=``."""

    name: str = "SpikingJelly"
    dt: float = 1e-4

    def build(self, spec: Spec) -> nn.Module:
        """LIFNode; LinearRecurrentContainer for the loop."""
        from spikingjelly.activation_based import layer, neuron  # noqa: TID251

        def node(p: Population) -> nn.Module:
            if np.unique(p.beta).size > 1 or np.unique(p.threshold).size > 1:
                msg = "LIFNode has one decay and one threshold for all its neurons"
                raise CannotSay(msg)
            return neuron.LIFNode(
                tau=1 / (1 - float(p.beta.flat[0])),
                decay_input=False,
                v_threshold=float(p.threshold.flat[0]),
                v_reset=None if p.soft else 0.0,
            )

        if spec.kind != "recurrent":
            return _assemble(spec, node)
        first = layer.LinearRecurrentContainer(node(spec.populations[0]), 24, 24)
        weight, bias = (torch.tensor(value) for value in spec.weights["loop"])
        first.rc.weight.data = torch.cat([torch.eye(24), weight], 1)
        first.rc.bias.data = bias
        last = node(spec.populations[-1])
        return nn.Sequential(linear(spec, "fc1"), first, linear(spec, "out"), last)

    def run(self, module: nn.Module, x: Tensor) -> Tensor:
        """From a fresh state."""
        from spikingjelly.activation_based import functional  # noqa: TID251

        functional.reset_net(module)
        return run_stepwise(module, x)

    def write(self, module: nn.Module, spec: Spec, path: Path) -> None:
        """``export_to_nir``."""
        from spikingjelly.activation_based import functional  # noqa: TID251
        from spikingjelly.activation_based.nir_exchange import export_to_nir  # noqa: TID251

        functional.reset_net(module)
        export_to_nir(module, torch.zeros(1, *spec.shape), save_path=path, dt=self.dt)

    def read(self, path: Path, dt: float, *, soft: bool) -> Run:
        """``import_from_nir``, told the dt of the file."""
        from spikingjelly.activation_based.nir_exchange import import_from_nir  # noqa: TID251

        module = import_from_nir(path, dt=dt)
        return lambda x: run_with_state(module, x)


@dataclass(frozen=True)
class NirTorch:
    """Plain torch through nirtorch; a map for the neuron, and for layers it has none for."""

    name: str = "nirtorch"
    dt: float = 1e-4

    def build(self, spec: Spec) -> nn.Module:
        """Plain torch."""
        return plain(spec)

    def run(self, module: nn.Module, x: Tensor) -> Tensor:
        """From the fresh module."""
        return run_stepwise(module, x)

    def write(self, module: nn.Module, spec: Spec, path: Path) -> None:
        """``torch_to_nir``."""
        import nirtorch

        shape = spec.shape[-2:]
        maps = {
            LIF: self._lif,
            Recurrent: self._recurrent,
            nn.Conv2d: lambda m: nir.Conv2d(
                shape, _array(m.weight), m.stride, m.padding, m.dilation, m.groups, _array(m.bias)
            ),
            nn.AvgPool2d: lambda m: nir.AvgPool2d(
                np.array(m.kernel_size), np.array(m.stride), np.zeros(2, np.int64)
            ),
            nn.Flatten: lambda m: nir.Flatten(
                {"input": np.array([4, 4, 4])}, start_dim=m.start_dim, end_dim=m.end_dim
            ),
        }
        nir.write(path, nirtorch.torch_to_nir(module, maps))

    def _lif(self, m: LIF) -> nir.LIF:
        beta = _array(m.beta)
        zero = np.zeros_like(beta)
        return nir.LIF(
            tau=self.dt / (1 - beta),
            r=1 / (1 - beta),
            v_leak=zero,
            v_threshold=_array(m.threshold),
            v_reset=zero,
        )

    def _recurrent(self, m: Recurrent) -> nir.NIRGraph:
        size = np.array([m.loop.in_features])
        nodes = {
            "input": nir.Input(size),
            "lif": self._lif(m.lif),
            "loop": nir.Affine(_array(m.loop.weight), _array(m.loop.bias)),
            "output": nir.Output(size),
        }
        wires = [("input", "lif"), ("lif", "loop"), ("loop", "lif"), ("lif", "output")]
        return nir.NIRGraph(nodes, wires)

    def read(self, path: Path, dt: float, *, soft: bool) -> Run:
        """``nir_to_torch``, told the dt of the file."""
        import nirtorch

        module = nirtorch.nir_to_torch(nir.read(path), {nir.LIF: lambda n: _from_lif(n, dt)})
        return lambda x: run_with_state(module, x)


def _from_lif(node: nir.LIF, dt: float) -> LIF:
    """Euler, as NIR's own equation has it; it says nothing about a soft reset."""
    beta = (1 - dt / node.tau).astype(np.float32)
    gain = (node.r * dt / node.tau).astype(np.float32)
    return LIF(Population(beta, node.v_threshold.astype(np.float32), gain=gain))


def _assemble(spec: Spec, neuron: Callable[[Population], nn.Module]) -> nn.Module:
    """Plain layers with neurons of a framework between them."""
    first, *rest = (neuron(p) for p in spec.populations)
    if spec.kind == "convolution":
        flat = nn.Flatten(-3, -1)
        return nn.Sequential(
            convolution(spec), first, nn.AvgPool2d((2, 2)), flat, linear(spec, "fc2"), *rest
        )
    if spec.kind == "residual":
        layers = {name: linear(spec, name) for name in ("fc1", "fc2", "out")}
        return Residual(layers | {"lif1": first, "lif2": rest[0], "lif3": rest[1]})
    return nn.Sequential(linear(spec, "fc1"), first, linear(spec, "out"), *rest)


_SPIKINGJELLY = (
    "spikingjelly.activation_based.layer",
    "spikingjelly.activation_based.nir_exchange",
)


def _array(value: Tensor) -> np.ndarray:
    return value.detach().numpy()


def import_all() -> None:
    """Import every library; what they say then is about no network."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("snntorch.export_nir", "norse.torch", "nirtorch", *_SPIKINGJELLY):
            import_module(name)


def versions() -> dict[str, str]:
    """Of everything whose behaviour the page shows."""
    names = ("nir", "nirtorch", "norse", "snntorch", "spikingjelly", "torch", "numpy")
    return {name: version(name) for name in names}
