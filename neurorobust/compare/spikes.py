"""Two runs, spike by spike: what differs, where samples first part, what rounding may excuse.

Whatever compares two runs counts and locates by this: conformance, self-checks, the lowering
report, the fuzzer, ``diff`` and replays. They differ in what they let rounding excuse.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
import polars as pl

from neurorobust.errors import InvalidInput
from neurorobust.ir import Array, Node, Shape, nearest_threshold, thresholds

Agreement = Literal["identical", "rounding", "systematic"]


def differences(a: Array, b: Array) -> Array:
    """Where the outputs (B, T, ...) of a node differ, as bool (B, T, n)."""
    return np.asarray(a != b).reshape(*a.shape[:2], -1)


def earliest(differs: Array) -> tuple[int, int, int]:
    """Sample, step and neuron of what differs first: by step, then sample, then neuron."""
    step = int(differs.any(axis=(0, 2)).argmax())
    sample = int(differs[:, step].any(axis=1).argmax())
    return sample, step, int(differs[sample, step].argmax())


def distance(node: Node | None, membrane: Array | None) -> Array | None:
    """From each membrane (B, T, ...) to the nearest at which spikes change, (B, T, n), signed.

    None where the membrane, or a threshold, is not known.
    """
    if node is None or membrane is None:
        return None
    threshold = nearest_threshold(node, membrane)
    if threshold is None:
        return None
    return np.asarray(membrane - threshold).reshape(*membrane.shape[:2], -1)


def closeness(node: Node, membrane: Array | None) -> Array | None:
    """The distance without sign, in units of max(1, threshold)."""
    found = distance(node, membrane)
    if found is None or membrane is None:
        return None
    units = [np.maximum(1, np.abs(threshold)) for threshold in thresholds(node)]
    unit = np.broadcast_to(np.minimum(units[0], units[-1]), membrane.shape[2:]).ravel()
    return np.asarray(np.abs(found) / unit)


@dataclass(frozen=True, slots=True)
class Height:
    """A membrane before reset, the threshold nearest to it, and their distance, where known."""

    membrane: float | None = None
    threshold: float | None = None
    distance: float | None = None


def height(node: Node | None, membrane: Array | None, shape: Shape, neuron: int) -> Height:
    """Of one neuron of a population at one step; without membrane its one threshold.

    Args:
        node: The neurons, where known.
        membrane: Of the population, where known.
        shape: Of the population.
        neuron: Flat index.
    """
    found = () if node is None else thresholds(node)
    threshold = found[0] if len(found) == 1 else None
    if node is not None and membrane is not None:
        threshold = nearest_threshold(node, membrane)
    h, nearest = (
        None if values is None else np.broadcast_to(values, shape).ravel()[neuron]
        for values in (membrane, threshold)
    )
    return Height(
        None if h is None else float(h),
        None if nearest is None else float(nearest),
        None if h is None or nearest is None else float(h - nearest),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Partings:
    """Where each sample first parts: at the earliest step, and there in the earliest node.

    Causes come before effects: what differs later or deeper may only have been handed on.

    Attributes:
        differs: Per node in the order of execution, bool (B, T, n); at least one.
        first: Per sample step and place of the node, (B, 2); step T where nothing differs.
    """

    differs: tuple[Array, ...]
    first: Array

    @classmethod
    def of(cls, differs: Sequence[Array]) -> "Partings":
        """From what differs, node by node."""
        by_step = np.stack([d.any(axis=2) for d in differs])  # (P, B, T)
        step = np.where(by_step.any(axis=2), by_step.argmax(axis=2), by_step.shape[2])
        return cls(tuple(differs), np.stack([step.min(axis=0), step.argmin(axis=0)], axis=1))

    @property
    def steps(self) -> int:
        """T."""
        return int(self.differs[0].shape[1])

    @property
    def samples(self) -> list[int]:
        """Those that part, in the order of time, then of execution."""
        found = ((*at, s) for s, at in enumerate(self.first.tolist()) if at[0] < self.steps)
        return [sample for _, _, sample in sorted(found)]

    def at(self, sample: int) -> Array:
        """Which neurons of its node differ where a sample first parts, bool (n,)."""
        step, place = self.first[sample]
        return np.asarray(self.differs[place][sample, step])

    def before(self) -> Array:
        """Steps before a sample's first difference, bool (B, T, 1)."""
        return np.asarray(np.arange(self.steps)[None, :, None] < self.first[:, :1, None])

    def beyond(self, near: Sequence[Array | None]) -> Array:
        """Samples that first part where rounding does not explain it, bool (B,).

        Args:
            near: Per node where rounding may flip a spike, bool (B, T, n); None for nowhere.
        """
        found = np.zeros(len(self.first), bool)
        for sample in self.samples:
            step, place = self.first[sample]
            excused = near[place]
            differs = self.at(sample)
            found[sample] = excused is None or (differs & ~excused[sample, step]).any()
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeComparison:
    """Spikes of one node in two runs: a row of ``agreement.parquet``.

    Attributes:
        node: Name of the spiking node.
        depth: Its place in the order of execution.
        values: Spike values compared.
        fired: Of these, how many are spikes in the second run: of 0 nothing is shown.
        differing: Of these, how many differ.
        samples: Samples compared.
        samples_differing: Of these, how many differ anywhere in this node.
        first_sample: Where the node first differs, by step, then sample, then neuron; or None.
        first_step: Its step.
        first_neuron: Its flat index in the node.
        membrane: Membrane there before reset, in the second run, if known.
        threshold: Threshold nearest to it, if known.
        distance: ``membrane - threshold``, if both are known; tiny where rounding decides.
    """

    node: str
    depth: int
    values: int
    fired: int
    differing: int
    samples: int
    samples_differing: int
    first_sample: int | None = None
    first_step: int | None = None
    first_neuron: int | None = None
    membrane: float | None = None
    threshold: float | None = None
    distance: float | None = None


_TYPES: Mapping[Any, type[pl.DataType]] = {
    str: pl.String,
    int: pl.Int64,
    int | None: pl.Int64,
    float | None: pl.Float64,
}
SPIKE_COLUMNS: dict[str, type[pl.DataType]] = {
    field.name: _TYPES[field.type] for field in fields(SpikeComparison)
}
"""Columns of a table of comparisons."""


def compare_spikes(
    a: Mapping[str, Array],
    b: Mapping[str, Array],
    *,
    order: Sequence[str],
    membrane: Mapping[str, Array] | None = None,
    nodes: Mapping[str, Node] | None = None,
    samples: Sequence[int] | None = None,
) -> tuple[SpikeComparison, ...]:
    """Compare two runs value by value and locate where they first part.

    Args:
        a: Spikes per node, shape (B, T, ...).
        b: Spikes of the run compared against, the same nodes and shapes.
        order: Nodes in the order of execution; all nodes of ``a`` and ``b`` must be in it.
        membrane: Membrane before reset of run ``b`` per node, shape (B, T, ...), where known.
        nodes: Neurons of run ``b``, which say at which membranes they fire.
        samples: Index in the test set of each of the B samples; 0..B-1 by default.

    Returns:
        One comparison per node, in order of execution.

    Raises:
        InvalidInput: if nodes or shapes differ, or a node is not in ``order``; record the same
            nodes on the same stimulus on both backends.
    """
    if set(a) != set(b):
        only = ", ".join(sorted(set(a) ^ set(b)))
        msg = f"spikes: only one of the two runs has {only}; record the same nodes on both"
        raise InvalidInput(msg)
    if unknown := sorted(set(a) - set(order)):
        msg = f"spikes: {', '.join(unknown)} not in the order of execution {', '.join(order)}"
        raise InvalidInput(msg)
    found = []
    for depth, name in enumerate(order):
        if name not in a:
            continue
        differs = _checked(name, np.asarray(a[name]), np.asarray(b[name]), samples)
        located: dict[str, Any] = {}
        if differs.any():
            sample, step, neuron = earliest(differs)
            located = {
                "first_sample": sample if samples is None else int(samples[sample]),
                "first_step": step,
                "first_neuron": neuron,
            }
            h = (membrane or {}).get(name)
            h = None if h is None else np.asarray(h)[sample, step]
            shape = np.shape(a[name])[2:]
            located |= asdict(height((nodes or {}).get(name), h, shape, neuron))
        found.append(
            SpikeComparison(
                node=name,
                depth=depth,
                values=differs.size,
                fired=int(np.count_nonzero(b[name])),
                differing=int(differs.sum()),
                samples=len(differs),
                samples_differing=int(differs.any(axis=(1, 2)).sum()),
                **located,
            )
        )
    return tuple(found)


def first_divergence(compared: Iterable[SpikeComparison]) -> SpikeComparison | None:
    """Where two runs part first: the earliest step, then the earliest node, sample and neuron.

    Later and deeper differences are consequences; this one is the cause.
    """
    parted = [c for c in compared if c.first_step is not None]
    return min(parted, key=lambda c: (c.first_step or 0, c.depth), default=None)


def _checked(name: str, a: Array, b: Array, samples: Sequence[int] | None) -> Array:
    if a.shape != b.shape or a.ndim < 2:
        raise InvalidInput(
            f"{name}: spikes have shapes {a.shape} and {b.shape}; both must be the same (B, T, ...)"
        )
    if samples is not None and len(samples) != len(a):
        msg = f"{name}: {len(samples)} sample indices for {len(a)} samples; give one for each"
        raise InvalidInput(msg)
    return differences(a, b)
