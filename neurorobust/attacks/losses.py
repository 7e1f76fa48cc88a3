"""What attacks maximise, per sample; every loss has an untargeted and a targeted form.

With scores ``z``, label ``y``, wanted class ``t`` and the sorted scores ``z_(1) >= z_(2) >= ...``:

===========  ========================================  ==========================================
loss         untargeted                                targeted
===========  ========================================  ==========================================
ce           ``-log softmax(z)_y``                     ``log softmax(z)_t``
margin       ``max_{j != y} z_j - z_y``                ``z_t - max_{j != t} z_j``
dlr          ``-(z_y - max_{j != y} z_j) / (z_(1) -    ``-(z_y - z_t) / (z_(1) - (z_(3) +
             z_(3))``                                  z_(4)) / 2)``
===========  ========================================  ==========================================

Reference: Croce, Hein, Reliable evaluation of adversarial robustness with an ensemble of diverse
parameter-free attacks, ICML 2020 (dlr).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""Of scores (B, classes), labels (B,) and wanted classes (B,) or None, per sample (B,)."""

TIE = 1e-12
"""Denominators up to this count as a tie of the largest scores."""


def cross_entropy(scores: Tensor, y: Tensor, wanted: Tensor | None) -> Tensor:
    """Of the label, or minus that of the wanted class."""
    if wanted is None:
        return F.cross_entropy(scores, y, reduction="none")
    return -F.cross_entropy(scores, wanted, reduction="none")


def margin(scores: Tensor, y: Tensor, wanted: Tensor | None) -> Tensor:
    """Above 0 where the attack has reached its end; with one class there is no other: 0."""
    favoured = y if wanted is None else wanted
    own = scores.gather(1, favoured[:, None])[:, 0]
    if scores.shape[1] == 1:
        return own - own
    others = scores.scatter(1, favoured[:, None], -torch.inf).amax(1)
    return others - own if wanted is None else own - others


def difference_of_logits_ratio(scores: Tensor, y: Tensor, wanted: Tensor | None) -> Tensor:
    """The margin free of scale; the plain margin with too few classes and at ties.

    Scores of few steps are quantised. The largest three are often equal, and so are often all but
    the label's: then the ratio is -1 whatever the label's score, and only the margin has a gradient
    by it. Its gradient is taken there, the value stays.
    """
    plain = margin(scores, y, wanted)
    needed = 3 if wanted is None else 4
    if scores.shape[1] < needed:
        return plain
    top = scores.topk(needed, dim=1).values
    if wanted is None:
        range_, gap = top[:, 0] - top[:, 2], plain
    else:
        range_ = top[:, 0] - (top[:, 2] + top[:, 3]) / 2
        gap = (scores.gather(1, wanted[:, None]) - scores.gather(1, y[:, None]))[:, 0]
    tied = range_ <= TIE
    level = (gap + range_).abs() <= TIE
    range_ = torch.where(level, range_.detach(), range_)
    return torch.where(tied, plain, gap / torch.where(tied, 1.0, range_))


LOSSES: dict[str, Loss] = {"ce": cross_entropy, "margin": margin, "dlr": difference_of_logits_ratio}
"""Losses by name."""
