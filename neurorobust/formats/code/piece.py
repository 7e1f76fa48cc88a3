"""One node in generated code."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from neurorobust.errors import Unsupported
from neurorobust.formats.code.text import literal, sizes
from neurorobust.ir import LI, LIF, Array, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The source of one node.

    Attributes:
        make: Lines of the constructor.
        start: Lines before the first step, which make the state.
        step: Lines of one step.
        out: The name or expression that then holds the output.
        tensors: What the weights file holds for it, by key.
        imports: Import lines.
        helpers: Functions and classes beside the network, by name.
    """

    make: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    step: tuple[str, ...] = ()
    out: str
    tensors: Mapping[str, Array] = field(default_factory=dict)
    imports: tuple[str, ...] = ()
    helpers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Parameters:
    """Parameters beside those that a node's module keeps: numbers in place, arrays as buffers.

    Attributes:
        identifier: Of the node.
        make: Lines that register the buffers.
        tensors: The buffers.
    """

    identifier: str
    make: list[str] = field(default_factory=list)
    tensors: dict[str, Array] = field(default_factory=dict)

    def __call__(self, field_name: str, value: Array) -> str:
        """The expression of a parameter in a method of the network."""
        value = np.asarray(value, np.float32)
        if not value.ndim:
            return literal(value)
        key = f"{self.identifier}_{field_name}"
        if key not in self.tensors:
            self.tensors[key] = value
            zeros = f"torch.zeros({sizes(value.shape)})"
            self.make.append(f'self.register_buffer("{key}", {zeros})')
        return f"self.{key}"

    def piece(
        self,
        make: Iterable[str],
        start: Iterable[str],
        step: Iterable[str],
        out: str,
        tensors: Mapping[str, Array],
        *,
        imports: Iterable[str] = (),
    ) -> Piece:
        """The source of the node; its own parameters come behind what makes its module."""
        return Piece(
            make=(*make, *self.make),
            start=tuple(start),
            step=tuple(step),
            out=out,
            tensors={**tensors, **self.tensors},
            imports=tuple(imports),
        )

    def gained(self, x: str, field_name: str, gain: Array) -> str:
        """An input times its gain, where that is not 1."""
        if (gain == 1).all():
            return x
        factor = self(field_name, gain)
        return f"({x}) * {factor}" if " + " in x else f"{x} * {factor}"

    def begin(self, field_name: str, value: Array, shape: Shape) -> str:
        """The expression of a state before the first step."""
        if not value.any():
            return f"x.new_zeros(batch, {sizes(shape)})"
        start = self(field_name, value)
        if start.startswith("self."):
            return f"{start}.expand(batch, {sizes(shape)})"
        return f"x.new_full((batch, {sizes(shape)}), {start})"


def require_one_spike(name: str, node: LIF | LI, neurons: str) -> None:
    """Refuse a population that may fire several spikes in one step."""
    if isinstance(node, LIF) and node.max_spikes > 1:
        raise Unsupported(
            f"{name}: max_spikes is {node.max_spikes}; {neurons} fire at most once per step, "
            "so it has no exact form there"
        )


def entering(identifier: str, x: str) -> tuple[tuple[str, ...], str]:
    """A line of its own for an input that is more than a name, and the name then."""
    if " " not in x:
        return (), x
    return (f"in_{identifier} = {x}",), f"in_{identifier}"
