"""The audit of many attacks: the strongest attack, where the outcome is least foregone."""

from typing import Any

from neurorobust.attacks import ATTACKS, Attack, GradientAttack, make_attack
from neurorobust.audit.card import EvaluationCard
from neurorobust.audit.run import audit
from neurorobust.engine.estimators import ESTIMATORS, Estimator, make_estimator
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput
from neurorobust.progress import Progress
from neurorobust.study.attack.run import Attacked, Trial


def audit_attacks(
    done: Attacked,
    *,
    limit: int,
    twin: Network | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> EvaluationCard:
    """Hold the attack with gradients that fooled most against the checks.

    It is audited with every estimator that it was run with, at the radius whose worst case is
    nearest to one half: where all or none survive, little can be told.

    Args:
        done: What was crafted.
        limit: Size of the slice.
        twin: For C10.
        seed: Of everything random.
        progress: Called as ``(check, done, total)``.

    Raises:
        InvalidInput: if no attack has gradients that can be made again, or as for
            ``audit``.
    """
    if not isinstance(done.network, Network):
        raise InvalidInput("a queried backend has no gradients to audit")
    worst, samples = done.worst, done.samples
    radius = min(worst, key=lambda at: abs(worst[at].rate - 0.5))
    known = [t for t in done.trials if t.attacks.epsilon == radius and _can_be_made(t)]
    if not known:
        msg = "no attack of it has a gradient by one estimator; add one, as pgd with rga"
        raise InvalidInput(msg)
    strongest = max(known, key=_strength).attacks.request["attack"]
    gradients = [
        _estimator(t.attacks.request["gradient"])
        for t in known
        if t.attacks.request["attack"] == strongest
    ]

    def make(estimator: Estimator) -> Attack:
        return make_attack(strongest["name"], estimator, **_parameters(strongest))

    return audit(
        done.network,
        samples.values,
        samples.labels,
        known[0].attacks.threat,
        gradients=gradients,
        attack=make,
        sample=samples.sample,
        twin=twin,
        limit=limit,
        seed=seed,
        progress=progress,
    )


def _strength(trial: Trial) -> tuple[float, float]:
    """Success, then effort: of equals the one that looked harder."""
    gradients = trial.attacks.gradients
    return trial.success.rate, 0.0 if gradients is None else float(gradients.mean())


def _can_be_made(trial: Trial) -> bool:
    """Whether attack and estimator follow from what is recorded."""
    request = trial.attacks.request
    kind, gradient = ATTACKS.get(request["attack"]["name"]), request["gradient"]
    nested = any(isinstance(value, dict | list) for value in gradient.values())
    known = gradient["name"] in ESTIMATORS and not nested
    return known and kind is not None and issubclass(kind, GradientAttack)


def _estimator(record: dict[str, Any]) -> Estimator:
    return make_estimator(record["name"], **_parameters(record))


def _parameters(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in ("name", "revision")}
