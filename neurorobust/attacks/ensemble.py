"""Many attacks, the cheapest first: a sample counts as robust only if it withstands all of them.

Reference: Croce, Hein, Reliable evaluation of adversarial robustness with an ensemble of diverse
parameter-free attacks, ICML 2020, with the gradient estimators of spiking networks as members.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurorobust.attacks.apgd import Apgd
from neurorobust.attacks.base import Attack, GradientAttack
from neurorobust.attacks.crafted import Crafted
from neurorobust.attacks.ensemble_state import State
from neurorobust.attacks.knowledge import Knowledge
from neurorobust.attacks.parts import Parts
from neurorobust.attacks.pgd import Pgd
from neurorobust.attacks.sapgd import SaPgd
from neurorobust.attacks.square import Square
from neurorobust.attacks.target import EOT, VOTES, Scored
from neurorobust.attacks.targeted import Targeted
from neurorobust.attacks.threats import Linf, Threat
from neurorobust.attacks.transferred import Transferred
from neurorobust.engine.estimators import ESTIMATORS, Estimator, make_estimator
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array
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


class Ensemble:
    """Each stage attacks the survivors of those before it.

    SA-PGD (APGD in L2) with every estimator, APGD on the DLR loss with the two best, targeted APGD
    with the best, Square, and transfer from the twin. The best are those whose PGD breaks most of
    the same first samples: later stages see only what is hard, so their shares tell nothing.

    Args:
        estimators: At least one.
        steps: Of each gradient attack.
        queries: Of Square.
        twin: Independently trained, for the last stage; without one it is left out.
        notes: What was left out already.
    """

    name = "ensemble"
    revision = 2
    knowledge = Knowledge.WHITE_BOX

    def __init__(
        self,
        estimators: Sequence[Estimator],
        *,
        steps: int = 100,
        queries: int = 5000,
        twin: Scored | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        if not estimators:
            msg = "an ensemble needs at least one gradient estimator"
            raise InvalidInput(msg)
        self.estimators, self.steps, self.queries = tuple(estimators), steps, queries
        self.twin, self.notes = twin, tuple(notes)

    def parameters(self) -> Mapping[str, Any]:
        """Steps, queries and twin; the members are in the gradient record."""
        twin = None if self.twin is None else self.twin.graph.content_hash
        return {"steps": self.steps, "queries": self.queries, "twin": twin}

    def gradient_record(self) -> dict[str, Any]:
        """All estimators."""
        return {"name": "ensemble", "members": [e.describe() for e in self.estimators]}

    def __call__(
        self,
        network: Scored,
        x: Array,
        y: Array,
        threat: Threat,
        *,
        seed: int = 0,
        sample: Array | None = None,
        eot: int = EOT,
        votes: int = VOTES,
        parts: Parts | None = None,
        progress: Progress | None = None,
    ) -> Crafted:
        """The worst case per sample; see ``judge`` for which stage found it."""
        return self.judge(
            network,
            x,
            y,
            threat,
            seed=seed,
            sample=sample,
            eot=eot,
            votes=votes,
            parts=parts,
            progress=progress,
        ).crafted

    def judge(
        self,
        network: Scored,
        x: Array,
        y: Array,
        threat: Threat,
        *,
        seed: int = 0,
        sample: Array | None = None,
        eot: int = EOT,
        votes: int = VOTES,
        parts: Parts | None = None,
        progress: Progress | None = None,
    ) -> Verdict:
        """Run all stages.

        Args:
            network: The surrogate.
            x: Clean samples, (B, ...).
            y: Labels, (B,).
            threat: An L-infinity or L2 ball.
            seed: Of everything random.
            sample: Index of each sample in its data set, (B,); positions by default.
            eot: Draws per gradient, where the coding is stochastic.
            votes: Draws per decision, where the coding is stochastic.
            parts: Where finished stages and batches are kept; a later call of the same request goes
                on from there.
            progress: Called as ``(stage, done, total)``.

        Raises:
            InvalidInput: for what a stage refuses.
            InvalidFile: if what is kept is damaged or of another request.
        """
        index = np.arange(len(x)) if sample is None else np.asarray(sample)
        request = {
            "attack": {"name": self.name, "revision": self.revision, **self.parameters()},
            "gradient": self.gradient_record(),
            "threat": threat.parameters(),
            "model": network.graph.content_hash,
            "seed": seed,
            "draws": [eot, votes],
        }
        state = parts.folder / "stages.safetensors" if parts else None
        now = State.open(state, request, x, y, index)
        notes = list(self.notes)
        members, plan = len(self.estimators), self._members(threat)
        while (number := len(now.stages)) < len(plan) or len(plan) == members:
            if number >= members == len(plan):
                first = np.flatnonzero(now.broken_by != -2)[:SCREEN]
                best = self._best(
                    network, x[first], y[first], threat, seed=seed, sample=index[first]
                )
                plan += self._later(best, threat, notes)
            name, attack = plan[number]
            if progress:
                progress(name, number, members + 5)
            left = np.flatnonzero(now.broken_by == -1) if number else np.arange(len(x))
            inner, made = parts.within(f"{number:02d}") if parts else None, None
            if len(left):
                made = attack(
                    network,
                    x[left],
                    y[left],
                    threat,
                    seed=seed,
                    sample=index[left],
                    eot=eot,
                    votes=votes,
                    parts=inner,
                )
            now = now.after(name, left, made, y)
            now.save(state)
            if inner:
                inner.remove()
        crafted = self._crafted(now, y)
        return Verdict(crafted, tuple(now.stages), now.broken_by, tuple(dict.fromkeys(notes)))

    def _members(self, threat: Threat) -> list[tuple[str, Attack]]:
        """The first stages: every estimator."""
        return [
            (f"{a.name} {label(e)}", a) for e in self.estimators for a in [self._main(e, threat)]
        ]

    def _main(self, gradient: Estimator, threat: Threat) -> GradientAttack:
        linf = isinstance(threat, Linf)
        return SaPgd(gradient, self.steps) if linf else Apgd(gradient, self.steps)

    def _best(
        self,
        network: Scored,
        x: Array,
        y: Array,
        threat: Threat,
        *,
        seed: int,
        sample: Array,
    ) -> list[Estimator]:
        """The estimators by what their PGD breaks of the same samples, the best first."""

        def broke(gradient: Estimator) -> int:
            made = Pgd(gradient)(network, x, y, threat, seed=seed, sample=sample)
            return int((made.adversarial_decision != y).sum())

        return sorted(self.estimators, key=broke, reverse=True) if len(x) else [*self.estimators]

    def _later(
        self, best: Sequence[Estimator], threat: Threat, notes: list[str]
    ) -> list[tuple[str, Attack]]:
        """The stages after those; what is left out is noted."""
        dlr = [Apgd(e, self.steps, loss="dlr") for e in best[:2]]
        later: list[tuple[str, Attack]] = [
            (f"apgd-dlr {label(attack.estimator)}", attack) for attack in dlr
        ]
        later.append((f"apgd-targeted {label(best[0])}", Targeted(dlr[0], "all")))
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
        msg = f"no ensemble is named {kind!r}; known is standard"
        raise InvalidInput(msg)
    found, notes = [], []
    for name, parameters in STANDARD:
        if name in ESTIMATORS:
            found.append(make_estimator(name, **parameters))
        else:
            notes.append(f"estimator {name!r} is left out: it is not registered")
    return Ensemble(
        found, steps=steps, queries=queries, twin=twin, notes=tuple(dict.fromkeys(notes))
    )


def label(estimator: Estimator) -> str:
    """Name and parameters, short."""
    given = ", ".join(f"{key}={value}" for key, value in estimator.parameters().items())
    return f"{estimator.name}({given})"
