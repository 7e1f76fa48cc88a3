"""C19, an active test: an error is planted in the ball, and the attack has to find it.

Among random corners of the ball around a sample, the one of largest projection ``w · s`` of its
scores ``s`` on a random direction ``w`` is called adversarial, by a head on the scores with two
classes::

    z = (0, w · s - b)          b between the largest and the second largest projection

The clean sample and all other corners are then right, and an attack that follows the gradient of
``z`` has to find a point beyond ``b``. Without gradient it must not: the negative control.

In a small ball few spikes flip, and the extreme may hang on a single one that no surrogate points
to. That is told in amber; what is missed in a wider ball too is red.

Reference: Zimmermann, Brendel, Tramèr, Carlini, Increasing confidence in adversarial robustness
evaluations, NeurIPS 2022.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurorobust.attacks import Attack, Draws, SignNoise, Target, Threat
from neurorobust.attacks.losses import LOSSES
from neurorobust.audit.bench import Bench, WatchedCase, estimator_of
from neurorobust.audit.card import Seen, Status
from neurorobust.audit.check import absent, check
from neurorobust.audit.probe import inferred
from neurorobust.engine.estimators import Estimator
from neurorobust.ir import Array
from neurorobust.metrics import Proportion

CORNERS = 20
"""Among which the planted one is the extreme."""
FOUND = 0.95
"""Share of the planted errors that an attack has to find."""
LEAST = 8
"""Planted errors below which nothing is said."""
WIDE = 4
"""The second, wider ball takes the input range divided by this."""


class Headed(Target):
    """A target whose scores pass a head of two classes, one head per sample.

    Args:
        inner: The target.
        weight: ``w``, (B, classes).
        bias: ``b``, (B,).
        live: Whether the gradient passes; without, it is 0.
    """

    def __init__(self, inner: Target, weight: Tensor, bias: Tensor, *, live: bool = True) -> None:
        self.inner, self.weight, self.bias, self.live = inner, weight, bias, live
        self.network, self.estimator = getattr(inner, "network", None), inner.estimator  # type: ignore[assignment]
        self.steps, self.coding, self.bounds = inner.steps, inner.coding, inner.bounds
        self.shape, self.classes, self.scale = inner.shape, 2, 1.0
        self.stochastic, self.eot, self.votes = inner.stochastic, inner.eot, 1

    def head(self, scores: Tensor) -> Tensor:
        """``z``, (B, 2)."""
        beyond = (scores.double() * self.weight).sum(1) - self.bias
        return torch.stack([torch.zeros_like(beyond), beyond], 1)

    def look(self, x: Tensor, draws: Draws | None = None) -> tuple[Tensor, Tensor]:
        """Scores and decision behind the head."""
        scores = self.head(self.inner.scores(x, draws))
        return scores, scores.argmax(1)

    def differentiable(self, x: Tensor, draws: Draws | None = None) -> Tensor:
        """Scores behind the head, with their gradient."""
        scores = self.head(self.inner.differentiable(x, draws))
        return scores if self.live else scores.detach() + 0 * x.flatten(1)[:, :1]

    def ascent(
        self, x: Tensor, y: Tensor, wanted: Tensor | None = None, **given: Any
    ) -> tuple[Tensor, Tensor]:
        """The margin, whatever the loss: with two classes its gradient has the same direction."""
        return super().ascent(x, y, wanted, **given | {"loss": LOSSES["margin"]})


@check(
    19,
    "planted error",
    trigger=f"the attack finds less than {FOUND:.0%} of errors planted in the ball",
    remedy="the evaluation cannot find errors that exist: use another estimator or more steps",
    attacks=True,
)
def planted(bench: Bench) -> Seen:
    """With every gradient together, and with none as the negative control."""
    if bench.target.stochastic or bench.target.votes > 1:
        return absent("the model draws its input; an extreme draw is no error of the model")
    if bench.opaque:
        return absent("the evaluation shows no differentiable scores")
    own, wide = bench.threat, bench.at(max(bench.threat.epsilon, bench.reach / WIDE))
    told = {f"{t.epsilon:.4g}": _round(bench, t) for t in dict.fromkeys((own, wide))}
    rounds = {radius: r for radius, r in told.items() if r["planted"] >= LEAST}
    if not rounds:
        return absent(f"fewer than {LEAST} samples have a unique extreme corner")
    text = "; ".join(
        f"{r['found']} of {r['planted']} found at ε {radius}, {r['found without gradient']} "
        "without gradient"
        for radius, r in rounds.items()
    )
    radius, last = list(rounds.items())[-1]
    if last["found without gradient"] > last["planted"] / 2:
        return absent(f"{text}: found without searching")
    hits = {radius: Proportion(r["found"], r["planted"]) for radius, r in rounds.items()}
    if min(hit.rate for hit in hits.values()) >= FOUND:
        return Seen(Status.GREEN, text, told)
    status = Status.AMBER if hits[radius].interval[1] >= FOUND else Status.RED
    return Seen(status, text, told)


def _round(bench: Bench, threat: Threat) -> dict[str, int]:
    """Errors planted and found within a threat, with all gradients together and with none."""
    weight, bias, plantable = plant(bench, threat)
    found = np.zeros(len(bench), bool)
    for target in bench.usable.values():
        found |= _search(bench, Headed(target, weight, bias), threat)
    blind = _search(bench, Headed(bench.target, weight, bias, live=False), threat)
    return {
        "planted": int(plantable.sum()),
        "found": int((found & plantable).sum()),
        "found without gradient": int((blind & plantable).sum()),
    }


def plant(bench: Bench, threat: Threat) -> tuple[Tensor, Tensor, Array]:
    """Heads (weight, bias) per sample, and for which samples the extreme is unique, (B,)."""
    rng = np.random.default_rng(bench.evaluation.seed)
    weight = torch.from_numpy(rng.standard_normal((len(bench), bench.target.classes)))
    values = [_project(bench, bench.x, weight)]
    for number in range(CORNERS):
        seed = 3000 + number
        noise = bench.run(lambda _: SignNoise(), bench.target, threat=threat, seed=seed)
        corner = noise.adversarial
        values.append(_project(bench, corner, weight))
    top = torch.stack(values).sort(0, descending=True).values
    spread = (top[0] - top[-1]).clamp(min=1e-12)
    unique = (top[0] - top[1]) / spread > 1e-6
    unique &= torch.stack(values)[0] < top[0]
    return weight, (top[0] + top[1]) / 2, unique.numpy()


def _project(bench: Bench, x: Tensor, weight: Tensor) -> Tensor:
    return (inferred(bench.target, x, bench.draws()).double() * weight).sum(1)


def _search(bench: Bench, target: Headed, threat: Threat) -> Array:
    """Where the attack, run once, passes the head."""
    make = partial(_once, bench)
    none = torch.zeros(len(bench), dtype=torch.int64)
    case = WatchedCase(target, bench.x, none, threat, draws=bench.draws())
    case.losses = []
    raw = make(estimator_of(target)).propose(case)
    last = target.decide(threat.legalise(raw, bench.x)) == 1
    found: Array = (case.log.found | last).numpy()
    return found


def _once(bench: Bench, estimator: Estimator) -> Attack:
    """The attack without restarts, which would part the samples from their heads."""
    attack = bench.evaluation.attack(estimator)
    return bench.remade(estimator, restarts=1) if "restarts" in attack.parameters() else attack
