"""Attacks and estimators in one line of text: ``pgd(steps=40),sa-pgd``."""

from collections.abc import Mapping
from typing import Any

from neurorobust.attacks.base import ATTACKS, GradientAttack
from neurorobust.attacks.craft import Crafter
from neurorobust.attacks.ensemble import ensemble
from neurorobust.attacks.registry import attack_names, make_attack
from neurorobust.attacks.target import Scored
from neurorobust.attacks.transferred import Transferred
from neurorobust.engine.estimators import ESTIMATORS, Estimator, Mix, TimeExtended, make_estimator
from neurorobust.errors import InvalidInput
from neurorobust.names import known_name

ENSEMBLES = ("standard",)
_WORDS = {"true": True, "false": False, "none": None}


def spelled(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Names with their parameters, of a comma-separated list.

    Values are numbers, fractions as ``8/255``, ``true``, ``false``, ``none`` or words.

    Raises:
        InvalidInput: for an empty name, brackets without their other half, or a parameter without
            a value.
    """
    return [_one(part.strip()) for part in _split(text)]


def number(text: str) -> float:
    """``8/255`` or ``0.03``.

    Raises:
        InvalidInput: for anything else.
    """
    over, _, under = text.partition("/")
    try:
        return float(over) / float(under or 1)
    except (ValueError, ZeroDivisionError) as error:
        msg = f"{text!r} is no number; write it as 0.03 or 8/255"
        raise InvalidInput(msg) from error


def _split(text: str) -> list[str]:
    """Parts between the commas that are outside of brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if depth not in (0, 1):
            break
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    if depth:
        msg = f"{text!r}: a bracket lacks its other half; write pgd(steps=40),fgsm"
        raise InvalidInput(msg)
    return parts


def _one(text: str) -> tuple[str, dict[str, Any]]:
    name, _, inside = text.partition("(")
    if not name.strip() or (inside and not inside.endswith(")")):
        msg = f"{text!r} is no name with parameters; write pgd or pgd(steps=40)"
        raise InvalidInput(msg)
    parameters = {}
    for pair in filter(None, (p.strip() for p in inside.removesuffix(")").split(","))):
        key, is_, value = (part.strip() for part in pair.partition("="))
        if not (key and is_ and value):
            msg = f"{text!r}: {pair!r} is no parameter; write key=value, as steps=40"
            raise InvalidInput(msg)
        parameters[key] = _value(value)
    return name.strip(), parameters


def _value(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, number):
        try:
            return kind(text)
        except (ValueError, InvalidInput):
            continue
    return text


def make_gradient(name: str, parameters: Mapping[str, Any]) -> Estimator:
    """An estimator by its spelling; the members of a mixture are words joined by ``+``."""
    found, given = known_name(name, ESTIMATORS, "gradient estimator"), dict(parameters)
    if found == TimeExtended.name and isinstance(given.get("inner"), str):
        given["inner"] = make_gradient(given["inner"], {})
    if found == Mix.name and isinstance(given.get("members"), str):
        given["members"] = [make_gradient(member, {}) for member in given["members"].split("+")]
    try:
        return make_estimator(found, **given)
    except TypeError as error:
        raise InvalidInput(f"gradient {name!r}: {error}") from error


def crafters(attacks: str, gradients: str = "", twin: Scored | None = None) -> list[Crafter]:
    """Every attack, those with gradients once per estimator, and each of them from the twin too.

    Args:
        attacks: As ``pgd(steps=40),square``; ``standard`` is the ensemble.
        gradients: As ``rga,stbp(surrogate=arctan)``.
        twin: Independently trained on the same data.

    Raises:
        InvalidInput: for an unknown name or parameter, or attacks with gradients but no estimator.
    """
    named = spelled(gradients) if gradients.strip() else []
    estimators = [make_gradient(name, given) for name, given in named]
    made: list[Crafter] = []
    for name, given in spelled(attacks):
        found = known_name(name, (*attack_names(), *ENSEMBLES), "attack")
        if found in ENSEMBLES:
            made.append(_ensemble(found, given, twin))
            continue
        needs = issubclass(ATTACKS[found], GradientAttack)
        if needs and not estimators:
            msg = f"attack {name!r} needs a gradient estimator, for example rga"
            raise InvalidInput(msg)
        own = [make_attack(found, e, **given) for e in (estimators if needs else [None])]
        made += [*own, *(Transferred(attack, twin) for attack in own if twin and needs)]
    return made


def short(record: Mapping[str, Any]) -> str:
    """An attack or estimator as it is recorded, with the parameters that are not the usual ones."""
    given = {k: v for k, v in record.items() if k not in ("name", "revision", "gradient")}
    name = str(record["name"])
    if name == Transferred.name:
        return short(given["attack"])
    usual = _usual(name)
    changed = [f"{k}={_shown(v)}" for k, v in sorted(given.items()) if usual.get(k, ...) != v]
    return f"{name}({', '.join(changed)})" if changed else name


def _usual(name: str) -> Mapping[str, Any]:
    """Parameters where none were given; empty for what cannot be made without."""
    try:
        if name in ENSEMBLES:
            return ensemble().parameters()
        if name in ESTIMATORS:
            return make_estimator(name).parameters()
        needs = issubclass(ATTACKS[name], GradientAttack)
        return make_attack(name, "rga" if needs else None).parameters()
    except (InvalidInput, KeyError, TypeError):
        return {}


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return short(value)
    if isinstance(value, list | tuple):
        return "+".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _ensemble(name: str, given: dict[str, Any], twin: Scored | None) -> Crafter:
    try:
        return ensemble(name, twin=twin, **given)
    except TypeError as error:
        raise InvalidInput(f"attack {name!r}: {error}") from error
