"""What a network is shown: values per sample and step."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from neurorobust.errors import InvalidInput
from neurorobust.ir import Array, Model


@dataclass(frozen=True, slots=True, eq=False)
class Stimulus:
    """Encoded input, before the preprocessing of the model's header.

    Attributes:
        values: Shape (B, T, ...), or (B, 1, ...) where every step shows the same.
        steps: Number of steps T.
    """

    values: Array
    steps: int

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: slice) -> "Stimulus":
        return Stimulus(self.values[index], self.steps)

    def chunks(self, size: int) -> Iterator["Stimulus"]:
        """All samples in order, ``size`` at a time; of no samples one part without any."""
        return (self[start : start + size] for start in range(0, max(len(self), 1), size))

    @property
    def static(self) -> bool:
        """Whether every step shows the same."""
        return bool(self.values.shape[1] == 1)


def encode(
    model: Model,
    samples: Array,
    *,
    steps: int | None = None,
    rng: np.random.Generator | None = None,
) -> Stimulus:
    """Turn samples into a stimulus by the input coding of the model.

    Args:
        model: Its header states coding, bounds and T.
        samples: ``direct`` and ``bernoulli``: (B, ...) values within the bounds. ``events``:
            (B, T, ...).
        steps: Overrides the header's T (direct and bernoulli).
        rng: Source of the spikes; needed by ``bernoulli``.

    Raises:
        InvalidInput: for anything but an array of numbers, a wrong shape, values that are not
            finite or out of bounds, or no ``rng``.
    """
    header, shape = model.header, model.input_shape
    steps = header.steps if steps is None else steps
    timed = header.coding == "events"
    if not isinstance(samples, np.ndarray) or samples.dtype.kind not in "biuf":
        what = f"an array of {samples.dtype}" if isinstance(samples, np.ndarray) else type(samples)
        raise InvalidInput(f"samples are {what}; pass a NumPy array of real numbers")
    if samples.shape[1 + timed :] != shape or samples.ndim != len(shape) + 1 + timed:
        axes = "B, T, ..." if timed else "B, ..."
        raise InvalidInput(
            f"samples have shape {samples.shape}; the model takes ({axes}) with {shape} at the end"
        )
    if not np.isfinite(samples).all():
        msg = f"samples have {int((~np.isfinite(samples)).sum())} value(s) that are NaN or infinite"
        raise InvalidInput(msg)
    low, high = header.bounds
    if samples.size and (samples.min() < low or samples.max() > high):
        raise InvalidInput(
            f"samples span {samples.min():g}..{samples.max():g}, the model takes "
            f"{low:g}..{high:g}; rescale them or state other bounds in the header"
        )
    if header.coding == "direct":
        return Stimulus(samples[:, None], steps)
    if timed:
        return Stimulus(samples, samples.shape[1])
    if rng is None:
        raise InvalidInput("bernoulli coding draws spikes: pass rng=np.random.default_rng(seed)")
    probability = (samples[:, None] - low) / (high - low)
    drawn = rng.random((len(samples), steps, *shape)) < probability
    return Stimulus(drawn.astype(samples.dtype), steps)
