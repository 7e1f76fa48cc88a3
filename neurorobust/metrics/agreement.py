"""Do two backends compute the same: decision by decision, and spike by spike."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from neurorobust.errors import InvalidInput
from neurorobust.metrics.intervals import Proportion
from neurorobust.metrics.samples import CLEAN, Column, block, columns_of, sets_of

Array = npt.NDArray[Any]

AGREEMENT_COLUMNS: dict[str, type[pl.DataType]] = {
    "set": pl.String,
    "rung": pl.String,
    "backend": pl.String,
    "against": pl.String,
    "node": pl.String,
    "depth": pl.Int64,
    "values": pl.Int64,
    "differing": pl.Int64,
    "samples": pl.Int64,
    "samples_differing": pl.Int64,
    "first_sample": pl.Int64,
    "first_step": pl.Int64,
    "first_neuron": pl.Int64,
    "membrane": pl.Float64,
    "threshold": pl.Float64,
    "distance": pl.Float64,
}
"""Columns of ``agreement.parquet``: the keys of a comparison, then ``SpikeComparison``."""


def decision_agreement(
    outcomes: pl.DataFrame, set_: str = CLEAN, columns: Iterable[Column] | None = None
) -> dict[tuple[Column, Column], Proportion]:
    """Share of equal decisions for every ordered pair of columns, right or wrong alike.

    Raises:
        InvalidInput: if no compared column has the set; choose another set.
    """
    compared = block(outcomes, set_, columns)
    equal = (compared.decisions[:, None] == compared.decisions[None]).sum(axis=2)
    n = len(compared.samples)
    return {
        (a, b): Proportion(int(equal[i, j]), n)
        for i, a in enumerate(compared.columns)
        for j, b in enumerate(compared.columns)
    }


def identical_columns(
    outcomes: pl.DataFrame, columns: Iterable[Column] | None = None
) -> tuple[tuple[Column, ...], ...]:
    """Group the columns that have the same sets and decide alike on every common sample of each."""
    compared = columns_of(outcomes) if columns is None else tuple(columns)
    traces: dict[Column, list[tuple[str, bytes]]] = {column: [] for column in compared}
    for key in sets_of(outcomes):
        if set(columns_of(outcomes, key.set)).isdisjoint(compared):
            continue
        shared = block(outcomes, key.set, compared)
        for column, decided in zip(shared.columns, shared.decisions, strict=True):
            traces[column].append((key.set, decided.tobytes()))
    groups: dict[tuple[tuple[str, bytes], ...], list[Column]] = {}
    for column, trace in traces.items():
        groups.setdefault(tuple(trace), []).append(column)
    return tuple(tuple(group) for group in groups.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeComparison:
    """Spikes of one node on two backends: a row of ``agreement.parquet``.

    Attributes:
        node: Name of the spiking node.
        depth: Its place in the order of execution.
        values: Spike values compared.
        differing: Of these, how many differ.
        samples: Samples compared.
        samples_differing: Of these, how many differ anywhere in this node.
        first_sample: Where the node first differs, by step, then sample, then neuron; or None.
        first_step: Its step.
        first_neuron: Its flat index in the node.
        membrane: Membrane there before reset, in the second run, if known.
        threshold: Threshold there, if known.
        distance: ``membrane - threshold``, if both are known; tiny where rounding decides.
    """

    node: str
    depth: int
    values: int
    differing: int
    samples: int
    samples_differing: int
    first_sample: int | None = None
    first_step: int | None = None
    first_neuron: int | None = None
    membrane: float | None = None
    threshold: float | None = None
    distance: float | None = None

    def row(self, *, set_: str, rung: str, backend: str, against: str) -> dict[str, Any]:
        """The row with its key columns."""
        return {"set": set_, "rung": rung, "backend": backend, "against": against} | asdict(self)


def compare_spikes(
    a: Mapping[str, Array],
    b: Mapping[str, Array],
    *,
    order: Sequence[str],
    membrane: Mapping[str, Array] | None = None,
    thresholds: Mapping[str, Array] | None = None,
    samples: Sequence[int] | None = None,
) -> tuple[SpikeComparison, ...]:
    """Compare two runs value by value and locate where they first part.

    Args:
        a: Spikes per node, shape (B, T, ...).
        b: Spikes of the run compared against, the same nodes and shapes.
        order: Nodes in the order of execution; all nodes of ``a`` and ``b`` must be in it.
        membrane: Membrane before reset of run ``b`` per node, shape (B, T, ...), where known.
        thresholds: Threshold per node, a scalar or one that broadcasts to the node's shape.
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
    return tuple(
        _compare_node(
            name,
            np.asarray(a[name]),
            np.asarray(b[name]),
            depth=depth,
            membrane=(membrane or {}).get(name),
            threshold=(thresholds or {}).get(name),
            samples=samples,
        )
        for depth, name in enumerate(order)
        if name in a
    )


def first_divergence(compared: Iterable[SpikeComparison]) -> SpikeComparison | None:
    """Where two runs part first: the earliest step, then the earliest node, sample and neuron.

    Later and deeper differences are consequences; this one is the cause.
    """
    parted = [c for c in compared if c.first_step is not None]
    return min(parted, key=_when, default=None)


def _when(compared: SpikeComparison) -> tuple[int, int]:
    return compared.first_step or 0, compared.depth


def _compare_node(
    name: str,
    a: Array,
    b: Array,
    *,
    depth: int,
    membrane: Array | None,
    threshold: Array | None,
    samples: Sequence[int] | None,
) -> SpikeComparison:
    if a.shape != b.shape or a.ndim < 2:
        msg = (
            f"{name}: spikes have shapes {a.shape} and {b.shape}; both must be the same (B, T, ...)"
        )
        raise InvalidInput(msg)
    if samples is not None and len(samples) != len(a):
        msg = f"{name}: {len(samples)} sample indices for {len(a)} samples; give one for each"
        raise InvalidInput(msg)
    differs = (a != b).reshape(*a.shape[:2], -1)
    located: dict[str, Any] = {}
    if differs.any():
        step = int(differs.any(axis=(0, 2)).argmax())
        sample = int(differs[:, step].any(axis=1).argmax())
        neuron = int(differs[sample, step].argmax())
        located = {
            "first_sample": sample if samples is None else int(samples[sample]),
            "first_step": step,
            "first_neuron": neuron,
            "membrane": _at(membrane, a.shape, (sample, step, neuron)),
            "threshold": _at(threshold, a.shape, (sample, step, neuron)),
        }
        if located["membrane"] is not None and located["threshold"] is not None:
            located["distance"] = located["membrane"] - located["threshold"]
    return SpikeComparison(
        node=name,
        depth=depth,
        values=differs.size,
        differing=int(differs.sum()),
        samples=len(a),
        samples_differing=int(differs.any(axis=(1, 2)).sum()),
        **located,
    )


def _at(values: Array | None, shape: tuple[int, ...], place: tuple[int, int, int]) -> float | None:
    if values is None:
        return None
    whole = np.broadcast_to(np.asarray(values, dtype=np.float64), shape)
    sample, step, neuron = place
    return float(whole[sample, step].reshape(-1)[neuron])
