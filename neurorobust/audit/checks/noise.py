"""C5: an attack that does no better than noise has found nothing."""

import numpy as np

from neurorobust.attacks import Attack, GaussianNoise, SignNoise, Threat, UniformNoise
from neurorobust.audit.bench import Bench
from neurorobust.audit.card import Rung, Seen, Status
from neurorobust.audit.check import check, mean, percent
from neurorobust.audit.gap import gap
from neurorobust.ir import Array
from neurorobust.metrics import Proportion

KINDS: tuple[type[Attack], ...] = (UniformNoise, GaussianNoise, SignNoise)
DRAWS = 10
"""Of every kind at the radius under audit."""
FEWER = 2
"""And at the other radii."""
SURE = 0.05
"""Chance of being ahead of noise without a better gradient, at each radius."""


@check(
    5,
    "noise floor",
    trigger="the attack breaks no more than noise of the same size, with as many tries",
    remedy="distrust the gradient: use another estimator, loss or step size",
    attacks=True,
)
def noise_floor(bench: Bench) -> Seen:
    """Uniform, Gaussian and sign noise, and clean samples drawn anew."""
    main = bench.threat.epsilon
    rungs = bench.rungs = ladder(bench)
    tries = bench.looks
    ahead = [gap(bench.success(r.epsilon), _ever(bench, r.epsilon, tries)) for r in rungs]
    here = rungs.index(next(r for r in rungs if r.epsilon == main))
    attack, noise = rungs[here].attack.rate, rungs[here].noise
    told: dict[str, object] = {
        "clean samples that flip when drawn anew": _flips(bench),
        "attack by radius": {f"{r.epsilon:.4g}": r.attack.rate for r in rungs},
        "floor by radius": {f"{r.epsilon:.4g}": r.noise for r in rungs},
        "tries": tries,
        "ahead of as many tries": {
            f"{r.epsilon:.4g}": found.rate for r, found in zip(rungs, ahead, strict=True)
        },
    }
    text = f"attack {percent(attack)}, noise {percent(noise)}"
    slack = 2 * float(np.sqrt(noise * (1 - noise) / len(bench)))
    if attack < noise - slack:
        return Seen(Status.RED, f"{text}: noise breaks more", told)
    if all(found.p > SURE for found in ahead) and min(r.attack.rate for r in rungs) < 0.9:
        text = f"{text}; ahead of {tries} tries of noise at no radius"
        return Seen(Status.RED, text, told)
    if attack <= noise + slack and attack < 0.99:
        return Seen(Status.AMBER, f"{text}: not told apart at this radius", told)
    return Seen(Status.GREEN, text, told)


def ladder(bench: Bench) -> tuple[Rung, ...]:
    """Success of attack and noise over the radius."""
    return tuple(
        Rung(
            epsilon=epsilon,
            attack=Proportion(int(bench.success(epsilon).sum()), len(bench)),
            noise=floor(bench, epsilon),
        )
        for epsilon in bench.radii
    )


def floor(bench: Bench, epsilon: float) -> float:
    """Mean share of samples broken by a draw of the most harmful kind of noise."""
    main, threat = epsilon == bench.threat.epsilon, bench.at(epsilon)
    rates = []
    for kind in KINDS:
        draws = [_broken(bench, kind, threat, seed) for seed in range(DRAWS if main else FEWER)]
        if main and bench.target.votes == 1:
            bench.note(kind.name, np.any(draws, axis=0))
        rates.append(float(np.mean(draws)))
    return max(rates)


def _broken(bench: Bench, kind: type[Attack], threat: Threat, seed: int) -> Array:
    return bench.run(lambda _: kind(), bench.target, threat=threat, seed=1000 + seed).fooled


def _ever(bench: Bench, epsilon: float, tries: int) -> Array:
    """Samples broken by any of so many random corners: an attack counts any of its iterates too."""
    found = np.zeros(len(bench), bool)
    for seed in range(tries):
        found |= _broken(bench, SignNoise, bench.at(epsilon), seed)
    return found


def _flips(bench: Bench) -> float:
    again = bench.target.decide(bench.x, bench.draws(seed=1))
    return mean((again != bench.y).double())
