"""All checks on one evaluation."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from neurorobust.attacks import Target, Threat
from neurorobust.audit.bench import Bench
from neurorobust.audit.card import EvaluationCard, Finding
from neurorobust.audit.checks import CHECKS
from neurorobust.audit.evaluation import Evaluation
from neurorobust.audit.foreign import Evaluated, ForeignTarget
from neurorobust.audit.refusals import aligned, require_labels, require_sound
from neurorobust.engine.estimators import Assg, Estimator, Hart, Rga, Stbp, estimator_of
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array, Graph
from neurorobust.metrics import Proportion
from neurorobust.progress import Progress

SLICE = 256
"""Samples looked at by default."""
LEAST = 8
"""Samples decided rightly, below which nothing can be said."""

Model = Graph | Network | Evaluated


def standard_panel() -> tuple[Estimator, ...]:
    """The estimators that those of an evaluation are held against."""
    harts = (Hart(gamma) for gamma in (0.5, 1.0, 2.0))
    return (Stbp("triangle"), Stbp("arctan"), Rga(), *harts, Assg())


def audit(
    model: Model,
    x: Array,
    y: Array,
    threat: Threat,
    *,
    gradients: Sequence[Estimator | str] = ("rga", "stbp"),
    twin: Model | None = None,
    eot: int | None = None,
    votes: int | None = None,
    limit: int = SLICE,
    dtype: torch.dtype = torch.float32,
    only: Collection[str] | None = None,
    progress: Progress | None = None,
    panel: Sequence[Estimator] | None = None,
    **evaluation: Any,
) -> EvaluationCard:
    """Hold an evaluation against the checks C1 to C22.

    Args:
        model: A Graph, a Network, or an object made elsewhere that brings its own gradient.
        x: Clean samples, (B, ...); the first ``limit`` are looked at.
        y: Labels, (B,).
        threat: What the attacker may do.
        gradients: Estimators of the evaluation, or their names; unused for an object with its own.
        twin: Independently trained, of the same kind as the model, for C10.
        eot: Draws per gradient of a model that draws its input, 10 by default. For an object made
            elsewhere: how often its gradient is asked and averaged, once by default.
        votes: Draws per decision, likewise.
        limit: Size of the slice.
        dtype: In which an object made elsewhere computes.
        only: Ids of the checks to run; all by default.
        progress: Called as ``(check, done, total)``.
        panel: Estimators to hold the evaluated ones against; the standard panel by default.
        evaluation: Further fields of ``Evaluation``: attack, seed, sample, reported, replays,
            split, tuned_on, storage_levels, coding_seed, queries.

    Raises:
        InvalidInput: for no gradients, samples of another shape, labels that are no classes, an
            attack that the threat does not admit, or too few samples that are decided rightly.
    """
    began = time.perf_counter()
    case = _evaluation(x, y, threat, limit, evaluation)
    named = {str(e): e for e in map(estimator_of, gradients)}
    rivals = {str(e): e for e in (standard_panel() if panel is None else panel)}
    usual = 10 if isinstance(model, Graph | Network) else 1
    known = {"eot": eot or usual, "votes": votes or usual, "dtype": dtype}
    shown = torch.as_tensor(case.x).to(torch.float64)
    sources = _targets(model, named, shown, known)
    if not sources:
        msg = "an audit needs at least one gradient, such as rga or stbp"
        raise InvalidInput(msg)
    require_labels(case.y, len(shown), next(iter(sources.values())).classes)
    bench = Bench(
        case,
        sources,
        panel=_targets(model, rivals, shown, known) if isinstance(model, Graph | Network) else {},
        twin={} if twin is None else _targets(twin, named, shown, known),
        name=_name(model),
        content_hash=_hash(model),
    )
    asked = {only} if isinstance(only, str) else set(only or ())
    require_sound(bench, "" if twin is None else _hash(twin), asked, {c.id for c in CHECKS})
    if len(bench) < LEAST:
        raise InvalidInput(
            f"{len(bench)} of {len(shown)} samples are decided rightly; an audit needs {LEAST}: "
            "give more samples, or check labels and preprocessing"
        )
    chosen = [c for c in CHECKS if only is None or c.id in asked]
    findings = []
    for done, one in enumerate(chosen):
        if progress:
            progress(f"{one.id} {one.title}", done, len(chosen))
        findings.append(one(bench))
    return _card(bench, tuple(findings), named, time.perf_counter() - began)


def _evaluation(
    x: Array, y: Array, threat: Threat, limit: int, fields: Mapping[str, Any]
) -> Evaluation:
    if limit < 1 or not len(x) or len(x) != len(y):
        msg = f"{len(x)} samples, {len(y)} labels, limit {limit}; give at least one of each"
        raise InvalidInput(msg)
    low, high = threat.bounds
    x, y = np.asarray(x)[:limit], np.asarray(y)[:limit]
    if not np.isfinite(x).all() or x.min() < low - 1e-6 or x.max() > high + 1e-6:
        msg = f"samples must lie within {low:g}..{high:g}, they span {x.min():g}..{x.max():g}"
        raise InvalidInput(msg)
    if threat.epsilon <= 0:
        raise InvalidInput("epsilon is 0; an audit needs a radius above 0")
    try:
        given = Evaluation(x=x, y=y, threat=threat, **fields)
    except TypeError as error:
        raise InvalidInput(f"audit: {error}") from error
    sample = np.asarray(given.sample)
    index = sample[:limit] if len(sample) else np.arange(len(x))

    def cut(given: Any, *names: str) -> Any:
        known = {name: getattr(given, name) for name in names}
        return replace(given, **{n: v if v is None else v[:limit] for n, v in known.items()})

    reported = [cut(r, "adversarial", "fooled") for r in given.reported]
    replays = [cut(r, "decision", "inputs") for r in given.replays]
    sizes = [("adversarial samples", len(r.adversarial)) for r in reported]
    for what, size in [*sizes, *((f"decisions of {r.name}", len(r.decision)) for r in replays)]:
        if size != len(x):
            msg = f"{size} {what} for {len(x)} samples; give one for each, in the same order"
            raise InvalidInput(msg)
    return aligned(replace(given, sample=index, reported=reported, replays=replays))


def _targets(
    model: Model, named: Mapping[str, Estimator], x: torch.Tensor, known: Mapping[str, Any]
) -> dict[str, Target]:
    """Targets by the name of their gradient."""
    eot, votes = known["eot"], known["votes"]
    if isinstance(model, Graph | Network):
        network = Network(model) if isinstance(model, Graph) else model
        shape = network.graph.shapes[network.graph.input]
        timed = network.graph.header.coding == "events"
        if tuple(x.shape[1 + timed :]) != shape:
            msg = f"samples have shape {tuple(x.shape)}; the model takes {shape} per sample"
            raise InvalidInput(msg)
        return {name: Target(network, e, eot=eot, votes=votes) for name, e in named.items()}
    return {"own": ForeignTarget(model, x, eot=eot, votes=votes, dtype=known["dtype"])}


def _name(model: Model) -> str:
    if isinstance(model, Graph | Network):
        return (model if isinstance(model, Graph) else model.graph).header.name or "model"
    return str(getattr(model, "name", type(model).__name__))


def _hash(model: Model) -> str:
    if isinstance(model, Graph | Network):
        return (model if isinstance(model, Graph) else model.graph).content_hash
    return str(getattr(model, "content_hash", ""))


def _card(
    bench: Bench, findings: tuple[Finding, ...], named: Mapping[str, Estimator], wall_s: float
) -> EvaluationCard:
    n = len(bench)
    union = np.zeros(n, bool)
    for broken in bench.broken.values():
        union |= broken
    prototype = bench.prototype
    foreign = isinstance(bench.target, ForeignTarget)
    return EvaluationCard(
        subject=bench.name,
        content_hash=bench.content_hash,
        threat=bench.threat.parameters(),
        attack=prototype.describe(),
        gradients=tuple(bench.sources) if foreign else tuple(named),
        samples=len(bench.every),
        right=n,
        survived=int((~union).sum()),
        by_attack={k: Proportion(int(v.sum()), n) for k, v in bench.broken.items()},
        ladder=bench.rungs,
        findings=findings,
        seed=bench.evaluation.seed,
        wall_s=wall_s,
    )
