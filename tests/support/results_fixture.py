"""A synthetic study for tests: invented numbers with the shape of real ones."""

import hashlib
from itertools import product

import numpy as np
import polars as pl

from neurorobust.metrics import Proportion, mcnemar_exact
from neurorobust.study import folder, tables

SAMPLES, SUBSET, STEPS = 360, 60, 32
EPSILONS = (8 / 255, 16 / 255, 24 / 255, 32 / 255)
NODES = ("conv1", "conv2", "fc1")
SIZES = {"conv1": 2304, "conv2": 576, "fc1": 64}
BACKENDS = ("reference", "torch", "snntorch", "norse")
STRENGTH = {
    ("sign_noise", "none"): 3,
    ("fgsm", "stbp"): 20,
    ("fgsm", "rga"): 27,
    ("pgd(steps=40)", "stbp"): 34,
    ("sapgd", "rga"): 42,
}
NAMES = {"loihi2": "Intel Loihi 2", "speck": "SynSense Speck"}


def digest(*parts) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def program_of(model, profile, bits=None, scaling="mse") -> str:
    return digest(model, profile, bits, scaling)[:12]


def sites(model, profiles=("loihi2",), variants=((None, "mse"),)):
    """The columns of ``WHERE`` without the backend, and the backends that run each."""
    base = {"model": model, "model_hash": digest(model)[:12], "execution": "clocked"}
    bare = {"profile": "", "scaling": "", "program": "", "weight_bits": None, "decay_bits": None}
    yield base | bare | {"rung": "float"}, BACKENDS
    for profile, (bits, scaling) in product(profiles, variants):
        yield (
            base
            | {"profile": profile, "weight_bits": bits, "scaling": scaling, "decay_bits": None}
            | {"program": program_of(model, profile, bits, scaling), "rung": "quantised"},
            (*BACKENDS, "lava") if profile == "loihi2" and bits is None else BACKENDS[:2],
        )


def sets_of(model, *, on_program=True):
    """The columns of ``WHAT`` that say which set, with the strength of each."""
    for (attack, gradient), strength in STRENGTH.items():
        for epsilon in EPSILONS:
            yield attacked(model, attack, gradient, epsilon, digest(model)[:12]), strength
    if on_program:
        seen = program_of(model, "loihi2")
        for epsilon in EPSILONS[:2]:
            yield attacked(model, "sapgd", "rga", epsilon, seen), 46


def attacked(model, attack, gradient, epsilon, crafted_on):
    return {
        "set": digest(model, attack, gradient, epsilon, crafted_on)[:12],
        "crafted_on": crafted_on,
        "attack": attack,
        "gradient": gradient,
        "knowledge": "white_box" if gradient != "none" else "none",
        "threat": "linf",
        "epsilon": float(epsilon),
        "seed": 0,
    }


CLEAN = {
    "set": "clean",
    "crafted_on": "",
    "attack": "none",
    "gradient": "none",
    "knowledge": "",
    "threat": "",
    "epsilon": 0.0,
    "seed": 0,
}


def outcomes(models=("digits-conv",), profiles=("loihi2",), variants=((None, "mse"),), seed=7):
    """Decisions from margins: in float all but norse agree; integers shift them a little."""
    frames = []
    for number, model in enumerate(models):
        rng = np.random.default_rng(seed + number)
        labels = rng.integers(0, 10, SAMPLES)
        wrong = (labels + rng.integers(1, 10, SAMPLES)) % 10
        base = rng.normal(3.1 - number, 1.5, SAMPLES)
        given = list(sites(model, profiles, variants))
        offsets = {}
        for site, backends in given:
            bits = site["weight_bits"]
            coarse = 0.3 if bits is None else 0.12 * (9 - bits) ** 1.3
            shared = rng.normal(-0.4 * coarse, coarse, SAMPLES)
            for backend in backends:
                if site["rung"] == "float":
                    own = rng.normal(0, 0.6, SAMPLES) if backend == "norse" else 0
                else:
                    own = shared + (rng.normal(0, 0.25, SAMPLES) if backend == "norse" else 0)
                offsets[site["program"], backend] = own + np.zeros(SAMPLES)
        for what, strength in [(CLEAN, 0), *sets_of(model)]:
            push = strength * what["epsilon"] * rng.gamma(6, 1 / 6, SAMPLES)
            for site, backends in given:
                weak = (
                    0.6
                    if what["crafted_on"] not in ("", site["program"] or digest(model)[:12])
                    else 1
                )
                for backend in backends:
                    n = SUBSET if backend == "lava" else SAMPLES
                    margin = (base - weak * push + offsets[site["program"], backend])[:n]
                    keys = site | what | {"backend": backend, "data": "digits", "part": "test"}
                    frame = pl.DataFrame(
                        {
                            "sample": np.arange(n),
                            "label": labels[:n],
                            "decision": np.where(margin > 0, labels[:n], wrong[:n]),
                            "margin": margin,
                        }
                    )
                    keyed = frame.with_columns(
                        pl.lit(keys.get(name, "direct" if name == "coding" else None), kind).alias(
                            name
                        )
                        for name, kind in tables.RUN.items()
                    )
                    frames.append(keyed.select(list(tables.OUTCOMES)))
    return pl.concat(frames)


def rows_of(decided: pl.DataFrame, agreed: pl.DataFrame) -> pl.DataFrame:
    """A row per run: counted sample by sample, in the plainest way."""
    runs = {}
    for part in decided.partition_by(list(tables.RUN), maintain_order=True):
        first = part.row(0, named=True)
        key = first["model"], first["program"], first["backend"], first["set"]
        right = dict(zip(part["sample"], part["decision"] == part["label"], strict=True))
        runs[key] = first, right, dict(zip(part["sample"], part["decision"], strict=True))
    rows = []
    for (model, program, backend, name), (first, right, decision) in runs.items():
        row = {column: first[column] for column in tables.RUN} | {"status": "done"}
        row |= rate("accuracy", "right", "n", sum(right.values()), len(right))
        own = runs[model, "", "reference", name][2]
        agreeing = sum(decision[s] == own[s] for s in decision)
        row |= rate("agreement", "agreeing", "compared", agreeing, len(right))
        same = agreed.filter(
            (pl.col("model") == model)
            & (pl.col("program") == program)
            & (pl.col("backend") == backend)
            & (pl.col("set") == name)
        )
        if same.height:
            row |= {"spike_values": same["values"].sum(), "spikes_fired": same["fired"].sum()}
            row |= {"spikes_differing": same["differing"].sum()}
            parted = same.filter(pl.col("differing") > 0)
            if parted.height:
                row |= {"first_node": parted["node"][0], "first_step": parted["first_step"][0]}
        if name != "clean":
            seen = first["crafted_on"]
            there = "" if seen == first["model_hash"] else seen
            row |= churn(runs, (model, program, backend), (model, there, "reference"), name)
        rows.append(row)
    return tables.frame(tables.ROWS, rows)


def churn(runs, here, there, name):
    clean, surrogate_clean = runs[(*here, "clean")][1], runs[(*there, "clean")][1]
    right, surrogate_right = runs[(*here, name)][1], runs[(*there, name)][1]
    both = [s for s in right if clean[s] and surrogate_clean[s]]
    fooled = {s for s in both if not right[s]}
    surrogate = {s for s in both if not surrogate_right[s]}
    lost, gained = len(surrogate - fooled), len(fooled - surrogate)
    return rate("success", "fooled", "attackable", len(fooled), len(both)) | {
        "surrogate_fooled": len(surrogate),
        "kept": len(surrogate & fooled),
        "lost": lost,
        "gained": gained,
        "p_value": mcnemar_exact(lost, gained),
    }


def rate(name, count, total, found, n):
    low, high = Proportion(found, n).interval
    share = found / n if n else float("nan")
    return {count: found, total: n, name: share, f"{name}_low": low, f"{name}_high": high}


def agreement(models=("digits-conv",), profiles=("loihi2",), variants=((None, "mse"),)):
    rows = []
    for model in models:
        strong = attacked(model, "sapgd", "rga", EPSILONS[1], digest(model)[:12])
        for (site, backends), what in product(sites(model, profiles, variants), (CLEAN, strong)):
            for backend in backends:
                if backend == "reference":
                    continue
                n = SUBSET if backend == "lava" else SAMPLES
                parted = backend == "norse" and (site["rung"] == "float") == (what is not CLEAN)
                for depth, node in enumerate(NODES):
                    differing = (3, 17, 5)[depth] if parted else 0
                    values = n * STEPS * SIZES[node]
                    silent = site["profile"] == "speck"
                    rows.append(
                        site
                        | what
                        | {"backend": backend, "data": "digits", "part": "test", "coding": "direct"}
                        | {"against": "reference", "node": node, "depth": depth, "values": values}
                        | {"fired": 0 if silent else values // 9, "differing": differing}
                        | {"samples": n, "samples_differing": min(differing, 2)}
                        | (located(depth) if differing else {})
                    )
    return tables.frame(tables.AGREEMENT, rows)


def located(depth):
    near = {"membrane": 1.0 + 4e-16, "threshold": 1.0, "distance": 4e-16}
    return {"first_sample": 118, "first_step": 6 + depth, "first_neuron": 77} | near


def pictures(seed=3):
    """Images of digits-like blobs, what was added, and spikes of the first."""
    rng = np.random.default_rng(seed)
    found = {}
    grid = np.linspace(-1, 1, 8)
    for i in range(4):
        x, y = rng.uniform(-0.4, 0.4, 2)
        blob = np.exp(-8 * ((grid[:, None] - y) ** 2 + (grid[None] - x) ** 2 - 0.25) ** 2)
        clean = np.round(16 * blob) / 16
        change = rng.choice([-1, 0, 1], clean.shape) * EPSILONS[1]
        found[f"clean/{i}"] = clean[None]
        found[f"adversarial/{i}"] = np.clip(clean + change, 0, 1)[None]
    for depth, node in enumerate(NODES):
        rates = rng.beta(1.1, 5, SIZES[node])
        spikes = rng.random((STEPS, SIZES[node])) < rates
        flipped = rng.random(spikes.shape) < (0.01, 0.03, 0.06)[depth]
        found[f"raster/clean/{node}"] = spikes.astype(np.uint8)
        found[f"raster/adversarial/{node}"] = (spikes ^ flipped).astype(np.uint8)
    return found


def check(model, profile, *, ok):
    """As ``neurorobust check --json`` gives it."""
    word = {"kind": "wall", "sense": "most", "unit": "word", "source": "synthetic"}
    broken = [
        {"constraint": "kernel words", "layer": node, "used": used, "limit": 1024, **word}
        | {"headroom": 1024 - used, "status": "fail", "confidence": "H"}
        for node, used in (("conv1", 1152), ("conv2", 9216))
    ]
    held = {"constraint": "weight bits", "status": "ok", "kind": "wall", "used": 8, "limit": 8}
    open_ = {"constraint": "fan-in", "status": "unchecked", "kind": "wall", "note": "not public"}
    estimate = {"value": 2.1e-5, "low": 1.4e-5, "high": 3.0e-5, "basis": "synthetic", "why": ""}
    none = {"value": None, "low": None, "high": None, "basis": "", "why": "no public figure"}
    return {
        "model": model,
        "content_hash": digest(model),
        "profile": profile,
        "chip": NAMES[profile],
        "ok": ok,
        "results": [held, open_, *([] if ok else broken)],
        "placement": {"cores": 9 if ok else 0, "cores_per_chip": 120, "chips": 1, "why": ""}
        if ok
        else {"cores": 0, "cores_per_chip": 9, "chips": 0, "why": "does not fit"},
        "costs": {"total": estimate if ok else none, "latency": none},
        "notes": [],
    }


def card(*, red):
    status = "red" if red else "green"
    found = {"title": "More steps", "trigger": "", "evidence": {}, "remedy": "take more steps"}
    headline = {
        "count": 150,
        "n": 200,
        "rate": 0.75,
        "interval": list(Proportion(150, 200).interval),
    }
    return {
        "subject": "digits-conv",
        "threat": {"name": "linf", "epsilon": EPSILONS[0]},
        "samples": 200,
        "right": 196,
        "headline": None if red else headline,
        "withheld": "withheld: C5 More steps" if red else "",
        "findings": [
            found | {"id": "C5", "status": status, "summary": "100 steps fool 12 samples more"},
            found
            | {"id": "C9", "title": "Seeds", "status": "amber", "summary": "3 seeds differ by 2"},
            found
            | {"id": "C1", "title": "Noise", "status": "green", "summary": "noise fools less"},
        ],
    }


def manifest(models=("digits-conv",), profiles=("loihi2",), variants=((None, "mse"),), **changes):
    lanes, programs = [], []
    for model in models:
        for site, backends in sites(model, profiles, variants):
            where = {k: site[k] for k in ("model", "rung", "execution", "profile", "program")}
            for backend in backends:
                n = SUBSET if backend == "lava" else SAMPLES
                gap = ["weights are rounded, the membrane stays in floating point"]
                own = gap if backend == "norse" and site["program"] else []
                spent = 3.7 + 41 * (backend == "lava")
                times = {"wall_s": spent, "cpu_s": spent}
                lanes.append(
                    where | times | {"backend": backend, "samples": n * 23, "deviations": own}
                )
            if site["program"]:
                programs.append(
                    {
                        k: site[k]
                        for k in ("model", "profile", "weight_bits", "scaling", "decay_bits")
                    }
                    | {"content_hash": digest(site["program"]), "report": lowering()}
                )
        shut = {"model": model, "execution": "clocked", "wall_s": 0.0}
        reason = "Lava's float processes are not compared; run it on the rung quantised"
        lanes.append(
            shut | {"backend": "lava", "rung": "float", "status": "refused", "reason": reason}
        )
        reason = "onnxruntime is not installed; pip install 'neurorobust[onnx]'"
        for rung in ("float", "quantised"):
            own = {"profile": "loihi2", "program": program_of(model, "loihi2")}
            lanes.append(
                shut
                | {"backend": "onnx", "rung": rung, "status": "unavailable", "reason": reason}
                | (own if rung == "quantised" else {})
            )
        programs += [
            {"model": model, "profile": "loihi2", "weight_bits": bits, "scaling": "mse"}
            | {"status": "refused", "reason": "1 bit has no value but zero; give at least 2 bits"}
            for bits in (1,) * (len(variants) > 1)
        ]
    told = {
        "title": "Digits on Loihi 2 arithmetic (synthetic test data)",
        "preset": "run",
        "command": "neurorobust run studies/synthetic.toml --out results/synthetic",
        "created": "2026-01-02T03:04:05+00:00",
        "wall_s": 312.4,
        "cpu_s": 590.1,
        "study": {"models": list(models), "profiles": list(profiles), "eps": ["8/255", "16/255"]},
        "versions": {
            "host": {"python": "3.11.9", "neurorobust": "0.1.0", "numpy": "2.4.6"},
            "snntorch": {"snntorch": "1.0.0"},
            "lava": {"python": "3.10.14", "lava-nc": "0.10.0", "numpy": "1.26.4"},
        },
        "hardware": {"cpu": "2 cores", "gpu": "none"},
        "models": [
            {
                "label": model,
                "named": f"{model}.nir",
                "content_hash": digest(model),
                "nodes": dict.fromkeys(NODES, "LIF") | {"readout": "Linear"},
                "spiking": list(NODES),
                "levels": 256,
                "steps": STEPS,
                "classes": 10,
                "card": {"data": "synthetic digits", "dt_s": 0.001},
            }
            for model in models
        ],
        "profiles": [
            {"id": p, "name": NAMES[p], "file": f"{p}.toml", "sha256": digest(p)} for p in profiles
        ],
        "programs": programs,
        "data": [
            {
                "name": "digits",
                "part": "test",
                "n": SAMPLES,
                "digest": digest("data"),
                "levels": 256,
            }
            | {"shape": [1, 8, 8], "classes": 10, "bounds": (0.0, 1.0)}
        ],
        "lanes": lanes,
        "sets": [
            {k: what[k] for k in ("set", "crafted_on", "attack", "gradient", "knowledge", "threat")}
            | {"epsilon": what["epsilon"], "model": model, "content_hash": digest(what["set"])}
            | {"rung": "float" if what["crafted_on"] == digest(model)[:12] else "quantised"}
            | {"n": SAMPLES, "right": 350, "fooled": min(350, int(strength * 80 * what["epsilon"]))}
            | {"queries": 41.0, "gradients": 40.0, "cpu_s": 12.5, "bytes": 230_400}
            | {"request": {"attack": {"name": what["attack"], "restarts": 1, "steps": 40}}}
            for model in models
            for what, strength in sets_of(model)
        ]
        + [
            {"model": models[0], "attack": "square", "gradient": "none", "epsilon": EPSILONS[0]}
            | {"status": "refused", "reason": "Square needs images of two axes"}
        ],
        "checks": [
            {"model": m, "profile": p, "check": check(m, p, ok=p == "loihi2")}
            for m in models
            for p in profiles
        ],
        "audits": [
            {"model": models[0], "set": "", "card": card(red=False)},
            *({"model": m, "withheld": "no attack was to be audited"} for m in models[1:]),
        ],
        "pictures": [
            {"model": models[0], "set": "", "attack": "sapgd", "gradient": "rga"}
            | {"epsilon": EPSILONS[1], "sample": 118 + i, "label": 3 + i, "clean_decision": 3 + i}
            | {"adversarial_decision": 8 - i}
            for i in range(4)
        ],
        "stages": [
            {"name": "lower", "wall_s": 0.8},
            {"name": "craft", "wall_s": 143.0},
            {"name": "replay", "wall_s": 168.2},
        ],
        "cells": {"done": 214, "refused": 3, "failed": 1},
        "failures": [
            {"cell": digest("cell"), "what": "replay digits-conv on Norse", "status": "failed"}
            | {"reason": "took more than 4 GB; give --memory", "attempts": 2}
        ],
        "notes": ["Every number in this folder is synthetic and serves only the tests."],
    }
    return folder.Manifest.model_validate(told | changes)


def lowering():
    return [
        {"layer": n, "scale": s, "exponent": e, "bits": 8, "max_error": x, "saturated": 0}
        for n, s, e, x in (
            ("conv1", 0.0132, -6, 0.0064),
            ("conv2", 0.0087, -6, 0.0043),
            ("fc1", 0.0211, -5, 0.0104),
            ("readout", 0.0176, -5, 0.0088),
        )
    ]


SWEEP = ((None, "mse"), *product((7, 6, 5, 4, 3, 2), ("mse", "max_abs")))


def study(models=("digits-conv",), profiles=("loihi2",), variants=((None, "mse"),), **changes):
    """All of a folder; ``changes`` replace tables, pictures or parts of the manifest."""
    axes = models, profiles, variants
    decided, agreed = outcomes(*axes), agreement(*axes)
    parts = {
        "outcomes": decided,
        "agreement": agreed,
        "rows": rows_of(decided, agreed),
        "cells": tables.frame(tables.CELLS, []),
        "pictures": pictures(),
    }
    given = {name: changes.pop(name) for name in list(changes) if name in parts}
    return folder.Results(manifest=manifest(*axes, **changes), **(parts | given))


def build(at, *axes, **changes):
    """Write the folder and return it."""
    folder.write(at, study(*axes, **changes))
    return at
