"""C16, C18: does a sample get one answer, whatever came before it and beside it?"""

import numpy as np
import torch
from torch import Tensor

from neurorobust.attacks import Draws, Target
from neurorobust.audit.bench import Bench
from neurorobust.audit.card import Seen, Status
from neurorobust.audit.check import absent, check, percent
from neurorobust.audit.probe import inferred, raw_gradient
from neurorobust.errors import InvalidInput

ENOUGH = 10
"""Draws per gradient and per decision of a model that draws."""
ROUNDING = 1e-4
"""Differences up to this, relative to the scores, are those of summing in another order."""
SIGNS = 0.01
"""Share of the inputs whose gradient may change its sign."""


@check(
    16,
    "randomness",
    trigger="two forward passes differ, and gradients or decisions rest on one draw",
    remedy=f"average gradients and take the majority over at least {ENOUGH} fresh draws",
)
def randomness(bench: Bench) -> Seen:
    """The same samples with fresh draws."""
    target = bench.target
    first = inferred(target, bench.x, bench.draws())
    second = inferred(target, bench.x, bench.draws(seed=1))
    differs = float((first != second).any(1).double().mean())
    flips = float((first.argmax(1) != second.argmax(1)).double().mean())
    told = {
        "scores differ": differs,
        "decisions flip": flips,
        "eot": target.eot,
        "votes": target.votes,
    }
    if not differs:
        return Seen(Status.GREEN, "two forward passes are equal to the bit", told)
    text = f"{percent(differs)} of the samples differ between two passes, {percent(flips)} flip"
    fewest = min(target.eot, target.votes)
    if fewest == 1:
        return Seen(Status.RED, f"{text}; eot {target.eot}, votes {target.votes}", told)
    status = Status.GREEN if fewest >= ENOUGH else Status.AMBER
    return Seen(status, f"{text}; {target.eot} draws and {target.votes} votes", told)


@check(
    18,
    "no leak between samples",
    trigger="order, batch size or a second run changes scores or gradients",
    remedy="reset all state before every sample; no statistics over the batch",
)
def leaks(bench: Bench) -> Seen:
    """Permuted, in halves and alone, and twice."""
    first = inferred(bench.target, bench.x, bench.draws())
    again = inferred(bench.target, bench.x, bench.draws(seed=1))
    foreign_draws = bench.target.votes > 1 and not bench.target.stochastic
    if foreign_draws and not torch.equal(first, again):
        return absent("the model draws numbers that cannot be held")
    scale = float(first.double().abs().max()) or 1.0
    scores: dict[str, float] = {}
    for name, other in _variants(bench):
        off = (_scores(bench, other) - first).double().abs().nan_to_num(nan=torch.inf)
        scores[f"scores, {name}"] = float(off.max()) / scale
    signs: dict[str, float] = {}
    for source, target in bench.usable.items():
        signs |= _gradient_changes(bench, source, target)
    told = scores | signs
    moved = [
        *(
            f"{k}: changes by {v:.2g} of the largest score"
            for k, v in scores.items()
            if v > ROUNDING
        ),
        *(f"{k}: changes {percent(v)}" for k, v in signs.items() if v > SIGNS),
    ]
    if moved:
        return Seen(Status.RED, moved[0], told)
    return Seen(Status.GREEN, "the same in any order, batch and run", told)


def _variants(bench: Bench) -> list[tuple[str, list[Tensor]]]:
    """Batches in which the samples are shown."""
    rows = torch.arange(len(bench))
    shuffled = torch.from_numpy(np.random.default_rng(bench.evaluation.seed).permutation(len(rows)))
    half = (len(rows) + 1) // 2
    few = [rows[i : i + 1] for i in range(min(8, len(rows)))]
    return [
        ("run twice", [rows]),
        ("permuted", [shuffled]),
        ("other batches", [*few, *rows[len(few) :].split(half)]),
    ]


def _scores(bench: Bench, batches: list[Tensor]) -> Tensor:
    parts = [inferred(bench.target, bench.x[b], _draws(bench, b)) for b in batches]
    order = torch.cat(batches)
    return torch.cat(parts)[order.argsort()]


def _gradient_changes(bench: Bench, source: str, target: Target) -> dict[str, float]:
    """Share of the inputs whose gradient changes its sign."""
    if target.eot > 1 and not target.stochastic:
        return {}
    try:
        first = raw_gradient(target, bench.x, bench.y, bench.draws())
        told = {}
        for name, batches in _variants(bench):
            parts = [
                raw_gradient(target, bench.x[b], bench.y[b], _draws(bench, b)) for b in batches
            ]
            other = torch.cat(parts)[torch.cat(batches).argsort()]
            large = first.abs() > 1e-6 * first.abs().max()
            turned = (first.sign() != other.sign()) & large
            told[f"signs of {source}, {name}"] = float(turned.double().mean())
    except InvalidInput:
        return {}
    return told


def _draws(bench: Bench, rows: Tensor) -> Draws:
    return Draws(bench.evaluation.seed, bench.index[rows.numpy()])
