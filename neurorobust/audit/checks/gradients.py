"""C3, C4: gradients that are zero, not finite, or lost between the layers."""

import copy

import numpy as np
import torch
from torch import Tensor

from neurorobust.attacks import Target
from neurorobust.attacks.losses import cross_entropy
from neurorobust.audit.bench import Bench
from neurorobust.audit.card import Seen, Status
from neurorobust.audit.check import check, percent
from neurorobust.audit.foreign import ForeignTarget
from neurorobust.audit.probe import raw_gradient, steps_of
from neurorobust.engine.linear import Map
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput

FEW = 0.05
"""Share of samples without any gradient that is still told in amber."""
VANISHING, EXPLODING = 1e-8, 1e3
"""Bounds of the ratio of mean gradients on both sides of a layer."""


@check(
    3,
    "zero gradients",
    trigger="gradients that are not finite, all zero, or zero in most inputs",
    remedy="use a wider or rate-based surrogate, and a loss that does not saturate",
)
def zero_gradients(bench: Bench) -> Seen:
    """A sample that no gradient moves is not robust, it was not attacked."""
    rows: dict[str, dict[str, float | int]] = {}
    dead = np.ones(len(bench), bool)
    unsound = False
    for name in tuple(bench.usable):
        found = _gradients(bench, name)
        bad = ~torch.isfinite(found).flatten(1).all(1)
        zero = ~found.nan_to_num().flatten(1).any(1) | bad
        dead &= zero.numpy()
        rows[name] = {
            "samples not finite": int(bad.sum()),
            "samples all zero": int((zero & ~bad).sum()),
            "inputs at zero": float((found == 0).double().mean()),
        }
        if bad.any():
            unsound = True
            bench.usable.pop(name)
    if not rows:
        return Seen(Status.RED, "no gradient reaches the input; see C2", {})
    kept = dead & ~bench.success() if bench.usable else dead
    told = {**rows, "robust samples without any gradient": int(kept.sum()), "samples": len(bench)}
    most = min(row["inputs at zero"] for row in rows.values())
    part = max(int(row["samples all zero"]) for row in rows.values())
    if unsound:
        name, row = next((n, r) for n, r in rows.items() if r["samples not finite"])
        count = row["samples not finite"]
        return Seen(Status.RED, f"{name}: the gradient of {count} sample(s) is not finite", told)
    if kept.sum() > FEW * len(bench):
        text = f"{kept.sum()} of {len(bench)} samples count as robust and have no gradient at all"
        return Seen(Status.RED, text, told)
    if part or most > 0.5:
        text = f"up to {part} sample(s) all zero; {percent(most)} of the inputs at zero"
        return Seen(Status.AMBER, text, told)
    return Seen(Status.GREEN, f"no sample all zero; {percent(most)} of the inputs at zero", told)


def _gradients(bench: Bench, name: str) -> Tensor:
    """At the clean samples, and where these are zero at a random point of the ball."""
    target, threat = bench.usable[name], bench.threat
    draws = bench.draws()
    found = raw_gradient(target, bench.x, bench.y, draws)
    start = threat.project(threat.random(bench.x, draws), bench.x)
    moved = raw_gradient(target, start, bench.y, draws)
    still = ~found.flatten(1).any(1)
    return torch.where(still.view(-1, *[1] * (found.ndim - 1)), moved, found)


@check(
    4,
    "gradient scale",
    trigger=f"a layer scales the gradient below {VANISHING:g} or above {EXPLODING:g}",
    remedy="widen the surrogate, or detach the reset",
)
def gradient_scale(bench: Bench) -> Seen:
    """Ratio of mean gradients between neighbouring layers, of each gradient."""
    told: dict[str, dict[str, float]] = {}
    out: list[str] = []
    for name, target in bench.sources.items():
        try:
            sizes = _sizes(bench, target)
        except InvalidInput:
            continue
        ratios = {
            f"{near} / {far}": sizes[near] / sizes[far] if sizes[far] else float("nan")
            for far, near in zip(list(sizes), list(sizes)[1:], strict=False)
        }
        told[name] = sizes | ratios
        out += [f"{name}: {k} = {v:.1e}" for k, v in ratios.items() if not _sound(v)]
    if not told:
        return Seen(Status.NOT_APPLICABLE, "no gradient to measure; see C2", {})
    if out:
        return Seen(Status.AMBER, "; ".join(out[:3]), told)
    largest = max(row["input"] for row in told.values())
    return Seen(Status.GREEN, f"mean gradient at the input up to {largest:.2g}", told)


def _sound(ratio: float) -> bool:
    return VANISHING <= ratio <= EXPLODING


def _sizes(bench: Bench, target: Target) -> dict[str, float]:
    """Mean absolute gradient behind every map, from the scores to the input."""
    if isinstance(target, ForeignTarget) or not isinstance(target.network, Network):
        found = raw_gradient(target, bench.x, bench.y, bench.draws())
        return {"input": float(found.abs().mean())}
    sizes: dict[str, float] = {}
    tapped = copy.copy(target.network)
    tapped.maps = {
        name: None if function is None else _tap(function, name, sizes)
        for name, function in target.network.maps.items()
    }
    at = bench.x.detach().requires_grad_()
    stimulus = target.present(at, bench.draws(), crafting=True)
    assert target.estimator is not None  # noqa: S101  # a source has one
    target.estimator.reset()
    scores = target.estimator.scores(tapped, stimulus, steps_of(target, stimulus))
    if not scores.requires_grad:
        raise InvalidInput("the scores have no gradient")
    loss = cross_entropy(scores * target.scale, bench.y, None).sum()
    (found,) = torch.autograd.grad(loss, at, allow_unused=True)
    target.estimator.reset()
    return sizes | {"input": 0.0 if found is None else float(found.abs().mean())}


def _tap(function: Map, name: str, sizes: dict[str, float]) -> Map:
    """The map, with the gradient behind it measured, on both ways a gradient can take."""

    def note(g: Tensor) -> None:
        sizes[name] = float(g.abs().mean())

    def apply(x: Tensor) -> Tensor:
        y = function.apply(x)
        if y.requires_grad:
            y.register_hook(note)
        return y

    adjoint = function.adjoint
    if adjoint is None:
        return Map(apply, None, function.dtype)

    def noted(g: Tensor, shape: tuple[int, ...]) -> Tensor:
        note(g)
        return adjoint(g, shape)

    return Map(apply, noted, function.dtype)
