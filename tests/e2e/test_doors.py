"""One door for models and one for data: the same files and words in every command and verb."""

import json

import numpy as np
import pytest

import neurorobust as nr
from neurorobust import backends
from neurorobust.data import encode
from neurorobust.errors import InvalidInput
from neurorobust.formats.load import Reading, load
from neurorobust.ir import Header, save_model
from tests.support.image_files import encoded, written
from tests.support.nir_files import chain, lif, linear
from tests.support.running import invoke
from tests.support.small import mlp

pytest.importorskip("PIL.Image")

PIXELS = np.random.default_rng(7).integers(0, 256, (6, 2, 3), dtype=np.uint8)
LABELS = [0, 1, 2, 0, 1, 2]
SAID = ("--dt", "1e-4", "--reset", "hard", "--steps", "5", "--coding", "direct")
TOLD = {"dt_s": 1e-4, "reset": "hard", "steps": 5, "coding": "direct"}


@pytest.fixture
def nirfile(tmp_path):
    """Six inputs, three classes; it says neither step nor reset."""
    rng = np.random.default_rng(3)
    return chain(tmp_path / "net.nir", (6,), fc=linear(rng, 3, 6), lif=lif(3))


@pytest.fixture
def places(nirfile, tmp_path):
    """The same six images in every form."""
    files = [encoded(one) for one in PIXELS]
    folder = tmp_path / "by_class"
    for number, (data, label) in enumerate(zip(files, LABELS, strict=True)):
        path = folder / "test" / "abc"[label] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    values = PIXELS.reshape(6, 6) / 255
    np.savez(tmp_path / "values.npz", x=values, y=LABELS)
    np.savez(tmp_path / "numbers.npz", x=PIXELS, y=LABELS)
    np.save(tmp_path / "samples.npy", values)
    one = written(tmp_path / "one.parquet", files, LABELS, image="pic", id=range(6))
    many = written(tmp_path / "set" / "data" / "test-00000-of-00001.parquet", files, LABELS)
    graph, x = load(nirfile, Reading(**TOLD)), np.tile(values, (4, 1))
    np.savez(tmp_path / "right.npz", x=x, y=backends.run(graph, encode(graph, x)).decisions)
    return {
        "right": (tmp_path / "right.npz",),
        "values": (tmp_path / "values.npz",),
        "numbers": (tmp_path / "numbers.npz", "--levels", "256"),
        "samples": (tmp_path / "samples.npy",),
        "a file": (one, "--label-column", "label"),
        "a folder": (many.parents[1],),
        "by class": (folder, "--part", "test"),
    }


@pytest.mark.parametrize("form", ["values", "numbers", "samples", "a file", "a folder", "by class"])
def test_every_form_of_data_is_the_same_to_a_command(form, places, nirfile):
    done = invoke("neurobench", nirfile, *SAID, "--data", *places[form], "--json")
    assert done.exit_code == 0, done.output
    other = invoke("neurobench", nirfile, *SAID, "--data", *places["values"], "--json")
    assert json.loads(done.stdout) == json.loads(other.stdout)


def commands(nirfile, places, out):
    data, (numbers, *levels) = places["a folder"], places["numbers"]
    return {
        "check": ("check", nirfile, *SAID, "--profile", "loihi2", "--data", *data),
        "audit": (
            *("audit", nirfile, *SAID, "--data", *places["right"]),
            *("--queries", 5, "--attack", "pgd(steps=2)"),
        ),
        "diff": ("diff", nirfile, nirfile, *SAID, "--samples", 2, "--data", *data),
        "export": (
            *("export", nirfile, *SAID, "--to", "nir", "--out", out / "a.nir"),
            *("--data", *data),
        ),
        "lower": (
            *("lower", nirfile, *SAID, "--profile", "loihi2", "--out", out / "a.safetensors"),
            *("--calibration", numbers, *levels, "--calibration-limit", 4, "--scaling", "spikes"),
        ),
    }


@pytest.mark.parametrize("name", ["check", "audit", "diff", "export", "lower"])
def test_every_command_reads_a_nir_file_and_images(name, nirfile, places, tmp_path):
    done = invoke(*commands(nirfile, places, tmp_path)[name], "--json")
    assert done.exit_code in ((0, 1) if name in ("check", "audit") else (0,)), done.output
    assert json.loads(done.stdout)


def test_what_is_left_open_is_asked_for_in_every_command(nirfile, places, tmp_path):
    for command in commands(nirfile, places, tmp_path).values():
        without = [part for part in command if part not in SAID[2:4]]
        done = invoke(*without)
        assert done.exit_code == 2
        assert "--reset hard or soft or none" in " ".join(done.output.split())


def test_data_that_are_not_named_or_have_no_labels(nirfile, places):
    done = invoke("neurobench", nirfile, *SAID)
    assert done.exit_code == 2
    assert "no data are named; give digits, a file of arrays" in " ".join(done.output.split())
    assert "with --data" in " ".join(done.output.split())
    done = invoke("audit", nirfile, *SAID, "--data", *places["samples"])
    assert done.exit_code == 2
    assert "samples holds no labels" in done.output


def test_bounds_serve_the_model_and_its_data(nirfile, places, tmp_path):
    call = ("lower", nirfile, *SAID, "--profile", "loihi2", "--out", tmp_path / "a.safetensors")
    done = invoke(*call, "--bounds", "0,0.5", "--calibration", places["a folder"][0])
    assert done.exit_code == 2
    assert "has no part train, only test; name the files" in " ".join(done.output.split())
    file, *column = places["a file"]
    done = invoke(*call, "--bounds", "0,0.5", "--calibration", file)
    assert done.exit_code == 2
    assert "say which, as --label-column" in " ".join(done.output.split())
    done = invoke(*call, "--bounds", "0,0.5", "--calibration", file, *column)
    assert done.exit_code == 0, done.output
    assert load(tmp_path / "a.safetensors").header.bounds == (0.0, 0.5)
    saved = save_model(mlp(6, 5, 3).with_(header=Header(dt_s=1e-3, steps=4)), tmp_path / "saved")
    done = invoke("neurobench", saved, "--data", *places["a folder"], "--bounds", "0,2")
    assert done.exit_code == 2
    assert "values from 0 to 2, the model takes 0 to 1; give other --bounds" in " ".join(
        done.output.split()
    )
    done = invoke("check", saved, "--profile", "loihi2", "--bounds", "0,2")
    assert done.exit_code == 2
    assert "saved says --bounds itself" in " ".join(done.output.split())


class TestVerbs:
    """In Python what a file leaves open is said by keyword."""

    def test_take_files_with_what_they_leave_open(self, nirfile, places, tmp_path):
        graph = load(nirfile, Reading(**TOLD))
        samples = nr.load_samples(places["a folder"][0])
        assert nr.load(nirfile, **TOLD).content_hash == graph.content_hash
        assert nr.check(nirfile, "loihi2", samples, **TOLD).content_hash == graph.content_hash
        options = {"calibration": samples, "scaling": "spikes"}
        values = samples.shown_to(graph).values
        program = nr.lower(graph, "loihi2", calibration=values, scaling="spikes")
        again = nr.lower(nirfile, "loihi2", **options, **TOLD)
        assert again.content_hash == program.content_hash
        assert nr.diff(nirfile, graph, samples, samples=2, **TOLD).agree
        (made,) = nr.attack(nirfile, samples, [nr.Fgsm(nr.Rga())], 8 / 255, **TOLD)
        assert made.adversarial.shape == (6, 6)
        assert nr.export(nirfile, "nir", tmp_path / "b.nir", inputs=samples, **TOLD).verdict
        right = nr.load_samples(*places["right"])
        card = nr.audit(nirfile, right, 8 / 255, queries=5, gradients=["rga"], **TOLD)
        assert card.content_hash == graph.content_hash

    def test_refuse_what_a_model_says_itself(self, nirfile):
        graph = load(nirfile, Reading(**TOLD))
        for call in (
            lambda: nr.check(graph, "loihi2", steps=5),
            lambda: nr.lower(graph, "loihi2", steps=5),
            lambda: nr.export(graph, "nir", "x", steps=5),
        ):
            with pytest.raises(InvalidInput, match="a Graph says steps itself; leave it out"):
                call()
        with pytest.raises(InvalidInput, match="no file says reset itself, or has no use for it"):
            nr.diff(graph, graph, reset="hard")
