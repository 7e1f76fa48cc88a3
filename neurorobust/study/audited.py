"""The audit of many attacks: the strongest attack, where the outcome is least foregone."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurorobust.attacks import ATTACKS, Attack, AttackSet, GradientAttack, make_attack
from neurorobust.audit.card import EvaluationCard
from neurorobust.audit.run import audit
from neurorobust.data import Samples
from neurorobust.engine.estimators import ESTIMATORS, Estimator, make_estimator
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput
from neurorobust.metrics.intervals import Proportion
from neurorobust.metrics.success import Right, conditional
from neurorobust.progress import Progress


def withstood(sets: Sequence[AttackSet]) -> dict[float, Right]:
    """Samples right when clean and under every attack, bool (B,), by radius.

    Args:
        sets: Of one network on the same samples.
    """
    found: dict[float, Right] = {}
    for made in sets:
        outcomes, at = made.outcomes, made.epsilon
        found[at] = found.get(at, outcomes.clean) & outcomes.attacked
    return dict(sorted(found.items()))


def success(made: AttackSet) -> Proportion:
    """Wrong under attack, of the samples right when clean."""
    return conditional(made.outcomes.clean, made.outcomes.attacked)


def audit_sets(
    network: Network,
    samples: Samples,
    sets: Sequence[AttackSet],
    *,
    twin: Network | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> EvaluationCard:
    """Hold the attack with gradients that fooled most against the checks.

    It is audited with every estimator that it was run with, at the radius whose worst case is
    nearest to one half: where all or none survive, little can be told.

    Args:
        network: What was attacked.
        samples: The slice.
        sets: What was crafted on it, on these samples and others.
        twin: For C10.
        seed: Of everything random.
        progress: Called as ``(check, done, total)``.

    Raises:
        InvalidInput: if no attack has gradients that can be made again, or as for ``audit``.
    """
    left = {at: float(np.mean(stood)) for at, stood in withstood(sets).items()}
    known = [made for made in sets if _can_be_made(made)]
    if not known:
        msg = "no attack of it has a gradient by one estimator; add one, as pgd with rga"
        raise InvalidInput(msg)
    radius = min((made.epsilon for made in known), key=lambda at: abs(left[at] - 0.5))
    known = [made for made in known if made.epsilon == radius]
    strongest = max(known, key=_strength).request["attack"]
    gradients = [
        _estimator(made.request["gradient"])
        for made in known
        if made.request["attack"] == strongest
    ]

    def make(estimator: Estimator) -> Attack:
        return make_attack(strongest["name"], estimator, **_parameters(strongest))

    return audit(
        network,
        samples.values,
        samples.labels,
        known[0].threat,
        gradients=gradients,
        attack=make,
        sample=samples.sample,
        twin=twin,
        limit=len(samples),
        seed=seed,
        progress=progress,
    )


def _strength(made: AttackSet) -> tuple[float, float]:
    """Success, then effort: of equals the one that looked harder."""
    gradients = made.gradients
    return success(made).rate, 0.0 if gradients is None else float(gradients.mean())


def _can_be_made(made: AttackSet) -> bool:
    """Whether attack and estimator follow from what is recorded."""
    request = made.request
    kind, gradient = ATTACKS.get(request["attack"]["name"]), request["gradient"]
    nested = any(isinstance(value, dict | list) for value in gradient.values())
    known = gradient["name"] in ESTIMATORS and not nested
    return known and kind is not None and issubclass(kind, GradientAttack)


def _estimator(record: dict[str, Any]) -> Estimator:
    return make_estimator(record["name"], **_parameters(record))


def _parameters(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in ("name", "revision")}
