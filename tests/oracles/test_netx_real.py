"""``.net`` files in netx itself: what is exported, imported, and refused."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from neurorobust.errors import InvalidInput, RemoteError, WorkerTimeout
from neurorobust.formats.load import Reading, load
from neurorobust.formats.netx import netx_latency, save_netx
from neurorobust.formats.netx.weights import optimise, stored
from neurorobust.ir import FixedLI, FixedLIF
from neurorobust_lava.lava_dl import run_netx
from tests.formats.test_netx_export import flat
from tests.formats.test_netx_import import assert_equal_to_netx
from tests.support.helpers import asked_again
from tests.support.netx_files import REFUSED, dense_file, image_file, write_net
from tests.support.netx_programs import KINDS, STEPS, random_program, stimulus

OPTIMISE = Path(__file__).with_name("optimise_weights.py")
LIMITS = (1, 2, 3, 7, 8, 31, 64, 100, 127, 128, 129, 200, 254, 255, 256, 257, 300, 1000, 5000)


def in_netx(worker, path, program, codes, *, arguments, arranged):
    """Spikes, and membranes where some layer has no spikes, until the last layer has answered."""
    first = program.nodes[program.outgoing(program.input)[0].target]
    biased = isinstance(first, FixedLIF)
    graded = any(program.of_kind(FixedLI))
    record = asked_again(
        run_netx,
        path,
        None if biased else arranged.astype(np.int32),
        image=(arranged[0] + first.bias_mant).astype(np.int32) if biased else None,
        steps=len(codes) + max(netx_latency(program).values()),
        record=("spikes", "v") if graded else ("spikes",),
        worker=worker,
        **arguments,
    )
    return [(layer.spikes, layer.v) for layer in record.layers]


@pytest.mark.parametrize("kind", KINDS)
def test_exported_networks_fire_in_netx_as_they_should(lava_dl, tmp_path, kind):
    """Five networks of each kind, 45 in all: every spike of every layer."""
    spikes = 0
    for seed in range(20, 25):
        program, path = random_program(kind, seed), tmp_path / f"{seed}.net"
        codes = stimulus(program, seed)
        call = save_netx(program, path)
        layers = in_netx(
            lava_dl, path, program, codes, arguments=call.arguments(), arranged=call.arrange(codes)
        )
        spikes += assert_equal_to_netx(program, codes, flat(layers))
    assert spikes > 20


def test_files_in_old_and_new_forms(lava_dl, tmp_path):
    """Weights, delays, biases and decays as exporters of all ages write them."""
    spikes = 0
    for seed in range(100, 110):
        path, shape = dense_file(tmp_path / f"{seed}.net", seed)
        program = load(path, Reading(steps=STEPS))
        codes = np.random.default_rng(seed).integers(0, 2, (STEPS, *shape))
        layers = in_netx(lava_dl, path, program, codes, arguments={}, arranged=codes)
        spikes += assert_equal_to_netx(program, codes, layers)
    for seed in range(100, 106):
        path, shape = image_file(tmp_path / f"{seed}i.net", seed)
        program = load(path, Reading(steps=STEPS, reset_interval=STEPS))
        image = np.random.default_rng(seed).integers(0, 90, shape)
        codes = np.broadcast_to(image, (STEPS, *shape))
        arguments = {"reset_interval": STEPS}
        arranged = codes.transpose(0, 3, 2, 1)
        layers = in_netx(lava_dl, path, program, codes, arguments=arguments, arranged=arranged)
        spikes += assert_equal_to_netx(program, codes, layers)
    assert spikes > 10_000


PUBLISHED = {
    "tiny.net": ("image", {"reset_interval": 17}, 34, 5_000),
    "mnist.net": ("image", {}, 20, 5_000),
    "gts/ntidigits/ntidigits.net": ("spikes", {"num_layers": 5}, 120, 500),
    "gts/pilotnet_lif/network.net": ("image", {"reset_interval": 16}, 16, 100_000),
}


@pytest.mark.parametrize("file", PUBLISHED)
def test_published_networks_fire_as_in_netx(lava_dl, published, file):
    sort, arguments, steps, least = PUBLISHED[file]
    path = published / file
    program = load(path, Reading(steps=steps, **arguments))
    rng, shape = np.random.default_rng(1), program.input_shape
    if sort == "image":
        codes = np.broadcast_to(rng.integers(0, 70, shape), (steps, *shape))
    else:
        codes = np.load(path.with_name("input.npy")).T[:steps].astype(np.int64)
    arranged = codes.transpose(0, 3, 2, 1) if codes.ndim == 4 else codes
    layers = in_netx(lava_dl, path, program, codes, arguments=arguments, arranged=arranged)
    assert assert_equal_to_netx(program, codes, layers) > least


@pytest.mark.parametrize("name", [n for n, case in REFUSED.items() if case[3]])
def test_netx_fails_on_what_is_refused_as_failing(lava_dl, tmp_path, name):
    layers, _, shape, _ = REFUSED[name]
    path = write_net(tmp_path / "a.net", layers)
    # Lava may wait for ever after an exception in one of its processes; then the time-out ends it.
    with pytest.raises((RemoteError, InvalidInput, WorkerTimeout)):
        run_netx(path, np.ones((4, *np.atleast_1d(shape)), np.int32), steps=6, worker=lava_dl)


@pytest.mark.parametrize("name", [n for n, case in REFUSED.items() if not case[3]])
def test_netx_runs_what_is_refused_as_wrong(lava_dl, tmp_path, name):
    layers, _, shape, _ = REFUSED[name]
    path = write_net(tmp_path / "a.net", layers)
    inputs = np.ones((4, *np.atleast_1d(shape)), np.int32)
    assert asked_again(run_netx, path, inputs, steps=6, worker=lava_dl).layers


def test_weights_of_4000_matrices(lava_dl_python, tmp_path):
    rng = np.random.default_rng(7)
    given = {}
    while len(given) < 4000:
        low, high = -rng.choice(LIMITS), rng.choice(LIMITS)
        bounds = [(low, high), (0, high), (low, 0), (low, -1)][rng.integers(4)]
        shape, step = rng.integers(1, 6, 2), 1 << rng.integers(0, 5)
        weight = rng.integers(bounds[0], bounds[1] + 1, shape) // step * step
        if rng.integers(3) == 0:
            weight = np.sign(weight) << rng.integers(0, 9, shape)
        if weight.any():
            given[str(len(given))] = weight
    np.savez(tmp_path / "in.npz", **given)
    command = [lava_dl_python, "-I", OPTIMISE, tmp_path / "in.npz", tmp_path / "out.npz"]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    with np.load(tmp_path / "out.npz") as made:
        for name, weight in given.items():
            mine = optimise(weight)
            assert [mine.bits, mine.shift] == list(made[f"{name}/choice"]), weight
            assert np.array_equal(mine.weight, made[f"{name}/shifted"]), weight
            assert np.array_equal(stored(mine.weight, mine.bits), made[f"{name}/kept"]), weight
