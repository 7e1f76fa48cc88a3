"""What is refused before any check runs: numbers that would be of something else."""

import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from neurorobust.audit.bench import Bench
from neurorobust.audit.evaluation import Evaluation
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array
from neurorobust.names import known_are

SAME = 1e-6
"""Relative difference up to which two radii are one: that of single precision."""


def aligned(evaluation: Evaluation) -> Evaluation:
    """The evaluation with its reported radii to the last bit of the audited one.

    Raises:
        InvalidInput: if samples, indices and reported results do not belong together, or none was
            reported at the radius of the threat.
    """
    x, epsilon = evaluation.x, evaluation.threat.epsilon
    if evaluation.sample.shape != (len(x),):
        msg = f"sample has shape {evaluation.sample.shape}; give one index for {len(x)} samples"
        raise InvalidInput(msg)
    reported = [
        replace(r, epsilon=epsilon) if math.isclose(r.epsilon, epsilon, rel_tol=SAME) else r
        for r in evaluation.reported
    ]
    for r in reported:
        claimed = None if r.fooled is None else np.shape(r.fooled)
        if np.shape(r.adversarial) != x.shape or claimed not in (None, (len(x),)):
            raise InvalidInput(
                f"reported at {r.epsilon:.4g}: adversarial has shape {np.shape(r.adversarial)}, "
                f"fooled {claimed}; the samples have {x.shape}, give one of each for all of them"
            )
    if reported and all(r.epsilon != epsilon for r in reported):
        radii = ", ".join(f"{r.epsilon:.6g}" for r in reported)
        msg = f"nothing was reported at the threat's radius {epsilon:.6g}, only at {radii}"
        raise InvalidInput(msg)
    return replace(evaluation, reported=reported)


def require_labels(y: Array, samples: int, classes: int) -> None:
    """Refuse labels that are no class of the model.

    Raises:
        InvalidInput: for another shape, numbers that are not whole, or out of range.
    """
    whole = np.issubdtype(y.dtype, np.integer) or y.dtype == bool
    if y.shape != (samples,) or not whole or y.min() < 0 or y.max() >= classes:
        raise InvalidInput(
            f"labels must be {samples} whole numbers in 0..{classes - 1}, got {y.dtype} of shape "
            f"{y.shape} with range {y.min()}..{y.max()}"
        )


def require_sound(bench: Bench, twin_hash: str, only: Collection[str], known: set[str]) -> None:
    """Refuse an audit that would answer another question than the one asked.

    Raises:
        InvalidInput: for unknown checks, an attack that the threat does not admit, bounds beyond
            those of the model, or a twin that is the model.
    """
    if unknown := sorted(set(only) - known):
        listed = sorted(known, key=lambda name: (len(name), name))
        raise InvalidInput(f"no check is named {unknown[0]!r}; {known_are(unknown[0], listed)}")
    threat, attack = bench.threat, bench.prototype
    if not isinstance(threat, attack.threats):
        admitted = ", ".join(sorted(kind.name for kind in attack.threats))
        raise InvalidInput(
            f"{attack.name} is not defined for the threat {threat.name}, only for {admitted}; "
            "name an attack that is, such as event_flips for event budgets"
        )
    (low, high), (least, most) = threat.bounds, bench.target.bounds
    if low < least or high > most:
        raise InvalidInput(
            f"the threat's bounds {threat.bounds} exceed those of the model, {bench.target.bounds}"
        )
    if twin_hash and twin_hash == bench.content_hash:
        msg = f"the twin is the model itself ({twin_hash[:12]}); train it from another seed"
        raise InvalidInput(msg)
