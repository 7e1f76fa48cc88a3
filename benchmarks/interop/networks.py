"""Six networks, each in two sets of parameters, with inputs; and the law they are stated in.

The set ``random`` has continuous weights, decays and inputs. In ``ties`` weights and inputs lie on
a grid and decays are 1/2, so that membranes often equal the threshold.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

STEPS, BATCH, CLASSES = 50, 4, 10
SETS = ("random", "ties")
NAMES = (
    "fully connected",
    "convolution and pooling",
    "soft reset",
    "recurrent",
    "residual",
    "heterogeneous parameters",
)


@dataclass(frozen=True)
class Population:
    """Parameters of neurons, each in the full shape of the population.

    Law: ``h = beta v + gain x``, ``s = h > threshold`` (or ``>=``), then reset to 0 or by the
    threshold; ``gain`` is 1 but for what a reader may make of it.
    """

    beta: np.ndarray
    threshold: np.ndarray
    soft: bool = False
    gain: np.ndarray | None = None
    compare: str = ">"


@dataclass(frozen=True)
class Spec:
    """A network, in words that each framework is built from.

    Attributes:
        name: One of ``NAMES``.
        shape: Of the input at one step.
        weights: Weight and bias per layer, float32.
        populations: In order.
    """

    name: str
    shape: tuple[int, ...]
    weights: dict[str, tuple[np.ndarray, np.ndarray]]
    populations: tuple[Population, ...]

    @property
    def kind(self) -> str:
        """How layers are wired: ``chain``, ``convolution``, ``recurrent`` or ``residual``."""
        short = {"convolution and pooling": "convolution"}
        wired = {"recurrent": "recurrent", "residual": "residual"} | short
        return wired.get(self.name, "chain")

    def with_populations(self, **changes: object) -> "Spec":
        """The same with some fields of all populations replaced."""
        return replace(self, populations=tuple(replace(p, **changes) for p in self.populations))


def spec_of(name: str, kind: str) -> Spec:
    """One of the six networks in the set ``random`` or ``ties``."""
    rng = np.random.default_rng([NAMES.index(name), SETS.index(kind)])
    ties = kind == "ties"

    def layer(*shape: int) -> tuple[np.ndarray, np.ndarray]:
        fan_in = int(np.prod(shape[1:]))
        weight = rng.uniform(-1.0, 1.2, shape) * (2.0 if ties else 1.5) / np.sqrt(fan_in)
        bias = rng.uniform(-0.05, 0.1, shape[0])
        if ties:
            weight, bias = np.round(weight * 16) / 16, np.round(bias * 16) / 16
        return weight.astype(np.float32), bias.astype(np.float32)

    def population(*shape: int) -> Population:
        beta, threshold = np.full(shape, 0.5 if ties else 0.9), np.ones(shape)
        if name == "heterogeneous parameters":
            beta = rng.choice([0.5, 0.75], shape) if ties else rng.uniform(0.6, 0.95, shape)
            threshold = rng.choice([0.5, 1.0], shape) if ties else rng.uniform(0.6, 1.4, shape)
        return Population(
            beta.astype(np.float32), threshold.astype(np.float32), soft=name == "soft reset"
        )

    if name == "convolution and pooling":
        weights = {"conv": layer(4, 2, 3, 3), "fc2": layer(CLASSES, 64)}
        return Spec(name, (2, 8, 8), weights, (population(4, 8, 8), population(CLASSES)))
    weights = {"fc1": layer(24, 20)}
    populations = [population(24)]
    if name == "residual":
        weights["fc2"] = layer(24, 24)
        populations.append(population(24))
    if name == "recurrent":
        weight, bias = layer(24, 24)
        weights["loop"] = (weight - weight.mean().round(1), bias)
    weights["out"] = layer(CLASSES, 24)
    return Spec(name, (20,), weights, (*populations, population(CLASSES)))


def inputs(spec: Spec, kind: str) -> Tensor:
    """A stimulus (T, B, ...), float32."""
    rng = np.random.default_rng(7)
    size = (STEPS, BATCH, *spec.shape)
    values = rng.integers(0, 3, size) / 2 if kind == "ties" else rng.uniform(0, 0.6, size)
    return torch.tensor(values, dtype=torch.float32)


class LIF(nn.Module):
    """A population in plain torch; its state stays in the module."""

    def __init__(self, p: Population) -> None:
        super().__init__()
        self.beta, self.threshold = torch.tensor(p.beta), torch.tensor(p.threshold)
        self.gain = None if p.gain is None else torch.tensor(p.gain, dtype=torch.float32)
        self.soft, self.compare, self.v = p.soft, p.compare, torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        """Spikes of one step."""
        h = self.beta * self.v + (x if self.gain is None else self.gain * x)
        s = (h > self.threshold if self.compare == ">" else h >= self.threshold).to(h.dtype)
        self.v = h - self.threshold * s if self.soft else h * (1 - s)
        return s


class Recurrent(nn.Module):
    """A population that also gets its own spikes of the step before, through weights."""

    def __init__(self, lif: nn.Module, loop: nn.Linear) -> None:
        super().__init__()
        self.lif, self.loop = lif, loop
        self.s = torch.zeros(loop.in_features)

    def forward(self, x: Tensor) -> Tensor:
        """Spikes of one step."""
        self.s = self.lif(x + self.loop(self.s))
        return self.s


class Residual(nn.Module):
    """``s3(out(s1 + s2(fc2(s1))))`` with ``s1`` the first population, of ``fc1(x)``."""

    def __init__(self, layers: dict[str, nn.Module]) -> None:
        super().__init__()
        for name, module in layers.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        """One step."""
        first = self.lif1(self.fc1(x))
        second = self.lif2(self.fc2(first))
        return self.lif3(self.out(first + second))


def linear(spec: Spec, name: str, kind: type[nn.Linear] = nn.Linear) -> nn.Linear:
    """A layer of the network with its weights."""
    weight, bias = (torch.tensor(value) for value in spec.weights[name])
    module = kind(weight.shape[1], weight.shape[0])
    module.weight.data, module.bias.data = weight, bias
    return module


def convolution(spec: Spec, kind: type[nn.Conv2d] = nn.Conv2d) -> nn.Conv2d:
    """The convolution of the network."""
    weight, bias = (torch.tensor(value) for value in spec.weights["conv"])
    module = kind(weight.shape[1], weight.shape[0], (3, 3), padding=(1, 1))
    module.weight.data, module.bias.data = weight, bias
    return module


def plain(spec: Spec) -> nn.Module:
    """The network in plain torch."""
    first, *rest = (LIF(p) for p in spec.populations)
    if spec.kind == "convolution":
        flat = nn.Flatten(-3, -1)
        return nn.Sequential(
            convolution(spec), first, nn.AvgPool2d((2, 2)), flat, linear(spec, "fc2"), *rest
        )
    if spec.kind == "residual":
        layers = {name: linear(spec, name) for name in ("fc1", "fc2", "out")}
        return Residual(layers | {"lif1": first, "lif2": rest[0], "lif3": rest[1]})
    if spec.kind == "recurrent":
        first = Recurrent(first, linear(spec, "loop"))
    return nn.Sequential(linear(spec, "fc1"), first, linear(spec, "out"), *rest)


@torch.no_grad()
def run_stepwise(module: nn.Module, x: Tensor) -> Tensor:
    """Spikes (T, B, classes) of a module that keeps its state in itself."""
    return torch.stack([module(frame) for frame in x])


@torch.no_grad()
def run_with_state(module: nn.Module, x: Tensor) -> Tensor:
    """The same of a module that takes and returns its state."""
    spikes, state = [], None
    for frame in x:
        s, state = module(frame, state)
        spikes.append(s)
    return torch.stack(spikes)
