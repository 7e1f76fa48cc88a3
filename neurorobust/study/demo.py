"""The main job, once through: train → Graph → lower → attack → replay → report."""

import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurorobust.attacks import AttackSet, Fgsm, Linf, Pgd, UniformNoise
from neurorobust.backends import get_backend, run
from neurorobust.chips import load_profile
from neurorobust.data import DIGITS, encode, load
from neurorobust.engine.estimators import Rga, Stbp
from neurorobust.engine.network import Network
from neurorobust.engine.threads import one_thread
from neurorobust.fit import with_cores
from neurorobust.ir import Array, Graph, Program, save_model
from neurorobust.lower import lower
from neurorobust.progress import Stages
from neurorobust.study.attack.run import Attacked, Trial, attack_all
from neurorobust.study.lanes import Closed, Lane, open_lanes
from neurorobust.study.replay import Replay, replay
from neurorobust.study.results import begin
from neurorobust.study.sets import SampleSet
from neurorobust.study.stages import Clock, Steps, now, versions
from neurorobust.study.transfer import write_report, write_results
from neurorobust.study.transfer.store import MANIFEST
from neurorobust.zoo.digits import load_or_train

EPSILONS = (8, 16, 32, 48)
"""Radii in steps of the sensor's 255."""
ATTACKS = (UniformNoise(), *(kind(gradient()) for kind in (Fgsm, Pgd) for gradient in (Stbp, Rga)))
SHOWN = ("pgd", "rga", 32)
"""Attack whose spikes are compared with the reference and drawn in the report."""
LAVA_SAMPLES = 64
"""Samples per attack that real Lava replays, at the shown epsilon."""
PROFILE = "loihi2"


@dataclass(frozen=True, slots=True, eq=False)
class Demo:
    """What the job made.

    Attributes:
        report: The HTML file.
        replay: Outcomes and agreement.
        closed: Lanes that did not run, with the reason.
    """

    report: Path
    replay: Replay
    closed: list[Closed]


def run_demo(folder: Path, stages: Stages, *, seed: int = 0, command: str = "") -> Demo:
    """Everything, into a folder. What an earlier run left there is reused where it still holds.

    Args:
        folder: Made if it is not there.
        stages: Told about progress.
        seed: Of data split, weights, batches and attacks.
        command: Recorded in the manifest.

    Raises:
        InvalidFile: if the folder cannot be written or holds a damaged file.
    """
    begin(folder, MANIFEST)
    with one_thread():
        return _run(folder, Clock(stages), seed=seed, command=command)


def _run(folder: Path, clock: Clock, *, seed: int, command: str) -> Demo:
    test = load(DIGITS, seed=seed)
    with clock.stage("Train or load the digits model", "train") as progress:
        graph, card = load_or_train(folder / "model", seed=seed, progress=progress)
    with clock.stage(f"Lower it to {PROFILE}", "lower") as progress:
        profile = load_profile(PROFILE)
        program = lower(graph, profile.profile)
        assert isinstance(program, Program)  # noqa: S101  # the profile has integer arithmetic
        program = with_cores(program, profile.profile)
        save_model(program, folder / "model" / f"digits-{PROFILE}.safetensors")
    with clock.stage("Craft or load the attacks", "attack") as progress:
        attacked = attack_all(
            ATTACKS,
            [Linf.of(graph.header, steps / 255) for steps in EPSILONS],
            Network(graph),
            test,
            folder=folder / "attacks",
            stages=Steps(progress, len(ATTACKS) * len(EPSILONS)),
            seed=seed,
        )
    lanes, closed = open_lanes(graph, program)
    with clock.stage("Replay on every backend and rung", "replay") as progress:
        crafted = [trial.attacks for trial in attacked.trials]
        sets = [SampleSet(test, compare_spikes=True)]
        sets += [SampleSet.of(s, compare_spikes=_is_shown(s)) for s in crafted]
        done = replay(graph, program, sets, lanes, share=_share, progress=progress)
        closed += done.closed
    with clock.stage("Write the report", "report") as progress:
        rasters, drawn = _rasters(graph, crafted)
        manifest = {
            "title": "Handwritten digits: from a trained network to a transfer matrix",
            "created": now(),
            "versions": _versions(done),
            "hardware": {
                "system": platform.platform(),
                "machine": platform.machine(),
                "byte_order": sys.byteorder,
            },
            "model": {"name": graph.header.name, "content_hash": graph.content_hash, "card": card},
            "program": {
                "profile": program.profile,
                "content_hash": program.content_hash,
                "report": program.report,
            },
            "profile": {
                "name": profile.profile.name,
                "file": profile.path.name,
                "sha256": profile.sha256,
            },
            "backends": [*(ran.row() for ran in done.ran), *(lane.row() for lane in closed)],
            "attack_sets": [_described(trial) for trial in attacked.trials],
            "deviations": [lane.row() | {"text": text} for lane, text in done.deviations],
            "surrogate": {"backend": "torch", "rung": "float"},
            "notes": _notes(done, attacked),
            "raster": drawn,
            "command": command,
            "seeds": {"all": seed},
            "stages": clock.rows,
            "wall_s": clock.wall_s,
        }
        write_results(folder, done.outcomes, done.agreement, rasters, manifest)
        path = write_report(folder)
    return Demo(path, done, closed)


def _is_shown(attacks: AttackSet) -> bool:
    attack, gradient, steps = SHOWN
    return (attacks.attack, attacks.gradient, round(attacks.epsilon * 255)) == (
        attack,
        gradient,
        steps,
    )


def _share(lane: Lane, shown: SampleSet) -> SampleSet | None:
    """Real Lava takes milliseconds per step: all clean samples, few of the shown epsilon."""
    if lane.backend != "lava" or shown.key.attack == "none":
        return shown
    wanted = shown.compare_spikes or lane.rung == "quantised"
    close = round(shown.key.epsilon * 255) == SHOWN[2]
    return shown[:LAVA_SAMPLES] if wanted and close else None


def _rasters(
    graph: Graph, sets: Sequence[AttackSet]
) -> tuple[dict[str, Array], dict[str, Any] | None]:
    """Spikes of the first sample that the shown attack fools, clean and adversarial."""
    shown = next(s for s in sets if _is_shown(s))
    right = shown.clean_decision == shown.label
    fooled = np.flatnonzero(right & (shown.adversarial_decision != shown.label))
    if not len(fooled):
        return {}, None
    index = int(fooled[0])
    pair = np.stack([shown.clean[index], shown.adversarial[index]])
    spikes = run(graph, encode(graph, pair), record=["spikes"]).spikes
    rasters = {
        f"{kind}/{name}": value[row].reshape(value.shape[1], -1)
        for row, kind in enumerate(("clean", "adversarial"))
        for name, value in spikes.items()
    }
    of_it = ("sample", "label", "clean_decision", "adversarial_decision")
    return rasters, {
        **{key: int(getattr(shown, key)[index]) for key in of_it},
        **{key: getattr(shown, key) for key in ("attack", "gradient", "epsilon")},
    }


def _versions(done: Replay) -> dict[str, dict[str, str]]:
    host = versions("neurorobust", "numpy", "torch", "polars", "scikit-learn")
    backends = dict.fromkeys(ran.lane.backend for ran in done.ran)
    return {"host": host} | {name: dict(get_backend(name).versions()) for name in backends}


def _notes(done: Replay, attacked: Attacked) -> list[str]:
    notes = ["Float rungs run in double precision, so that the order of summation moves no spike."]
    if any(ran.lane.backend == "lava" for ran in done.ran):
        notes.append(
            f"Real Lava replays all clean samples and, at epsilon {SHOWN[2]}/255, the first "
            f"{LAVA_SAMPLES} of each attack (rung quantised) or of {SHOWN[0]} with {SHOWN[1]} "
            "(rung float); every comparison uses the samples common to all compared backends "
            "and states their number."
        )
    reused = sum(trial.reused for trial in attacked.trials)
    return [*notes, f"{reused} of {len(attacked.trials)} attack sets were reused"]


def _described(trial: Trial) -> dict[str, Any]:
    attacks, found = trial.attacks, trial.success
    return {
        "set": attacks.content_hash[:12],
        **{key: getattr(attacks, key) for key in ("attack", "gradient", "epsilon")},
        "n": len(attacks.label),
        "content_hash": attacks.content_hash,
        "surrogate_asr": found.count / max(found.n, 1),
        "params": {
            key: attacks.request[key] for key in ("attack", "gradient", "threat", "seed", "dtype")
        },
    }
