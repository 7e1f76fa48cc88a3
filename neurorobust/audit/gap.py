"""Whether one set of broken samples is larger than another, sample by sample."""

from dataclasses import dataclass
from fractions import Fraction
from math import comb

import numpy as np

from neurorobust.audit.card import Status
from neurorobust.ir import Array

CHANCE = 0.01
"""A difference counts if chance alone gives it less often than this."""
POINTS = 0.05
"""And if it is larger than this share of the samples."""
NOTED = 0.01
"""A difference above this is told."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Samples that one breaks and the other does not.

    Attributes:
        only_first: Broken by the first alone.
        only_second: Broken by the second alone.
        n: Samples.
    """

    only_first: int
    only_second: int
    n: int

    @property
    def rate(self) -> float:
        """How much more the first breaks, as a share of the samples."""
        return (self.only_first - self.only_second) / self.n if self.n else 0.0

    @property
    def p(self) -> float:
        """One-sided sign test: that chance gives the first so many of the discordant samples."""
        pairs = self.only_first + self.only_second
        tail = sum(comb(pairs, k) for k in range(self.only_first, pairs + 1))
        return float(Fraction(tail, 2**pairs))

    @property
    def status(self) -> Status:
        """Red if the first clearly breaks more, amber if it breaks more at all."""
        if self.rate > POINTS and self.p < CHANCE:
            return Status.RED
        return Status.AMBER if self.rate > NOTED else Status.GREEN

    def evidence(self, first: str, second: str) -> dict[str, float | int]:
        """The numbers under the names of both."""
        return {
            f"only {first}": self.only_first,
            f"only {second}": self.only_second,
            "samples": self.n,
            "difference": self.rate,
            "p": self.p,
        }


def gap(first: Array, second: Array) -> Gap:
    """Compare two masks of broken samples, bool (B,) each."""
    only_first = int(np.count_nonzero(first & ~second))
    return Gap(only_first, int(np.count_nonzero(second & ~first)), len(first))
