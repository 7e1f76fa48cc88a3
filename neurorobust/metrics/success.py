"""The definitions of attack success that papers use; ``conditional`` is the canonical one here.

They differ by which samples are asked and in which direction errors count, so equal experiments
give different numbers. Every function takes where the clean and where the attacked decisions are
right, bool, shape (n,).
"""

import numpy as np
import numpy.typing as npt

from neurorobust.metrics.intervals import Proportion

Right = npt.NDArray[np.bool_]


def conditional(clean: Right, attacked: Right) -> Proportion:
    """Wrong under attack, of the samples right when clean (RGA, HART)."""
    return Proportion(int((clean & ~attacked).sum()), int(clean.sum()))


def unconditional(clean: Right, attacked: Right) -> Proportion:
    """Wrong under attack, of all samples; clean errors count as success (ASSG, Foolbox)."""
    return Proportion(int((~attacked).sum()), len(clean))


def relative_drop(clean: Right, attacked: Right) -> float:
    """``1 - attacked accuracy / clean accuracy``, net of samples set right (PDSG)."""
    return float((clean.sum() - attacked.sum()) / clean.sum()) if clean.any() else float("nan")


def absolute_drop(clean: Right, attacked: Right) -> float:
    """``clean accuracy - attacked accuracy`` (the adversarial loss of Sharmin et al.)."""
    return float(clean.mean() - attacked.mean()) if len(clean) else float("nan")
