"""Proportions that carry their count, so that no rate is printed without its interval and n."""

import math
from dataclasses import dataclass
from statistics import NormalDist

from neurorobust.errors import InvalidInput


def wilson(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion: inside 0..1, and honest near both ends and for small n.

    With ``p = count / n`` and ``z`` the two-sided normal quantile::

        (p + z²/2n ± z sqrt(p (1 - p)/n + z²/4n²)) / (1 + z²/n)

    Args:
        count: Successes, 0..n.
        n: Trials; 0 knows nothing and gives (0, 1).
        confidence: Coverage, between 0 and 1.

    Returns:
        Lower and upper bound, 0..1.

    Raises:
        InvalidInput: if the count is outside 0..n or the confidence outside 0..1; count again.

    Reference:
        Wilson 1927, J. Am. Stat. Assoc. 22:209; recommended by Newcombe 1998, Stat. Med. 17:857.
    """
    if not 0 <= count <= n:
        raise InvalidInput(
            f"proportion: count is {count}, it must lie in 0..n = {n}; count over the same samples"
        )
    if not 0 < confidence < 1:
        msg = f"interval: confidence is {confidence}, it must lie between 0 and 1; 0.95 is usual"
        raise InvalidInput(msg)
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p, spread = count / n, z * z / n
    half = z * math.sqrt(p * (1 - p) / n + spread / (4 * n))
    low = (p + spread / 2 - half) / (1 + spread)
    high = (p + spread / 2 + half) / (1 + spread)
    # Exact at the ends, where the formula leaves rounding residue of the order of 1e-17.
    return (0.0 if count == 0 else low), (1.0 if count == n else high)


@dataclass(frozen=True, slots=True, order=True)
class Proportion:
    """``count`` of ``n`` samples.

    Attributes:
        count: Samples with the property, 0..n.
        n: Samples asked.
    """

    count: int
    n: int

    def __post_init__(self) -> None:
        wilson(self.count, self.n)

    @property
    def rate(self) -> float:
        """``count / n``; NaN of no samples."""
        return self.count / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson 95 % interval."""
        return wilson(self.count, self.n)
