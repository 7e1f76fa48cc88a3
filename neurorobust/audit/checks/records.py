"""C21, C22: what was carried where, and what was tuned on what."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurorobust.audit.bench import Bench
from neurorobust.audit.card import Seen, Status
from neurorobust.audit.check import absent, check, percent
from neurorobust.audit.evaluation import Replay
from neurorobust.metrics import Proportion

AGREEMENT = 0.95
"""Share of equal clean decisions below which a port is broken, not robust."""


@check(
    21,
    "transfer book-keeping",
    trigger=f"other weights, inputs, steps or seed, or clean agreement below {AGREEMENT:.0%}",
    remedy="replay the same model and inputs; repair the port before reading its robustness",
)
def book_keeping(bench: Bench) -> Seen:
    """Every backend to which attacks were carried."""
    if not bench.evaluation.replays:
        return absent("no replay was given")
    told: dict[str, Any] = {}
    faults: list[str] = []
    for replay in bench.evaluation.replays:
        equal = int((np.asarray(replay.decision) == bench.decided.numpy()).sum())
        agreed = Proportion(equal, len(bench.decided))
        told[replay.name] = {"agreement": agreed.rate, "samples": agreed.n}
        wrong = _mismatches(bench, replay)
        if agreed.rate < AGREEMENT:
            wrong.append(f"clean agreement {percent(agreed.rate)}")
        faults += [f"{replay.name}: {what}" for what in wrong]
    if faults:
        return Seen(Status.RED, "; ".join(faults), told | {"faults": faults})
    unknown = [r.name for r in bench.evaluation.replays if not r.weights or r.inputs is None]
    if unknown:
        text = f"weights or inputs of {', '.join(unknown)} are not recorded"
        return Seen(Status.AMBER, text, told)
    return Seen(Status.GREEN, "the same weights, inputs and steps everywhere", told)


def _mismatches(bench: Bench, replay: Replay) -> list[str]:
    wrong = []
    if replay.weights and replay.weights != bench.content_hash:
        wrong.append(f"weights {replay.weights[:12]}, not {bench.content_hash[:12]}")
    if replay.steps is not None and replay.steps != bench.target.steps:
        wrong.append(f"{replay.steps} steps, not {bench.target.steps}")
    if replay.inputs is not None:
        same = replay.inputs.shape == tuple(bench.every.shape)
        if not same or np.abs(replay.inputs - bench.every.numpy()).max() > 1e-6:
            wrong.append("other inputs")
    own = bench.evaluation.coding_seed
    if replay.coding_seed is not None and own is not None and replay.coding_seed != own:
        wrong.append(f"spikes drawn from seed {replay.coding_seed}, not {own}")
    return wrong


@check(
    22,
    "no selection on the reported samples",
    trigger="a parameter was tuned on the split that is reported",
    remedy="tune on a validation split and report another",
)
def selection(bench: Bench) -> Seen:
    """By what estimators record, and what is said of the rest."""
    split = bench.evaluation.split
    tuned = {
        name: found
        for name, target in bench.sources.items()
        if target.estimator is not None
        for found in _tuned(target.estimator.describe())
    }
    if bench.evaluation.tuned_on:
        tuned["evaluation"] = bench.evaluation.tuned_on
    told = {"reported": split, **tuned}
    leaks = [name for name, found in tuned.items() if found == split]
    if leaks:
        return Seen(Status.RED, f"{', '.join(leaks)}: tuned on {split!r}, which is reported", told)
    where = f"tuned on {', '.join(sorted(set(tuned.values())))}" if tuned else "nothing was tuned"
    return Seen(Status.GREEN, f"{where}; reported on {split!r}", told)


def _tuned(record: Any) -> list[str]:
    """Every ``tuned_on`` in a record, however deep."""
    if isinstance(record, Mapping):
        own = [str(record["tuned_on"])] if record.get("tuned_on") else []
        return own + [found for value in record.values() for found in _tuned(value)]
    if isinstance(record, list | tuple):
        return [found for value in record for found in _tuned(value)]
    return []
