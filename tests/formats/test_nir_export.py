"""Graph → NIR: the same Graph comes back, NIR's nodes say the same, files stay bit for bit."""

import json
import re
from dataclasses import replace

import h5py
import nir
import numpy as np
import pytest

from neurorobust import ir
from neurorobust.backends import run
from neurorobust.errors import InvalidFile, InvalidInput, Unsupported
from neurorobust.formats.load import Reading, load
from neurorobust.formats.nir import save_nir
from neurorobust.formats.nir.load import KINDS
from neurorobust.testing.draws import random_stimulus
from neurorobust.testing.random_networks import random_graph
from tests.formats.test_nir_import import nested
from tests.support import small
from tests.support.netx_files import put
from tests.support.nir_files import chain, lif, linear, same, values

HEADER = ir.Header(dt_s=1e-3, steps=10, coding="events")
EYE = ir.Affine(weight=np.eye(2))
BEYOND_NIR = ("BatchNorm", "Pool2d max")
BEYOND_NODES = (
    *BEYOND_NIR,
    "LIF initial state",
    "LI initial state",
    "LIF hard reset in the next step",
    "LIF soft reset in the next step",
    "LIF lower bound (v_min)",
    "LIF refractory steps",
    "LIF several spikes per step",
    "LIF compare >=",
)


@pytest.mark.parametrize("seed", range(25))
def test_a_graph_comes_back_as_it_was(tmp_path, seed):
    graph = random_graph(np.random.default_rng(seed), avoid=BEYOND_NIR, grid=bool(seed % 2))
    path, again = tmp_path / "a.nir", tmp_path / "b.nir"
    call = save_nir(graph, path)
    loaded = load(path)
    assert loaded.content_hash == graph.content_hash
    assert call.dt_s == graph.header.dt_s
    nir.read(path, type_check=call.type_check)
    save_nir(loaded, again)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("seed", range(12))
def test_the_nodes_alone_compute_what_the_graph_computes(tmp_path, seed):
    """Read without the metadata: NIR's own parameters under Euler give the same spikes."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, avoid=BEYOND_NODES)
    soft = {
        name: replace(node, reset_value=None)
        for name, node in graph.of_kind(ir.LIF)
        if node.reset == "soft"
    }
    graph = graph.with_(nodes={**graph.nodes, **soft})
    save_nir(graph, tmp_path / "a.nir")
    read = load(
        tmp_path / "a.nir",
        Reading(
            use_metadata=False,
            header=graph.header,
            reset={name: node.reset for name, node in graph.of_kind(ir.LIF)},
            v_init="zero",
            time_unit_s=1.0,
            readout=graph.nodes["output"].readout,
        ),
    )
    stimulus = random_stimulus(rng, graph, 8)
    ours, theirs = (run(g, stimulus, backend="reference", record=["spikes"]) for g in (graph, read))
    for name in graph.spiking:
        np.testing.assert_array_equal(ours.spikes[name], theirs.spikes[name])
    np.testing.assert_allclose(ours.scores, theirs.scores, rtol=1e-9, atol=1e-9)


def every_node(dtype):
    """Files that hold every type of node: neurons behind each other, images, sequences."""
    rng = np.random.default_rng(1)
    whole = np.dtype(dtype).kind == "i"

    def full(low, high, *size):
        size = size or (3,)
        drawn = rng.integers(1, 5, size) if whole else rng.uniform(low, high, size)
        return drawn.astype(dtype)

    tau, zero = full(5e-4, 5e-3), np.zeros(3, dtype)
    reset = {"v_threshold": full(0, 1), "v_reset": zero}
    neurons = {
        "affine": nir.Affine(weight=full(-1, 1, 3, 3), bias=full(-1, 1)),
        "linear": nir.Linear(weight=full(-1, 1, 3, 3)),
        "scale": nir.Scale(full(-1, 1)),
        "delay": nir.Delay(np.full(3, 2, dtype) if whole else np.full(3, 1 / 4096, dtype)),
        "i": nir.I(full(0.5, 1)),
        "li": nir.LI(tau=tau, r=full(1, 2), v_leak=zero),
        "cubali": nir.CubaLI(tau_syn=tau, tau_mem=tau, r=tau, v_leak=zero, w_in=full(1, 2)),
        "lif": nir.LIF(tau=tau, r=full(1, 2), v_leak=full(0, 1), **reset),
        "cubalif": nir.CubaLIF(tau_syn=tau, tau_mem=tau, r=tau, v_leak=zero, w_in=tau, **reset),
        "if": nir.IF(r=full(1, 2), **reset),
        "threshold": nir.Threshold(full(0.5, 1)),
    }
    one = np.array([1, 1])
    image = {
        "conv2d": nir.Conv2d((6, 6), full(-1, 1, 2, 1, 3, 3), 1, (1, 0), 1, 1, full(0, 1, 2)),
        "avgpool2d": nir.AvgPool2d(np.array([2, 2]), one, np.array([1, 0])),
        "sumpool2d": nir.SumPool2d(np.array([2, 1]), one, 0 * one),
        "flatten": nir.Flatten({"input": np.array([2, 6, 3])}, 0, -1),
    }
    sequence = {
        "conv1d": nir.Conv1d(9, full(-1, 1, 4, 2, 3), 1, 1, 1, 1, full(0, 1, 4)),
        "flatten": nir.Flatten({"input": np.array([4, 9])}, 0, -1),
    }
    return {(3,): neurons, (1, 6, 6): image, (2, 9): sequence}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8"])
def test_every_node_of_a_file_is_written_again_bit_for_bit(tmp_path, dtype):
    step = {"dt_s": 1.0, "time_unit_s": 1.0} if dtype == "int8" else {"dt_s": 1 / 4096}
    kinds = set()
    for shape, nodes in every_node(dtype).items():
        path = chain(tmp_path / "a.nir", shape, **nodes)
        graph = load(path, Reading(reset="hard", v_init="reset", **step))
        ir.save_model(graph, tmp_path / "a.safetensors")
        graph = ir.load_model(tmp_path / "a.safetensors", ir.Graph)
        save_nir(graph, tmp_path / "b.nir")
        assert same(path, tmp_path / "b.nir")
        assert load(tmp_path / "b.nir").content_hash == graph.content_hash
        kinds |= {type(node).__name__ for node in nodes.values()}
    assert kinds | {"Input", "Output", "NIRGraph"} == set(KINDS)


def test_subgraphs_names_and_foreign_metadata_are_written_again(tmp_path):
    path = nested(tmp_path / "a.nir")
    put(path, "node/metadata/author", "someone")
    put(path, "node/metadata/nested/numbers", np.arange(3))
    graph = load(path, Reading(dt_s=1e-4, reset="soft", recurrence="currents"))
    save_nir(graph, tmp_path / "b.nir")
    assert same(path, tmp_path / "b.nir")
    with h5py.File(tmp_path / "b.nir") as file:
        assert file["node/metadata/author"][()] == b"someone"
        assert file["node/metadata/nested/numbers"][()].tolist() == [0, 1, 2]
    again = load(tmp_path / "b.nir")  # neither dt_s nor reset are asked for any more
    assert again.content_hash == graph.content_hash


def test_a_changed_graph_is_not_written_as_the_file_it_came_from(tmp_path):
    path = chain(tmp_path / "a.nir", (2,), lif=lif(2))
    graph = load(path, Reading(dt_s=1e-4, reset="hard"))
    other = graph.with_(header=replace(graph.header, dt_s=1e-3))
    save_nir(other, tmp_path / "b.nir")
    assert not same(path, tmp_path / "b.nir")
    assert load(tmp_path / "b.nir").content_hash == other.content_hash
    tau = values(tmp_path / "b.nir")["node/nodes/lif/tau"]
    np.testing.assert_allclose(tau, 2.5e-2, rtol=1e-6)


def test_an_edited_file_is_noticed(tmp_path):
    path = tmp_path / "a.nir"
    save_nir(small.graph(2, HEADER, lif=small.lif()), path)
    with h5py.File(path, "r+") as file:
        file["node/nodes/lif/v_threshold"][...] = 2.0
    with pytest.raises(InvalidFile, match=r"edited after it was written.*use_metadata=False"):
        load(path)
    read = load(path, Reading(use_metadata=False, dt_s=1e-3, reset="hard"))
    assert read.nodes["lif"].threshold == 2.0


def test_damaged_metadata_is_named(tmp_path):
    path, place = tmp_path / "a.nir", "node/metadata/neurorobust"
    save_nir(simple(), path)
    with h5py.File(path) as file:
        text = json.loads(file[place][()])
    changes = ({"schema": 9}, {"graph": {}}, {"arrays": {"lif/beta": {"at": "nowhere"}}})
    for told in (*(json.dumps(text | change) for change in changes), "{"):
        with pytest.raises(InvalidFile, match="metadata 'neurorobust'"):
            load(put(path, place, told))


def test_arguments_that_contradict_the_file_are_refused(tmp_path):
    save_nir(simple(), tmp_path / "a.nir")
    said = (({"dt_s": 1e-4}, "dt_s=0.0001, but the file says"), ({"reset": "soft"}, "reset"))
    for arguments, message in said:
        with pytest.raises(InvalidInput, match=message):
            load(tmp_path / "a.nir", Reading(**arguments))
    assert load(tmp_path / "a.nir", Reading(dt_s=1e-3, reset="hard")).header.dt_s == 1e-3


def simple(**changes):
    """Input, weights, neurons, Output."""
    return small.graph(2, HEADER, fc=EYE, lif=small.lif(**changes))


def imaged(**node):
    """One node on an image."""
    return small.graph((2, 4, 4), HEADER, **node, flat=ir.Flatten())


POOL = ir.Pool2d(op="max", kernel=(2, 2), stride=(2, 2))
TWO = {"a": np.array([0.5, 0.6])}
REFUSED = {
    "lif: reset 'soft'": ("portable", simple(reset="soft")),
    "lif: reset 'none'": ("norse", simple(reset="none")),
    "lif: reset_timing 'next'": ("snntorch", simple(reset_timing="next")),
    "lif: hard reset to other than 0": ("norse", simple(reset_value=0.1)),
    "lif: soft reset_value": ("norse", simple(reset="soft", reset_value=0.5)),
    "lif: bias": ("norse", simple(bias=0.1)),
    "lif: v_init": ("norse", simple(v_init=0.1)),
    "lif: v_min": ("norse", simple(v_min=-1.0)),
    "lif: max_spikes": ("norse", simple(max_spikes=2)),
    "lif: refractory": ("norse", simple(refractory=2)),
    "lif: a gain that is not above 0": ("norse", simple(gain_in=-1.0)),
    "lif: a threshold that is not above 0": ("norse", simple(threshold=0.0)),
    "lif: thresholds (over gain) that differ": ("snntorch", simple(threshold=TWO["a"])),
    "lif: beta that differs": ("portable", simple(beta=TWO["a"])),
    "li: readers drop or refuse LI": ("norse", small.graph(2, HEADER, li=ir.LI(beta=0.5))),
    "pool: Norse drops AvgPool2d": ("portable", imaged(pool=replace(POOL, op="avg"))),
    "pool: NIR has no maximum": ("strict", imaged(pool=POOL)),
    "norm: NIR has no BatchNorm": (
        "strict",
        imaged(norm=ir.BatchNorm(**dict.fromkeys(("mean", "var", "scale", "shift"), np.ones(2)))),
    ),
    "conv: nir gets the shape of kernel (1, 3)": (
        "snntorch",
        imaged(conv=ir.Conv2d(weight=np.ones((2, 2, 1, 3)))),
    ),
    "conv: nir and readers get grouped": (
        "norse",
        imaged(conv=ir.Conv2d(weight=np.ones((2, 1, 3, 3)), groups=2)),
    ),
    "header: readers know no mean": ("norse", simple().with_(header=replace(HEADER, mean=(0.5,)))),
    "edge delays": (
        "portable",
        small.graph(2, HEADER, fc=EYE, lif=small.lif(), wires="input-fc-lif lif-output:1"),
    ),
    "two edges between the same nodes": ("norse", small.changed(simple(), "fc-lif")),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_a_profile_cannot_carry_is_refused_by_name(tmp_path, message):
    profile, graph = REFUSED[message]
    with pytest.raises(Unsupported, match=re.escape(message)):
        save_nir(graph, tmp_path / "a.nir", profile)
    assert not list(tmp_path.iterdir())


def test_unknown_profiles_and_folders(tmp_path):
    with pytest.raises(InvalidInput, match="profile is 'sinabs'; known are strict, portable"):
        save_nir(simple(), tmp_path / "a.nir", "sinabs")
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidFile, match="cannot be written"):
        save_nir(simple(), tmp_path / "file" / "a.nir")


def test_norse_runs_a_diamond_in_another_order_and_is_not_given_one(tmp_path):
    """Depth first, the node where two branches meet runs before the second branch."""
    wires = "input-a-lif input-b-lif-output"
    graph = small.graph(2, HEADER, a=EYE, b=EYE, lif=small.lif(beta=0.5), wires=wires)
    with pytest.raises(Unsupported, match=r"edge b -> lif: Norse gives it a delay of 1"):
        save_nir(graph, tmp_path / "a.nir", "norse")


def test_a_file_with_linear_and_affine_keeps_names_that_sort_otherwise(tmp_path):
    rng = np.random.default_rng(0)
    layers = {str(k): linear(rng, 2, 2) for k in (9, 10, 11)}
    path = chain(tmp_path / "a.nir", (2,), **layers)
    save_nir(load(path, Reading(dt_s=1e-4)), tmp_path / "b.nir")
    assert list(load(tmp_path / "b.nir").nodes)[1:-1] == ["9", "10", "11"]


def test_names_that_hdf5_cannot_store_are_refused(tmp_path):
    graph = small.graph(2, HEADER, **{".": EYE}, lif=small.lif())
    with pytest.raises(Unsupported, match="cannot store a node's name"):
        save_nir(graph, tmp_path / "a.nir")


def test_foreign_provenance_is_named(tmp_path):
    header = replace(HEADER, provenance={"nir": "from somewhere"})
    with pytest.raises(InvalidInput, match="provenance 'nir' holds no NIR file"):
        save_nir(simple().with_(header=header), tmp_path / "a.nir")
