"""C10, C11, C12, C20: other attackers that should not do better."""

from functools import partial
from typing import TYPE_CHECKING

import torch

from neurorobust.attacks import Linf, Square
from neurorobust.audit.bench import Bench
from neurorobust.audit.card import Seen, Status
from neurorobust.audit.check import absent, check, mean, percent
from neurorobust.audit.gap import NOTED, POINTS, gap
from neurorobust.audit.probe import inferred

if TYPE_CHECKING:
    from neurorobust.ir import Array

SATURATED = 1e-6
"""Cross-entropy below this has next to no gradient in single precision."""


@check(
    10,
    "white box beats transfer",
    trigger="attacks made on a twin break more than those made on the model",
    remedy="the model's own gradient misleads: use another estimator",
    attacks=True,
)
def white_box(bench: Bench) -> Seen:
    """The same attack on an independently trained network, decided here."""
    if not bench.twin:
        return absent("no twin was given")
    carried = bench.success() & False
    for target in bench.twin.values():
        made = bench.run(bench.evaluation.attack, target).adversarial
        decided = bench.target.decide(made, bench.draws())
        carried |= (decided != bench.y).numpy()
    bench.note("twin", carried)
    own = bench.success()
    compared = gap(carried, own)
    text = f"white box {percent(mean(own))}, transfer {percent(mean(carried))}"
    return Seen(compared.status, text, compared.evidence("transfer", "white box"))


@check(
    11,
    "gradients beat queries",
    trigger="Square, which has no gradient, breaks as much as the best gradient less one point",
    remedy="the gradient is masked: use an ensemble of estimators, and count what Square breaks",
    attacks=True,
)
def gradient_free(bench: Bench) -> Seen:
    """Square by scores alone."""
    if not isinstance(bench.threat, Linf):
        return absent(f"Square is not defined for {bench.threat.name}")
    queries = bench.evaluation.queries
    square = bench.run(lambda _: Square(queries), bench.target).fooled
    bench.note("square", square)
    own = bench.success()
    compared = gap(square, own)
    # Where both break all or nothing there is nothing to tell.
    close = mean(square) > mean(own) - NOTED and 0 < mean(own) < 1 - NOTED
    status = Status.AMBER if close and compared.status is Status.GREEN else compared.status
    text = f"gradients {percent(mean(own))}, Square with {queries} queries {percent(mean(square))}"
    return Seen(status, text, compared.evidence("square", "gradients"))


@check(
    12,
    "estimators agree",
    trigger=f"success differs by more than {POINTS:.0%} between estimators",
    remedy="report the worst case per sample over all of them",
    attacks=True,
)
def estimators(bench: Bench) -> Seen:
    """Red if all together break over twice what the estimators of the evaluation break."""
    found: dict[str, Array] = {name: bench.evaluated(name).broken for name in bench.usable}
    for name, target in bench.panel.items():
        if name not in found:
            found[name] = bench.run(bench.evaluation.attack, target).broken
            bench.note(f"{bench.prototype.name} {name}", found[name])
    if len(found) < 2:
        return absent("there is one gradient only")
    rates = {name: mean(broken) for name, broken in found.items()}
    spread = max(rates.values()) - min(rates.values())
    together = bench.success()
    for broken in found.values():
        together = together | broken
    compared = gap(together, bench.success())
    # A headline is the worst case over the panel too; red says that the gradients do not carry it.
    blind = compared.status is Status.RED and together.sum() > 2 * bench.success().sum()
    noted = spread > POINTS or compared.status is not Status.GREEN
    status = Status.RED if blind else Status.AMBER if noted else Status.GREEN
    best = max(rates, key=lambda name: rates[name])
    text = f"spread {percent(spread)}, best {best} with {percent(rates[best])}"
    if compared.rate > NOTED:
        text += (
            f"; all together {percent(mean(together))}, evaluated {percent(mean(bench.success()))}"
        )
    told = {"success": rates, "spread": spread} | compared.evidence("all", "evaluated")
    return Seen(status, text, told)


@check(
    20,
    "loss",
    trigger="another loss breaks over three points more, or the cross-entropy is saturated",
    remedy="use a loss of logit differences (margin, DLR) besides the cross-entropy",
    attacks=True,
)
def loss_form(bench: Bench) -> Seen:
    """The same attack on the margin, and how many samples have no cross-entropy left."""
    scores = inferred(bench.target, bench.x, bench.draws()) * bench.target.scale
    left = torch.nn.functional.cross_entropy(scores, bench.y, reduction="none")
    flat = float((left < SATURATED).double().mean())
    told: dict[str, float | int] = {"saturated": flat}
    if "loss" not in bench.prototype.parameters() or bench.opaque:
        status = Status.AMBER if flat > 0.5 else Status.GREEN
        return Seen(status, f"{percent(flat)} saturated; another loss cannot be run", told)
    own = bench.success()
    told["as evaluated"] = mean(own)
    best = own
    for name in ("ce", "margin", "dlr"):
        if name == bench.prototype.parameters()["loss"]:
            continue
        make = partial(bench.remade, loss=name)
        found = bench.union(lambda source, make=make: bench.run(make, bench.usable[source]).broken)  # type: ignore[misc]
        bench.note(f"{bench.prototype.name} on {name}", found)
        told[name], best = mean(found), best | found
    compared = gap(best, own)
    wide = Status.AMBER if compared.rate > 0.03 or flat > 0.5 else Status.GREEN
    status = Status.RED if compared.status is Status.RED else wide
    rates = ", ".join(f"{name} {percent(rate)}" for name, rate in told.items())
    return Seen(status, rates, told | compared.evidence("other losses", "as evaluated"))
