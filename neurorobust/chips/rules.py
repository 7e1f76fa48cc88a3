"""Limits of a chip as data: rules on a network, and how it is spread over cores."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from neurorobust.chips.facts import BLOCK, NUMBERS, TEXTS
from neurorobust.chips.formula import Formula, parse
from neurorobust.chips.leaf import Leaf, Strict, count
from neurorobust.errors import ProfileError
from neurorobust.names import known_are

Scope = Literal["network", "layer", "synapse", "run"]
Sense = Literal["most", "least", "one_of"]


def known(text: str, names: set[str]) -> Formula:
    """A parsed formula that speaks of known names only.

    Raises:
        ValueError: with the message of what is wrong, as pydantic wants it.
    """
    try:
        formula = parse(text)
    except ProfileError as error:
        raise ValueError(str(error)) from error
    if unknown := sorted(formula.names - names):
        listed = known_are(unknown[0], sorted(names))
        raise ValueError(f"formula {text!r}: unknown {', '.join(unknown)}; {listed}")
    return formula


def _has_kind(limit: Leaf) -> Leaf:
    if limit.value is not None and limit.kind is None:
        raise ValueError("a limit needs a kind: wall, budget or observed")
    return limit


def _counts_something(leaf: Leaf | None) -> Leaf | None:
    return leaf and count(leaf)


class Rule(Strict):
    """One thing a chip demands.

    Attributes:
        constraint: Its name.
        scope: What it is held against: the ``network``, every ``layer``, every ``synapse`` group,
            or a ``run`` with measured activity.
        use: Formula over the facts of the scope, or the name of a fact that is a word.
        limit: What is allowed.
        sense: ``most``, ``least`` or ``one_of``.
        where: Facts with the values at which the rule applies; all must hold.
        advice: What to do when it is broken.
    """

    constraint: str
    scope: Scope
    use: str
    limit: Leaf
    sense: Sense = "most"
    where: dict[str, str | int | list[str] | list[int]] = Field(default_factory=dict)
    advice: str = ""

    _kind = field_validator("limit")(_has_kind)

    @model_validator(mode="after")
    def _resolves(self) -> Self:
        numbers, texts = set(NUMBERS[self.scope]), set(TEXTS[self.scope])
        if unknown := sorted(self.where.keys() - numbers - texts):
            raise ValueError(f"where: unknown {', '.join(unknown)}")
        if self.use not in texts:
            known(self.use, numbers)
        many = isinstance(self.limit.value, list)
        if self.limit.value is not None and many != (self.sense == "one_of"):
            raise ValueError(f"sense {self.sense!r} does not fit the limit {self.limit.value!r}")
        if self.use in texts and self.sense != "one_of":
            raise ValueError(f"{self.use} is a word; give sense = 'one_of' and a list")
        items = self.limit.value if isinstance(self.limit.value, list) else [self.limit.value]
        kind, wanted = (str, "words") if self.use in texts else ((int, float), "a number")
        if self.limit.value is not None and not all(isinstance(item, kind) for item in items):
            msg = f"{self.constraint}: limit is {self.limit.value!r}; {self.use} takes {wanted}"
            raise ValueError(msg)
        return self

    @property
    def textual(self) -> bool:
        """Whether the fact is a word."""
        return self.use in TEXTS[self.scope]


class Wall(Strict):
    """A limit of a core.

    Attributes:
        constraint: Its name.
        use: Formula over the facts of a block of neurons on the core; blocks add up.
        over: Evaluated once per ``block``, or summed over its ``synapse`` groups or over the
            ``list`` of synapses that every axon has.
        limit: One number, or one per core where cores differ.
    """

    constraint: str
    use: str
    over: Literal["block", "synapse", "list"] = "block"
    limit: Leaf

    _kind = field_validator("limit")(_has_kind)

    @model_validator(mode="after")
    def _resolves(self) -> Self:
        known(self.use, set(BLOCK))
        value = self.limit.value
        for item in value if isinstance(value, list) else [value]:
            if item is not None and not (isinstance(item, int | float) and item > 0):
                msg = f"{self.constraint}: limit is {value!r}; a wall takes numbers above 0"
                raise ValueError(msg)
        return self


class Placement(Strict):
    """How a network is spread over cores.

    Attributes:
        method: ``split`` (a layer is cut into equal blocks, one or several per core), ``match``
            (every layer gets a core of its own), ``whole`` (everything on one core) or ``closed``
            (only the vendor's mapper knows).
        cores: Of a chip.
        chips: Chips that can be joined; without it, one.
        share: Whether blocks of several layers fit on one core.
        relay: Cores that an axon reaches by itself; further ones through relaying neurons.
        walls: Limits of a core.
        why: Why the method is ``closed``.
    """

    method: Literal["split", "match", "whole", "closed"]
    cores: Leaf
    chips: Leaf | None = None
    share: bool = False
    relay: Leaf | None = None
    walls: list[Wall] = Field(default_factory=list)
    why: str = ""

    _counts = field_validator("cores", "chips", "relay")(_counts_something)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.method == "closed" and not self.why:
            raise ValueError("a closed mapper: say why")
        for wall in self.walls:
            if isinstance(wall.limit.value, list) and len(wall.limit.value) != self.cores.value:
                msg = f"{wall.constraint}: {len(wall.limit.value)} limits, {self.cores.value} cores"
                raise ValueError(msg)
        return self
