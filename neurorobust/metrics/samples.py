"""Which samples are compared: those that every compared backend has, set by set.

A backend may replay a subset (the real Lava simulator is slow). A rate over other samples than its
neighbour's says nothing about the backend, so every comparison starts from a ``Block``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from neurorobust.errors import InvalidInput

CLEAN = "clean"
_RUNGS = ("float", "quantised", "device")
_ATTACKS = ("none", "noise", "fgsm", "pgd")
_GRADIENTS = ("none", "stbp", "rga")


class Column(NamedTuple):
    """A backend on a rung: what is compared."""

    backend: str
    rung: str

    def __str__(self) -> str:
        return f"{self.backend} · {self.rung}"


class SetKey(NamedTuple):
    """A set of inputs: the clean ones or those of one attack.

    Attributes:
        set: ``clean`` or the start of the attack set's content hash.
        attack: ``none``, ``noise``, ``fgsm``, ``pgd``.
        gradient: ``none``, ``stbp``, ``rga``.
        epsilon: Radius of the L∞ ball in units of the input range.
    """

    set: str
    attack: str
    gradient: str
    epsilon: float


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Decisions of several columns on the same samples.

    Attributes:
        columns: The C columns compared.
        samples: Indices in the test set, ascending, shape (n,).
        labels: True classes, shape (n,).
        decisions: Decided classes, shape (C, n).
    """

    columns: tuple[Column, ...]
    samples: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    decisions: npt.NDArray[np.int64]

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Where the decision is the label, shape (C, n)."""
        right: npt.NDArray[np.bool_] = self.decisions == self.labels
        return right

    def restrict(self, samples: npt.NDArray[np.int64]) -> "Block":
        """The same columns on those of their samples that are also in ``samples``."""
        keep = np.isin(self.samples, samples)
        return Block(self.columns, self.samples[keep], self.labels[keep], self.decisions[:, keep])


def columns_of(outcomes: pl.DataFrame, set_: str | None = None) -> tuple[Column, ...]:
    """Columns in the table (in one set), by rung, then in order of appearance."""
    rows = outcomes if set_ is None else outcomes.filter(pl.col("set") == set_)
    found = rows.select("backend", "rung").unique(maintain_order=True).rows()
    return tuple(sorted((Column(*row) for row in found), key=lambda c: _rank(_RUNGS, c.rung)))


def sets_of(outcomes: pl.DataFrame) -> tuple[SetKey, ...]:
    """Sets in the table: clean, noise, then by attack, gradient and epsilon."""
    found = outcomes.select("set", "attack", "gradient", "epsilon").unique().rows()
    keys = (SetKey(*row) for row in found)
    return tuple(
        sorted(
            keys,
            key=lambda k: (
                k.set != CLEAN,
                _rank(_ATTACKS, k.attack),
                _rank(_GRADIENTS, k.gradient),
                k.epsilon,
                k.set,
            ),
        )
    )


def block(outcomes: pl.DataFrame, set_: str, columns: Iterable[Column] | None = None) -> Block:
    """Decisions on the samples common to all the columns that have this set.

    Args:
        outcomes: One row per sample × set × backend × rung.
        set_: ``clean`` or an attack set.
        columns: What is compared; all by default. Those without the set are left out.

    Raises:
        InvalidInput: if none of the columns has the set; choose another set.
    """
    rows = outcomes.filter(pl.col("set") == set_)
    here = columns_of(rows)
    chosen = here if columns is None else tuple(c for c in columns if c in here)
    if not chosen:
        msg = f"set {set_!r}: no compared backend has it; the sets are {_listed(outcomes)}"
        raise InvalidInput(msg)
    parts = [
        rows.filter((pl.col("backend") == c.backend) & (pl.col("rung") == c.rung)).sort("sample")
        for c in chosen
    ]
    indices = [part["sample"].to_numpy() for part in parts]
    samples = reduce(np.intersect1d, indices)
    at = [np.searchsorted(index, samples) for index in indices]
    return Block(
        columns=chosen,
        samples=samples,
        labels=parts[0]["label"].to_numpy()[at[0]],
        decisions=np.stack(
            [part["decision"].to_numpy()[i] for part, i in zip(parts, at, strict=True)]
        ),
    )


def _rank(order: Sequence[str], name: str) -> tuple[int, str]:
    return (order.index(name), "") if name in order else (len(order), name)


def _listed(outcomes: pl.DataFrame) -> str:
    return ", ".join(key.set for key in sets_of(outcomes)) or "none"
