"""One ``load`` for every file: it looks into the file, and names what is no model."""

import gzip
import json
from io import BytesIO

import h5py
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.formats.load import Reading, fitting, kind_of, load
from neurorobust.formats.netx import save_netx
from neurorobust.formats.nir import save_nir
from neurorobust.ir import Graph, Program, save_model
from neurorobust.lower import lower
from tests.support.netx_files import dense, write_net
from tests.support.running import invoke
from tests.support.small import mlp, profile

W = np.array([[2, -4, 6], [8, 10, -12]])


@pytest.fixture
def graph():
    return mlp(6, 5, 3)


@pytest.fixture
def files(graph, tmp_path):
    """One file of each kind, under names that say nothing."""
    made = {kind: tmp_path / f"of_{kind}.bin" for kind in ("saved", "nir", "netx")}
    save_model(graph, made["saved"])
    save_nir(graph, made["nir"])
    write_net(made["netx"], [dense(W)])
    return made


def test_a_file_is_known_by_its_content_whatever_its_name(files, graph, tmp_path):
    assert {kind: kind_of(path) for kind, path in files.items()} == {kind: kind for kind in files}
    assert load(files["saved"]).content_hash == graph.content_hash
    assert load(files["nir"]).content_hash == graph.content_hash
    assert load(files["netx"], Reading(steps=4)).header.steps == 4
    swapped = files["saved"].rename(tmp_path / "swapped.net")
    assert load(swapped).content_hash == graph.content_hash


@pytest.mark.parametrize("form", ["scan", "step"])
def test_an_onnx_file(form, graph, tmp_path):
    pytest.importorskip("onnx")
    from neurorobust.formats.onnx import save_onnx

    path = save_onnx(graph, tmp_path / "model.bin", form)
    assert kind_of(path) == "onnx"
    assert load(path).content_hash == graph.content_hash
    with pytest.raises(InvalidInput, match="ONNX file says steps and dt_s itself; leave it out"):
        load(path, Reading(steps=3, dt_s=1.0))


def test_a_graph_or_a_program(graph, tmp_path):
    program = lower(graph, profile("loihi2"))
    for model, kind in ((graph, Graph), (program, Program)):
        found = load(save_model(model, tmp_path / "m.safetensors"))
        assert isinstance(found, kind)
        assert found.content_hash == model.content_hash
    save_netx(program.with_(host=None), tmp_path / "a.net")
    assert isinstance(load(tmp_path / "a.net", Reading(steps=3)), Program)


def test_what_a_file_leaves_open_is_asked_for_and_what_it_says_is_not_taken(files):
    with pytest.raises(InvalidInput, match="netx file does not say how many steps"):
        load(files["netx"])
    with pytest.raises(InvalidInput, match="saved model says steps itself; leave it out"):
        load(files["saved"], Reading(steps=3))
    with pytest.raises(InvalidInput, match="netx file says reset itself"):
        load(files["netx"], Reading(steps=3, reset="hard"))
    both = Reading(steps=3, reset="hard", num_layers=1)
    assert fitting(both, files["saved"]) == Reading()
    assert fitting(both, files["netx"]) == Reading(steps=3, num_layers=1)
    assert fitting(both, files["nir"]) == Reading(steps=3, reset="hard")


def zipped(save) -> bytes:
    stream = BytesIO()
    save(stream)
    return stream.getvalue()


def hdf5(path, **groups) -> bytes:
    with h5py.File(path, "w") as file:
        for name in groups:
            file.create_group(name)
    return path.read_bytes()


STRANGE = {
    "nothing": (b"", "is empty"),
    "pickle": (b"\x80\x04\x95pickled", "is a pickle, which can run code"),
    "torch": (zipped(lambda s: torch.save({"w": torch.ones(2)}, s)), "is a file of torch.save"),
    "npz": (zipped(lambda s: np.savez(s, x=np.ones(2))), "archive of NumPy arrays"),
    "npy": (zipped(lambda s: np.save(s, np.ones(2))), "is a NumPy array"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "json": (json.dumps({"model": "Graph"}).encode(), "is JSON"),
    "page": (b"\n<!DOCTYPE html>", "is a page"),
    "image": (b"\x89PNG\r\n\x1a\n", "is an image"),
    "parquet": (b"PAR1", "is a Parquet table"),
    "gzip": (gzip.compress(b"model"), "is compressed"),
    "hdf5": (None, "is HDF5, but neither NIR"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_no_model_is_named(name, tmp_path):
    data, message = STRANGE[name]
    path = tmp_path / "model.safetensors"
    path.write_bytes(hdf5(tmp_path / "x", weights=1) if data is None else data)
    with pytest.raises(InvalidFile, match=message) as caught:
        load(path)
    assert caught.value.path == path


def test_damaged_files_are_told_by_the_reader_of_their_name(files, tmp_path):
    for ending, message in (
        ("safetensors", "cannot be read as safetensors"),
        ("nir", "cannot be read as HDF5"),
        ("net", "cannot be read as HDF5"),
    ):
        path = tmp_path / f"damaged.{ending}"
        path.write_bytes(b"no model at all")
        with pytest.raises(InvalidFile, match=message):
            load(path, fitting(Reading(steps=3), path))
    cut = tmp_path / "cut.nir"
    cut.write_bytes(files["nir"].read_bytes()[:2000])
    with pytest.raises(InvalidFile, match="cannot be read as HDF5"):
        load(cut)
    cut.write_bytes(hdf5(tmp_path / "y", weights=1))
    with pytest.raises(InvalidFile, match="has no group 'node'"):
        load(cut)
    save_file({"weight": np.ones(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(InvalidFile, match="without a neurorobust model"):
        load(tmp_path / "foreign.safetensors")
    missing = {
        "none.nir": "is no file",
        "": "is no file but a folder",
        "x": r"is no file; give the path of a model \(saved, .nir, .net or .onnx\), or digits",
    }
    for name, message in missing.items():
        with pytest.raises(InvalidFile, match=message):
            load(tmp_path / name)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("saved", [], "is a saved model"),
        ("nir", ["--from", "netx"], "is a nir model; --from is netx"),
        ("netx", [], "does not say how many steps a sample lasts; give it, as --steps 16"),
        (
            "netx",
            ["--steps", "3", "--reset", "hard"],
            "says --reset itself, or has no use for it; leave it out",
        ),
        ("nir", ["--from", "csv"], "--from is 'csv'; known are auto, nir"),
    ],
)
def test_import_asks_in_its_own_words(kind, arguments, message, files, tmp_path):
    out = tmp_path / "out.safetensors"
    result = invoke("import", files[kind], "--out", out, *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert not out.exists()
