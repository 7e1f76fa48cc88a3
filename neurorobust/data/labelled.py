"""Labelled samples, as attacks and audits take them."""

from dataclasses import dataclass

from neurorobust.ir import Array


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Samples of any data set, on their way to an attack.

    Attributes:
        name: For people.
        values: Shape (B, ...).
        label: Shape (B,).
        sample: Index of each in its data set, shape (B,).
        note: What limits the numbers, for example images from a lossy copy; empty if nothing does.
    """

    name: str
    values: Array
    label: Array
    sample: Array
    note: str = ""
