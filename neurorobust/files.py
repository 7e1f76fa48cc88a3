"""Files: written whole or not at all, and named for what they are when they are of another kind."""

import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from neurorobust.errors import InvalidFile

PART = ".part"
"""Ending of the hidden file that is written before it gets its name."""
HEADER_MAX = 100_000_000
"""Bytes before the arrays of a safetensors file, as its library limits them."""
_HEAD = 512
_NEVER = "which can run code when it is opened and never is"
_ONNX_FIELDS = frozenset(b"\x12\x1a\x22\x28\x32\x3a\x42\x72\xa2\xca")
"""What follows the version of the format in an ONNX file: keys of the record's other fields."""


@dataclass(frozen=True, slots=True)
class Content:
    """What the bytes of a file are.

    Attributes:
        kind: In a word, for programs.
        what: For people, with its article.
        way_out: What to do about it, where that does not depend on what was asked for.
    """

    kind: str
    what: str
    way_out: str = ""


_PICKLE = Content(
    "pickle",
    f"a pickle, {_NEVER}",
    "save what it holds with its own library in a form without code, as .npz or .safetensors",
)
_TORCH = Content(
    "torch",
    f"a file of torch.save, {_NEVER}",
    "name the network in a file of Python that loads it, as net.py:model, or export it as .nir",
)
_IMAGE = Content("image", "an image")
_PAGE = Content(
    "page",
    "a page (HTML or XML)",
    "what was meant to be downloaded was not, such as behind a login; download it again",
)
_STARTS = (
    (
        b"version https://git-lfs",
        Content("lfs", "a pointer of Git LFS", "fetch the file itself with `git lfs pull`"),
    ),
    *((b"\x80" + bytes([protocol]), _PICKLE) for protocol in range(2, 6)),
    (b"\x93NUMPY", Content("npy", "a NumPy array")),
    (b"PAR1", Content("parquet", "a Parquet table")),
    (b"\x89HDF\r\n\x1a\n", Content("hdf5", "an HDF5 file")),
    *((start, _IMAGE) for start in (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM6", b"II*\0")),
    *(
        (start, Content("archive", f"compressed ({name})", "unpack it first"))
        for start, name in (
            (b"\x1f\x8b", "gzip"),
            (b"BZh", "bzip2"),
            (b"\xfd7zXZ", "xz"),
            (b"\x28\xb5\x2f\xfd", "zstd"),
            (b"7z\xbc\xaf\x27\x1c", "7z"),
        )
    ),
    (b"%PDF", Content("pdf", "a PDF")),
    (b"\x7fELF", Content("program", "a program")),
    (b"SQLite format 3", Content("sqlite", "an SQLite database")),
    (b"#!AER-DAT", Content("aedat", "a recording of events (AEDAT)")),
    (b"<", _PAGE),
    (b"{", Content("json", "JSON")),
    (b"[", Content("toml", "TOML or JSON")),
)
"""First bytes, and what starts with them; a match decides nothing that a reader knows better."""
_ZIPPED: Mapping[str, Content] = {
    "pkl": _TORCH,
    "npy": Content("npz", "an archive of NumPy arrays (.npz)"),
}
_ZIP = Content("zip", "a zip archive", "unpack it first")


def content(path: Path | str) -> Content | None:
    """What a file is by its first bytes; None where these say nothing.

    Raises:
        OSError: if it cannot be read, or is no file.
    """
    with Path(path).open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        return Content("empty", "empty", "make or fetch it again")
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= HEADER_MAX:
        return Content("safetensors", "a file of safetensors")
    if head[:1] == b"\x08" and head[2:3] and head[2] in _ONNX_FIELDS:
        return Content("onnx", "an ONNX file")
    if head.startswith(b"PK"):
        return _zipped(path)
    text = head.lstrip()
    return next((kind for start, kind in _STARTS if text.startswith(start)), None)


def _zipped(path: Path | str) -> Content | None:
    """What an archive holds; None for a damaged one."""
    import zipfile  # here, because commands that a shell completes are not to wait for it

    if not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            endings = {name.rpartition("/")[2].rpartition(".")[2] for name in archive.namelist()}
    except zipfile.BadZipFile:
        return None
    return next((kind for ending, kind in _ZIPPED.items() if ending in endings), _ZIP)


def require_file(
    path: Path | str, wanted: str, kinds: Collection[str] = (), *, instead: str = ""
) -> Content | None:
    """Refuse what is missing, no file, or plainly of another kind, before a reader sees it.

    Args:
        path: As given.
        wanted: What to give, with its article: ``samples (.npy or .npz)``.
        kinds: Of contents that are wanted; what is not recognised is left to the reader.
        instead: What else may be given, for a missing one.

    Returns:
        What it is, where that was recognised.

    Raises:
        InvalidFile: naming what is there.
    """
    path, give = Path(path), f"give {wanted}"
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InvalidFile(path, f"is no file but a folder; {give}")
        if not stat.S_ISREG(mode):
            raise InvalidFile(path, f"is no file but a {_special(mode)}; {give}")
        found = content(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InvalidFile(path, f"is no file; {give}{instead and f', or {instead}'}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidFile(path, f"cannot be read ({reason})") from error
    if found is not None and kinds and found.kind not in kinds:
        raise InvalidFile(path, f"is {found.what}; {found.way_out or give}")
    return found


def _special(mode: int) -> str:
    """What is in the folder that is neither a file nor a folder."""
    kinds = {"device": (stat.S_ISCHR, stat.S_ISBLK), "pipe": (stat.S_ISFIFO,)}
    return next((name for name, are in kinds.items() if any(of(mode) for of in are)), "socket")


def require_folder(path: Path | str) -> Path:
    """A folder that can be written into: it is there, or can be made when it is needed.

    Nothing is made; so that hours of work do not end at the first write.

    Raises:
        InvalidFile: if it, or what it would lie in, is something else or cannot be written.
    """
    path = Path(path)
    above = path
    try:
        while not above.exists() and above != above.parent:
            above = above.parent
        mode = above.stat().st_mode
    except OSError as error:
        raise InvalidFile(path, f"cannot be written ({error.strerror}); {_ELSEWHERE}") from error
    if not stat.S_ISDIR(mode):
        what = "file" if stat.S_ISREG(mode) else _special(mode)
        where = "is" if above == path else f"cannot be made: {above} is"
        raise InvalidFile(path, f"{where} a {what}, not a folder; {_ELSEWHERE}")
    if not os.access(above, os.W_OK | os.X_OK):
        raise InvalidFile(path, f"cannot be written (no permission in {above}); {_ELSEWHERE}")
    return path


_ELSEWHERE = "choose another folder"


def write_atomic(path: Path | str, data: bytes | str) -> Path:
    """Write to a temporary file beside the target, then rename it; its rights are the umask's.

    A link is followed. What is no file (a device, a pipe, a folder) is refused, not replaced.

    Raises:
        InvalidFile: if the folder cannot be made or written, or the target is no file.
    """
    path = Path(path)
    payload = data.encode() if isinstance(data, str) else data
    try:
        _require_place(path)
        target = path.resolve() if path.is_symlink() else path
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name[:100]}.{os.urandom(8).hex()}{PART}")
        try:
            with beside.open("xb") as file:
                file.write(payload)
            beside.replace(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InvalidFile(path, f"cannot be written ({error.strerror}); {_ELSEWHERE}") from error
    except ValueError as error:  # a zero byte in the name
        raise InvalidFile(path, f"cannot be written ({error}); choose another name") from error
    return path


def _require_place(path: Path) -> None:
    if path.exists() and not path.is_file():
        mode = path.stat().st_mode
        what = "folder" if stat.S_ISDIR(mode) else _special(mode)
        raise InvalidFile(path, f"is a {what} and would be overwritten; give the name of a file")
