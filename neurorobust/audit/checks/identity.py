"""C1, C2: is the gradient that of the model which decides, and is there one at all?"""

import torch

from neurorobust.attacks import Draws, Target
from neurorobust.audit.bench import Bench
from neurorobust.audit.card import Seen, Status
from neurorobust.audit.check import absent, check, worst
from neurorobust.audit.foreign import Differentiable, ForeignTarget
from neurorobust.audit.probe import raw_gradient, steps_of
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput


@check(
    1,
    "forward identity",
    trigger="a score in the gradient's forward pass differs from inference",
    remedy="run the same neuron law, comparison, reset and weights in both passes",
)
def forward_identity(bench: Bench) -> Seen:
    """To the last bit for estimators here; to rounding for scores made elsewhere."""
    found = {name: _differs(bench, target) for name, target in bench.sources.items()}
    told = {name: row for name, row in found.items() if row is not None}
    if not told:
        return absent("the evaluation does not show the scores its gradient is of")
    statuses = [Status(str(row["status"])) for row in told.values()]
    changed = {name: row for name, row in told.items() if row["status"] != "green"}
    if not changed:
        return Seen(worst(statuses), f"{len(told)} gradient(s) leave every score as it is", told)
    name, row = next(iter(changed.items()))
    what = "by design " if row["status"] == "amber" else ""
    summary = f"{name}: {row['differing']} of {row['scores']} scores {what}differ from inference"
    return Seen(worst(statuses), f"{summary}, by up to {row['largest']:.3g}", told)


def _differs(bench: Bench, target: Target) -> dict[str, float | int | str] | None:
    x, numbers = bench.every, Draws(bench.evaluation.seed, bench.sample)
    if isinstance(target, ForeignTarget):
        if not isinstance(target.subject, Differentiable):
            return None
        wanted = promised = target.inferred(x)
        given = target.subject.differentiable(x.to(target.dtype).requires_grad_()).detach()
        slack = 1e-5 * float(wanted.abs().max())
    elif target.estimator is None or not isinstance(target.network, Network):
        return None
    else:
        stimulus = target.present(x, numbers, crafting=True)
        steps = steps_of(target, stimulus)
        with torch.no_grad():
            wanted = target.network.run(stimulus[:, :steps], steps)
            promised = target.estimator.inference(target.network, stimulus, steps)
        target.estimator.reset()
        given = target.estimator.scores(target.network, stimulus, steps).detach()
        target.estimator.reset()
        slack = 0.0
    off = (given - wanted).abs()
    status = Status.GREEN
    if (off > slack).any() or not torch.isfinite(given).all():
        # A forward pass that an estimator announces, such as more steps, is its own.
        kept = torch.equal(given, promised) and not torch.equal(promised, wanted)
        status = Status.AMBER if kept else Status.RED
    return {
        "status": status.value,
        "differing": int((off > slack).sum()),
        "scores": off.numel(),
        "largest": float(off.max()),
    }


@check(
    2,
    "live graph",
    trigger="no gradient by the input in evaluation mode",
    remedy="keep the graph in evaluation mode; do not detach, round or read out by first spikes",
)
def live_graph(bench: Bench) -> Seen:
    """One backward pass per gradient, as the model is when it decides."""
    faults: dict[str, str] = {}
    for name, target in bench.sources.items():
        try:
            gradient = raw_gradient(target, bench.x, bench.y, bench.draws())
        except InvalidInput as error:
            faults[name] = str(error)
        else:
            if not gradient.any():
                faults[name] = "every value of every gradient is 0"
    for name in faults:
        bench.usable.pop(name, None)
    if faults:
        name, reason = next(iter(faults.items()))
        return Seen(Status.RED, f"{name}: {reason}", faults)
    count = len(bench.sources)
    return Seen(Status.GREEN, f"{count} gradient(s) reach the input", {"gradients": count})
