"""What is typed as ``pgd(steps=40),standard`` with ``rga,stbp``, as attacks and ensembles."""

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
