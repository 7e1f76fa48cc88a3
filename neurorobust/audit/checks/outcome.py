"""C13, C17: is what is returned what was found, and can it exist?"""

import numpy as np
import torch
from torch import Tensor

from neurorobust.audit.bench import Bench
from neurorobust.audit.card import Seen, Status
from neurorobust.audit.check import check
from neurorobust.audit.gap import Gap, gap
from neurorobust.ir import Array


@check(
    13,
    "no silent success",
    trigger="an iterate, or a reported success, whose returned sample is decided rightly",
    remedy="return the last iterate that succeeded once legal, and count that one",
)
def silent_success(bench: Bench) -> Seen:
    """Returned samples are decided again."""
    told: dict[str, int] = {}
    gaps: list[Gap] = []
    for name, claimed, broken in _claims(bench):
        # A claim that differs from the decision either way is not about the returned sample.
        told[name] = int((claimed != broken).sum())
        gaps.append(gap(claimed, broken))
    if not told:
        return Seen(Status.NOT_APPLICABLE, "no successes were reported", {})
    lost = max(told.values())
    if not lost:
        return Seen(Status.GREEN, "every success is that of a returned sample", told)
    text = f"{lost} of {len(bench)} successes differ from the returned samples"
    # Of a model that draws its input only returned samples count, so a lucky iterate is no claim.
    counted = bench.evaluation.reported and any(found.status is Status.RED for found in gaps)
    by_draw = bench.target.votes > 1 and not counted
    return Seen(Status.AMBER if by_draw else Status.RED, text, told)


def _claims(bench: Bench) -> list[tuple[str, Array, Array]]:
    """Where success is claimed, and where the returned sample is decided wrongly."""
    if not bench.evaluation.reported:
        runs = [(source, bench.evaluated(source)) for source in bench.usable]
        return [(source, run.ever, run.fooled) for source, run in runs]
    found = []
    for reported in bench.evaluation.reported:
        if reported.fooled is not None:
            given = torch.as_tensor(reported.adversarial).to(torch.float64)[bench.right]
            broken = (bench.target.decide(given, bench.draws()) != bench.y).numpy()
            claimed = np.asarray(reported.fooled, bool)[bench.right.numpy()]
            found.append((f"reported at {reported.epsilon:.4g}", claimed, broken))
    return found


@check(
    17,
    "legality",
    trigger="a value outside budget, bounds or grid, before or after storage",
    remedy="project and round to what the file or sensor holds, then decide again",
)
def legality(bench: Bench) -> Seen:
    """Measured on the samples, stored and read again."""
    faults, moved, seen = 0, 0, 0
    for adversarial, clean, epsilon in _returned(bench):
        threat = bench.at(epsilon) if bench.ball else bench.threat
        sound = bool(torch.isfinite(adversarial).all()) and adversarial.shape == clean.shape
        seen += len(clean)
        if not sound:
            faults += adversarial.numel()
            continue
        stored, clean_stored = _stored(bench, adversarial), _stored(bench, clean)
        faults += threat.violations(adversarial, clean) + threat.violations(stored, clean_stored)
        before = bench.target.decide(adversarial, bench.draws())
        moved += int((before != bench.target.decide(stored, bench.draws())).sum())
    told = {"values outside": faults, "decisions that storage changes": moved, "samples": seen}
    if not seen:
        return Seen(Status.NOT_APPLICABLE, "nothing was returned", told)
    if faults:
        return Seen(Status.RED, f"{faults} value(s) outside budget, bounds or grid", told)
    if moved and not bench.target.stochastic:
        return Seen(Status.AMBER, f"storage changes {moved} of {seen} decisions", told)
    return Seen(Status.GREEN, f"{seen} samples legal, before and after storage", told)


def _returned(bench: Bench) -> list[tuple[Tensor, Tensor, float]]:
    """Returned samples, their clean ones, and the radius."""
    if bench.evaluation.reported:
        return [
            (torch.as_tensor(r.adversarial).to(torch.float64), bench.every, r.epsilon)
            for r in bench.evaluation.reported
        ]
    runs = [bench.evaluated(source) for source in bench.usable]
    return [(run.adversarial, bench.x, bench.threat.epsilon) for run in runs]


def _stored(bench: Bench, x: Tensor) -> Tensor:
    """Values written as whole numbers and read again; as they are without a grid."""
    levels = bench.evaluation.storage_levels or bench.threat.levels
    if levels is None:
        return x
    low, high = bench.threat.bounds
    codes: Array = np.rint((x.numpy() - low) / (high - low) * (levels - 1))
    held = codes.clip(0, levels - 1).astype(np.min_scalar_type(levels - 1))
    return torch.from_numpy(low + held.astype(np.float64) * (high - low) / (levels - 1))
