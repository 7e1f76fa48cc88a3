"""Real Lava in its worker, against its law and against itself."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import numpy as np
import pytest

from neurorobust.errors import InvalidInput, InvalidModel, RemoteError, WorkerCrashed, WorkerTimeout
from neurorobust.formats.lava.network import (
    Connection,
    Conv,
    DelayDense,
    Dense,
    LavaNetwork,
    Lif,
    LifReset,
    Sink,
    Source,
    chain,
)
from neurorobust.formats.lava.schedule import Schedule
from neurorobust_lava.environment import WORKER
from neurorobust_lava.process import LavaWorker
from tests.support.lava_law import LifLaw, feed_forward
from tests.worker.conftest import SHARED_MEMORY, gone, group_of, leftovers

pytestmark = pytest.mark.lava


@pytest.fixture(scope="module")
def lava(lava_python):
    with LavaWorker(python=lava_python) as worker:
        yield worker


@pytest.fixture
def rng():
    return np.random.default_rng(20260101)


def with_resets(layers, schedule: Schedule):
    """The same layers with populations that are reset between the samples."""
    names = ("name", "shape", "du", "dv", "vth", "bias_mant", "bias_exp")
    found = []
    for number, (synapse, lif) in enumerate(layers, 1):
        same = {name: getattr(lif, name) for name in names}
        offset = schedule.reset_offset(number)
        reset = LifReset(**same, reset_interval=schedule.period, reset_offset=offset)
        found.append((synapse, reset))
    return found


def recorded_chain(tag, source, layers) -> LavaNetwork:
    """Source, then synapse and population in turn, with a sink at every population."""
    parts = [part for layer in layers for part in layer]
    sinks = tuple(Sink(f"{lif.name}.record", lif.shape) for _, lif in layers)
    taps = tuple(Connection(lif.name, f"{lif.name}.record") for _, lif in layers)
    links = chain(source.name, *(part.name for part in parts)) + taps
    return LavaNetwork(tag, (source, *parts, *sinks), links)


def dense_layers(rng):
    """Three layers with biases, per-neuron thresholds and lasting currents."""

    def weights(n_out, n_in):
        return rng.integers(-100, 140, (n_out, n_in))

    return [
        (Dense("fc1", weights(24, 30)), Lif("lif1", (24,), 2000, 300, 40, 2, 6)),
        (
            Dense("fc2", weights(20, 24), weight_exp=1),
            Lif("lif2", (20,), 4095, 800, rng.integers(50, 90, 20), rng.integers(-3, 9, 20), 6),
        ),
        (Dense("fc3", weights(10, 20), weight_exp=-1), Lif("lif3", (10,), 3000, 128, 60, 1, 7)),
    ]


def conv_layers(rng):
    """Strided and grouped convolutions with padding, then a dense layer."""

    def weight(*shape):
        return rng.integers(-40, 60, shape)

    return [
        (
            Conv("conv1", weight(4, 3, 3, 2), (9, 7, 2), padding=(1, 1)),
            Lif("lif1", (9, 7, 4), 4095, 400, 70, 1, 6),
        ),
        (
            Conv("conv2", weight(4, 2, 3, 2), (9, 7, 4), (2, 1), (0, 1), (1, 1), groups=2),
            Lif("lif2", (4, 7, 4), 3000, 400, 50),
        ),
        (Dense("fc", weight(5, 112)), Lif("lif3", (5,), 4095, 100, 60)),
    ]


def test_describe(lava):
    facts = lava.describe()
    assert facts["python"].startswith("3.10.")
    assert facts["packages"]["lava-nc"] == "0.10.0"
    assert set(facts["tags"]) == {"fixed_pt", "floating_pt"}


def test_load_tells_the_ports(lava, rng):
    (conv, lif), *_ = conv_layers(rng)
    network = recorded_chain("fixed_pt", Source("in", (9, 7, 2)), [(conv, lif)])
    assert lava.load(network)["ports"] == {
        "in": [None, [9, 7, 2]],
        "conv1": [[9, 7, 2], [9, 7, 4]],
        "lif1": [[9, 7, 4], [9, 7, 4]],
        "lif1.record": [[9, 7, 4], None],
    }


@pytest.mark.parametrize("build", [dense_layers, conv_layers])
def test_many_samples_back_to_back_equal_the_law(lava, rng, build):
    """No step of silence between samples, biases included."""
    layers = build(rng)
    shape = (30,) if build is dense_layers else (9, 7, 2)
    samples = (rng.random((7, 16, *shape)) < 0.3).astype(np.uint8)
    schedule = Schedule(samples=7, steps=16, depth=3)
    assert schedule.period == 16
    lava.load(recorded_chain("fixed_pt", Source("in", shape), with_resets(layers, schedule)))
    record = lava.run({"in": schedule.pack(samples)}, schedule.total)
    for number, expected in enumerate(feed_forward(layers, samples)):
        name = layers[number][1].name
        found = schedule.unpack(record.sinks[f"{name}.record"], number + 1)
        fired = expected.any(axis=(1, *range(2, expected.ndim)))
        assert fired.all(), "a silent test proves nothing"
        assert (found == expected).all(), name


@pytest.mark.parametrize("tag", ["fixed_pt", "floating_pt"])
def test_many_samples_back_to_back_equal_one_sample_alone(lava, rng, tag):
    layers = dense_layers(rng)
    if tag == "floating_pt":
        layers = [
            (
                Dense(synapse.name, synapse.weights / 100),
                Lif(lif.name, lif.shape, 0.3 + 0.2 * number, 0.1, 1.0, 0.01 * number),
            )
            for number, (synapse, lif) in enumerate(layers)
        ]
    samples = (rng.random((5, 12, 30)) < 0.2).astype(np.uint8)

    def outputs(batch):
        schedule = Schedule(samples=len(batch), steps=12, depth=3)
        lava.load(recorded_chain(tag, Source("in", (30,)), with_resets(layers, schedule)))
        voltages = {"lif3": schedule.last_steps(3)}
        record = lava.run({"in": schedule.pack(batch)}, schedule.total, membrane=voltages)
        return schedule.unpack(record.sinks["lif3.record"], 3), record.membrane["lif3"]

    spikes, voltages = outputs(samples)
    assert spikes.any()
    for number in range(len(samples)):
        alone = outputs(samples[number : number + 1])
        assert (alone[0][0] == spikes[number]).all()
        assert (alone[1][0] == voltages[number]).all()


def recurrent_network(rng, tag="fixed_pt"):
    """Recurrence, delays behind a population, biases: all that outlives a sample."""
    scale, kind, lif, exponent = {
        "fixed_pt": (1, int, {"du": 2500, "dv": 200, "vth": 60}, 5),
        "floating_pt": (0.01, float, {"du": 0.6, "dv": 0.05, "vth": 1}, 0),
    }[tag]

    def weights(*shape):
        return (rng.integers(-60, 90, shape) * scale).astype(kind)

    return LavaNetwork(
        tag,
        (
            Source("in", (12,)),
            DelayDense("ff", weights(16, 12), delays=rng.integers(0, 4, (16, 12))),
            Lif("hidden", (16,), **lif, bias_mant=1, bias_exp=exponent),
            Dense("loop", weights(16, 16)),
            DelayDense("out", weights(6, 16), delays=rng.integers(0, 6, (6, 16))),
            Lif("last", (6,), **lif),
            Sink("record", (6,)),
        ),
        (*chain("in", "ff", "hidden", "out", "last", "record"), *chain("hidden", "loop", "hidden")),
    )


@pytest.mark.parametrize("tag", ["fixed_pt", "floating_pt"])
@pytest.mark.parametrize("reset", ["clear", "fresh"])
def test_episodes_of_a_recurrent_network_with_delays_equal_fresh_networks(lava, rng, tag, reset):
    network = recurrent_network(rng, tag)
    samples = (rng.random((4, 10, 12)) < 0.3).astype(np.uint8)
    lava.load(network)
    one = Schedule(samples=1, steps=10, depth=2, extra=3 + 5)
    together = Schedule(samples=4, steps=10, depth=0, gap=one.total - 10)
    steps = together.samples * together.period
    ends = tuple(range(one.total, steps + 1, one.total))
    given = {"reset": reset, "every": one.total, "membrane": {"hidden": ends}}
    record = lava.run({"in": together.pack(samples)}, steps, **given)
    assert record.sinks["record"].any()
    for number, sample in enumerate(samples):
        alone = lava.run({"in": sample}, one.total, membrane={"hidden": (one.total,)})
        part = record.sinks["record"][number * one.total : (number + 1) * one.total]
        assert (part == alone.sinks["record"]).all()
        assert (record.membrane["hidden"][number] == alone.membrane["hidden"][0]).all()


def test_without_a_reset_samples_of_that_network_do_influence_each_other(lava, rng):
    """The test above would prove nothing otherwise."""
    lava.load(recurrent_network(rng))
    samples = (rng.random((2, 10, 12)) < 0.3).astype(np.uint8)
    whole = lava.run({"in": samples.reshape(20, 12)}, 20).sinks["record"]
    second = lava.run({"in": samples[1]}, 10).sinks["record"]
    assert (whole[10:] != second).any()


def test_delays_behind_the_source_need_a_gap_of_the_largest_delay(lava, rng):
    delays = rng.integers(0, 5, (8, 10))
    delays[0, 0] = 5
    synapse = DelayDense("ff", rng.integers(-80, 120, (8, 10)), delays=delays)
    lif = Lif("lif", (8,), 2500, 200, 60, 1, 5)
    samples = (rng.random((6, 8, 10)) < 0.4).astype(np.uint8)

    def outputs(batch, gap):
        schedule = Schedule(samples=len(batch), steps=8, depth=1, gap=gap)
        layers = with_resets([(synapse, lif)], schedule)
        lava.load(recorded_chain("fixed_pt", Source("in", (10,)), layers))
        record = lava.run({"in": schedule.pack(batch)}, schedule.total)
        return schedule.unpack(record.sinks["lif.record"], 1)

    alone = np.concatenate([outputs(samples[i : i + 1], 5) for i in range(6)])
    assert (outputs(samples, 5) == alone).all()
    assert (outputs(samples, 0) != alone).any()


@pytest.mark.parametrize(("du", "dv"), [(4095, 0), (4095, 128), (300, 51), (0, 4096), (-1, 0)])
def test_fixed_point_voltage_of_a_constant_input(lava, du, dv):
    """200 steps, every voltage, against the integer law; one neuron per input."""
    currents = np.array([-7, -1, 0, 1, 2, 3, 30, 900])
    lif = Lif("lif", (8,), du, dv, 200, np.arange(8) - 4, 3)
    parts = (Source("in", (8,)), lif, Sink("out", (8,)))
    lava.load(LavaNetwork("fixed_pt", parts, chain("in", "lif", "out")))
    steps = tuple(range(1, 201))
    record = lava.run({"in": np.tile(currents, (200, 1))}, 200, membrane={"lif": steps})
    law = LifLaw(lif)
    for step in range(200):
        spikes = law.step(currents)
        assert (record.sinks["out"][step] == spikes).all(), step
        assert (record.membrane["lif"][step] == law.v).all(), step
    assert record.membrane["lif"].dtype == np.int32


def test_floating_point_voltage_of_a_constant_input(lava):
    """v = u* / dv (1 - (1 - dv)^t) without current memory, as long as nobody spikes."""
    currents = np.array([-0.2, 0.0, 0.05, 0.3])
    network = LavaNetwork(
        "floating_pt",
        (
            Source("in", (4,)),
            LifReset(
                "lif",
                (4,),
                reset_interval=100,
                reset_offset=1,
                du=1.0,
                dv=0.1,
                vth=2.0,
                bias_mant=0.01,
            ),
            Sink("out", (4,)),
        ),
        chain("in", "lif", "out"),
    )
    lava.load(network)
    steps = tuple(range(1, 201))
    record = lava.run({"in": np.tile(currents, (200, 1))}, 200, membrane={"lif": steps})
    silent = ~record.sinks["out"].any(axis=0)
    assert silent.tolist() == [True, True, True, False]
    # Reset at the start of steps 1 and 101.
    ages = (np.arange(200) % 100 + 1)[:, None]
    expected = (currents + 0.01) / 0.1 * (1 - 0.9**ages)
    np.testing.assert_allclose(record.membrane["lif"][:, silent], expected[:, silent], atol=1e-12)
    # 0.31 / 0.1 · (1 - 0.9^t) exceeds 2 first at t = 10.
    assert np.flatnonzero(record.sinks["out"][:, 3])[:2].tolist() == [9, 19]


def test_graded_input_and_missing_rows(lava):
    network = LavaNetwork(
        "fixed_pt",
        (
            Source("in", (2,)),
            Dense("fc", np.array([[10, 20]]), num_message_bits=8),
            Lif("lif", (1,), 4095, 4096, 2**17),
            Sink("raw", (1,)),
        ),
        (*chain("in", "fc", "lif"), Connection("fc", "raw")),
    )
    lava.load(network)
    record = lava.run({"in": np.array([[1, 2], [3, 0]])}, 5)
    assert record.sinks["raw"][:, 0].tolist() == [0, 50, 30, 0, 0]


LIF = Lif("lif", (2,))
DENSE = Dense("fc", np.ones((2, 3), int))


@pytest.mark.parametrize(
    ("processes", "links", "message"),
    [
        ((replace(LIF, du=0.5),), (), "lif: du is of type float64; fixed_pt needs integers"),
        ((replace(LIF, bias_mant=40000),), (), r"bias_mant is in 40000..40000; Lava holds -32768"),
        ((replace(LIF, vth=np.ones(3, int)),), (), r"vth has shape \(3,\), the population \(2,\)"),
        ((replace(DENSE, weights=np.array([[300, -1]])),), (), r"mixed weights is in -1..300"),
        ((replace(DENSE, sign_mode="excitatory", weights=np.array([[-1]])),), (), "excitatory"),
        ((replace(DENSE, weights=np.ones((2, 2))),), (), "weights is of type float64"),
        ((Conv("c", np.ones((128, 1, 1, 1), int), (2, 2, 128), groups=128),), (), "groups is 128"),
        (
            (Conv("c", np.ones((1, 1, 1, 1), int), (2, 2, 1), (128, 1)),),
            (),
            r"stride is \[128, 1\]",
        ),
        ((Conv("c", np.ones((1, 5, 1, 1), int), (2, 2, 1)),), (), "larger than the padded input"),
        ((Conv("c", np.ones((1, 1, 1, 2), int), (2, 2, 1)),), (), "weight takes 2 channels"),
        (
            (DelayDense("d", np.ones((1, 2), int), delays=np.array([[0, 64]])),),
            (),
            "delays is in 0..64; Lava holds 0..63",
        ),
        (
            (DelayDense("d", np.ones((1, 2), int), delays=np.array([[0, 9]]), max_delay=4),),
            (),
            "max_delay 4 would drop a delay of 9",
        ),
        ((LIF, LIF), (), "two processes are called 'lif'"),
        ((LIF, DENSE), chain("fc", "gone"), "no process 'gone'"),
        ((LIF, DENSE), (), "fc: no connection to lif"),
        ((LIF, Source("in", (5,))), chain("in", "lif"), r"shape \(5,\) does not fit \(2,\)"),
        ((LIF, Lif("b", (2,))), chain("lif", "b", "lif"), "b, lif: a loop without a synapse"),
        ((LIF, Sink("out", (2,))), chain("out", "lif"), "a sink has no output"),
    ],
)
def test_what_lava_would_hang_on_is_refused(lava, processes, links, message):
    with pytest.raises(InvalidModel, match=message):
        lava.load(LavaNetwork("fixed_pt", processes, links))


def test_arguments_of_a_run_are_checked(lava):
    lava.load(LavaNetwork("fixed_pt", (Source("in", (2,)), LIF), chain("in", "lif")))
    good = np.ones((3, 2), int)
    for inputs, steps, options, message in [
        ({}, 3, {}, "no input was given"),
        ({"in": good, "other": good}, 3, {}, "other: input for a source that is not there"),
        ({"in": good}, 2, {}, r"shape \(3, 2\)"),
        ({"in": good * 0.5}, 3, {}, "fixed_pt needs integers"),
        ({"in": good * 2**40}, 3, {}, "int32 is sent"),
        ({"in": good}, 3, {"reset": "clear"}, "needs the length of an episode"),
        ({"in": good}, 3, {"membrane": {"nobody": (1,)}}, "no such neuron process"),
        ({"in": good}, 3, {"membrane": {"lif": (4,)}}, r"integers in 1..3"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            lava.run(inputs, steps, **options)
    assert lava.run({"in": good}, 3).sinks == {}


def test_run_before_load(lava):
    lava.unload()
    with pytest.raises(RemoteError, match="no network is loaded"):
        lava.run({}, 1)


@pytest.fixture
def unchecked(tmp_path):
    """The worker with its checks taken out, so that a faulty network reaches Lava."""
    folder = tmp_path / "worker"
    shutil.copytree(WORKER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "checks.py").open("a") as file:
        file.write("\n\ndef check(network):\n    pass\n")
    return folder


FAULTY = LavaNetwork(
    "fixed_pt", (Lif("lif", (2,), du=0.5, bias_mant=5), Sink("out", (2,))), chain("lif", "out")
)


def test_an_exception_in_a_process_model_is_reported(lava_python, unchecked, tmp_path):
    with LavaWorker(python=lava_python, worker=unchecked, log=tmp_path / "log") as worker:
        worker.load(FAULTY)
        first = worker.pid
        started = time.monotonic()
        with pytest.raises(RemoteError, match=r"ProcessModelFailed.*in a Lava process") as caught:
            worker.run({}, 5, timeout_s=60)
        assert time.monotonic() - started < 20
        assert "subthr_dynamics" in str(caught.value.__cause__)
        assert gone(first)
        assert leftovers(worker) == []
        worker.load(replace(FAULTY, processes=(LIF, Sink("out", (2,)))))
        assert worker.run({}, 5).sinks["out"].shape == (5, 2)


def test_a_hanging_lava_is_a_timeout_and_leaves_nothing(lava_python, unchecked, tmp_path):
    """Lava itself says nothing of the exception and waits; the host does not wait with it."""
    guard = unchecked / "guard.py"
    guard.write_text(guard.read_text().replace("for actor in self._actors:", "for actor in ():"))
    with LavaWorker(python=lava_python, worker=unchecked, log=tmp_path / "log") as worker:
        worker.load(FAULTY)
        first = worker.pid
        with pytest.raises(WorkerTimeout, match="run: no answer within 3 s"):
            worker.run({}, 5, timeout_s=3)
        assert gone(first)
        worker.close()
        assert leftovers(worker) == []


def looping() -> LavaNetwork:
    synapse = Dense("fc", np.ones((2, 2), int))
    return LavaNetwork("fixed_pt", (LIF, synapse), chain("lif", "fc", "lif"))


def test_after_a_timeout_the_next_run_works(lava_python):
    with LavaWorker(python=lava_python) as worker:
        worker.load(looping())
        first = worker.pid
        with pytest.raises(WorkerTimeout):
            worker.run({}, 10**6, timeout_s=1.0)
        assert gone(first)
        worker.run({}, 3, membrane={"lif": (3,)})
        assert worker.pid != first
        assert len(leftovers(worker)) == 0


def test_a_killed_lava_process_is_reported(lava_python):
    """As when the machine runs out of memory."""
    with LavaWorker(python=lava_python) as worker:
        worker.load(looping())

        def kill_one(_):
            os.kill(max(group_of(worker.pid)), signal.SIGKILL)

        with pytest.raises(RemoteError, match="a Lava process ended with exit code -9"):
            worker.run({}, 10**6, timeout_s=60, on_progress=kill_one)


def test_a_crash_is_survived_once(lava_python, unchecked, tmp_path):
    """The second process gets the network again; a second crash is an error."""
    flag = tmp_path / "crashed"
    with (unchecked / "running.py").open("a") as file:
        file.write(
            textwrap.dedent(f"""
            import os, pathlib, ctypes
            _flag = pathlib.Path({str(flag)!r})
            if not _flag.exists():
                _flag.touch()
                ctypes.string_at(0)
            """)
        )
    network = LavaNetwork("fixed_pt", (LIF, Sink("out", (2,))), chain("lif", "out"))
    with LavaWorker(python=lava_python, worker=unchecked, log=tmp_path / "log") as worker:
        worker.load(network)
        first = worker.pid
        assert worker.run({}, 4).sinks["out"].shape == (4, 2)
        assert worker.pid != first
    with (unchecked / "running.py").open("a") as file:
        file.write("\nctypes.string_at(0)\n")
    with LavaWorker(python=lava_python, worker=unchecked, log=tmp_path / "log") as worker:
        worker.load(network)
        with pytest.raises(WorkerCrashed, match=r"(?s)SIGSEGV.*Fatal Python error"):
            worker.run({}, 4)


def test_death_of_the_host_in_the_middle_of_a_run_leaves_nothing(lava_python, tmp_path):
    code = f"""
    import sys
    sys.path[:0] = {sys.path!r}
    from pathlib import Path
    from neurorobust.formats.lava.network import Dense, LavaNetwork, Lif, chain
    from neurorobust_lava.process import LavaWorker
    import numpy as np
    worker = LavaWorker(python=Path({str(lava_python)!r}), log=Path({str(tmp_path / "log")!r}))
    fc = Dense("fc", np.ones((2, 2), int))
    worker.load(LavaNetwork("fixed_pt", (Lif("lif", (2,)), fc), chain("lif", "fc", "lif")))
    print(worker.pid, worker._prefix, flush=True)
    worker.run({{}}, 10**7, on_progress=lambda _: print("running", flush=True), timeout_s=600)
    """
    host = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    with host:
        leader, prefix = host.stdout.readline().split()
        assert host.stdout.readline() == "running\n"
        members = group_of(int(leader))
        assert len(members) >= 4
        host.kill()
    assert all(gone(pid) for pid in members)
    assert list(SHARED_MEMORY.glob(f"{prefix}*")) == []


def test_speed(lava, rng):
    """784-256-10, one run of 640 steps; the bound only catches a catastrophe."""
    layers = [
        (Dense("fc1", rng.integers(-100, 100, (256, 784))), Lif("lif1", (256,), 4095, 400, 60)),
        (Dense("fc2", rng.integers(-100, 100, (10, 256))), Lif("lif2", (10,), 4095, 400, 60)),
    ]
    lava.load(recorded_chain("fixed_pt", Source("in", (784,)), layers))
    inputs = (rng.random((640, 784)) < 0.1).astype(np.uint8)
    record = lava.run({"in": inputs}, 640)
    milliseconds = record.timing["run_s"] / 640 * 1e3
    assert milliseconds < 50
