"""What every node is: a frozen record of NumPy arrays that knows its shape law and its faults."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Arithmetic = Literal["float", "integer"]

KINDS: dict[str, type["Node"]] = {}
"""Node classes by the name under which they are saved."""

NodeT = TypeVar("NodeT", bound="Node")


class ShapeError(ValueError):
    """An input shape that a node cannot take."""


def array(default: Any = ...) -> Any:
    """Declare a dataclass field that holds a NumPy array (or None where that is the default)."""
    if default is ...:
        return field(metadata={"array": True})
    return field(default=default, metadata={"array": True})


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Node:
    """Base of all nodes. Arrays are made read-only copies, so that a node never changes."""

    spiking: ClassVar[bool] = False
    """Whether the output is spikes (non-negative integer counts per step)."""
    arithmetic: ClassVar[Arithmetic | None] = "float"
    """Numbers the node computes with; None fits both."""
    stateful: ClassVar[bool] = False
    """Whether the output depends on earlier steps."""
    population: ClassVar[bool] = False
    """Whether the arrays are parameters of neurons, which broadcast to the population."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super(Node, cls).__init_subclass__(**kwargs)
        KINDS[cls.__name__] = cls

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if f.metadata.get("array") and value is not None:
                frozen = np.array(value, order="C", copy=True)
                frozen = frozen.astype(frozen.dtype.newbyteorder("="), copy=False)
                frozen.flags.writeable = False
                object.__setattr__(self, f.name, frozen)

    @property
    def kind(self) -> str:
        """The name of the node's class, as used in files and messages."""
        return type(self).__name__

    def arrays(self) -> dict[str, Array]:
        """Arrays of the node by field name; absent ones are left out."""
        named = ((f.name, getattr(self, f.name)) for f in fields(self) if f.metadata.get("array"))
        return {name: value for name, value in named if value is not None}

    def attributes(self) -> dict[str, Any]:
        """Fields of the node that are not arrays."""
        return {f.name: getattr(self, f.name) for f in fields(self) if not f.metadata.get("array")}

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of one sample at one step, without batch and time.

        Raises:
            ShapeError: if the node cannot take an input of this shape.
        """
        return input_shape

    def faults(self) -> Iterable[str]:
        """What is wrong with the parameters, independent of the node's place in a network."""
        for name, value in self.arrays().items():
            if not value.size:
                yield f"{name} is empty, shape {value.shape}; every axis must be at least 1"
            if value.dtype.kind == "f" and value.dtype.itemsize <= 8:
                if not np.isfinite(value).all():
                    bad = int((~np.isfinite(value)).sum())
                    yield f"{name} has {bad} value(s) that are NaN or infinite"
            elif value.dtype.kind not in "iu":
                yield f"{name} has dtype {value.dtype}; allowed are floats and integers, to 64 bits"


def per_neuron_fault(name: str, value: Array | None, shape: Shape) -> str | None:
    """The fault of a neuron parameter that does not broadcast against its population, if any."""
    if value is None:
        return None
    try:
        if np.broadcast_shapes(value.shape, shape) == shape:
            return None
    except ValueError:
        pass
    return (
        f"{name} has shape {value.shape}, which does not broadcast to the population {shape}; "
        "give a scalar, one value per channel as (C, 1, 1), or the full shape"
    )


def windows(
    size: Shape,
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    *,
    ceil: bool = False,
) -> Shape:
    """Number of window positions per axis: ``floor((n + 2p - d(k-1) - 1) / s) + 1``.

    Raises:
        ShapeError: if no window fits.
    """
    out = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        span = n + 2 * p - d * (k - 1) - 1
        if span < 0:
            msg = f"kernel {kernel} (dilation {dilation}) exceeds the padded input {size}"
            raise ShapeError(msg)
        steps = -(-span // s) if ceil else span // s
        # A window may not start in the right padding (the rule of torch for ceil mode).
        if ceil and steps * s >= n + p:
            steps -= 1
        out.append(steps + 1)
    return tuple(out)


def geometry_faults(**values: Shape) -> Iterable[str]:
    """Faults of window parameters: padding is at least 0, the others at least 1."""
    for name, value in values.items():
        least = 0 if name == "padding" else 1
        if any(v < least for v in value):
            yield f"{name} is {value}; every entry must be at least {least}"
