"""What a model is, as data: its description, its arrays, and the hash of both."""

import hashlib
import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from neurorobust.ir.base import Array

if TYPE_CHECKING:
    from neurorobust.ir.model import Model

FORMAT = 1
"""Version of the description, raised when older readers would misread it."""


def content_hash(model: "Model") -> str:
    """SHA-256 over canonical JSON and the digest of every array.

    What a model is called, where it comes from and what lowering reports of it leave it the same.
    """
    described = describe(model)
    parts = [described[key] for key in parts_of(model)]
    for description in (described, *parts):
        for key in ("name", "provenance"):
            del description["header"][key]
        description.pop("report", None)
        description["edges"].sort()  # their order moves sums by rounding only
    described["arrays"] = {
        key: [str(value.dtype), list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()]
        for key, value in arrays_of(model).items()
    }
    return hashlib.sha256(canonical_json(described).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces and no NaN: equal values give equal text."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain_number
    )


def _plain_number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} is no JSON value")


def describe(model: "Model") -> dict[str, Any]:
    """Everything but the arrays, as JSON values."""
    extra = {f.name: getattr(model, f.name) for f in fields(model) if f.metadata.get("stored")}
    extra |= {name: describe(part) for name, part in parts_of(model).items()}
    return {
        "format": FORMAT,
        "model": type(model).__name__,
        "header": asdict(model.header),
        "nodes": [
            {"name": name, "kind": node.kind} | node.attributes()
            for name, node in model.nodes.items()
        ],
        "edges": [[e.source, e.target, e.delay] for e in model.edges],
        **extra,
    }


def parts_of(model: "Model") -> dict[str, "Model"]:
    """The models within a model, by field name; absent ones are left out."""
    named = ((f.name, getattr(model, f.name)) for f in fields(model) if f.metadata.get("part"))
    return {name: part for name, part in named if part is not None}


def arrays_of(model: "Model") -> dict[str, Array]:
    """All arrays, named ``node/field``, those of a part ``//part/node/field``."""
    arrays = {
        f"{name}/{key}": np.ascontiguousarray(value).reshape(value.shape)
        for name, node in model.nodes.items()
        for key, value in node.arrays().items()
    }
    for name, part in parts_of(model).items():
        arrays |= {f"//{name}/{key}": value for key, value in arrays_of(part).items()}
    return arrays
