"""lava-dl's netx and SLAYER in the worker: against law and each other, and when they fail."""

import os
import shutil
import signal

import numpy as np
import pytest

from neurorobust.errors import BackendUnavailable, InvalidInput, RemoteError, WorkerTimeout
from neurorobust.formats.lava.network import Dense, Lif
from neurorobust_lava.environment import WORKER
from neurorobust_lava.lava_dl import LAVA_DL, SlayerBlock, run_netx, slayer_forward
from neurorobust_lava.process import LavaWorker
from tests.support import netx_files
from tests.support.lava_law import LifLaw, dense_law
from tests.support.netx_files import source
from tests.worker.conftest import gone, group_of, leftovers

pytestmark = pytest.mark.lava


@pytest.fixture(scope="module")
def lava_dl(lava_dl_python):
    with LavaWorker(python=lava_dl_python) as worker:
        yield worker


@pytest.fixture
def rng():
    return np.random.default_rng(20260103)


def write_net(path, *layers):
    return netx_files.write_net(path, layers)


def neuron(**changes):
    """Datasets of a population."""
    return {"type": b"CUBA", "iDecay": 3000, "vDecay": 300, "vThMant": 60, **changes}


def dense(rng, outputs, inputs, **changes):
    weight = 2 * rng.integers(-40, 60, (outputs, inputs))
    return netx_files.dense(weight, neuron=neuron(**changes))


def chain_law(layers, inputs):
    """Spikes, u and v of dense layers whose synapses each take a step."""
    laws = []
    for layer in layers:
        cuba, shape = layer["neuron"], (len(layer["weight"]),)
        lif = Lif("lif", shape, cuba["iDecay"] - 1, cuba["vDecay"], cuba["vThMant"])
        laws.append((Dense("fc", layer["weight"]), LifLaw(lif)))
    fed = [np.zeros(synapse.weights.shape[1], int) for synapse, _ in laws]
    rows = []
    for arriving in inputs:
        spikes = [
            law.step(dense_law(synapse, x)) for (synapse, law), x in zip(laws, fed, strict=True)
        ]
        rows.append(
            [(s, law.u.copy(), law.v.copy()) for s, (_, law) in zip(spikes, laws, strict=True)]
        )
        fed = [arriving, *spikes[:-1]]
    return [
        [np.array(part) for part in zip(*layer, strict=True)] for layer in zip(*rows, strict=True)
    ]


def test_every_layer_equals_the_law(lava_dl, rng, tmp_path):
    layers = [dense(rng, 8, 12), dense(rng, 6, 8, iDecay=4096), dense(rng, 4, 6, vDecay=0)]
    inputs = (rng.random((40, 12)) < 0.3).astype(np.int64)
    record = run_netx(
        write_net(tmp_path / "a.net", *layers),
        inputs[:30],
        steps=40,
        record=("spikes", "u", "v"),
        worker=lava_dl,
    )
    inputs[30:] = 0
    for layer, described, (spikes, u, v) in zip(
        record.layers, layers, chain_law(layers, inputs), strict=True
    ):
        assert spikes.any()
        assert (layer.spikes == spikes).all()
        assert (layer.u == u).all()
        assert (layer.v == v).all()
        assert (layer.kind, layer.shape) == ("Dense", tuple(described["shape"]))
        given = layer.parameters
        assert given["neuron.du"] == described["neuron"]["iDecay"] - 1
        assert given["neuron.vth"] == described["neuron"]["vThMant"]
        effective = given["synapse.weights"] * 2.0 ** given["synapse.weight_exp"]
        assert (effective == described["weight"]).all()
    assert record.output is record.layers[-1]


def test_more_steps_than_one_chunk(lava_dl, rng, tmp_path):
    layers = [dense(rng, 3, 4)]
    inputs = (rng.random((1203, 4)) < 0.3).astype(np.int64)
    path = write_net(tmp_path / "a.net", *layers)
    record = run_netx(path, inputs, steps=1203, record=("spikes", "v"), worker=lava_dl)
    ((spikes, _, v),) = chain_law(layers, inputs)
    assert (record.output.spikes == spikes).all()
    assert (record.output.v == v).all()


def test_an_input_block_takes_an_image(lava_dl, rng, tmp_path):
    """The image is a bias of mantissa · 2^6 in every step; netx only notes weight and bias."""
    first = source(2, 3, 4, weight=3, bias=5, neuron=neuron(vThMant=80, vDecay=100))
    path = write_net(tmp_path / "a.net", first)
    image = rng.integers(-20, 90, (4, 3, 2))
    record = run_netx(path, steps=30, image=image, record=("spikes", "v"), worker=lava_dl)
    law = LifLaw(Lif("lif", image.shape, 2999, 100, 80, image, 6))
    for spikes, v in zip(record.output.spikes, record.output.v, strict=True):
        assert (spikes == law.step(0)).all()
        assert (v == law.v).all()
    assert record.output.spikes.any()
    transform = [int(record.output.parameters[f"transform.{key}"]) for key in ("weight", "bias")]
    assert transform == [3, 5]


def test_resets_are_staggered_from_layer_to_layer(lava_dl, rng, tmp_path):
    """A sample after another equals it alone; the first layer sees its first spike in step 2."""
    path = write_net(tmp_path / "a.net", dense(rng, 8, 12), dense(rng, 6, 8))
    samples = (rng.random((3, 10, 12)) < 0.3).astype(np.int64)
    reset = {"reset_interval": 10, "reset_offset": 1}
    joined = samples.reshape(30, 12)
    together = run_netx(path, joined, steps=32, worker=lava_dl, **reset).output.spikes
    for number, sample in enumerate(samples):
        alone = run_netx(path, sample, steps=12, worker=lava_dl).output.spikes
        assert alone.any()
        assert (together[number * 10 + 2 : number * 10 + 12] == alone[2:]).all()


def some_blocks(rng):
    return [
        SlayerBlock(
            "conv",
            rng.normal(0.3, 0.7, (4, 1, 3, 2)),
            threshold=1.5,
            current_decay=0.3,
            stride=(1, 2),
            padding=(1, 0),
            groups=2,
        ),
        SlayerBlock("flatten"),
        SlayerBlock("recurrent", rng.normal(0.1, 0.5, (9, 60)), rng.normal(0, 0.4, (9, 9))),
        SlayerBlock("dense", rng.normal(0.2, 0.5, (5, 9)), delay=np.array([0, 1, 5, 0, 2])),
    ]


def test_slayer_and_its_export_in_netx_agree(lava_dl, rng, tmp_path):
    """Both hold spikes back by a step per block; axonal delays act after SLAYER's last neuron."""
    blocks, path = some_blocks(rng), tmp_path / "a.net"
    spikes = (rng.random((2, 30, 2, 5, 6)) < 0.3).astype(np.uint8)
    outputs = slayer_forward(blocks, spikes, export=path, worker=lava_dl)
    assert [part.shape[2:] for part in outputs] == [(4, 5, 3), (60,), (9,), (5,)]
    for number, sample in enumerate(spikes):
        images = sample.transpose(0, 3, 2, 1)
        layers = run_netx(path, images, steps=30, input_shape=(6, 5, 2), worker=lava_dl).layers
        assert [layer.kind for layer in layers] == ["Conv", "RecurrentDense", "Dense"]
        found = [layers[0].spikes.transpose(0, 3, 2, 1), *(layer.spikes for layer in layers[1:])]
        for ours, theirs in zip(found, [outputs[0], *outputs[2:]], strict=True):
            assert ours.any()
            assert (ours == theirs[number]).all()


def test_slayer_leaves_no_half_written_file(lava_dl, rng, tmp_path):
    blocks = [SlayerBlock("dense", rng.normal(size=(3, 4))), SlayerBlock("flatten")]
    spikes = np.zeros((1, 5, 3), np.uint8)
    with pytest.raises(RemoteError, match="slayer_forward: RuntimeError"):
        slayer_forward(blocks, spikes, export=tmp_path / "a.net", worker=lava_dl)
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_is_refused(lava_dl, rng, tmp_path):
    plain = write_net(tmp_path / "a.net", dense(rng, 3, 4))
    block = write_net(tmp_path / "b.net", source(4, neuron=neuron()))
    ones = np.ones((5, 4), int)
    for path, given, message in [
        (plain, {}, "kind Dense; it takes inputs"),
        (plain, {"image": ones[0]}, "kind Dense; it takes inputs"),
        (block, {"inputs": ones}, "kind Input; it takes image"),
        (plain, {"inputs": ones[:, :3]}, r"inputs has shape \(5, 3\)"),
        (plain, {"inputs": np.ones((6, 4), int)}, r"inputs has shape \(6, 4\)"),
        (plain, {"inputs": ones * 0.5}, "fixed_pt needs integers"),
        (plain, {"inputs": ones * 2**40}, "int32 is held"),
        (block, {"image": ones[0] * 40000}, "int16 is held"),
        (plain, {"inputs": ones, "record": ["w"]}, "has no 'w'; it has spikes, u, v"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            run_netx(path, **{"inputs": None, "steps": 5, "worker": lava_dl, **given})
    with pytest.raises(InvalidInput, match="kind 'pool'"):
        slayer_forward([SlayerBlock("pool")], np.zeros((1, 2, 3)), worker=lava_dl)


def test_what_netx_refuses_is_told_with_its_traceback(lava_dl, rng, tmp_path):
    inputs = np.ones((5, 4), int)
    pool = write_net(tmp_path / "pool.net", dense(rng, 3, 4), {"type": b"pool"})
    with pytest.raises(RemoteError, match="NotImplementedError: pool is not implemented") as caught:
        run_netx(pool, inputs, steps=5, worker=lava_dl)
    assert "hdf5.py" in str(caught.value.__cause__)
    with pytest.raises(RemoteError, match="FileNotFoundError"):
        run_netx(tmp_path / "none.net", inputs, steps=5, worker=lava_dl)
    (tmp_path / "text.net").write_text("no HDF5")
    with pytest.raises(RemoteError, match="OSError"):
        run_netx(tmp_path / "text.net", inputs, steps=5, worker=lava_dl)


def test_an_exception_in_a_process_model_is_an_error_and_no_hang(lava_dl, rng, tmp_path):
    """A threshold that is no integer cannot be shifted; Lava itself would wait for ever."""
    bad = write_net(tmp_path / "bad.net", dense(rng, 3, 4, vThMant=60.5))
    good = write_net(tmp_path / "good.net", dense(rng, 3, 4))
    inputs = np.ones((5, 4), int)
    with pytest.raises(RemoteError, match=r"ProcessModelFailed.*in a Lava process") as caught:
        run_netx(bad, inputs, steps=5, worker=lava_dl)
    assert "scale_threshold" in str(caught.value.__cause__)
    assert leftovers(lava_dl) == []
    assert run_netx(good, inputs, steps=5, worker=lava_dl).output.spikes.shape == (5, 3)


def test_a_hang_is_a_timeout_and_leaves_nothing(lava_dl_python, rng, tmp_path):
    worker_folder = tmp_path / "worker"
    shutil.copytree(WORKER, worker_folder, ignore=shutil.ignore_patterns("__pycache__"))
    guard = worker_folder / "guard.py"
    guard.write_text(guard.read_text().replace("for actor in self._actors:", "for actor in ():"))
    bad = write_net(tmp_path / "bad.net", dense(rng, 3, 4, vThMant=60.5))
    with LavaWorker(python=lava_dl_python, worker=worker_folder) as worker:
        slayer_forward([SlayerBlock("flatten")], np.zeros((1, 2, 1, 1, 1)), worker=worker)
        first = worker.pid
        with pytest.raises(WorkerTimeout, match="run_netx: no answer within 4 s"):
            run_netx(bad, np.ones((5, 4), int), steps=5, worker=worker, timeout_s=4)
        assert gone(first)
        worker.close()
        assert leftovers(worker) == []


def test_a_killed_lava_process_is_reported(lava_dl_python, rng, tmp_path):
    """As when the machine runs out of memory."""
    path = write_net(tmp_path / "a.net", dense(rng, 3, 4))
    with LavaWorker(python=lava_dl_python) as worker:

        def kill_one(_):
            os.kill(max(group_of(worker.pid)), signal.SIGKILL)

        with pytest.raises(RemoteError, match="a Lava process ended with exit code -9"):
            run_netx(path, np.ones((5, 4), int), steps=10**6, worker=worker, on_progress=kill_one)


def test_without_the_tier_the_way_to_it_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("NEUROROBUST_HOME", str(tmp_path))
    monkeypatch.delenv("NEUROROBUST_LAVA_PYTHON", raising=False)
    with pytest.raises(BackendUnavailable, match="neurorobust env build lava-dl"):
        LavaWorker(tier=LAVA_DL)
