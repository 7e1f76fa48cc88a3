"""Stages that each attack the survivors of those before them: the worst case per sample."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from neurorobust.attacks.base import Attack
from neurorobust.attacks.checkpoint import Parts, State
from neurorobust.attacks.optimisers.square import Square
from neurorobust.attacks.request import Crafted, Crafter, Request
from neurorobust.attacks.target import Scored
from neurorobust.attacks.threats import Linf, Threat
from neurorobust.attacks.transferred import Transferred
from neurorobust.engine.estimators import Estimator
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array
from neurorobust.progress import Progress


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
class Cascade(Crafter):
    """Each stage attacks the survivors of those before it."""

    targetable: ClassVar[bool] = False

    notes: tuple[str, ...] = field(default=(), kw_only=True)
    """What was left out already."""

    @abstractmethod
    def members(self) -> Sequence[Estimator]:
        """All estimators."""

    @abstractmethod
    def more(
        self, number: int, request: Request, broken_by: Array, notes: list[str]
    ) -> Sequence[tuple[str, Attack]]:
        """The stages to follow the first ``number`` ones; none after the last.

        Args:
            number: How many have been planned.
            request: What is attacked.
            broken_by: What the stages before have found; see ``Verdict``.
            notes: Is told what is left out.
        """

    @property
    @abstractmethod
    def expected(self) -> int:
        """How many stages there will be at most."""

    def gradient_record(self) -> dict[str, Any]:
        """All estimators."""
        return {"name": "ensemble", "members": [e.describe() for e in self.members()]}

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
            raise InvalidInput(f"{self.name} cannot aim at a class; leave wanted out")
        path = parts.folder / "stages.safetensors" if parts else None
        now, notes = self._opened(path, request), list(self.notes)
        plan: list[tuple[str, Attack]] = []
        while True:
            number = len(now.stages)
            if number >= len(plan):
                more = self.more(len(plan), request, now.broken_by, notes)
                plan += more
                if more:
                    continue
                break
            name, attack = plan[number]
            if progress:
                progress(name, number, self.expected)
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


def closing(
    queries: int, main: Attack, twin: Scored | None, threat: Threat, notes: list[str]
) -> list[tuple[str, Attack]]:
    """Square, and the main attack from a twin; what is left out is noted."""
    found: list[tuple[str, Attack]] = []
    if isinstance(threat, Linf):
        found.append(("square", Square(queries)))
    else:
        notes.append(f"square is left out: it is not defined for {threat.name}")
    if twin is not None:
        found.append(("twin", Transferred(main, twin)))
    else:
        notes.append("transfer from a twin is left out: none was given")
    return found
