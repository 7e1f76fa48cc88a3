"""Attacks by name: every module of ``optimisers`` and ``events`` is a place for one."""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from neurorobust.attacks import events, optimisers
from neurorobust.attacks.base import ATTACKS, Attack, GradientAttack
from neurorobust.engine.estimators import Estimator, estimator_of
from neurorobust.errors import InvalidInput
from neurorobust.methods import make, needed
from neurorobust.names import known_name

for _package in (optimisers, events):
    for _module in iter_modules(_package.__path__, f"{_package.__name__}."):
        import_module(_module.name)


def _by_name() -> dict[str, type[Attack]]:
    """Attacks that are not made from another."""
    return {name: k for name, k in sorted(ATTACKS.items()) if set(needed(k)) <= {"gradient"}}


def attack_names() -> tuple[str, ...]:
    """Attacks that ``make_attack`` knows."""
    return tuple(_by_name())


def make_attack(name: str, gradient: Estimator | str | None = None, **parameters: Any) -> Attack:
    """An attack by name.

    Args:
        name: See ``attack_names``; case, hyphens and underscores do not matter.
        gradient: Estimator or its name; needed by attacks with gradients, and by no other.
        parameters: Of the attack.

    Raises:
        InvalidInput: for an unknown name or parameter, or a missing or needless estimator.
    """
    known = _by_name()
    found = known_name(name, known, "attack")
    needs = issubclass(known[found], GradientAttack)
    if needs != (gradient is not None):
        has = "needs a gradient estimator, for example 'rga'" if needs else "takes no gradient"
        raise InvalidInput(f"attack {name!r} {has}")
    first = () if gradient is None else (estimator_of(gradient),)
    return make(known, "attack", found, *first, **parameters)
