"""What is typed as ``pgd(steps=40),standard`` with ``rga,stbp``, as attacks and ensembles."""

from collections.abc import Mapping
from typing import Any

from neurorobust.attacks.base import ATTACKS, GradientAttack
from neurorobust.attacks.ensemble import ENSEMBLES, ensemble
from neurorobust.attacks.registry import attack_names, make_attack
from neurorobust.attacks.request import Crafter
from neurorobust.attacks.target import Scored
from neurorobust.attacks.transferred import Transferred
from neurorobust.engine.estimators import make_estimator
from neurorobust.errors import InvalidInput
from neurorobust.methods import spelled
from neurorobust.names import known_name


def crafters(attacks: str, gradients: str = "", twin: Scored | None = None) -> list[Crafter]:
    """Every attack, those with gradients once per estimator, and each of them from the twin too.

    Args:
        attacks: As ``pgd(steps=40),square``; ``fast`` and ``standard`` are ensembles.
        gradients: As ``rga,stbp(surrogate=arctan)``.
        twin: Independently trained on the same data.

    Raises:
        InvalidInput: for an unknown name or parameter, or attacks with gradients but no estimator.
    """
    named = spelled(gradients) if gradients.strip() else []
    estimators = [make_estimator(name, **given) for name, given in named]
    made: list[Crafter] = []
    for name, given in spelled(attacks):
        found = known_name(name, (*attack_names(), *ENSEMBLES), "attack")
        if found in ENSEMBLES:
            made.append(ensemble(found, twin=twin, **given))
            continue
        needs = issubclass(ATTACKS[found], GradientAttack)
        if needs and not estimators:
            raise InvalidInput(f"attack {name!r} needs a gradient estimator, for example rga")
        own = [make_attack(found, e, **given) for e in (estimators if needs else [None])]
        made += [*own, *(Transferred(attack, twin) for attack in own if twin and needs)]
    return made


def known_attacks(spelling: str) -> str:
    """An attack as it is spelled, if it can be made.

    Raises:
        InvalidInput: for an unknown name or parameter.
    """
    crafters(_one(spelling, "attack"), "rga")
    return spelling.strip()


def known_gradients(spelling: str) -> str:
    """An estimator as it is spelled, if it can be made.

    Raises:
        InvalidInput: for an unknown name or parameter.
    """
    ((name, given),) = spelled(_one(spelling, "gradient"))
    make_estimator(name, **given)
    return spelling.strip()


def takes_gradient(attack: str) -> bool:
    """Whether an attack, as it is spelled, is made with one estimator."""
    ((name, _),) = spelled(_one(attack, "attack"))
    found = known_name(name, (*attack_names(), *ENSEMBLES), "attack")
    return found not in ENSEMBLES and issubclass(ATTACKS[found], GradientAttack)


def split(spellings: str) -> list[str]:
    """The parts of a comma-separated list, without what is in brackets.

    Raises:
        InvalidInput: for brackets without their other half.
    """
    return [_spelt(name, given) for name, given in spelled(spellings)] if spellings.strip() else []


def _spelt(name: str, given: Mapping[str, Any]) -> str:
    inside = ",".join(f"{key}={value}" for key, value in given.items())
    return f"{name}({inside})" if inside else name


def _one(spelling: str, what: str) -> str:
    if len(spelled(spelling)) != 1:
        raise InvalidInput(f"{what} is {spelling!r}; give a list of single ones")
    return spelling
