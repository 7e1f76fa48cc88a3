"""Many attacks, the cheapest first: a sample counts as robust only if it withstands all of them.

Reference: Croce, Hein, Reliable evaluation of adversarial robustness with an ensemble of diverse
parameter-free attacks, ICML 2020, with the gradient estimators of spiking networks as members.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any, ClassVar

import numpy as np

from neurorobust.attacks.base import Attack, GradientAttack
from neurorobust.attacks.cascade import Cascade, closing
from neurorobust.attacks.optimisers.apgd import Apgd
from neurorobust.attacks.optimisers.pgd import Pgd
from neurorobust.attacks.optimisers.sapgd import SaPgd
from neurorobust.attacks.optimisers.swarm import Swarm
from neurorobust.attacks.request import Request
from neurorobust.attacks.target import EOT, VOTES, Scored
from neurorobust.attacks.targeted import Targeted
from neurorobust.attacks.threats import Linf, Threat
from neurorobust.engine.estimators import ESTIMATORS, Estimator, make_estimator
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array
from neurorobust.methods import option
from neurorobust.names import known_name

STANDARD: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("rga", {}),
    ("stbp", {"surrogate": "triangle"}),
    ("hart", {"gamma": 0.5}),
    ("hart", {"gamma": 1.0}),
    ("hart", {"gamma": 2.0}),
    ("assg", {"vanishing": 0.40}),
    ("assg", {"vanishing": 0.435}),
    ("assg", {"vanishing": 0.47}),
)
"""Estimators of the standard ensemble, by name and parameters."""

FAST: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("rga", {}),
    ("hart", {"gamma": 0.25}),
    ("hart", {"gamma": 0.07, "surrogate": "arctan"}),
    ("assg", {"vanishing": 0.47}),
)
"""Estimators of the fast ensemble; chosen on training images of digits and MNIST."""

SCREEN = 64
"""Samples on which the estimators are ranked."""


@dataclass(frozen=True)
class Ensemble(Cascade):
    """Every estimator with many steps, and what else is known to break networks.

    SA-PGD (APGD in L2) with every estimator, APGD on the DLR loss with the two best, targeted APGD
    with the best, Square, and transfer from the twin. The best are those whose PGD breaks most of
    the same first samples: later stages see only what is hard, so their shares tell nothing.

    Attributes:
        estimators: At least one.
        steps: Of each gradient attack.
        queries: Of Square.
        twin: Independently trained, for the last stage; without one it is left out.
    """

    name: ClassVar[str] = "ensemble"
    family: ClassVar[str] = "composite"
    cited: ClassVar[tuple[str, ...]] = (
        "croce2020reliable",
        "andriushchenko2020square",
        "wang2025towards",
    )
    revision: ClassVar[int] = 2

    estimators: Sequence[Estimator]
    steps: int = option(100)
    queries: int = option(5000)
    twin: Scored | None = option(None, record=lambda twin: twin and twin.graph.content_hash)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.estimators:
            raise InvalidInput("an ensemble needs at least one gradient estimator")

    def members(self) -> Sequence[Estimator]:
        """Of the first stages."""
        return self.estimators

    @property
    def expected(self) -> int:
        """The members and five more."""
        return len(self.estimators) + 5

    def more(
        self, number: int, request: Request, broken_by: Array, notes: list[str]
    ) -> Sequence[tuple[str, Attack]]:
        """The members, then what depends on which of them are best."""
        if not number:
            return self._firsts(request.threat)
        if number > len(self.estimators):
            return ()
        first = np.flatnonzero(broken_by != -2)[:SCREEN]
        return self._later(self._best(request, first), request.threat, notes)

    def _firsts(self, threat: Threat) -> list[tuple[str, Attack]]:
        """The first stages: every estimator."""
        mains = [self._main(e, threat) for e in self.estimators]
        return [(f"{attack.name} {attack.estimator}", attack) for attack in mains]

    def _main(self, gradient: Estimator, threat: Threat) -> GradientAttack:
        linf = isinstance(threat, Linf)
        return SaPgd(gradient, self.steps) if linf else Apgd(gradient, self.steps)

    def _best(self, request: Request, first: Array) -> list[Estimator]:
        """The estimators by what their PGD breaks of the first samples, the best first."""
        asked = replace(request.take(first), eot=EOT, votes=VOTES)

        def broke(gradient: Estimator) -> int:
            return int((Pgd(gradient).answer(asked).adversarial_decision != asked.y).sum())

        return (
            sorted(self.estimators, key=broke, reverse=True) if len(first) else [*self.estimators]
        )

    def _later(
        self, best: Sequence[Estimator], threat: Threat, notes: list[str]
    ) -> list[tuple[str, Attack]]:
        """The stages after those; what is left out is noted."""
        dlr = [Apgd(e, self.steps, loss="dlr") for e in best[:2]]
        later: list[tuple[str, Attack]] = [
            (f"apgd-dlr {attack.estimator}", attack) for attack in dlr
        ]
        later.append((f"apgd-targeted {best[0]}", Targeted(dlr[0], "all")))
        main = self._main(best[0], threat)
        return [*later, *closing(self.queries, main, self.twin, threat, notes)]


@dataclass(frozen=True)
class Fast(Cascade):
    """Few attacks with many starts: what the standard ensemble breaks, in a fraction of its time.

    Swarms with RGA, with two narrow HART and with ASSG, Square, and transfer from the twin. RGA is
    quick with what is easy, so that the others are spent on what is hard.

    Attributes:
        steps: Of each walk with HART, a third of them with RGA and two with ASSG.
        walkers: Walks of a sample with the wider HART, half of them with the next two, 1 with RGA.
        queries: Of Square.
        twin: Independently trained, for the last stage; without one it is left out.
    """

    name: ClassVar[str] = "fast"
    title: ClassVar[str] = "Fast ensemble"
    family: ClassVar[str] = "composite"
    cited: ClassVar[tuple[str, ...]] = (
        "neurorobust",
        "andriushchenko2020square",
        "hao2024threaten",
        "wang2025towards",
    )

    steps: int = option(60, low=1)
    walkers: int = option(4, low=1)
    queries: int = option(100, low=1)
    twin: Scored | None = option(None, record=lambda twin: twin and twin.graph.content_hash)

    def members(self) -> Sequence[Estimator]:
        """From the cheapest to the dearest."""
        return [make_estimator(name, **parameters) for name, parameters in FAST]

    @property
    def expected(self) -> int:
        """The members, Square, and the twin."""
        return len(FAST) + 2

    def more(
        self,
        number: int,
        request: Request,
        broken_by: Array,
        notes: list[str],
    ) -> Sequence[tuple[str, Attack]]:
        """All at once."""
        if number:
            return ()
        half = max(self.walkers // 2, 1)
        rga, wide, narrow, assg = self.members()
        swarms = [
            Swarm(rga, max(self.steps // 3, 1), 1),
            Swarm(wide, self.steps, self.walkers),
            Swarm(narrow, self.steps, half),
            Swarm(assg, max(self.steps * 2 // 3, 1), half),
        ]
        stages: list[tuple[str, Attack]] = [(f"swarm {s.gradient}", s) for s in swarms]
        return stages + closing(self.queries, swarms[1], self.twin, request.threat, notes)


def _standard(*, steps: int = 100, queries: int = 5000, twin: Scored | None = None) -> Ensemble:
    """Of the estimators that are registered; the others are noted."""
    found, notes = [], []
    for name, parameters in STANDARD:
        if name in ESTIMATORS:
            found.append(make_estimator(name, **parameters))
        else:
            notes.append(f"estimator {name!r} is left out: it is not registered")
    return Ensemble(found, steps, queries, twin, notes=tuple(dict.fromkeys(notes)))


ENSEMBLES: Mapping[str, Callable[..., Cascade]] = {"fast": Fast, "standard": _standard}
"""Named ensembles."""


def ensemble(kind: str = "standard", *, twin: Scored | None = None, **given: Any) -> Cascade:
    """A named ensemble.

    Args:
        kind: ``standard``, or ``fast`` for what takes a tenth of its time.
        twin: Independently trained network for the transfer stage.
        given: ``steps`` of each gradient attack, ``queries`` of Square, and of ``fast`` the
            ``walkers`` of each swarm.

    Raises:
        InvalidInput: for another name or parameter.
    """
    make = ENSEMBLES[known_name(kind, ENSEMBLES, "ensemble")]
    takes = [key for key in signature(make).parameters if key not in ("twin", "notes")]
    if unknown := sorted(set(given) - set(takes)):
        msg = f"ensemble {kind!r}: it has no parameter {', '.join(unknown)}; it takes "
        raise InvalidInput(msg + ", ".join(takes))
    return make(twin=twin, **given)
