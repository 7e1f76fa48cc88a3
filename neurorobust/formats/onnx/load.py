"""Reading an ONNX file back, after making sure that it is what was written."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from neurorobust.errors import BackendUnavailable, InvalidFile, InvalidModel, Unsupported
from neurorobust.files import require_file
from neurorobust.formats.onnx import seal
from neurorobust.formats.reading import Reading
from neurorobust.ir import Array, Graph, Program
from neurorobust.ir.store import rebuild

_WAY_OUT = (
    "ONNX itself states neither dt, coding nor readout; export with neurorobust, or import the "
    "network from the framework that trained it"
)


def load_onnx(path: Path, _reading: Reading) -> Graph | Program:
    """Read a file of ``save_onnx``, of either form and precision; it says everything itself.

    The arrays come from the file's initializers, all else from its metadata; every operator,
    function and initializer is held against its digest.

    Raises:
        InvalidFile: if the file is missing, truncated, from elsewhere or altered.
        Unsupported: naming operators that neurorobust does not write.
        BackendUnavailable: if onnx is not installed.
    """
    file = _parsed(path)
    _refuse_foreign(path, file)
    record = _record(path, file)
    _refuse_altered(path, file, record)
    try:
        arrays = _arrays(file) | {k: seal.from_json(v) for k, v in record["arrays"].items()}
        kind: type[Graph | Program]
        kind = Program if record["model"]["model"] == "Program" else Graph
        model = rebuild(record["model"], _own(record["model"], arrays), kind)
        digest = model.content_hash
    except (KeyError, TypeError, ValueError, AttributeError, InvalidModel) as error:
        raise InvalidFile(path, f"describes no valid model ({error})") from error
    if digest != record.get("content_hash"):
        reason = "its metadata were altered: the content hash does not match; export it again"
        raise InvalidFile(path, reason)
    return model


def _parsed(path: Path) -> Any:
    try:
        import onnx  # noqa: TID251
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError as error:
        msg = "onnx is not installed; run `pip install 'neurorobust[onnx]'`"
        raise BackendUnavailable(msg) from error
    require_file(path, "the path of an ONNX file", ("onnx",))
    data = path.read_bytes()
    try:
        # From memory: files named by "external data" are never opened.
        file = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise InvalidFile(path, "is no ONNX file, or truncated; export the model again") from error
    if not file.ir_version or not file.graph.node:
        raise InvalidFile(path, "holds no ONNX graph, or is truncated; export the model again")
    return file


def _refuse_foreign(path: Path, file: Any) -> None:
    strange = list(_foreign("", seal.nodes(file.graph)))
    for function in file.functions:
        where = f" of function {function.name}"
        strange += _foreign(where, (("", node) for node in function.node))
        if function.domain != seal.DOMAIN or function.name not in seal.FUNCTIONS:
            strange.append(f"function {function.domain}::{function.name}")
    if strange:
        shown = ", ".join(strange[:5]) + (f" and {len(strange) - 5} more" if strange[5:] else "")
        raise Unsupported(f"{path}: holds what neurorobust does not write: {shown}. {_WAY_OUT}")


def _foreign(of: str, found: Iterable[tuple[str, Any]]) -> Iterable[str]:
    for where, node in found:
        known = (
            seal.OPERATORS
            if not node.domain
            else seal.FUNCTIONS
            if node.domain == seal.DOMAIN
            else ()
        )
        if node.op_type not in known:
            kind = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
            yield f"{kind} (operator {node.name or 'without name'!r}{of or where})"


def _record(path: Path, file: Any) -> dict[str, Any]:
    found = {entry.key: entry.value for entry in file.metadata_props}
    if seal.KEY not in found:
        raise InvalidFile(path, f"holds no neurorobust model. {_WAY_OUT}")
    try:
        record = json.loads(found[seal.KEY])
        version = record["format"]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidFile(path, f"its neurorobust metadata are broken ({error})") from error
    if version != seal.FORMAT:
        reason = f"its metadata have format {version}, this version reads {seal.FORMAT}"
        raise InvalidFile(path, f"{reason}; export it again")
    return dict(record)


def _refuse_altered(path: Path, file: Any, record: dict[str, Any]) -> None:
    written, found = record.get("digests", {}), dict(seal.digests(file))
    gone = [f"{name} is gone" for name in written if name not in found]
    new = [f"{name} is new" for name in found if name not in written]
    other = [f"{n} was changed" for n in found if n in written and found[n] != written[n]]
    if faults := gone + new + other:
        shown = "; ".join(faults[:5]) + (f"; and {len(faults) - 5} more" if faults[5:] else "")
        raise InvalidFile(path, f"was altered after it was written: {shown}. Export it again")


def _arrays(file: Any) -> dict[str, Array]:
    from onnx import numpy_helper  # noqa: TID251

    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in file.graph.initializer
        if "/" in tensor.name
    }


def _own(described: dict[str, Any], arrays: dict[str, Array]) -> dict[str, Array]:
    """Arrays that are fields of nodes; constants of the file are left out."""
    known = {f"{entry['name']}/" for entry in described["nodes"]}
    return {
        key: value
        for key, value in arrays.items()
        if key.startswith("//") or f"{key.rpartition('/')[0]}/" in known
    }
