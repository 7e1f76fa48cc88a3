"""The main job, once through: train → Graph → lower → attack → replay → report."""

import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from neurorobust.attacks import Attack, AttackSet, Fgsm, Linf, Pgd, UniformNoise, craft
from neurorobust.backends import get_backend
from neurorobust.chips import LoadedProfile, load_profile
from neurorobust.data import encode
from neurorobust.data.digits import load_digits
from neurorobust.data.split import Split
from neurorobust.engine.estimators import Rga, Stbp
from neurorobust.engine.network import Network
from neurorobust.engine.threads import one_thread
from neurorobust.errors import InvalidFile
from neurorobust.files import write_atomic
from neurorobust.fit import with_cores
from neurorobust.ir import Array, Graph, Program, save_model
from neurorobust.lower import lower
from neurorobust.progress import Stages
from neurorobust.study.lanes import Lane, Skipped, open_lanes
from neurorobust.study.replay import Batch, Replay, replay
from neurorobust.study.transfer import write_report, write_results
from neurorobust.study.transfer.store import MANIFEST
from neurorobust.zoo.digits import load_or_train

EPSILONS = (8, 16, 32, 48)
"""Radii in steps of the sensor's 255."""
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
        skipped: Lanes that did not run, with the reason.
    """

    report: Path
    replay: Replay
    skipped: list[Skipped]


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
    _require_writable(folder)
    # Its absence marks a folder whose files may belong to two runs.
    (folder / MANIFEST).unlink(missing_ok=True)
    with one_thread():
        return _run(folder, stages, seed=seed, command=command)


def _run(folder: Path, stages: Stages, *, seed: int, command: str) -> Demo:
    clock = _Clock()
    _, test = load_digits(seed=seed)
    with clock("train"), stages.stage("Train or load the digits model") as progress:
        graph, card = load_or_train(folder / "model", seed=seed, progress=progress)
    with clock("lower"), stages.stage(f"Lower it to {PROFILE}") as progress:
        profile = load_profile(PROFILE)
        program = lower(graph, profile.profile)
        assert isinstance(program, Program)  # noqa: S101  # the profile has integer arithmetic
        program = with_cores(program, profile.profile)
        save_model(program, folder / "model" / f"digits-{PROFILE}.safetensors")
    with clock("attack"), stages.stage("Craft or load the attacks") as progress:
        sets, reused = craft_all(graph, test, folder / "attacks", seed=seed, progress=progress)
    lanes, skipped = open_lanes(graph, program)
    with clock("replay"), stages.stage("Replay on every backend and rung") as progress:
        batches = _batches(test, sets)
        done = replay(graph, program, batches, lanes, share=_share, progress=progress)
    with clock("report"), stages.stage("Write the report") as progress:
        manifest = _manifest(graph, card, program, profile, sets, done, [*skipped, *done.skipped])
        rasters, manifest["raster"] = _rasters(graph, sets)
        manifest |= {
            "command": command,
            "seeds": {"all": seed},
            "stages": clock.rows(),
            "wall_s": clock.total(),
        }
        manifest["notes"].append(f"{reused} of {len(sets)} attack sets were reused")
        write_results(folder, done.outcomes, done.agreement, rasters, manifest)
        path = write_report(folder)
    return Demo(report=path, replay=done, skipped=[*skipped, *done.skipped])


def craft_all(
    graph: Graph, data: Split, folder: Path, *, seed: int, progress: Callable[[str, int, int], None]
) -> tuple[list[AttackSet], int]:
    """Noise, FGSM and PGD with STBP and RGA gradients, at every epsilon.

    Returns:
        The sets, and how many of them were reused.
    """
    network = Network(graph)
    attacks: Sequence[Attack] = (
        UniformNoise(),
        *(kind(gradient) for kind in (Fgsm, Pgd) for gradient in (Stbp(), Rga())),
    )
    jobs = [(attack, steps) for steps in EPSILONS for attack in attacks]
    sets: list[AttackSet] = []
    reused = 0
    for done, (attack, steps) in enumerate(jobs):
        progress(f"{attack.name} at {steps}/255", done, len(jobs))
        made, old = craft(
            attack,
            network,
            clean=data.values,
            label=data.labels,
            sample=np.arange(len(data)),
            threat=Linf.of(graph.header, steps / 255),
            seed=seed,
            folder=folder,
        )
        sets.append(made)
        reused += old
    progress("attacks", len(jobs), len(jobs))
    return sets, reused


def _batches(data: Split, sets: Sequence[AttackSet]) -> list[Batch]:
    clean = Batch(
        name="clean",
        values=data.values,
        label=data.labels,
        sample=np.arange(len(data)),
        compare_spikes=True,
    )
    return [clean, *(Batch.of(s, compare_spikes=_is_shown(s)) for s in sets)]


def _is_shown(attacks: AttackSet) -> bool:
    attack, gradient, steps = SHOWN
    return (attacks.attack, attacks.gradient, round(attacks.epsilon * 255)) == (
        attack,
        gradient,
        steps,
    )


def _share(lane: Lane, batch: Batch) -> Batch | None:
    """Real Lava takes milliseconds per step: all clean samples, few of the shown epsilon."""
    if lane.backend != "lava" or batch.attack == "none":
        return batch
    wanted = batch.compare_spikes or lane.rung == "quantised"
    close = round(batch.epsilon * 255) == SHOWN[2]
    return batch.head(LAVA_SAMPLES) if wanted and close else None


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
    executable = get_backend("torch").compile(graph, "float")
    spikes = executable.run(encode(graph, pair), record=["spikes"]).spikes
    rasters = {
        f"{kind}/{name}": value[row].reshape(value.shape[1], -1)
        for row, kind in enumerate(("clean", "adversarial"))
        for name, value in spikes.items()
    }
    return rasters, {
        "sample": int(shown.sample[index]),
        "label": int(shown.label[index]),
        "clean_decision": int(shown.clean_decision[index]),
        "adversarial_decision": int(shown.adversarial_decision[index]),
        "attack": shown.attack,
        "gradient": shown.gradient,
        "epsilon": shown.epsilon,
    }


def _manifest(  # noqa: PLR0917  # everything that was used is named
    graph: Graph,
    card: dict[str, Any],
    program: Program,
    profile: LoadedProfile,
    sets: Sequence[AttackSet],
    done: Replay,
    skipped: Sequence[Skipped],
) -> dict[str, Any]:
    ran = [
        {
            "backend": lane.backend,
            "rung": lane.rung,
            "status": "ran",
            "reason": "",
            "samples": samples,
            "wall_s": round(seconds, 3),
        }
        for lane, seconds, samples in done.ran
    ]
    absent = [
        {
            "backend": entry.lane.backend,
            "rung": entry.lane.rung,
            "status": "skipped",
            "reason": entry.reason,
        }
        for entry in skipped
    ]
    host = ("neurorobust", "numpy", "torch", "polars", "scikit-learn")
    backends = dict.fromkeys(lane.backend for lane, _, _ in done.ran)
    return {
        "title": "Handwritten digits: from a trained network to a transfer matrix",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "host": {"python": platform.python_version()} | {name: version(name) for name in host},
            **{name: dict(get_backend(name).versions()) for name in backends},
        },
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
        "backends": ran + absent,
        "attack_sets": [_described(s) for s in sets],
        "deviations": [
            {"backend": lane.backend, "rung": lane.rung, "text": text}
            for lane, text in done.deviations
        ],
        "surrogate": {"backend": "torch", "rung": "float"},
        "notes": _notes(done),
    }


def _notes(done: Replay) -> list[str]:
    notes = ["Float rungs run in double precision, so that the order of summation moves no spike."]
    if any(lane.backend == "lava" for lane, _, _ in done.ran):
        notes.append(
            f"Real Lava replays all clean samples and, at epsilon {SHOWN[2]}/255, the first "
            f"{LAVA_SAMPLES} of each attack (rung quantised) or of {SHOWN[0]} with {SHOWN[1]} "
            "(rung float); every comparison uses the samples common to all compared backends "
            "and states their number."
        )
    return notes


def _described(attacks: AttackSet) -> dict[str, Any]:
    right = attacks.clean_decision == attacks.label
    fooled = right & (attacks.adversarial_decision != attacks.label)
    return {
        "set": attacks.content_hash[:12],
        "attack": attacks.attack,
        "gradient": attacks.gradient,
        "epsilon": attacks.epsilon,
        "n": len(attacks.label),
        "content_hash": attacks.content_hash,
        "surrogate_asr": float(fooled.sum() / max(right.sum(), 1)),
        "params": {
            key: attacks.request[key] for key in ("attack", "gradient", "threat", "seed", "dtype")
        },
    }


def _require_writable(folder: Path) -> None:
    """Find out before the work, not after it.

    Raises:
        InvalidFile: if nothing can be written there.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidFile(folder, "is a file; choose a folder with --out")
    write_atomic(folder / ".writable", b"").unlink()


class _Clock:
    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._rows: list[dict[str, Any]] = []

    def __call__(self, name: str) -> "_Stage":
        return _Stage(self, name)

    def add(self, name: str, wall_s: float) -> None:
        self._rows.append({"name": name, "wall_s": round(wall_s, 3)})

    def rows(self) -> list[dict[str, Any]]:
        return list(self._rows)

    def total(self) -> float:
        return round(time.perf_counter() - self._start, 3)


class _Stage:
    def __init__(self, clock: _Clock, name: str) -> None:
        self._clock, self._name = clock, name

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._clock.add(self._name, time.perf_counter() - self._start)
