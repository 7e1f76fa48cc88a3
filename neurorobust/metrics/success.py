"""The definitions of attack success that papers use; ``conditional`` is the canonical one here.

They differ by which samples are asked and in which direction errors count, so equal experiments
give different numbers. All are derived from one table of outcomes per sample.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neurorobust.errors import InvalidInput
from neurorobust.metrics.intervals import Proportion

Right = npt.NDArray[np.bool_]

PRINTED = "conditional"
"""The definition behind every number that does not name another."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Outcomes:
    """One attack on n samples.

    Attributes:
        clean: Where the clean decision is right, bool, shape (n,).
        attacked: Where the decision on the returned, legal sample is right, bool, shape (n,).
        every: Where the decisions on all legal iterates are right, bool, shape (n,), if recorded.
        reached: Where the class that a targeted attack wanted is decided, bool, shape (n,), if the
            attack was targeted.
        changed: Values or bins that the attack changed (L0), shape (n,), if counted.
    """

    clean: Right
    attacked: Right
    every: Right | None = None
    reached: Right | None = None
    changed: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        for name in ("clean", "attacked", "every", "reached", "changed"):
            value, kind = getattr(self, name), np.integer if name == "changed" else np.bool_
            if value is None:
                continue
            if value.shape != self.clean.shape or not np.issubdtype(value.dtype, kind):
                raise InvalidInput(
                    f"outcomes: {name} is {value.dtype} of shape {value.shape}; it must be "
                    f"{kind.__name__} of {self.clean.shape}"
                )

    @property
    def fooled(self) -> Right:
        """Right when clean, wrong under attack, (n,)."""
        found: Right = self.clean & ~self.attacked
        return found


@dataclass(frozen=True, slots=True)
class Rate:
    """A success rate under one definition.

    Attributes:
        name: Of the definition.
        value: The rate, or a difference of rates; NaN where nothing was asked.
        proportion: Its counts, where it is a share of samples.
    """

    name: str
    value: float
    proportion: Proportion | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """How a paper counts.

    Attributes:
        name: Used in every table.
        text: What is counted, of what.
        used_by: Papers and libraries.
        derive: The rate of a table, or None where the table does not tell.
    """

    name: str
    text: str
    used_by: str
    derive: Callable[[Outcomes], Proportion | float | None]


def conditional(clean: Right, attacked: Right) -> Proportion:
    """Wrong under attack, of the samples right when clean (RGA, HART)."""
    return Proportion(int((clean & ~attacked).sum()), int(clean.sum()))


def unconditional(clean: Right, attacked: Right) -> Proportion:
    """Wrong under attack, of all samples; clean errors count as success (Foolbox)."""
    return Proportion(int((~attacked).sum()), len(clean))


def relative_drop(clean: Right, attacked: Right) -> float:
    """``1 - attacked accuracy / clean accuracy``, net of samples set right (PDSG)."""
    return float((clean.sum() - attacked.sum()) / clean.sum()) if clean.any() else float("nan")


def absolute_drop(clean: Right, attacked: Right) -> float:
    """``clean accuracy - attacked accuracy`` (the adversarial loss of Sharmin et al.)."""
    return float(clean.mean() - attacked.mean()) if len(clean) else float("nan")


def sparse(outcomes: Outcomes, below: int) -> Proportion | None:
    """Fewer than so many changed bins, of the *successes* (as SDA's release prints it)."""
    if outcomes.changed is None:
        return None
    few = outcomes.fooled & (outcomes.changed < below)
    return Proportion(int(few.sum()), int(outcomes.fooled.sum()))


def changed_on_chip(converged: Right, before: npt.NDArray[np.int64],
                    after: npt.NDArray[np.int64]) -> Proportion:  # fmt: skip
    """Label changed on the chip, of the attacks that converged in simulation (SPAA).

    Args:
        converged: Where the simulation is fooled, bool, shape (n,).
        before: The chip's decision on the clean sample, shape (n,).
        after: The chip's decision on the attacked sample, shape (n,).
    """
    return Proportion(int((converged & (before != after)).sum()), int(converged.sum()))


def _ever(outcomes: Outcomes) -> Right | None:
    return None if outcomes.every is None else outcomes.every & outcomes.attacked


DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "conditional",
        "wrong under attack, of the samples right when clean",
        "RGA, HART; SPAA in simulation",
        lambda o: conditional(o.clean, o.attacked),
    ),
    Definition(
        "conditional_any_iterate",
        "wrong at any iterate, of the samples right when clean",
        "the attacks here that return such an iterate",
        lambda o: None if (every := _ever(o)) is None else conditional(o.clean, every),
    ),
    Definition(
        "unconditional",
        "wrong under attack, of all samples",
        "Foolbox",
        lambda o: unconditional(o.clean, o.attacked),
    ),
    Definition(
        "unconditional_any_iterate",
        "wrong at any iterate, of all samples",
        "ASSG",
        lambda o: None if (every := _ever(o)) is None else unconditional(o.clean, every),
    ),
    Definition(
        "targeted",
        "decided as the attacker wanted, of the samples right when clean",
        "targeted attacks",
        lambda o: None if o.reached is None else conditional(o.clean, ~o.reached),
    ),
    Definition(
        "relative_drop",
        "1 - attacked accuracy / clean accuracy",
        "PDSG",
        lambda o: relative_drop(o.clean, o.attacked),
    ),
    Definition(
        "absolute_drop",
        "clean accuracy - attacked accuracy",
        "Sharmin et al.",
        lambda o: absolute_drop(o.clean, o.attacked),
    ),
    Definition(
        "fewer_than_200",
        "fewer than 200 changed bins, of the successes",
        "SDA",
        lambda o: sparse(o, 200),
    ),
    Definition(
        "fewer_than_800",
        "fewer than 800 changed bins, of the successes",
        "SDA",
        lambda o: sparse(o, 800),
    ),
)
"""All definitions, the printed one first."""


def success_rates(outcomes: Outcomes) -> dict[str, Rate]:
    """The rate of every definition that the table can answer, by name."""
    rates: dict[str, Rate] = {}
    for definition in DEFINITIONS:
        found = definition.derive(outcomes)
        if isinstance(found, Proportion):
            value = found.count / found.n if found.n else math.nan
            rates[definition.name] = Rate(definition.name, value, found)
        elif found is not None:
            rates[definition.name] = Rate(definition.name, found)
    return rates
