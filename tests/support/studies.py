"""Small studies: a network of a hidden layer, images that it mostly decides rightly, and a run."""

from pathlib import Path

import numpy as np
import polars as pl

from neurorobust import backends
from neurorobust.data import Samples, encode, load
from neurorobust.files import PART
from neurorobust.ir import LI, LIF, Affine, Flatten, Graph, Header, save_model
from neurorobust.study.plan import Given, Named, make_plan
from neurorobust.study.running import run_cells
from neurorobust.study.spec import make_spec
from tests.support import small

STEPS, SIDE, CLASSES, HIDDEN = 4, 4, 3, 12
TABLES = ("rows", "outcomes", "agreement")


def network(seed=2, name="tiny", *, header=None, **neuron):
    """Random weights; on Loihi 2 it has a form in integers."""
    rng = np.random.default_rng(seed)
    said = {"dt_s": 1e-3, "steps": STEPS, "levels": 256} | (header or {})
    return small.graph(
        (1, SIDE, SIDE),
        Header(name=name, **said),
        readout="last",
        flat=Flatten(),
        fc1=Affine(weight=rng.normal(0, 0.5, (HIDDEN, SIDE**2)), bias=rng.normal(0, 0.2, HIDDEN)),
        lif1=LIF(**{"beta": np.array(0.7), "threshold": np.array(1.0)} | neuron),
        fc2=Affine(weight=rng.normal(0, 0.4, (CLASSES, HIDDEN))),
        li=LI(beta=np.array(1.0)),
    )


def images(seed=3, count=40, name="noise"):
    """Labels are mostly what the network decides, so that accuracy means something."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 1, SIDE, SIDE), dtype=np.uint8)
    decided = decisions(network(), pixels / 255)
    labels = np.where(rng.random(count) < 0.8, decided, rng.integers(0, CLASSES, count))
    return Samples(name, pixels, labels, levels=256)


def direct(model, values, record=()):
    """All samples at once, by the reference backend."""
    rung = "float" if isinstance(model, Graph) else "quantised"
    return backends.run(model, encode(model, values), rung=rung, backend="reference", record=record)


def decisions(model, values):
    """Of a direct run."""
    return direct(model, values).decisions


def spec_of(**sections):
    """A study file of the small network, with these sections in place of the usual ones."""
    said = {
        "models": {"use": ["tiny"]},
        "data": {"name": "noise"},
        "lower": {"profile": ["loihi2"]},
        "fit": {"check": False},
        "replay": {"backend": ["reference", "torch"]},
    }
    return make_spec({k: part for k, part in (said | sections).items() if part is not None})


def given_of(*, models=(), samples=None, calibration=None, twin=None, sets=()):
    """What a study is made of, in place of files."""
    many = [Named(one.header.name, "", one, {}) for one in models or [network()]]
    return Given(many, images() if samples is None else samples, calibration, twin, sets)


_GIVEN = ("models", "samples", "calibration", "twin", "sets")


def _asked(said):
    given = {name: said.pop(name) for name in _GIVEN if name in said and name != "models"}
    if isinstance(said.get("models"), list):
        given["models"] = said.pop("models")
    return spec_of(**said), given_of(**given)


def planned(folder, **said):
    """The plan of a study; ``models`` is a list of networks, or a section of the file."""
    return make_plan(*_asked(said), Path(folder))


def run(folder, **said):
    """What a study finds; of what is said, as for ``planned``."""
    return run_cells(*_asked(said), Path(folder))


def files(folder):
    """The small network, its twin and its images, as the command line takes them."""
    save_model(network(), folder / "tiny.safetensors")
    save_model(network(5), folder / "twin.safetensors")
    shown = images()
    np.savez(folder / "noise.npz", x=shown.raw / 255, y=shown.labels)
    return folder


def loaded(folder):
    """The images as ``files`` wrote them, read as the command line does."""
    return load(str(folder / "noise.npz"))


def tables(folder):
    """The three tables as they lie in the folder, byte for byte."""
    return {name: (folder / f"{name}.parquet").read_bytes() for name in TABLES}


def leavings(folder):
    """Claims and half-written files."""
    found = [
        *(folder / "claims").glob("*"),
        *folder.rglob(f".*{PART}"),
        *folder.rglob("unfinished"),
    ]
    return sorted(str(path.relative_to(folder)) for path in found)


def statuses(found):
    """How many cells ended how, by kind."""
    counted = found.cells.group_by("kind", "status").len()
    return {(kind, status): count for kind, status, count in counted.iter_rows()}


def clean(found):
    """The rows of clean samples that have a result."""
    return found.rows.filter(pl.col("set") == "clean", pl.col("status") == "done")
