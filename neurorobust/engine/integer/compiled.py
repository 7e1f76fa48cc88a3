"""Nodes on the CPU, through the compiled loops. Images are kept with their channels last."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from neurorobust.engine.integer import kernels
from neurorobust.engine.integer.neurons import NeuronLaw
from neurorobust.engine.integer.products import Synapse, shifts
from neurorobust.engine.integer.spans import SpanTable
from neurorobust.engine.integer.trace import Counters, Watched
from neurorobust.ir import Array, FixedConv2d, FixedDense, Shape
from neurorobust.ir.fixed import FixedDelayDense, FixedNeuron

SPARSE = 1 / 64
"""Share of weights other than 0 below which a matrix is followed entry by entry."""


def channels_last(values: Array, shape: Shape) -> Array:
    """Values of a population (..., N), from C order to the order of the loops."""
    if len(shape) != 3:
        return values
    split = values.reshape(*values.shape[:-1], *shape)
    return np.ascontiguousarray(np.moveaxis(split, -3, -1)).reshape(values.shape)


def channels_first(values: Tensor, shape: Shape) -> Tensor:
    """The other way round."""
    if len(shape) != 3:
        return values
    images: Tensor = values.unflatten(-1, (*shape[1:], shape[0]))
    return images.movedim(-1, -3).flatten(-3)


Loop = Callable[[Array | None, Array, Array, range], None]
"""A loop with its tables: sums on their way, inputs, outputs, steps."""
Law = tuple[bool, int, int]
"""Whether any input is one spike, and the bits by which sums go up and then down."""


class CompiledSynapse:
    """A synapse of any kind; values are (B, T or 1, N).

    Args:
        node: Its law.
        shape: Of the input.
        arriving: Largest magnitude of an input.
    """

    dtype = torch.int32

    def __init__(self, node: FixedDense | FixedConv2d, shape: Shape, arriving: int) -> None:
        self.counting = Synapse(node, shape, arriving, torch.device("cpu"))
        self.shape, self.out_shape = shape, node.output_shape(shape)
        self.depth = 0
        whole = isinstance(node, FixedConv2d) and self.counting.fits  # the shifts then do nothing
        law = self.counting.single, *((0, 0) if whole else shifts(node))
        if isinstance(node, FixedDelayDense):
            self.depth = int(node.delay.max()) + 1
        self.loop = _loop(node, self.shape, self.out_shape, law)

    def takes(self, *, watched: bool) -> None:
        """Any integers."""

    def rest(self, samples: int) -> Array | None:
        """Sums on their way, if synapses have delays."""
        if not self.depth:
            return None
        return np.zeros((samples, self.depth, *self.out_shape), np.int32)

    def advance(
        self, state: Array | None, x: Tensor, out: Tensor, steps: range, seen: Watched
    ) -> None:
        """Fill ``out`` in these steps, by exact products where lost bits may have to be counted."""
        if seen.counters is None or self.counting.fits:
            self.loop(state, x.numpy(), out.numpy(), steps)
            return
        natural = torch.empty_like(out)
        given = channels_first(x, self.shape)
        self.counting.advance(None, given, natural, steps, seen)
        here = slice(steps.start, steps.stop)
        out[:, here] = torch.from_numpy(channels_last(natural[:, here].numpy(), self.out_shape))


def _loop(node: FixedDense | FixedConv2d, shape: Shape, out_shape: Shape, law: Law) -> Loop:
    """The loop that suits a synapse."""
    if isinstance(node, FixedConv2d):
        return _spans(SpanTable.of_convolution(node, shape, out_shape), law)
    matrix = node.effective_weight
    weight = np.ascontiguousarray(matrix.T, dtype=np.int16)
    if isinstance(node, FixedDelayDense):
        delays, which = np.unique(node.delay, return_inverse=True)
        slots = np.ascontiguousarray(which.reshape(matrix.shape).T, dtype=np.uint8)
        delays = delays.astype(np.int64)

        def delayed(pending: Array | None, x: Array, out: Array, steps: range) -> None:
            assert pending is not None  # noqa: S101  # ``rest`` gave it
            span = steps.start, steps.stop
            kernels.delayed(x, weight, slots, delays, *law, *span, pending, out)

        return delayed
    if np.count_nonzero(matrix) < SPARSE * matrix.size:
        return _spans(SpanTable.of_matrix(matrix), law)

    def dense(_pending: Array | None, x: Array, out: Array, steps: range) -> None:
        kernels.dense(x, weight, *law, steps.start, steps.stop, out)

    return dense


def _spans(table: SpanTable, law: Law) -> Loop:
    if (direct := table.direct()) is not None:
        weight, target = direct

        def scattered(_pending: Array | None, x: Array, out: Array, steps: range) -> None:
            kernels.scattered(x, weight, target, *law, steps.start, steps.stop, out)

        return scattered
    tables = (
        table.weight,
        table.place,
        table.channel,
        table.row_ends,
        table.rows,
        table.column_ends,
        table.columns,
    )

    def spans(_pending: Array | None, x: Array, out: Array, steps: range) -> None:
        kernels.spans(x, *tables, *law, steps.start, steps.stop, out)

    return spans


class CompiledPopulation:
    """One population of integer neurons; values are (B, T or 1, N).

    Args:
        node: Its law.
        shape: Of the population.
    """

    def __init__(self, node: FixedNeuron, shape: Shape) -> None:
        law = NeuronLaw.of(node, shape)
        rows = np.stack([*law.kept, law.bias, law.above, law.below])
        self.laws = np.ascontiguousarray(channels_last(rows, shape), dtype=np.int32)
        self.lasting = bool(self.laws[0].any())
        self.reset = node.reset_interval, node.reset_offset
        self.spiking = node.spiking
        self.dtype = torch.int8 if node.spiking else torch.int32

    def takes(self, *, watched: bool) -> torch.dtype:
        """Where something is watched, what arrives before it wraps; integrators are watched."""
        return torch.int64 if watched or not self.spiking else torch.int32

    def rest(self, samples: int) -> tuple[Array, Array]:
        """Current and membrane at the start."""
        u, v = np.zeros((2, samples, self.laws.shape[1]), np.int32)
        return u, v

    def advance(
        self, state: tuple[Array, Array], x: Tensor, out: Tensor, steps: range, seen: Watched
    ) -> None:
        """Fill ``out``, and what is ``seen``, in these steps; change the state."""
        counters, membrane = seen
        reset, span = self.reset, (steps.start, steps.stop)
        if self.spiking and counters is None and membrane is None:
            kernels.neurons(
                x.numpy(), *state, self.laws, self.lasting, *reset, *span, out.numpy(), *[None] * 3
            )
            return
        if not self.spiking:
            out, membrane = torch.empty(out.shape, dtype=torch.int8), out
        elif membrane is None:
            membrane = torch.empty(out.shape, dtype=torch.int32)
        if counters is None:
            counters = Counters.zeros(len(x), torch.device("cpu"))
        counts = counters.wrapped.numpy(), counters.saturated.numpy()
        filled = out.numpy(), membrane.numpy(), *counts
        kernels.neurons(x.numpy(), *state, self.laws, self.lasting, *reset, *span, *filled)


class ChannelsFirst:
    """The Flatten behind an image, whose order is that of images with their channels first.

    Args:
        shape: Of the image.
    """

    def __init__(self, shape: Shape, dtype: torch.dtype) -> None:
        self.shape, self.dtype = shape, dtype

    def takes(self, *, watched: bool) -> torch.dtype:
        """What it gives."""
        return self.dtype

    def rest(self, _samples: int) -> None:
        """No state."""

    def advance(self, _state: None, x: Tensor, out: Tensor, steps: range, seen: Watched) -> None:
        """Copy these steps."""
        kernels.channels_first(x.numpy(), self.shape[0], steps.start, steps.stop, out.numpy())
