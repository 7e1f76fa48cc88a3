"""Files appear whole or not at all, and one of another kind is named for what it is."""

import bz2
import gzip
import os
import socket
import stat
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from safetensors.numpy import save

from neurorobust.errors import InvalidFile
from neurorobust.files import content, require_file, require_folder, write_atomic


def made(save_to) -> bytes:
    stream = BytesIO()
    save_to(stream)
    return stream.getvalue()


def zipped(*names) -> bytes:
    def write(stream):
        with zipfile.ZipFile(stream, "w") as archive:
            for name in names:
                archive.writestr(name, "text")

    return made(write)


def image(kind) -> bytes:
    return made(lambda stream: Image.new("RGB", (2, 2)).save(stream, kind))


# Written by the libraries that own the formats.
KINDS = {
    "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01w\x94K\x01s.",
    "torch": made(lambda stream: torch.save({"w": torch.ones(2)}, stream)),
    "npy": made(lambda stream: np.save(stream, np.ones(2))),
    "npz": made(lambda stream: np.savez(stream, x=np.ones(2))),
    "zip": zipped("a.txt"),
    "parquet": made(lambda stream: pl.DataFrame({"a": [1]}).write_parquet(stream)),
    "safetensors": save({"w": np.ones(2)}),
    "page": b"\n <!DOCTYPE html><title>Sign in</title>",
    "json": b'{"model": "Graph"}',
    "archive": gzip.compress(b"model"),
    "empty": b"",
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_bytes_are(kind, tmp_path):
    path = tmp_path / "named.for.nothing"
    path.write_bytes(KINDS[kind])
    found = content(path)
    assert found is not None
    assert found.kind == kind
    if kind != "empty":
        assert require_file(path, "it", (kind,)) == found
    with pytest.raises(InvalidFile, match=f": is {found.what.split(' ')[0]}"):
        require_file(path, "what is wanted", ("something else",))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_images(kind, tmp_path):
    (tmp_path / "x").write_bytes(image(kind))
    with pytest.raises(InvalidFile, match=r"is an image; give samples$"):
        require_file(tmp_path / "x", "samples", ("npy",))


def test_what_is_not_recognised_is_left_to_the_reader(tmp_path):
    for data in (b"id = 1", b"\x00" * 40, b"PK\x03\x04 cut off", b"\x08"):
        (tmp_path / "x").write_bytes(data)
        assert require_file(tmp_path / "x", "it", ("npy",)) is None
    (tmp_path / "x").write_bytes(bz2.compress(b"x"))
    with pytest.raises(InvalidFile, match=r"is compressed \(bzip2\); unpack it first"):
        require_file(tmp_path / "x", "it", ("npy",))


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
    for place, said in (
        (tmp_path, "is no file but a folder; give samples"),
        (tmp_path / "pipe", "is no file but a pipe"),
        (tmp_path / "s", "is no file but a socket"),
        ("/dev/null", "is no file but a device"),
        (tmp_path / "none", "is no file; give samples, or digits"),
        (tmp_path / "a\0b", "cannot be read"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(InvalidFile, match=said):
            require_file(place, "samples", instead="digits")


def test_nothing_else_is_written_over(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for place, said in (
        (tmp_path / "pipe", "is a pipe and would be overwritten"),
        (tmp_path / "folder", "is a folder and would be overwritten"),
        ("/dev/null", "is a device and would be overwritten"),
        (tmp_path / "pipe" / "below", "cannot be written"),
        (tmp_path / "a\0b", "choose another name"),
    ):
        with pytest.raises(InvalidFile, match=said):
            write_atomic(place, b"x")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_atomic(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


@pytest.mark.parametrize(("mask", "rights"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_rights_are_those_of_the_umask(mask, rights, tmp_path):
    code = (
        f"import os; os.umask({mask}); from neurorobust.files import write_atomic; "
        f"write_atomic({str(tmp_path / 'x')!r}, b'')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == rights


def test_a_folder_that_can_be_made(tmp_path):
    assert require_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").write_text("")
    for place, said in (
        (tmp_path / "file", "is a file, not a folder; choose another folder"),
        (tmp_path / "file" / "below", "file is a file, not a folder"),
        ("/dev/null", "is a device, not a folder"),
    ):
        with pytest.raises(InvalidFile, match=said):
            require_folder(place)
