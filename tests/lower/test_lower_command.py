"""``neurorobust lower``: files in, files and a table out, and its exit codes."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from neurorobust import ir
from neurorobust.chips import load_profile
from neurorobust.cli.app import app
from neurorobust.fit import with_cores
from neurorobust.lower import lower
from tests.support.networks import stack


def network(reset="hard"):
    rng = np.random.default_rng(0)
    return stack(
        (6,),
        ir.Header(dt_s=1e-3, steps=8, coding="events", levels=2),
        fc=ir.Affine(weight=rng.normal(0.2, 0.5, (8, 6))),
        lif=ir.LIF(beta=0.9, threshold=1.0, reset=reset),
        fc2=ir.Affine(weight=rng.normal(size=(3, 8))),
        lif2=ir.LIF(beta=0.8, threshold=1.0),
    )


@pytest.fixture
def files(tmp_path):
    ir.save_model(network(), tmp_path / "graph.safetensors")
    ir.save_model(network("soft"), tmp_path / "soft.safetensors")
    spikes = np.random.default_rng(1).integers(0, 2, (5, 8, 6)).astype(float)
    np.save(tmp_path / "samples.npy", spikes)
    return tmp_path


def command(folder, *more, model="graph.safetensors", profile="loihi2"):
    given = ["lower", str(folder / model), "--profile", profile]
    return CliRunner().invoke(app, [*given, "--out", str(folder / "out.safetensors"), *more])


def test_the_file_is_what_lower_gives(files):
    bits = ["--weight-bits", "5", "--decay-bits", "6", "--scaling", "mse"]
    result = command(files, *bits, "--net", str(files / "out.net"), "--json")
    assert result.exit_code == 0, result.output
    profile = load_profile("loihi2").profile
    wanted = with_cores(
        lower(network(), profile, weight_bits=5, decay_bits=6, scaling="mse"), profile
    )
    made = ir.load_model(files / "out.safetensors", ir.Program)
    assert made.content_hash == wanted.content_hash
    printed = json.loads(result.stdout)
    assert printed["report"] == wanted.report
    assert printed["net"] == str(files / "out.net")
    assert (files / "out.net").read_bytes()[1:4] == b"HDF"


def test_the_table_shows_each_layer_and_what_was_measured(files):
    result = command(files, "--calibration", str(files / "samples.npy"))
    assert result.exit_code == 0, result.output
    for text in ("lif2", "weight bits", "exponent", "spikes agree", "Written:"):
        assert text in result.stdout


@pytest.mark.parametrize(
    ("options", "model", "code", "text"),
    [
        ([], "soft.safetensors", 1, "resets soft"),
        ([], "none.safetensors", 2, "none.safetensors"),
        (["--weight-bits", "9"], "graph.safetensors", 2, "--weight-bits is 9"),
        (["--scaling", "best"], "graph.safetensors", 2, "scaling is 'best'"),
        (["--profile", "nochip"], "graph.safetensors", 2, "nochip"),
        (["--profile", "ideal-int8"], "graph.safetensors", 2, "ideal-int8 has no integers"),
        (["--calibration", "none.npy"], "graph.safetensors", 2, "none.npy"),
    ],
)
def test_what_cannot_be_done_says_so(files, options, model, code, text):
    result = command(files, *options, model=model)
    assert result.exit_code == code, result.output
    assert text in result.stderr
    assert not (files / "out.safetensors").exists()


def test_a_program_is_not_lowered_twice(files):
    ir.save_model(lower(network(), load_profile("loihi2").profile), files / "program.safetensors")
    result = command(files, model="program.safetensors")
    assert result.exit_code == 2
    assert "holds a Program already" in result.stderr


def test_floored_sums_have_no_netx_form(files):
    weight = np.random.default_rng(2).normal(0.1, 1, (4, 400))
    header = ir.Header(dt_s=1e-3, steps=8, levels=256)
    lif = ir.LIF(beta=0.9, threshold=1.0)
    chain = {"input": ir.Input(shape=(400,)), "fc": ir.Affine(weight=weight), "lif": lif}
    ir.save_model(ir.Graph.chain(header, **chain, output=ir.Output()), files / "wide.safetensors")
    result = command(files, "--net", str(files / "out.net"), model="wide.safetensors")
    assert result.exit_code == 2
    assert "floors their sums" in result.stderr
    assert not (files / "out.net").exists()
    assert not (files / "out.safetensors").exists()


@pytest.mark.parametrize("pool", ["max", "avg"])
def test_after_a_maximum_only_the_maximum_is_refused(pool, files):
    """What stands before and behind it has a form: with an average it lowers as it is."""
    rng = np.random.default_rng(0)
    chain = {
        "input": ir.Input(shape=(1, 8, 8)),
        "conv": ir.Conv2d(weight=rng.normal(size=(4, 1, 3, 3)), bias=rng.normal(size=4)),
        "pool": ir.Pool2d(kernel=(2, 2), stride=(2, 2), op=pool),
        "lif": ir.LIF(beta=0.9, threshold=1.0),
        "flat": ir.Flatten(),
        "fc": ir.Affine(weight=rng.normal(size=(3, 36)), bias=rng.normal(size=3)),
        "out": ir.LIF(beta=0.9, threshold=1.0),
        "output": ir.Output(),
    }
    header = ir.Header(dt_s=1e-3, steps=8, levels=256)
    ir.save_model(ir.Graph.chain(header, **chain), files / "pool.safetensors")
    result = command(files, model="pool.safetensors")
    assert result.exit_code == (1 if pool == "max" else 0), result.output
    if pool == "max":
        lines = [line for line in result.stderr.splitlines() if line.startswith("  - ")]
        (only,) = lines
        assert only.startswith("  - pool: takes a maximum")


def test_what_layers_share_is_said_once_and_in_words_of_the_command(files):
    rng = np.random.default_rng(0)
    lif = ir.LIF(beta=0.9, threshold=1.0, reset="soft", compare=">=", v_init=0.5, v_min=-9.0)
    chain = {
        "input": ir.Input(shape=(4,)),
        "a": ir.Affine(weight=rng.normal(size=(4, 4))),
        "l1": lif,
        "b": ir.Affine(weight=rng.normal(size=(4, 4))),
        "l2": lif,
        "output": ir.Output(),
    }
    header = ir.Header(dt_s=1e-3, steps=8, levels=256)
    ir.save_model(ir.Graph.chain(header, **chain), files / "soft.safetensors")
    result = command(files, model="soft.safetensors")
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("  - ")]
    assert len(lines) == 4
    assert all(line.startswith("  - l1, l2: ") for line in lines)
    assert "resets soft in the same step, Lava's LIF hard in the same" in lines[0]
    for word in ("v_init", "v_min", "input_coding", "fold_gains", "Affine", "the chip"):
        assert word not in result.output
