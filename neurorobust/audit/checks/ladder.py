"""C6, C7: success over the radius, up to the whole input range."""

import numpy as np

from neurorobust.attacks import UniformNoise
from neurorobust.audit.bench import Bench
from neurorobust.audit.card import Seen, Status
from neurorobust.audit.check import absent, check, percent, worst
from neurorobust.audit.gap import gap
from neurorobust.metrics import Proportion

UNBOUNDED = 0.99
"""Share that an unbounded iterative attack has to break."""


@check(
    6,
    "larger radius, more success",
    trigger="success falls from one radius to a larger one",
    remedy="more steps, a step size in units of the radius, and a start inside the ball",
    attacks=True,
)
def monotone(bench: Bench) -> Seen:
    """Sample by sample over at least six radii."""
    radii = sorted({*bench.radii, *(r.epsilon for r in bench.evaluation.reported)})
    found = [bench.success(epsilon) for epsilon in radii]
    told = {f"{e:.4g}": float(f.mean()) for e, f in zip(radii, found, strict=True)}
    drops = [gap(a, b) for i, b in enumerate(found) for a in found[:i]]
    largest = max(drops, key=lambda drop: drop.rate)
    status = worst([drop.status for drop in drops])
    text = " ≤ ".join(percent(rate) for rate in told.values())
    if status is not Status.GREEN:
        text = f"falls by {percent(largest.rate)}: " + text.replace("≤", "→")
    return Seen(status, text, {"success by radius": told, "largest fall": largest.rate})


@check(
    7,
    "unbounded attack",
    trigger=f"an iterative attack over the whole input range breaks less than {UNBOUNDED:.0%}",
    remedy="the gradient does not lead to the errors that exist: use another estimator or loss",
    attacks=True,
)
def unbounded(bench: Bench) -> Seen:
    """Of the samples for which an input that is decided otherwise is known to exist."""
    if bench.single_step:
        return absent("a single step may overshoot")
    classes = np.unique(bench.decided.numpy())
    known = np.full(len(bench), len(classes) > 1)
    threat = bench.at(bench.reach)
    if len(classes) == 1:
        known |= bench.run(lambda _: UniformNoise(), bench.target, threat=threat).fooled
    if not known.any():
        return absent("no input is known that is decided otherwise")
    broken = bench.union(lambda source: bench.evaluated(source, bench.reach).broken)
    found = Proportion(int((broken & known).sum()), int(known.sum()))
    told = {"broken": found.count, "of": found.n, "upper bound": found.interval[1]}
    text = f"{percent(found.rate)} of {found.n} broken at ε {bench.reach:g}"
    if found.rate >= UNBOUNDED:
        return Seen(Status.GREEN, text, told)
    return Seen(Status.AMBER if found.interval[1] >= UNBOUNDED else Status.RED, text, told)
