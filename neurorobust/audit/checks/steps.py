"""C8, C9, C14: steps that lead further, and whether they were enough."""

import numpy as np
import torch

from neurorobust.attacks import Fgsm
from neurorobust.audit.bench import Bench
from neurorobust.audit.card import Seen, Status
from neurorobust.audit.check import absent, check, mean, percent
from neurorobust.audit.gap import gap
from neurorobust.ir import Array

LATE = 0.05
"""Share of the whole rise of the loss that the last steps may bring."""


@check(
    8,
    "iterative beats single step",
    trigger="one full step breaks more than the iterated attack",
    remedy="smaller steps, more of them, or a gradient averaged over draws",
    attacks=True,
)
def iterative(bench: Bench) -> Seen:
    """FGSM with the same gradients."""
    if bench.single_step:
        return absent("the attack takes a single step")
    single = bench.union(lambda source: bench.run(Fgsm, bench.usable[source]).fooled)
    bench.note("fgsm", single)
    many = bench.success()
    compared = gap(single, many)
    text = f"single step {percent(mean(single))}, iterated {percent(mean(many))}"
    return Seen(compared.status, text, compared.evidence("single step", "iterated"))


@check(
    9,
    "more steps",
    trigger="two or four times the steps, or another step size, break more",
    remedy="raise the steps until the success stays, or use SA-PGD or APGD",
    attacks=True,
)
def more_steps(bench: Bench) -> Seen:
    """The survivors are attacked again."""
    first = bench.success()
    left = torch.from_numpy(np.flatnonzero(~first))
    told: dict[str, float] = {"as evaluated": mean(first)}
    best = first
    for name, again in _again(bench, left):
        whole = first.copy()
        whole[left.numpy()] |= again
        bench.note(f"{bench.prototype.name}, {name}", whole)
        told[name] = mean(whole)
        best = best | whole
    if len(told) == 1:
        return absent(f"{bench.prototype.name} has neither steps nor a step size")
    compared = gap(best, first)
    rates = ", ".join(f"{name} {percent(rate)}" for name, rate in told.items())
    return Seen(compared.status, rates, told | compared.evidence("more", "as evaluated"))


def _again(bench: Bench, left: torch.Tensor) -> list[tuple[str, Array]]:
    if not len(left):
        return [("2 times the steps", np.empty(0, bool))]
    tried = [
        ("2 times the steps", bench.longer(2, left)),
        ("4 times the steps", bench.longer(4, left)),
        ("steps of ε/4", bench.stepping(0.25, left)),
    ]
    return [(name, found) for name, found in tried if found is not None]


@check(
    14,
    "complete optimisation",
    trigger=f"the last quarter of the steps, ten at most, brings over {LATE:.0%} of the rise",
    remedy="more steps",
    attacks=True,
)
def complete(bench: Bench) -> Seen:
    """Monotone envelope of the loss of the surviving samples."""
    shares = {}
    for source in bench.usable:
        run = bench.evaluated(source)
        if len(run.losses) < 4 or run.ever.all():
            continue
        envelope = np.maximum.accumulate(run.losses[:, ~run.ever])
        last = max(1, min(10, len(envelope) // 4))
        rise, late = envelope[-1] - envelope[0], envelope[-1] - envelope[-1 - last]
        shares[source] = float(late.sum() / rise.sum()) if rise.sum() > 0 else 0.0
    if not shares:
        return absent("no survivor of an attack of four steps or more")
    largest = max(shares.values())
    status = Status.AMBER if largest > LATE else Status.GREEN
    return Seen(status, f"{percent(largest)} of the rise comes at the end", shares)
