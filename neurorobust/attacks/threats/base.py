"""What every threat model is: a budget, bounds, and the grid of the sensor."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from neurorobust.attacks.draws import Draws
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array, Header
from neurorobust.names import known_name

TOLERANCE = 1e-9
"""Room for the rounding of grid values, in units of the input range."""

THREATS: dict[str, type["Threat"]] = {}
"""Threat models by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threat(ABC):
    """A budget per sample, within the bounds, on values that the sensor can give.

    Attributes:
        epsilon: The budget, in ``unit``.
        bounds: Legal input range.
        levels: Values between the bounds, both included (256 for 8 bits); None is continuous.
    """

    name: ClassVar[str]
    unit: ClassVar[str]

    epsilon: float
    bounds: tuple[float, float] = (0.0, 1.0)
    levels: int | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Not super(): a slotted dataclass is made twice, and the cell names the first one.
        if "name" in vars(cls):
            THREATS[cls.name] = cls

    @classmethod
    def of(cls, header: Header, epsilon: float, **budgets: Any) -> Self:
        """The threat on a model's own input range and sensor."""
        return cls(epsilon=epsilon, bounds=header.bounds, levels=header.levels, **budgets)

    @property
    def step(self) -> float:
        """Distance between two values of the sensor; 0 without a grid."""
        return 0.0 if self.levels is None else (self.bounds[1] - self.bounds[0]) / (self.levels - 1)

    @abstractmethod
    def project(self, x: Tensor, clean: Tensor) -> Tensor:
        """The nearest point in budget and bounds; it need not be on the grid."""

    @abstractmethod
    def legalise(self, x: Tensor, clean: Tensor) -> Tensor:
        """A point near ``x`` that the sensor can also give; ``clean`` must lie on the grid."""

    @abstractmethod
    def size(self, x: Tensor, clean: Tensor) -> Tensor:
        """How much of the budget each sample uses, in ``unit``, shape (B,)."""

    @abstractmethod
    def violations(self, x: Tensor, clean: Tensor) -> int:
        """Number of values (or samples) outside budget, bounds or grid."""

    @abstractmethod
    def random(self, clean: Tensor, draws: Draws) -> Tensor:
        """A random point of the budget: the start of attacks, and the noise floor."""

    def parameters(self) -> dict[str, Any]:
        """Name and fields, for records and cache keys."""
        return {"name": self.name} | {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    def outside(self, x: Tensor) -> Tensor:
        """Where values are out of bounds or off the grid."""
        low, high = self.bounds
        slack = TOLERANCE * (high - low)
        bad = (x < low - slack) | (x > high + slack)
        if self.levels is not None:
            code = (x - low) / self.step
            bad |= (code - code.round()).abs() > 1e-4
        return bad

    def codes(self, x: Array) -> Array:
        """Grid values as whole numbers from 0: what an image or event file stores.

        Raises:
            InvalidInput: without a grid.
        """
        if self.levels is None:
            msg = f"{self.name}: values without a sensor grid have no codes; state levels"
            raise InvalidInput(msg)
        kind = np.min_scalar_type(self.levels - 1)
        codes: Array = np.rint((x - self.bounds[0]) / self.step).astype(kind)
        return codes

    def values(self, codes: Array) -> Array:
        """Input values of codes; ``values(codes(x)) == x`` to the last bit for legal ``x``."""
        low, high = self.bounds
        found: Array = low + codes.astype(np.float64) * (high - low) / ((self.levels or 2) - 1)
        return found

    def on_grid(self, code: Tensor) -> Tensor:
        """Values of codes in 0..levels - 1."""
        low, high = self.bounds
        top = (self.levels or 2) - 1
        # A division, not a product with the step: the same arithmetic that made the clean values.
        return low + code.clamp(0, top) * (high - low) / top


def make_threat(record: Mapping[str, Any]) -> Threat:
    """The threat of a record made by ``parameters``.

    Raises:
        InvalidInput: if no threat has this name, or the record does not fit it.
    """
    fields = dict(record)
    name = str(fields.pop("name", "linf"))
    kind = THREATS[known_name(name, sorted(THREATS), "threat model")]
    try:
        return kind(**fields | {"bounds": tuple(fields["bounds"])})
    except (KeyError, TypeError) as error:
        msg = f"{name}: the record {dict(record)} does not fit it ({error})"
        raise InvalidInput(msg) from error


def per_sample(values: Tensor, x: Tensor) -> Tensor:
    """Shape (B,) made to broadcast over (B, ...)."""
    return values.view(-1, *[1] * (x.ndim - 1))


def norm(x: Tensor) -> Tensor:
    """Euclidean length per sample, (B,)."""
    length: Tensor = torch.linalg.vector_norm(x.flatten(1), dim=1)
    return length
