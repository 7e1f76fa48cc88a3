"""Random torch networks around any framework's neurons: dense and convolutional, with skips."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from neurorobust.formats.modules import from_module
from tests.support.import_cases.compare import Case

STEPS = 10
Advance = Callable[[nn.Module, torch.Tensor, Any], tuple[torch.Tensor, Any]]
MakeCell = Callable[["Draw", tuple[int, ...], bool], nn.Module]


@dataclass
class Draw:
    """Draws; on the grid every sum is exact in single precision and ties are common."""

    rng: np.random.Generator
    grid: bool

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, *values):
        return values[int(self.rng.integers(len(values)))]

    def whole(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def tensor(self, low: float, high: float, shape=()) -> torch.Tensor:
        values = np.asarray(self.rng.uniform(low, high, shape))
        return torch.tensor(np.round(values * 8) / 8 if self.grid else values).float()

    def decay(self, shape=()) -> torch.Tensor:
        if self.grid:
            return torch.tensor(self.rng.choice([0.0, 0.5, 0.5, 1.0], shape)).float()
        return self.tensor(0.3, 0.98, shape)

    def spread(self, shape):
        """One for all, one per channel, or one per neuron."""
        return self.pick((), (shape[0], *(1,) * (len(shape) - 1)), shape)

    def fill(self, layer: nn.Module) -> nn.Module:
        """Weights under which neurons are neither silent nor saturated."""
        with torch.no_grad():
            fan_in = layer.weight[0].numel()
            scale = 2.0 ** round(np.log2(fan_in) / 2)
            values = self.tensor(-1.2, 2.2, tuple(layer.weight.shape)) / scale
            layer.weight.copy_((values * 4).round() / 4 if self.grid else values)
            if layer.bias is not None:
                layer.bias.copy_(self.tensor(-0.2, 0.3, tuple(layer.bias.shape)))
        return layer


@dataclass(eq=False)
class Plan:
    """Stages of maps and cells; ``skips[i]`` adds the output of stage i-1 to the drive of i."""

    shape: tuple[int, ...]
    maps: list[list[nn.Module]]
    cells: list[nn.Module]
    skips: list[str | None]


def plan(draw: Draw, make: MakeCell, *, chain: bool, readout: nn.Module | None = None) -> Plan:
    """A convolutional front or none, then one or two dense stages, then three classes."""
    maps: list[list[nn.Module]] = []
    cells: list[nn.Module] = []
    skips: list[str | None] = []
    shape = draw.pick((draw.whole(3, 8),), (2, 6, 5), (2, 9))
    start = shape
    if len(shape) > 1:
        layer = _conv(draw, shape)
        stage: list[nn.Module] = [layer]
        out = tuple(layer(torch.zeros(1, *shape)).shape[1:])
        if not draw.grid and draw.chance(0.5):
            stage.append(_norm(draw, out))
        if len(out) == 3 and draw.chance(0.6) and min(out[1:]) >= 2:
            pool = draw.pick(nn.AvgPool2d, nn.MaxPool2d)(2, stride=draw.pick(1, 2))
            stage.append(pool)
            out = tuple(pool(torch.zeros(1, *out)).shape[1:])
        maps.append(stage)
        cells.append(make(draw, out, False))
        skips.append(None)
        shape = out
    into: list[nn.Module] = [nn.Flatten()] if len(shape) > 1 else []
    width = int(np.prod(shape))
    for index in range(draw.whole(1, 2)):
        skip = None
        out_width = draw.whole(4, 8)
        if index and not chain and draw.chance(0.6):
            skip, out_width = draw.pick("+", "add", "+=", "iadd"), width
        stage = [*into, draw.fill(nn.Linear(width, out_width, bias=draw.chance(0.7)))]
        if draw.chance(0.2):
            stage.append(nn.Dropout(0.3).eval())
        maps.append(stage)
        cells.append(make(draw, (out_width,), False))
        skips.append(skip)
        into, width = [], out_width
    maps.append([draw.fill(nn.Linear(width, 3))])
    cells.append(readout or make(draw, (3,), True))
    skips.append(None)
    return Plan(start, maps, cells, skips)


class Stepped(nn.Module):
    """States passed on by hand: one step per call, or a loop over (T, B, ...)."""

    def __init__(self, stages: Plan, advance: Advance, *, loop: bool) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Sequential(*stage) for stage in stages.maps)
        self.cells = nn.ModuleList(stages.cells)
        self.skips, self.advance, self.loop = stages.skips, advance, loop

    def step(self, x, states):
        states, dtype = list(states), x.dtype
        for i, (layers, cell, skip) in enumerate(
            zip(self.maps, self.cells, self.skips, strict=True)
        ):
            drive = layers(x)
            if skip == "+":
                drive = drive + x
            elif skip == "add":
                drive = torch.add(x, drive)
            elif skip == "+=":
                drive += x
            elif skip == "iadd":
                drive = operator.iadd(drive, x)
            x, states[i] = self.advance(cell, drive, states[i])
            x = x.to(dtype)
        return x, states

    def forward(self, x, states):
        states = [None] * len(self.cells) if states is None else states
        if not self.loop:
            return self.step(x, states)
        seen = []
        for t in range(x.shape[0]):
            out, states = self.step(x[t], states)
            seen.append(out)
        return torch.stack(seen)


def _conv(draw: Draw, shape):
    kind = nn.Conv2d if len(shape) == 3 else nn.Conv1d
    options = {
        "stride": draw.pick(1, 2),
        "padding": draw.pick(0, 1),
        "dilation": draw.pick(1, 2),
        "groups": draw.pick(1, 2),
        "bias": draw.chance(0.7),
    }
    return draw.fill(kind(2, 2 * draw.whole(1, 2), draw.pick(1, 2), **options))


def _norm(draw: Draw, shape):
    layer = (nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d)(shape[0])
    with torch.no_grad():
        layer.running_mean.copy_(draw.tensor(-0.2, 0.2, shape[:1]))
        layer.running_var.copy_(draw.tensor(0.5, 2.0, shape[:1]))
        layer.weight.copy_(draw.tensor(0.5, 1.5, shape[:1]))
        layer.bias.copy_(draw.tensor(-0.2, 0.4, shape[:1]))
    return layer.eval()


def case(
    stages: Plan,
    chained: Callable[..., nn.Module] | None,
    advance: Advance,
    kinds,
    run: Callable[[nn.Module, torch.Tensor], object],
    *,
    dtype: torch.dtype,
    loop: bool = False,
    ready: Callable[[nn.Module], object] = lambda module: None,
    **given,
) -> Case:
    """A module of these stages and its Graph.

    Args:
        stages: Maps and cells.
        chained: What holds them one behind the other; None passes states on by hand.
        advance: One step of a cell with its state in hand.
        kinds: Classes of cells.
        run: Fresh start, then all steps of (T, B, ...).
        dtype: Of all weights.
        loop: Whether the module itself loops over the steps.
        ready: Is given the module before it is imported.
        given: To ``from_module``.
    """
    pairs = zip(stages.maps, stages.cells, strict=True)
    layers = [layer for stage, cell in pairs for layer in (*stage, cell)]
    module = chained(*layers) if chained else Stepped(stages, advance, loop=loop)
    module = module.to(dtype)
    ready(module)
    told = {"input_shape": stages.shape, "dt_s": 1e-3, "steps": STEPS, "coding": "events"}
    graph = from_module(module, **told | given)
    cells = {}
    for path, part in module.named_modules():
        if isinstance(part, kinds):
            names = (path, f"lif{path}", f"li{path}")
            cells[next(name for name in names if name in graph.nodes)] = part
    return Case(module, graph, partial(run, module), cells)
