"""Writing a Graph or Program as an ONNX file."""

from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from neurorobust import __version__
from neurorobust.backends.contract import Precision
from neurorobust.errors import BackendUnavailable, Unsupported
from neurorobust.files import write_atomic
from neurorobust.formats.onnx.seal import metadata
from neurorobust.ir import Array, Model
from neurorobust.ir.identity import arrays_of
from neurorobust.names import require_choice

if TYPE_CHECKING:
    import onnx  # noqa: TID251

Form = Literal["scan", "step"]
Recorded = Literal["spikes", "membrane"]

LARGEST = 2**31 - 2**24
"""Bytes of arrays; the file format ends at 2 GiB."""


def save_onnx(
    model: Model,
    path: Path | str,
    form: Form = "scan",
    *,
    precision: Precision = "single",
    static: bool | None = None,
    record: Collection[Recorded] = (),
    bounded: bool = False,
) -> Path:
    """Write a Graph or Program that any ONNX runtime executes; ``load`` reads it back.

    Args:
        model: A Graph, or a Program with or without a host part.
        path: The file, which appears whole or not at all.
        form: ``scan`` (all steps in one call) or ``step`` (one step, its state explicit).
        precision: Of a Graph; a Program computes in int64, its input and host part in float64.
        static: ``scan``: whether ``input`` is (batch, ...), the same in every step, instead of
            (batch, steps, ...). By default what the header's coding says.
        record: Further outputs ``NODE/spikes`` and ``NODE/membrane``.
        bounded: Use what the largest possible input proves about a Program: sums that cannot be
            rounded are products of floats, wraps that cannot occur are left out. Faster; for
            runtimes that hold float32 to its 24 bits, as onnxruntime does on a CPU.

    Raises:
        Unsupported: naming what has no form in ONNX.
        InvalidInput: for an unknown form, precision or record.
        InvalidFile: if the folder cannot be written.
        BackendUnavailable: if onnx is not installed.
    """
    file = onnx_model(
        model, form, precision=precision, static=static, record=record, bounded=bounded
    )
    return write_atomic(path, file.SerializeToString(deterministic=True))


def onnx_model(
    model: Model,
    form: Form = "scan",
    *,
    precision: Precision = "single",
    static: bool | None = None,
    record: Collection[Recorded] = (),
    bounded: bool = False,
) -> "onnx.ModelProto":
    """The file of ``save_onnx`` in memory."""
    for what, given, known in (
        ("form", [form], get_args(Form)),
        ("precision", [precision], get_args(Precision)),
        ("record", record, get_args(Recorded)),
    ):
        for name in given:
            require_choice(what, name, known)
    if (size := sum(value.nbytes for value in arrays_of(model).values())) > LARGEST:
        raise Unsupported(f"the arrays have {size} bytes; an ONNX file holds less than 2 GiB")
    if find_spec("onnx") is None:
        raise BackendUnavailable("onnx is not installed; run `pip install 'neurorobust[onnx]'`")
    from neurorobust.formats.onnx.writing.forms import scan_form, step_form

    floats = np.float64 if precision == "double" else np.float32
    still = model.header.coding == "direct" if static is None else static
    if form == "scan":
        document, file = scan_form(model, floats, static=still, record=record, bounded=bounded)
    else:
        document, file = step_form(model, floats, record=record, bounded=bounded)
    file.producer_version = __version__
    facts = metadata(model, file, document.used, form=form, precision=precision)
    for key, value in facts.items():
        file.metadata_props.add(key=key, value=value)
    return file


def initial_state(
    model: Model, batch: int, *, precision: Precision = "single", bounded: bool = False
) -> dict[str, Array]:
    """The state inputs of the form ``step`` before the first step, by name."""
    from neurorobust.formats.onnx.writing.forms import starting_values

    floats = np.float64 if precision == "double" else np.float32
    return starting_values(model, floats, batch, bounded=bounded)
