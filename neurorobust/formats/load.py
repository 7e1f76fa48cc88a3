"""A model from any file that is read here; its content says which reader it needs, not its name."""

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import h5py
from safetensors import SafetensorError, safe_open

from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.ir import Graph, Header, Program, Shape, load_model
from neurorobust.ir.neurons import Compare, ResetMode
from neurorobust.ir.ports import Readout

if TYPE_CHECKING:
    from neurorobust.formats.nir.reading.rules import BatchAxis, Discretisation, Recurrence, Start

Kind = Literal["saved", "nir", "netx", "onnx"]
ENDINGS: Mapping[str, Kind] = {".nir": "nir", ".net": "netx", ".onnx": "onnx"}
"""Whose reader says what is wrong with a file that is too damaged to be known."""

_NAMES: Mapping[Kind, str] = {
    "saved": "saved model",
    "nir": "NIR file",
    "netx": "netx file",
    "onnx": "ONNX file",
}
_HEADER_MAX = 100_000_000
"""Bytes before the arrays of a safetensors file, as its library limits them."""
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ONNX_FIELDS = frozenset(b"\x12\x1a\x22\x28\x32\x3a\x42\x72\xa2\xca")
"""What follows the version of the format in an ONNX file: keys of the record's other fields."""
_NEVER = "can run code when it is opened and never is; save the network with its own framework"
_FOREIGN = (
    (b"version https://git-lfs", "is a pointer of Git LFS; fetch the file with `git lfs pull`"),
    *((b"\x80" + bytes([n]), f"is a pickle, which {_NEVER}") for n in range(2, 6)),
    (b"\x93NUMPY", "is a NumPy array, such as samples; give a model"),
    (b"PAR1", "is a Parquet table, such as images; give a model"),
    *((start, "is an image; give a model") for start in (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")),
    (b"\x1f\x8b", "is compressed (gzip); unpack it first"),
    (b"%PDF", "is a PDF; give a model"),
    (b"<", "is a page (HTML or XML): what was meant to be loaded was not; load it anew"),
    (b"{", "is JSON; give the model that it may belong to"),
    (b"[", "is JSON; give the model that it may belong to"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a file may leave open; None leaves it to the file, or to the default of its reader.

    Attributes:
        steps: Time steps of a sample; of netx and NIR.
        dt_s: Duration of a step in seconds; of netx and NIR.
        readout: How the output is read; of netx and NIR.
        input_shape: Shape of the input; of netx and NIR.
        reset: As the others down to ``use_metadata`` of NIR, see ``load_nir``.
        discretisation: How decays follow from time constants.
        compare: When neurons fire.
        v_init: Where membranes start.
        recurrence: What waits a step in a cycle.
        header: Replaces ``dt_s`` and ``steps``.
        time_unit_s: Unit of times.
        batch_axis: Where a batch axis is counted.
        check_shapes: Whether declared shapes are held against the weights.
        use_metadata: Whether what ``save_nir`` wrote beside NIR is used.
        num_layers: As the others from here on of netx, see ``load_netx``.
        skip_layers: Records left out at the start.
        input_message_bits: Bits of a payload.
        reset_interval: Steps between two resets.
        reset_offset: Phase of the reset.
    """

    steps: int | None = None
    dt_s: float | None = None
    readout: Readout | None = None
    input_shape: Shape | None = None
    reset: ResetMode | Mapping[str, ResetMode] | None = None
    discretisation: "Discretisation | None" = None
    compare: Compare | None = None
    v_init: "Start | None" = None
    recurrence: "Recurrence | None" = None
    header: Header | None = None
    time_unit_s: float | None = None
    batch_axis: "BatchAxis | None" = None
    check_shapes: bool | None = None
    use_metadata: bool | None = None
    num_layers: int | None = None
    skip_layers: int | None = None
    input_message_bits: int | None = None
    reset_interval: int | None = None
    reset_offset: int | None = None

    @property
    def given(self) -> dict[str, Any]:
        """What was said, by name."""
        values = {part.name: getattr(self, part.name) for part in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def fitting(self, path: Path | str) -> Self:
        """The same without what a file says itself: one reading serves files of several kinds."""
        return replace(self, **dict.fromkeys(self.beyond(path)))

    def beyond(self, path: Path | str) -> list[str]:
        """What was said although a file of this kind says it itself."""
        open_ = signature(_reader(kind_of(path))).parameters
        return [name for name in self.given if name not in open_]


def load(path: Path | str, reading: Reading | None = None) -> Graph | Program:
    """The Graph or Program of a file: saved, of NIR, of netx, or of ONNX.

    Args:
        path: The file.
        reading: What it leaves open.

    Raises:
        InvalidFile: if the file is missing, truncated, altered, or of another kind.
        InvalidInput: if it leaves open what was not given, or says itself what was.
        BackendUnavailable: for an ONNX file, if onnx is not installed.
    """
    path, reading = Path(path), reading or Reading()
    kind = kind_of(path)
    if more := reading.beyond(path):
        msg = f"{path}: a {_NAMES[kind]} says {' and '.join(more)} itself; leave it out"
        raise InvalidInput(msg)
    if kind == "netx" and reading.steps is None:
        msg = f"{path}: a netx file does not say how many steps a sample lasts; give steps"
        raise InvalidInput(msg)
    return _reader(kind)(path, **reading.given)


def kind_of(path: Path | str) -> Kind:
    """What a file is, by its content; where that is damaged, by its name.

    Raises:
        InvalidFile: naming what it is, if that is nothing that is read here.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise InvalidFile(path, f"cannot be read ({error.strerror})") from error
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _HEADER_MAX:
        return "saved"
    if head.startswith(_HDF5):
        return _of_hdf5(path)
    if head[:1] == b"\x08" and head[2:3] and head[2] in _ONNX_FIELDS:
        return "onnx"
    if reason := next(_strange(path, head), None):
        raise InvalidFile(path, reason)
    return ENDINGS.get(path.suffix, "saved")


def _strange(path: Path, head: bytes) -> Iterator[str]:
    """What a file of another kind is, and the way out."""
    if not head:
        yield "is empty; export the model again"
    if head.startswith(b"PK") and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            endings = {name.rpartition("/")[2].rpartition(".")[2] for name in archive.namelist()}
        if "pkl" in endings:
            yield f"is a file of torch.save, which {_NEVER}"
        elif "npy" in endings:
            yield "is an archive of NumPy arrays, such as samples; give a model"
        else:
            yield "is a zip archive; unpack it first"
    yield from (what for start, what in _FOREIGN if head.lstrip().startswith(start))


def _of_hdf5(path: Path) -> Kind:
    """NIR or netx; where it cannot be said, by the name, and then its reader tells."""
    try:
        with h5py.File(path, "r") as file:
            groups: dict[str, Kind] = {"node": "nir", "layer": "netx"}
            found = [k for name, k in groups.items() if file.get(name, getlink=True)]
    except (OSError, RuntimeError, KeyError):
        found = []
    named = ENDINGS.get(path.suffix)
    if len(found) != 1 and named not in {"nir", "netx"}:
        reason = "is HDF5, but neither NIR (group 'node') nor netx (group 'layer'), or cut off"
        raise InvalidFile(path, reason)
    return found[0] if len(found) == 1 else named or "nir"


def _reader(kind: Kind) -> Callable[..., Graph | Program]:
    match kind:
        case "nir":
            from neurorobust.formats.nir import load_nir

            return load_nir
        case "netx":
            from neurorobust.formats.netx import load_netx

            return load_netx
        case "onnx":
            from neurorobust.formats.onnx import load_onnx

            return load_onnx
        case "saved":
            return _load_saved


def _load_saved(path: Path) -> Graph | Program:
    """A Graph or Program, whichever the file says that it holds."""
    try:
        with safe_open(path, framework="numpy") as file:
            described = json.loads((file.metadata() or {}).get("neurorobust", "{}"))
    except (OSError, SafetensorError, ValueError):
        described = {}  # load_model will tell
    program = isinstance(described, dict) and described.get("model") == "Program"
    return load_model(path, Program) if program else load_model(path, Graph)
