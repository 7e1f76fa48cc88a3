"""C15: a loss that jumps under noise gives gradients that hold nowhere."""

import torch

from neurorobust.attacks.losses import margin
from neurorobust.audit.bench import Bench
from neurorobust.audit.card import Seen, Status
from neurorobust.audit.check import check, percent
from neurorobust.audit.probe import inferred

DRAWS = 100
"""Of noise, over all samples."""
ROUGH = 0.10
"""Mean change of the loss, relative to its size, that is still called smooth."""


@check(
    15,
    "stable landscape",
    trigger=f"noise of the radius changes the margin by more than {ROUGH:.0%} on average",
    remedy="average the gradient over noise or draws, and add restarts",
    attacks=True,
)
def stable(bench: Bench) -> Seen:
    """Mean change of the logit margin, relative to the mean size of the margin."""
    x, y, low, high = bench.x, bench.y, *bench.threat.bounds
    start = margin(inferred(bench.target, x, bench.draws()), y, None)
    rounds = max(1, -(-DRAWS // len(x)))
    change = torch.zeros(())
    for number in range(rounds):
        draws = bench.draws(seed=2000 + number)
        near = bench.threat.project(bench.threat.random(x, draws), x).clamp(low, high)
        there = margin(inferred(bench.target, near, bench.draws()), y, None)
        change = change + (there - start).abs().double().mean() / rounds
    rough = float(change / start.abs().mean().clamp(min=1e-12))
    told = {"relative change": rough, "draws": rounds * len(x)}
    status = Status.AMBER if rough > ROUGH else Status.GREEN
    return Seen(status, f"the margin changes by {percent(rough)} under noise", told)
