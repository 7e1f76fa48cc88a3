"""ASSG: a surrogate as sharp as each membrane is far from its threshold.

Per neuron, step and sample, moving averages over the calls of an attack follow the distance
``|u|``, ``u = h - threshold``, and its deviation::

    M <- b1 M + (1 - b1) |u|                M = 1 at first
    D <- b2 D + (1 - b2) | |u| - M |        D = 0 at first
    ds/dh = shape(u) of sharpness  a / (M + r D + 1e-4)

For the arctan, ``a = (2 / pi) tan(pi A)`` puts the fraction ``2 A`` of the surrogate's mass within
a distance of that size; the other shapes take ``a`` itself.

Reference: Wang, Zhao, Chen, Zhang, Zeng, Towards reliable evaluation of adversarial robustness for
spiking neural networks, 2025.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from neurorobust.engine.dynamics import Neuron
from neurorobust.engine.estimators.base import Estimator
from neurorobust.engine.estimators.shapes import arctan, gaussian, sigmoid, triangle
from neurorobust.engine.estimators.shapes import rectangle as _rectangle
from neurorobust.engine.estimators.temporal import Slope, TemporalSpikes
from neurorobust.engine.network import Network
from neurorobust.methods import option

FLOOR = 1e-4
"""Least distance, so that the sharpness stays finite."""


def rectangle(u: Tensor, width: float | Tensor) -> Tensor:
    """``1/2w`` where ``|u| < w``: the sharpness of a rectangle is that of half its base."""
    return _rectangle(u, 2 * width)


SHAPES = {f.__name__: f for f in (arctan, triangle, rectangle, sigmoid, gaussian)}
"""Shapes by name; their width is the inverse of the sharpness."""


@dataclass(slots=True, eq=False)
class _Memory:
    """What is kept from call to call, and whether it may change."""

    averages: "_Averages"
    learning: bool = True


@dataclass(frozen=True)
class Assg(Estimator):
    """Backpropagation through time with a sharpness per neuron, step and sample.

    It keeps the averages from call to call, as an attack moves over the same batch: ``reset``
    before each batch, ``select`` if samples are dropped or reordered, ``frozen`` around further
    draws at the same point. Another network, number of steps or batch size starts anew.

    Attributes:
        vanishing: ``A``, within 0..1/2; only for the arctan.
        sharpness: ``a``, above 0; only for the other shapes.
        surrogate: ``arctan``, ``triangle``, ``rectangle``, ``sigmoid`` or ``gaussian``.
        relax: ``r``, at least 0.
        beta1: ``b1``, in 0..1 without 1.
        beta2: ``b2``, in 0..1 without 1.
        detach_reset: Whether the gradient is kept from flowing through the reset.
    """

    name: ClassVar[str] = "assg"
    title: ClassVar[str] = "ASSG"
    family: ClassVar[str] = "temporal"
    cited: ClassVar[tuple[str, ...]] = ("wang2025towards",)

    vanishing: float = option(0.435, above=0, below=0.5)
    _: KW_ONLY
    sharpness: float = option(0.8, above=0, below=math.inf)
    surrogate: str = option("arctan", among=SHAPES)
    relax: float = option(1.5, low=0)
    beta1: float = option(0.9, low=0, below=1)
    beta2: float = option(0.9, low=0, below=1)
    detach_reset: bool = option(default=True)
    _memory: _Memory = field(
        default_factory=lambda: _Memory(_Averages()), init=False, repr=False, compare=False
    )

    def parameters(self) -> dict[str, Any]:
        """Without the size that its shape does not take."""
        unused = "sharpness" if self.surrogate == "arctan" else "vanishing"
        return {key: value for key, value in super().parameters().items() if key != unused}

    @property
    def numerator(self) -> float:
        """``a``."""
        if self.surrogate == "arctan":
            return 2 / math.pi * math.tan(math.pi * self.vanishing)
        return self.sharpness

    def scores(self, network: Network, x: Tensor, steps: int) -> Tensor:
        """Scores by the unrolled network; the averages move on, unless they are frozen."""
        origin = (network.graph.content_hash, network.like.dtype, steps, len(x))
        kept = self._memory
        if kept.averages.origin != origin:
            kept.averages = _Averages(origin)
        return network.run(x, steps, _AdaptiveSpikes(self, kept.averages, learn=kept.learning))

    def reset(self) -> None:
        """Forget the averages."""
        self._memory.averages = _Averages()

    def select(self, rows: Tensor) -> None:
        """Go on with these samples."""
        self._memory.averages = self._memory.averages.select(rows)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Leave the averages as they are."""
        before, self._memory.learning = self._memory.learning, False
        try:
            yield
        finally:
            self._memory.learning = before


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    distance: Tensor
    deviation: Tensor


class _Averages:
    """Moments by node and step, and of which network, number of steps and batch they are."""

    def __init__(self, origin: tuple[Any, ...] | None = None) -> None:
        self.origin = origin
        self.of: dict[tuple[str, int], _Moments] = {}

    def select(self, rows: Tensor) -> "_Averages":
        if self.origin is None:
            return self
        count = int(rows.sum()) if rows.dtype == torch.bool else len(rows)
        chosen = _Averages((*self.origin[:-1], count))
        chosen.of = {
            key: _Moments(kept.distance[rows], kept.deviation[rows])
            for key, kept in self.of.items()
        }
        return chosen


class _AdaptiveSpikes(TemporalSpikes):
    def __init__(self, rule: Assg, averages: _Averages, *, learn: bool) -> None:
        super().__init__(detach_reset=rule.detach_reset)
        self.rule, self.averages, self.learn = rule, averages, learn
        self.shape = SHAPES[rule.surrogate]
        self.at: dict[str, int] = {}

    def slope(self, name: str, neuron: Neuron, h: Tensor) -> Slope:
        rule, step = self.rule, self.at.get(name, 0)
        self.at[name] = step + 1
        moments = self.averages.of.get((name, step))
        if moments is None:
            moments = _Moments(torch.ones_like(h), torch.zeros_like(h))
        if self.learn:
            moments = self._moved(moments, (h - neuron.threshold).abs())
            self.averages.of[name, step] = moments
        width = (moments.distance + rule.relax * moments.deviation + FLOOR) / rule.numerator

        def slope(h: Tensor) -> Tensor:
            return self.shape(h - neuron.threshold, width)

        return slope

    def _moved(self, last: _Moments, distance: Tensor) -> _Moments:
        one, two = self.rule.beta1, self.rule.beta2
        mean = one * last.distance + (1 - one) * distance
        return _Moments(mean, two * last.deviation + (1 - two) * (distance - mean).abs())
