"""Attacks by name."""

from typing import Any

from neurorobust.attacks.base import ATTACKS, Attack, GradientAttack
from neurorobust.attacks.targeted import Targeted
from neurorobust.attacks.transferred import Transferred
from neurorobust.engine.estimators import Estimator, make_estimator
from neurorobust.errors import InvalidInput

WRAPPERS = (Targeted, Transferred)
"""Made from another attack, so not by name."""


def attack_names() -> tuple[str, ...]:
    """Attacks that ``make_attack`` knows."""
    return tuple(sorted(name for name, kind in ATTACKS.items() if not issubclass(kind, WRAPPERS)))


def make_attack(name: str, gradient: Estimator | str | None = None, **parameters: Any) -> Attack:
    """An attack by name.

    Args:
        name: See ``attack_names``.
        gradient: Estimator or its name; needed by attacks with gradients, and by no other.
        parameters: Of the attack.

    Raises:
        InvalidInput: for an unknown name or parameter, or a missing or needless estimator.
    """
    if name not in attack_names():
        msg = f"no attack is named {name!r}; known are {', '.join(attack_names())}"
        raise InvalidInput(msg)
    kind = ATTACKS[name]
    needs = issubclass(kind, GradientAttack)
    if needs != (gradient is not None):
        has = "needs a gradient estimator, for example 'rga'" if needs else "takes no gradient"
        msg = f"attack {name!r} {has}"
        raise InvalidInput(msg)
    try:
        if gradient is None:
            return kind(**parameters)
        estimator = make_estimator(gradient) if isinstance(gradient, str) else gradient
        return kind(estimator, **parameters)  # type: ignore[call-arg]
    except TypeError as error:
        msg = f"attack {name!r}: {error}"
        raise InvalidInput(msg) from error
