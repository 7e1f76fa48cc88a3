"""A synthetic results folder for tests: invented numbers with the shape of real ones."""

import hashlib

import numpy as np
import polars as pl

from neurorobust.compare.spikes import AGREEMENT_COLUMNS
from neurorobust.study.transfer import write_results

SAMPLES, SUBSET = 360, 60
EPSILONS = (8 / 255, 16 / 255, 24 / 255, 32 / 255)
NODES = ("conv1", "conv2", "fc1")
SIZES = {"conv1": 2304, "conv2": 576, "fc1": 64}
BACKENDS = ("reference", "torch", "snntorch", "norse")
COLUMNS = (
    *((backend, "float") for backend in BACKENDS),
    *((backend, "quantised") for backend in (*BACKENDS, "lava")),
)
STRENGTH = {
    ("noise", "none"): 3,
    ("fgsm", "stbp"): 20,
    ("fgsm", "rga"): 27,
    ("pgd", "stbp"): 34,
    ("pgd", "rga"): 42,
}
CHURN = {"reference": 0.30, "torch": 0.30, "lava": 0.30, "snntorch": 0.42, "norse": 0.55}


def digest(*parts) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def attack_sets():
    for (attack, gradient), strength in STRENGTH.items():
        for epsilon in EPSILONS:
            yield digest(attack, gradient, epsilon)[:12], attack, gradient, epsilon, strength


def outcomes(seed: int = 7) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, SAMPLES)
    wrong = (labels + rng.integers(1, 10, SAMPLES)) % 10
    base = rng.normal(3.1, 1.5, SAMPLES)
    # The float rung agrees except for norse; quantised, reference, torch and lava are bit-exact.
    offset = {c: np.zeros(SAMPLES) for c in COLUMNS}
    offset["norse", "float"] = rng.normal(0, 0.006, SAMPLES)
    shared = {name: rng.normal(0, CHURN[name], SAMPLES) for name in ("torch", "snntorch", "norse")}
    for backend, rung in COLUMNS:
        if rung == "quantised":
            offset[backend, rung] = shared.get(backend, shared["torch"])
    frames = []
    sets = [("clean", "none", "none", 0.0, 0.0), *attack_sets()]
    for set_, attack, gradient, epsilon, strength in sets:
        push = strength * epsilon * rng.gamma(6, 1 / 6, SAMPLES)
        for backend, rung in COLUMNS:
            n = SUBSET if backend == "lava" else SAMPLES
            margin = (base - push + offset[backend, rung])[:n]
            frames.append(
                pl.DataFrame(
                    {
                        "set": set_,
                        "attack": attack,
                        "gradient": gradient,
                        "epsilon": float(epsilon),
                        "backend": backend,
                        "rung": rung,
                        "sample": np.arange(n),
                        "label": labels[:n],
                        "decision": np.where(margin > 0, labels[:n], wrong[:n]),
                        "margin": margin,
                    }
                )
            )
    return pl.concat(frames)


def agreement() -> pl.DataFrame:
    rows = []
    sets = ["clean", digest("pgd", "rga", EPSILONS[1])[:12]]
    for set_ in sets:
        for backend, rung in COLUMNS:
            if backend == "reference":
                continue
            n = SUBSET if backend == "lava" else SAMPLES
            parted = backend == "norse" and rung == "float" and set_ != "clean"
            rough = backend in {"norse", "snntorch"} and rung == "quantised"
            for depth, node in enumerate(NODES):
                differing = (3, 17, 5)[depth] if parted else (210, 940, 81)[depth] if rough else 0
                rows.append(
                    {
                        "set": set_,
                        "rung": rung,
                        "backend": backend,
                        "against": "reference",
                        "node": node,
                        "depth": depth,
                        "values": n * 32 * SIZES[node],
                        "differing": differing,
                        "samples": n,
                        "samples_differing": min(differing, 2 if parted else 41),
                        "first_sample": 118 if differing else None,
                        "first_step": 6 + depth if differing else None,
                        "first_neuron": 77 if differing else None,
                        "membrane": 1.0 + 4e-16 if differing else None,
                        "threshold": 1.0 if differing else None,
                        "distance": 4e-16 if differing else None,
                    }
                )
    return pl.DataFrame(rows, schema=AGREEMENT_COLUMNS)


def rasters(seed: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    found = {}
    for depth, node in enumerate(NODES):
        rate = rng.beta(1.1, 5, SIZES[node])
        clean = rng.random((32, SIZES[node])) < rate
        flipped = rng.random(clean.shape) < (0.01, 0.03, 0.06)[depth]
        found[f"clean/{node}"] = clean.astype(np.uint8)
        found[f"adversarial/{node}"] = (clean ^ flipped).astype(np.uint8)
    return found


def manifest() -> dict:
    return {
        "title": "Digits on Loihi 2 arithmetic (synthetic test data)",
        "command": "neurorobust run studies/synthetic.toml --out results/synthetic",
        "created": "2026-01-02T03:04:05+00:00",
        "wall_s": 312.4,
        "seeds": {"train": 0, "attack": 1, "encode": 2},
        "versions": {
            "host": {"python": "3.11.9", "neurorobust": "0.1.0", "numpy": "2.4.6"},
            "torch": {"torch": "2.13.0"},
            "snntorch": {"snntorch": "1.0.0"},
            "norse": {"norse": "1.1.0"},
            "lava": {"python": "3.10.14", "lava-nc": "0.10.0", "numpy": "1.26.4"},
        },
        "hardware": {"cpu": "2 cores", "gpu": "none"},
        "model": {
            "name": "digits-conv",
            "content_hash": digest("model"),
            "card": {"data": "synthetic digits", "dt_s": 0.001, "steps": 32, "classes": 10},
        },
        "program": {
            "profile": "loihi2",
            "content_hash": digest("program"),
            "report": [
                {"layer": n, "scale": s, "exponent": e, "bits": 8, "max error": x, "saturated": 0}
                for n, s, e, x in (
                    ("conv1", 0.0132, -6, 0.0064),
                    ("conv2", 0.0087, -6, 0.0043),
                    ("fc1", 0.0211, -5, 0.0104),
                    ("readout", 0.0176, -5, 0.0088),
                )
            ],
        },
        "profile": {"name": "loihi2", "file": "loihi2.toml", "sha256": digest("profile")},
        "backends": [
            {
                "backend": backend,
                "rung": rung,
                "status": "ran",
                "reason": None,
                "samples": SUBSET if backend == "lava" else SAMPLES,
                "wall_s": 3.7 + 41 * (backend == "lava") + 20 * (backend == "reference"),
            }
            for backend, rung in COLUMNS
        ]
        + [
            {
                "backend": "lava",
                "rung": "float",
                "status": "skipped",
                "reason": "lava's fixed-point processes are compared, not its float ones",
                "samples": 0,
                "wall_s": 0.0,
            }
        ],
        "attack_sets": [
            {
                "set": set_,
                "attack": attack,
                "gradient": gradient,
                "epsilon": epsilon,
                "n": SAMPLES,
                "content_hash": digest(attack, gradient, epsilon),
                "surrogate_asr": min(1.0, strength * epsilon / 4),
                "params": {"steps": 10, "alpha": epsilon / 4} if attack == "pgd" else {},
            }
            for set_, attack, gradient, epsilon, strength in attack_sets()
        ],
        "raster": {
            "sample": 118,
            "label": 3,
            "clean_decision": 3,
            "adversarial_decision": 8,
            "attack": "pgd",
            "gradient": "rga",
            "epsilon": EPSILONS[1],
        },
        "deviations": [
            {
                "backend": "norse",
                "rung": "quantised",
                "text": "weights are rounded, the membrane stays in floating point",
            }
        ],
        "surrogate": {"backend": "torch", "rung": "float"},
        "stages": [
            {"name": "lower", "wall_s": 0.8},
            {"name": "attack", "wall_s": 143.0},
            {"name": "replay", "wall_s": 168.2},
        ],
        "notes": ["Every number in this folder is synthetic and serves only the tests."],
    }


def build(folder, **changes):
    """Write the folder; ``changes`` replace outcomes, agreement, rasters or the manifest."""
    parts = {"outcomes": outcomes(), "agreement": agreement(), "rasters": rasters()}
    return write_results(folder, **({"manifest": manifest(), **parts} | changes))
