"""What each kind of cell does: from the inputs of a study to one result."""

import json
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load, save

from neurorobust.attacks import craft, make_threat
from neurorobust.attacks.request import Request
from neurorobust.compare.spikes import SpikeComparison, compare_spikes, first_divergence
from neurorobust.data import Samples, encode
from neurorobust.errors import InvalidInput
from neurorobust.files import write_atomic
from neurorobust.fit import with_cores
from neurorobust.ir import Array, Model, Program, save_model
from neurorobust.lower import lower
from neurorobust.progress import Progress
from neurorobust.study.audited import audit_sets, success
from neurorobust.study.cells import Cell, Kind
from neurorobust.study.crafters import crafters
from neurorobust.study.inputs import Inputs
from neurorobust.study.store import Store

if TYPE_CHECKING:
    from neurorobust.audit import EvaluationCard
    from neurorobust.backends import RunResult

BATCH = 100
"""Samples that run at once."""
BITS = "bits"
"""How spikes are kept of which there is none or one."""
REFERENCE = "reference"
"""The backend whose membranes tell how near a spike was, where two backends part."""

Found = dict[str, Any]


def run_cell(cell: Cell, inputs: Inputs, store: Store, progress: Progress | None = None) -> Found:
    """Run a cell; large results are written, the rest is returned as JSON values.

    Raises:
        NeurorobustError: saying why there is no result.
    """
    return _KINDS[cell.kind](cell, inputs, store, progress)


def _fit(cell: Cell, inputs: Inputs, *_: object) -> Found:
    from neurorobust.fit.activity import measure
    from neurorobust.fit.checking import check

    said = cell.decided
    model = inputs.model(said["model"])
    samples = inputs.samples(said["data"], 0, said["samples"]).shown_to(model)
    activity = measure(model, samples.values, seed=said["seed"]) if len(samples) else None
    return {"check": check(model, inputs.profile(said["profile"]), activity).as_json()}


def _lower(cell: Cell, inputs: Inputs, store: Store, *_: object) -> Found:
    said = cell.decided
    profile = inputs.profile(said["profile"])
    graph, calibration = inputs.model(said["model"]), None
    if said["calibration"] is not None:
        calibration = inputs.samples(said["calibration"]).shown_to(graph).values
    made = lower(graph, profile, calibration=calibration, **said["options"])
    if isinstance(made, Program):
        made = with_cores(made, profile)
    save_model(made, store.path(cell.key, "safetensors"))
    report = list(made.report) if isinstance(made, Program) else []
    return {"content_hash": made.content_hash, "kind": type(made).__name__, "report": report}


def _craft(cell: Cell, inputs: Inputs, store: Store, progress: Progress | None) -> Found:
    said, using = cell.decided, cell.using
    network = inputs.network(said["model"], said["dtype"])
    twin = None if said["twin"] is None else inputs.network(said["twin"], said["dtype"])
    samples = inputs.samples(said["data"], said["first"], said["count"]).shown_to(network.graph)
    crafter = crafters(using["attack"], using["gradient"], twin)[-1]
    request = Request(
        network,
        samples.values,
        samples.labels,
        make_threat(said["threat"]),
        seed=said["seed"],
        sample=samples.sample,
        eot=said["eot"],
        votes=said["votes"],
    )
    made, _ = craft(
        crafter, request, store.folder / "sets", progress=progress, left_out=samples.name
    )
    found = success(made)
    return {
        "file": f"sets/{made.file_name}",
        "content_hash": made.content_hash,
        "n": len(made.label),
        "right": found.n,
        "fooled": found.count,
        "queries": _mean(made.queries),
        "gradients": _mean(made.gradients),
        "request": dict(made.request),
    }


def _mean(counts: Array | None) -> float | None:
    return None if counts is None else float(counts.mean())


def _replay(cell: Cell, inputs: Inputs, store: Store, progress: Progress | None) -> Found:
    said = cell.decided
    model: Model = inputs.model(said["model"])
    samples = _shown(said, inputs)
    executable = inputs.executable(said["model"], said["backend"], said["rung"])
    compared = min(said["compare"], len(samples))
    runs: list[RunResult] = []
    for start in range(0, len(samples), BATCH):
        if progress:
            progress("samples", start, len(samples))
        # By the sample, so that ranges draw what the whole would, and no two the same.
        rng = np.random.default_rng([said["seed"], int(samples.sample[start])])
        stimulus = encode(model, samples[start : start + BATCH].values, rng=rng)
        count = max(0, min(compared - start, len(stimulus)))
        if count:
            runs.append(executable.run(stimulus[:count], ["spikes"]))
        if count < len(stimulus):
            runs.append(executable.run(stimulus[count:]))
    scores = np.concatenate([run.scores for run in runs])
    decisions = np.concatenate([run.decisions for run in runs])
    spikes = _joined([run.spikes for run in runs if run.spikes])
    arrays = {
        "sample": samples.sample.astype(np.int64),
        "label": samples.labels.astype(np.int64),
        "decision": decisions.astype(np.int64),
        "margin": _margins(scores, samples.labels),
    }
    if said["keep"]:
        arrays |= {f"spikes/{name}": _packed(value) for name, value in spikes.items()}
    shapes = {
        name: [BITS if _binary(value) else str(value.dtype), *value.shape]
        for name, value in spikes.items()
    }
    meta = {"spikes": json.dumps(shapes)} if said["keep"] else None
    write_atomic(store.path(cell.key, "safetensors"), save(arrays, metadata=meta))
    index = [int(i) for i in samples.sample[:compared]]
    found: Found = {
        "deviations": list(dict.fromkeys(str(d) for run in runs for d in run.deviations)),
        "agreement": [],
        "drift": None,
    }
    if spikes and (other := _kept(store, said["against"])):
        parted = _compare(spikes, other, model, index)
        explained = _explained(parted, spikes, other, samples[:compared], inputs, said)
        found["agreement"] = [asdict(row) for row in explained]
    if spikes and (other := _kept(store, said["float"])):
        rows = _compare(spikes, other, inputs.model(said["graph"]), index)
        first = first_divergence(rows)
        found["drift"] = {
            "spike_values": sum(row.values for row in rows),
            "spikes_fired": sum(row.fired for row in rows),
            "spikes_differing": sum(row.differing for row in rows),
            "first_node": first and first.node,
            "first_step": first and first.first_step,
        }
    return found


def _shown(said: Mapping[str, Any], inputs: Inputs) -> Samples:
    """The clean samples of a range, or the adversarial ones of a set."""
    if said["set"] is None:
        whole = inputs.samples(said["data"], said["first"], said["count"])
        return whole.shown_to(inputs.model(said["model"]))
    made = inputs.attack_set(said["set"])
    whole = Samples(made.content_hash[:12], made.adversarial, made.label, made.sample)
    return whole[: said["count"]]


def _margins(scores: Array, labels: Array) -> Array:
    every = np.arange(len(labels))
    own, others = scores[every, labels], scores.copy()
    others[every, labels] = -np.inf
    return np.asarray(own - others.max(axis=1), np.float64)


def _joined(parts: list[Mapping[str, Array]]) -> dict[str, Array]:
    names = parts[0] if parts else ()
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _packed(spikes: Array) -> Array:
    """In as few bytes as spikes of a bit, or of a number, take."""
    flat = np.packbits(spikes) if _binary(spikes) else np.ascontiguousarray(spikes)
    return np.frombuffer(zlib.compress(flat.tobytes(), 1), np.uint8)


def _binary(spikes: Array) -> bool:
    return spikes.dtype == np.uint8 and spikes.max(initial=0) <= 1


def _unpacked(packed: Array, kind: str, shape: Sequence[int]) -> Array:
    data = np.frombuffer(zlib.decompress(packed.tobytes()), np.uint8)
    if kind == BITS:
        return np.unpackbits(data, count=math.prod(shape)).reshape(shape)
    return data.view(np.dtype(kind)).reshape(shape)


def _kept(store: Store, key: str | None) -> dict[str, Array]:
    """The spikes that another cell kept; none where it came to no result."""
    ended = None if key is None else store.get(key)
    if ended is None or ended.status != "done":
        return {}
    data = store.path(ended.key, "safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    shapes = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["spikes"])
    arrays = load(data)
    return {
        name: _unpacked(arrays[f"spikes/{name}"], kind, shape)
        for name, (kind, *shape) in shapes.items()
    }


def _compare(
    spikes: Mapping[str, Array], other: Mapping[str, Array], model: Model, index: list[int]
) -> tuple[SpikeComparison, ...]:
    common = [name for name in model.order if name in spikes and name in other]
    count = min([len(index), *(len(other[name]) for name in common)])
    return compare_spikes(
        {name: spikes[name][:count] for name in common},
        {name: other[name][:count] for name in common},
        order=model.order,
        samples=index[:count],
    )


def _explained(  # noqa: PLR0917  # what was compared, and from where
    rows: tuple[SpikeComparison, ...],
    spikes: Mapping[str, Array],
    other: Mapping[str, Array],
    samples: Samples,
    inputs: Inputs,
    said: Mapping[str, Any],
) -> list[SpikeComparison]:
    """The same, with how far from its threshold the membrane was where two runs first part.

    The reference runs those few samples again; where it cannot, the distance stays unknown.
    """
    parted = sorted({row.first_sample for row in rows if row.first_sample is not None})
    model = inputs.model(said["model"])
    if not parted or said["base"] != REFERENCE or model.header.coding == "bernoulli":
        return list(rows)
    at = np.flatnonzero(np.isin(samples.sample, parted))
    from neurorobust.backends import compiled

    with compiled(model, REFERENCE, said["rung"]) as executable:
        run = executable.run(encode(model, samples[at].values), ["membrane"])
    near = compare_spikes(
        {row.node: spikes[row.node][at] for row in rows},
        {row.node: other[row.node][at] for row in rows},
        order=model.order,
        membrane=run.membrane,
        nodes=model.nodes,
        samples=[int(i) for i in samples.sample[at]],
    )
    heights = {row.node: row for row in near}
    return [
        replace(
            row,
            membrane=heights[row.node].membrane,
            threshold=heights[row.node].threshold,
            distance=heights[row.node].distance,
        )
        for row in rows
    ]


def _audit(cell: Cell, inputs: Inputs, store: Store, progress: Progress | None) -> Found:
    said = cell.decided
    network = inputs.network(said["model"], said["dtype"])
    twin = None if said["twin"] is None else inputs.network(said["twin"], said["dtype"])
    sets = [inputs.attack_set(key) for key in cell.after if _done(store, key)]
    samples = inputs.samples(said["data"], 0, said["samples"]).shown_to(network.graph)
    try:
        card: EvaluationCard = audit_sets(
            network, samples, sets, twin=twin, seed=said["seed"], progress=progress
        )
    except InvalidInput as error:
        return {"card": None, "withheld": f"it cannot be audited ({error})"}
    # How long it took is no result: two runs of a cell give equal ones.
    found = replace(card, wall_s=0.0)
    return {"card": found.as_json(), "withheld": found.doubt}


def _done(store: Store, key: str) -> bool:
    ended = store.get(key)
    return ended is not None and ended.status == "done"


_KINDS: Mapping[Kind, Callable[[Cell, Inputs, Store, Progress | None], Found]] = {
    "fit": _fit,
    "lower": _lower,
    "craft": _craft,
    "replay": _replay,
    "audit": _audit,
}
