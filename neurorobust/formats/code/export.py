"""Writing a network as a Python file of another framework, and running it once."""

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from safetensors.numpy import save

from neurorobust.compare.selfcheck import Verdict, not_run, self_check
from neurorobust.errors import InvalidInput, Unsupported
from neurorobust.files import write_atomic
from neurorobust.formats.code.running import GeneratedCode, interpreter_of, versions_of
from neurorobust.formats.code.torch_module import Source, torch_source
from neurorobust.ir import Array, Graph, Model, Program
from neurorobust.names import require_choice

Target = Literal["snntorch", "norse", "lava"]

ORIGIN_LENGTH = 300
"""Characters of the provenance that a docstring repeats."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export left.

    Attributes:
        code: The Python file.
        weights: The file it reads: safetensors, or npz for Lava.
        verdict: Whether it computes what the model computes.
    """

    code: Path
    weights: Path
    verdict: Verdict


def export_code(
    model: Model,
    folder: Path | str,
    target: Target = "snntorch",
    *,
    exact: bool = False,
    check: bool = True,
    inputs: Array | None = None,
) -> Exported:
    """Write a standalone Python file and its weights; run it and compare it with the model.

    Args:
        model: A Graph for ``snntorch`` and ``norse``, a Program for ``lava``.
        folder: Where ``NAME_TARGET.py`` and its weights appear.
        target: The framework.
        exact: ``norse`` only: compute in the canonical order of operations (``SNNCell``) also
            where a cell of Norse has the same law up to rounding.
        check: Run what was written in a process of its own. The verdict goes into the weights.
        inputs: Samples for the check, beside random ones.

    Raises:
        Unsupported: naming the node that the target cannot run exactly, and why.
        InvalidInput: for an unknown target, or samples that do not fit.
        InvalidFile: if the folder cannot be written.
    """
    require_choice("target", target, get_args(Target))
    if exact and target != "norse":
        raise InvalidInput(f"exact is an option of norse; {target} is exact in any case")
    stem = re.sub(r"[^a-z0-9]+", "_", model.header.name.lower()).strip("_") or "network"
    suffix = ".npz" if target == "lava" else ".safetensors"
    code, weights = f"{stem}_{target}.py", f"{stem}_{target}{suffix}"
    source = _source(model, target, weights, exact=exact)
    text = source.text.replace("{file}", code, 1)
    about = {"content_hash": model.content_hash, "target": target}
    verdict = not_run("it was not asked for", target)
    if check:
        files = {code: text.encode(), weights: _packed(source, suffix, about)}
        verdict = _checked(model, target, files, code, inputs)
    folder = Path(folder)
    write_atomic(
        folder / weights, _packed(source, suffix, about | {"self_check": verdict.as_json()})
    )
    write_atomic(folder / code, text)
    return Exported(folder / code, folder / weights, verdict)


def _source(model: Model, target: Target, weights: str, *, exact: bool) -> Source:
    about = _about(model)
    if target == "lava":
        if not isinstance(model, Program):
            raise Unsupported("lava: takes a Program, in Loihi's integers; lower the Graph first")
        from neurorobust.formats.code.lava import lava_source

        return lava_source(model, weights, about)
    if not isinstance(model, Graph):
        raise Unsupported(f"{target}: computes in floating point; give the Graph that was lowered")
    return torch_source(model, target, weights, about, exact=exact)


def _about(model: Model) -> str:
    told = model.header.provenance.items()
    origin = "; ".join(f"{key}: {value}" for key, value in told if len(value) <= ORIGIN_LENGTH)
    if len(origin) > ORIGIN_LENGTH:
        origin = f"{origin[:ORIGIN_LENGTH]} ..."
    parts = [f"Exported by neurorobust, content hash {model.content_hash}."]
    parts += [f"Origin: {origin}."] if origin else []
    parts.append(f"A step lasts {model.header.dt_s:g} s.")
    return " ".join(parts)


def _packed(source: Source, suffix: str, metadata: Mapping[str, str]) -> bytes:
    if suffix == ".safetensors":
        tensors = {
            key: np.ascontiguousarray(v).reshape(v.shape) for key, v in source.tensors.items()
        }
        data: bytes = save(tensors, metadata=dict(metadata))
        return data
    stream = BytesIO()
    arrays: dict[str, Any] = dict(source.tensors)
    arrays["metadata"] = np.array(json.dumps(dict(metadata), sort_keys=True))
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def _checked(
    model: Model, target: Target, files: Mapping[str, bytes], code: str, inputs: Array | None
) -> Verdict:
    python, reason = interpreter_of(target)
    if python is None:
        return not_run(reason, target)
    folder = Path(tempfile.mkdtemp(prefix="neurorobust-export-"))
    try:
        for name, data in files.items():
            (folder / name).write_bytes(data)
        ran = GeneratedCode(folder / code, python, model)
        versions = versions_of(target)
        return self_check(ran, model, inputs=inputs, target=target, versions=versions)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
