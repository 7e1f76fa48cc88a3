"""Many attacks, the cheapest first: a sample counts as robust only if it withstands all of them.

Reference: Croce, Hein, Reliable evaluation of adversarial robustness with an ensemble of diverse
parameter-free attacks, ICML 2020, with the gradient estimators of spiking networks as members.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from neurorobust.attacks.base import Attack, GradientAttack
from neurorobust.attacks.checkpoint import Parts, State
from neurorobust.attacks.optimisers.apgd import Apgd
from neurorobust.attacks.optimisers.pgd import Pgd
from neurorobust.attacks.optimisers.sapgd import SaPgd
from neurorobust.attacks.optimisers.square import Square
from neurorobust.attacks.request import Crafted, Crafter, Request
from neurorobust.attacks.target import EOT, VOTES, Scored
from neurorobust.attacks.targeted import Targeted
from neurorobust.attacks.threats import Linf, Threat
from neurorobust.attacks.transferred import Transferred
from neurorobust.engine.estimators import ESTIMATORS, Estimator, make_estimator
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array
from neurorobust.methods import option
from neurorobust.progress import Progress

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


SCREEN = 64
"""Samples on which the estimators are ranked."""


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What an ensemble found.

    Attributes:
        crafted: The worst case per sample. ``fooled`` has a column per stage, and one more for the
            returned sample.
        stages: Names of the stages, in the order in which they ran.
        broken_by: Stage that broke each sample: -1 for none, -2 if it is wrong when clean; (B,).
        notes: What was left out, and why.
    """

    crafted: Crafted
    stages: tuple[str, ...]
    broken_by: Array
    notes: tuple[str, ...]

    @property
    def robust(self) -> Array:
        """Samples that withstood everything, bool (B,)."""
        stood: Array = self.broken_by == -1
        return stood


@dataclass(frozen=True)
class Ensemble(Crafter):
    """Each stage attacks the survivors of those before it.

    SA-PGD (APGD in L2) with every estimator, APGD on the DLR loss with the two best, targeted APGD
    with the best, Square, and transfer from the twin. The best are those whose PGD breaks most of
    the same first samples: later stages see only what is hard, so their shares tell nothing.

    Attributes:
        estimators: At least one.
        steps: Of each gradient attack.
        queries: Of Square.
        twin: Independently trained, for the last stage; without one it is left out.
        notes: What was left out already.
    """

    name: ClassVar[str] = "ensemble"
    family: ClassVar[str] = "composite"
    cited: ClassVar[tuple[str, ...]] = (
        "croce2020reliable",
        "andriushchenko2020square",
        "wang2025towards",
    )
    revision: ClassVar[int] = 2
    targetable: ClassVar[bool] = False

    estimators: Sequence[Estimator]
    steps: int = option(100)
    queries: int = option(5000)
    twin: Scored | None = option(None, record=lambda twin: twin and twin.graph.content_hash)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.estimators:
            raise InvalidInput("an ensemble needs at least one gradient estimator")

    def gradient_record(self) -> dict[str, Any]:
        """All estimators."""
        return {"name": "ensemble", "members": [e.describe() for e in self.estimators]}

    def answer(
        self, request: Request, *, parts: Parts | None = None, progress: Progress | None = None
    ) -> Crafted:
        """The worst case per sample; see ``judge`` for which stage found it."""
        return self.judge(request, parts=parts, progress=progress).crafted

    def judge(
        self, request: Request, *, parts: Parts | None = None, progress: Progress | None = None
    ) -> Verdict:
        """Run all stages.

        Args:
            request: Of a threat that is an L-infinity or L2 ball.
            parts: Where finished stages and batches are kept; a later call of the same request goes
                on from there.
            progress: Called as ``(stage, done, total)``.

        Raises:
            InvalidInput: for what a stage refuses.
            InvalidFile: if what is kept is damaged or of another request.
        """
        if request.wanted is not None:
            raise InvalidInput("ensemble cannot aim at a class; leave wanted out")
        path = parts.folder / "stages.safetensors" if parts else None
        threat, now, notes = request.threat, self._opened(path, request), list(self.notes)
        members, plan = len(self.estimators), self._members(threat)
        while (number := len(now.stages)) < len(plan) or len(plan) == members:
            if number >= members == len(plan):
                first = np.flatnonzero(now.broken_by != -2)[:SCREEN]
                plan += self._later(self._best(request, first), threat, notes)
            name, attack = plan[number]
            if progress:
                progress(name, number, members + 5)
            left = np.flatnonzero(now.broken_by == -1) if number else np.arange(len(request.x))
            inner = parts.within(f"{number:02d}") if parts else None
            made = attack.answer(request.take(left), parts=inner) if len(left) else None
            now = now.after(name, left, made, request.y)
            now.save(path)
            if inner:
                inner.remove()
        crafted = self._crafted(now, request.y)
        return Verdict(crafted, tuple(now.stages), now.broken_by, tuple(dict.fromkeys(notes)))

    def _opened(self, path: Path | None, request: Request) -> State:
        """What is kept of this request, or nothing done yet."""
        described = {
            "attack": self.describe(),
            "gradient": self.gradient_record(),
            "threat": request.threat.parameters(),
            "model": request.network.graph.content_hash,
            "seed": request.seed,
            "draws": [request.eot, request.votes],
        }
        return State.open(path, described, request.x, request.y, request.index)

    def _members(self, threat: Threat) -> list[tuple[str, Attack]]:
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
        if isinstance(threat, Linf):
            later.append(("square", Square(self.queries)))
        else:
            notes.append(f"square is left out: it is not defined for {threat.name}")
        if self.twin is not None:
            later.append(("twin", Transferred(self._main(best[0], threat), self.twin)))
        else:
            notes.append("transfer from a twin is left out: none was given")
        return later

    @staticmethod
    def _crafted(now: State, y: Array) -> Crafted:
        """The worst case so far as the result of one attack."""
        reached = now.adversarial_decision != y
        stages = np.arange(len(now.stages))
        broke = now.broken_by[:, None] == stages
        return replace(
            now.crafted(),
            fooled=np.concatenate([broke, reached[:, None]], axis=1),
            iterates=np.full(len(y), len(stages) + 1),
        )


def ensemble(
    kind: str = "standard", *, steps: int = 100, queries: int = 5000, twin: Scored | None = None
) -> Ensemble:
    """A named ensemble of the estimators that are registered; the others are noted.

    Args:
        kind: ``standard``.
        steps: Of each gradient attack.
        queries: Of Square.
        twin: Independently trained network for the transfer stage.

    Raises:
        InvalidInput: for another name.
    """
    if kind != "standard":
        raise InvalidInput(f"no ensemble is named {kind!r}; known is standard")
    found, notes = [], []
    for name, parameters in STANDARD:
        if name in ESTIMATORS:
            found.append(make_estimator(name, **parameters))
        else:
            notes.append(f"estimator {name!r} is left out: it is not registered")
    return Ensemble(found, steps, queries, twin, tuple(dict.fromkeys(notes)))
