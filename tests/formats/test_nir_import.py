"""NIR files → Graph: equations against NumPy, and everything that is not guessed."""

import h5py
import nir
import numpy as np
import pytest

from neurorobust import backends
from neurorobust.data import Stimulus
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.formats.load import Reading, load
from neurorobust.ir import LI, LIF, Edge, Header, load_model, save_model
from tests.support.helpers import shared_data
from tests.support.netx_files import put
from tests.support.nir_files import chain, lif, linear, values, write

DT = 1e-4
RNG = np.random.default_rng(5)


def run(graph, x):
    result = backends.run(
        graph, Stimulus(x, x.shape[1]), backend="reference", record=["spikes", "membrane"]
    )
    return result.spikes, result.membrane


def per_step(tau, decay):
    return (1 - DT / tau) if decay == "euler" else np.exp(-DT / tau)


@pytest.mark.parametrize("decay", ["euler", "exponential"])
@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_neurons_follow_the_equations_of_nir(tmp_path, decay, reset):
    """CubaLIF with leak target, reset value and gains, against the equations written out."""
    n, steps = 6, 60
    v_reset = RNG.uniform(-0.2, 0.0, n) if reset == "hard" else np.zeros(n)
    p = {
        "tau_syn": RNG.uniform(2e-4, 1e-3, n),
        "tau_mem": RNG.uniform(5e-4, 3e-3, n),
        "r": RNG.uniform(1, 2, n),
        "v_leak": RNG.uniform(-0.1, 0.1, n),
        "v_threshold": RNG.uniform(0.2, 0.5, n),
        "v_reset": v_reset,
        "w_in": RNG.uniform(0.5, 2, n),
    }
    path = chain(tmp_path / "a.nir", (n,), cell=nir.CubaLIF(**p))
    graph = load(
        path, Reading(dt_s=DT, reset=reset, discretisation=decay, v_init="leak", steps=steps)
    )
    x = RNG.random((4, steps, n)) * 4
    spikes, _ = run(graph, x)
    alpha, beta = per_step(p["tau_syn"], decay), per_step(p["tau_mem"], decay)
    i, v = np.zeros((4, n)), np.broadcast_to(p["v_leak"], (4, n))
    for t in range(steps):
        i = alpha * i + p["w_in"] * DT / p["tau_syn"] * x[:, t]
        h = beta * v + p["r"] * DT / p["tau_mem"] * i + (1 - beta) * p["v_leak"]
        s = h > p["v_threshold"]
        v = np.where(s, v_reset, h) if reset == "hard" else h - s * p["v_threshold"]
        np.testing.assert_array_equal(spikes["cell"][:, t], s)
    assert 0 < spikes["cell"].mean() < 1


def test_integrators_scales_and_thresholds_follow_the_equations(tmp_path):
    """Scale → I → LI → CubaLI → IF → Threshold, each against its equation."""
    n, steps = 3, 40
    full = {name: RNG.uniform(0.5, 2, n) for name in ("s", "ri", "rl", "rc", "w", "rf")}
    tau, syn = RNG.uniform(5e-4, 3e-3, n), RNG.uniform(2e-4, 1e-3, n)
    zero = np.zeros(n)
    path = chain(
        tmp_path / "a.nir",
        (n,),
        scale=nir.Scale(full["s"]),
        sum=nir.I(full["ri"] / DT),
        li=nir.LI(tau=tau, r=full["rl"], v_leak=zero),
        cuba=nir.CubaLI(tau_syn=syn, tau_mem=tau, r=full["rc"], v_leak=zero, w_in=full["w"]),
        fire=nir.IF(r=full["rf"] / DT, v_threshold=np.ones(n), v_reset=zero),
        step=nir.Threshold(np.full(n, 0.5)),
    )
    graph = load(path, Reading(dt_s=DT, reset="hard", steps=steps))
    assert list(graph.nodes)[-4:] == ["cuba", "fire", "step", "output"]
    x = RNG.random((2, steps, n)) * 0.2
    spikes, _ = run(graph, x)
    y = li = i = v = f = np.zeros((2, n))
    for t in range(steps):
        y = y + full["ri"] * (full["s"] * x[:, t])
        li = (1 - DT / tau) * li + full["rl"] * DT / tau * y
        i = (1 - DT / syn) * i + full["w"] * DT / syn * li
        v = (1 - DT / tau) * v + full["rc"] * DT / tau * i
        h = f + full["rf"] * v
        s = h > 1
        f = np.where(s, 0, h)
        np.testing.assert_array_equal(spikes["fire"][:, t], s)
        np.testing.assert_array_equal(spikes["step"][:, t], s)
    assert 0 < spikes["fire"].mean() < 1


def test_the_published_neuron_spikes_when_it_did(tmp_path):
    """The trace of one LIF neuron that NIR publishes, under both discretisations."""
    path = shared_data("nir_01_lif", "lif_norse.nir")
    x, v, s = np.loadtxt(path.with_suffix(".csv"), delimiter=",").T
    for decay, steps in (("euler", [460, 510, 710, 760]), ("exponential", [450, 500, 710, 760])):
        graph = load(path, Reading(dt_s=DT, reset="hard", discretisation=decay, steps=1000))
        spikes, membrane = run(graph, x[None, :, None])
        assert np.flatnonzero(spikes["1"]).tolist() == steps
        if decay == "euler":
            after = np.where(spikes["1"] > 0, 0, membrane["1"]).ravel()
            np.testing.assert_allclose(after, v, atol=5e-8)
            np.testing.assert_array_equal(spikes["1"].ravel(), s)


def test_the_other_published_file_declares_a_wrong_shape(tmp_path):
    path = shared_data("nir_01_lif", "lif_rockpool.nir")
    with pytest.raises(InvalidFile, match=r"'output'.*\(1, 1, 1\).*check_shapes=False"):
        load(path, Reading(dt_s=DT, reset="hard"))
    assert load(path, Reading(dt_s=DT, reset="hard", check_shapes=False)).shapes["output"] == (1,)


def test_nodes_are_sorted_by_flow_not_by_name(tmp_path):
    """nir gives nodes back in alphabetical order: 10 before 2."""
    layers = {str(k): linear(RNG, 2, 2) for k in range(11)}
    graph = load(chain(tmp_path / "a.nir", (2,), **layers), Reading(dt_s=DT))
    assert list(graph.nodes) == ["input", *map(str, range(11)), "output"]


def nested(path):
    """Affine → a recurrent subgraph → Affine, as snnTorch writes recurrence."""
    port, back = np.array([3]), linear(RNG, 3, 3)
    nodes = {"in": nir.Input(port), "lif": lif(3), "w_rec": back, "out": nir.Output(port)}
    edges = [("in", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "out")]
    inner = nir.NIRGraph(nodes, edges, type_check=False)
    return chain(path, (2,), fc1=linear(RNG, 3, 2), rnn=inner, fc2=linear(RNG, 2, 3))


def test_subgraphs_are_opened_and_cycles_wait_where_the_caller_says(tmp_path):
    path = nested(tmp_path / "a.nir")
    with pytest.raises(InvalidFile, match=r"'rnn\.lif'.*recurrence='spikes'.*'currents'"):
        load(path, Reading(dt_s=DT, reset="hard"))
    spikes = load(path, Reading(dt_s=DT, reset="hard", recurrence="spikes"))
    assert Edge("rnn.lif", "rnn.w_rec", 1) in spikes.edges
    assert Edge("rnn.w_rec", "rnn.lif", 0) in spikes.edges
    assert Edge("fc1", "rnn.lif") in spikes.edges
    assert Edge("rnn.lif", "fc2") in spikes.edges
    currents = load(path, Reading(dt_s=DT, reset="hard", recurrence="currents"))
    assert Edge("rnn.w_rec", "rnn.lif", 1) in currents.edges


def test_delays_become_delays_of_edges(tmp_path):
    delays = {"wait": nir.Delay(np.full(2, 3e-4)), "more": nir.Delay(np.full(2, 2e-4))}
    graph = load(chain(tmp_path / "a.nir", (2,), **delays, fc=linear(RNG, 2, 2)), Reading(dt_s=DT))
    assert Edge("input", "fc", 5) in graph.edges
    path = chain(tmp_path / "b.nir", (2,), wait=nir.Delay(np.full(2, 2.5e-4)))
    with pytest.raises(InvalidFile, match=r"'wait'.*2\.5 steps.*dt_s that divides"):
        load(path, Reading(dt_s=DT))


def test_a_file_survives_save_and_load_of_the_model(tmp_path):
    graph = load(nested(tmp_path / "a.nir"), Reading(dt_s=DT, reset="hard", recurrence="spikes"))
    save_model(graph, tmp_path / "a.safetensors")
    again = load_model(tmp_path / "a.safetensors", type(graph))
    assert again.header.provenance == graph.header.provenance
    assert "euler" in again.header.provenance["nir rules"]
    assert again.content_hash == graph.content_hash


REFUSED = {
    "no dt": ({}, {"dt_s": None}, "does not say how long a step is; .* as dt_s=0.001"),
    "no reset": ({}, {"reset": None}, "'lif'.*reset is not in the file.*pass reset="),
    "reset of another": ({}, {"reset": {"other": "hard"}}, "'lif'.*reset is not in the file"),
    "start": ({"v_leak": 0.05}, {}, "'lif'.*does not say where the membrane starts.*v_init"),
    "soft to a value": ({"v_reset": 0.1}, {"reset": "soft"}, "'lif'.*v_reset is 0.1.*'hard'"),
    "below a step": ({"tau": 5e-5}, {}, r"'lif'.*tau is 5e-05.*0\.5 steps.*exponential"),
    "milliseconds": ({"tau": 20.0}, {"dt_s": 1e-3}, r"tau is 20.*implausible.*time_unit_s=0.001"),
    "no time": ({"tau": 0.0}, {}, "time constant is above 0"),
    "not a number": ({"r": np.nan}, {}, "'lif'.*r is empty or has values that are NaN"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_file_leaves_open_is_refused_by_name(tmp_path, case):
    changes, arguments, message = REFUSED[case]
    path = chain(tmp_path / "a.nir", (2,), fc=linear(RNG, 2, 2), lif=lif(2, **changes))
    with pytest.raises(InvalidFile, match=message):
        load(path, Reading(**({"dt_s": DT, "reset": "hard"} | arguments)))


def test_units_are_taken_where_they_are_given(tmp_path):
    path = chain(tmp_path / "a.nir", (2,), lif=lif(2, np.float64, tau=20.0))
    node = load(path, Reading(dt_s=1e-3, reset="hard", time_unit_s=1e-3)).nodes["lif"]
    np.testing.assert_allclose(node.beta, 1 - 1 / 20, rtol=1e-15)


def test_conflicting_and_unknown_arguments(tmp_path):
    path = chain(tmp_path / "a.nir", (2,), lif=lif(2))
    for name, value in (("reset", "zero"), ("discretisation", "exact"), ("dt_s", -1.0)):
        with pytest.raises(InvalidInput, match=name):
            load(path, Reading(**({"dt_s": DT, "reset": "hard"} | {name: value})))


def conv(groups=1, kernel=(3, 3), into=2):
    return nir.Conv2d(
        input_shape=(6, 8),
        weight=RNG.normal(size=(4, into // groups, *kernel)).astype(np.float32),
        stride=1,
        padding=0,
        dilation=1,
        groups=groups,
        bias=np.zeros(4, np.float32),
    )


def test_convolutions_whose_shapes_nir_itself_gets_wrong(tmp_path):
    """nir takes the channels of grouped weights as they are, and square kernels."""
    wide = conv(kernel=(3, 5))
    flat = nir.Flatten({"input": wide.output_type["output"]}, 0, -1)
    path = chain(tmp_path / "wide.nir", (2, 6, 8), (96,), conv=wide, flat=flat)
    with pytest.raises(InvalidFile, match=r"'flat'.*\(4, 4, 6\).*\(4, 4, 4\).*check_shapes=False"):
        load(path, Reading(dt_s=DT))
    assert load(path, Reading(dt_s=DT, check_shapes=False)).shapes["conv"] == (4, 4, 4)
    grouped = conv(groups=2)
    flat = nir.Flatten({"input": grouped.output_type["output"]}, 0, -1)
    path = chain(tmp_path / "g.nir", tuple(grouped.input_type["input"]), conv=grouped, flat=flat)
    with pytest.raises(InvalidFile, match=r"'conv'.*takes \(2, H, W\), got \(1, 6, 8\).*grouped"):
        load(path, Reading(dt_s=DT))
    graph = load(path, Reading(dt_s=DT, input_shape=(2, 6, 8), check_shapes=False))
    assert graph.shapes["conv"] == (4, 4, 6)


def test_scalars_stand_for_all_neurons_only_on_demand(tmp_path):
    path = chain(tmp_path / "a.nir", (3,), fc=linear(RNG, 3, 3), lif=lif(3))
    for place, value in values(path).items():
        if place.startswith("node/nodes/lif/") and not place.endswith("type"):
            put(path, place, value[0])
    with pytest.raises(InvalidFile, match=r"'lif'.*one value for all neurons.*check_shapes=False"):
        load(path, Reading(dt_s=DT, reset="hard"))
    graph = load(path, Reading(dt_s=DT, reset="hard", check_shapes=False))
    assert graph.shapes["lif"] == (3,)


def test_a_batch_axis_is_named_and_taken_on_demand(tmp_path):
    flat = nir.Flatten({"input": np.array([2, 3, 3])}, 1, -1)
    path = chain(tmp_path / "a.nir", (2, 3, 3), (18,), flat=flat)
    with pytest.raises(InvalidFile, match=r"'flat'.*joins axes 1\.\.2.*batch_axis='flatten'"):
        load(path, Reading(dt_s=DT))
    assert load(path, Reading(dt_s=DT, batch_axis="flatten")).shapes["flat"] == (18,)
    path = chain(tmp_path / "b.nir", (1, 3), lif=lif((1, 3)))
    assert load(path, Reading(dt_s=DT, reset="hard", batch_axis="all")).shapes["lif"] == (3,)


def test_broken_files_are_named(tmp_path):
    def fresh(name):
        return chain(tmp_path / name, (2,), fc=linear(RNG, 2, 2), lif=lif(2))

    cases = [
        (put(fresh("a"), "node/nodes/lif/type", "Izhikevich"), "'lif'.*'Izhikevich' is not known"),
        (put(fresh("b"), "node/nodes/lif/tau"), "'lif'.*no number under 'tau'"),
        (put(fresh("c"), "node/nodes/a/b/type", "LIF"), "'a/b'.*cannot hold '/' in names"),
        (put(fresh("d.nir"), "node"), "no group 'node'"),
        (put(fresh("e"), "node/nodes/lif/tau", h5py.SoftLink("/node")), "may lead anywhere"),
        (tmp_path / "missing.nir", "is no file"),
    ]
    cut = fresh("f")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    cases.append((cut, "cut off"))
    text = tmp_path / "g.nir"
    text.write_text("tau = 1")
    cases.append((text, "no NIR file or is cut off"))
    for path, message in cases:
        with pytest.raises(InvalidFile, match=message):
            load(path, Reading(dt_s=DT, reset="hard"))


@pytest.mark.parametrize("size", range(0, 8000, 517))
def test_a_file_cut_anywhere_is_an_invalid_file(tmp_path, size):
    path = chain(tmp_path / "a.nir", (2,), fc=linear(RNG, 2, 2), lif=lif(2))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InvalidFile):
        load(path, Reading(dt_s=DT, reset="hard"))


def test_wiring_faults_are_named(tmp_path):
    fc, port = linear(RNG, 2, 2), nir.Input(np.array([2]))
    ends = {"input": port, "output": nir.Output(np.array([2]))}
    cases = [
        ({**ends, "fc": fc}, [("input", "fc"), ("fc", "gone")], "'gone'.*does not exist"),
        ({**ends, "fc": fc}, [("input", "fc"), ("input", "fc"), ("fc", "output")], "twice"),
        ({**ends, "second": port}, [("input", "output")], "2 Input nodes"),
        ({**ends, "fc": fc}, [("input", "output"), ("fc", "output")], "'fc'.*no path leads to it"),
        (
            {**ends, "a": fc, "b": fc},
            [("input", "a"), ("a", "b"), ("b", "a"), ("b", "output")],
            "cycle.*passes 0 neurons",
        ),
    ]
    for nodes, edges, message in cases:
        with pytest.raises(InvalidFile, match=message):
            load(write(tmp_path / "a.nir", nodes, edges), Reading(dt_s=DT))


def test_header_replaces_step_and_duration(tmp_path):
    path = chain(tmp_path / "a.nir", (2,), lif=lif(2))
    header = Header(dt_s=5e-4, steps=7, coding="direct", classes=("a", "b"))
    graph = load(path, Reading(header=header, reset="none"))
    assert (graph.header.steps, graph.header.classes) == (7, ("a", "b"))
    assert isinstance(graph.nodes["lif"], LIF)
    assert graph.nodes["lif"].reset == "none"
    np.testing.assert_allclose(graph.nodes["lif"].beta, 0.8, rtol=1e-6)


def test_a_readout_without_spikes_takes_the_last_value(tmp_path):
    zero, tau = np.zeros(2), np.full(2, 1e-3)
    path = chain(tmp_path / "a.nir", (2,), li=nir.LI(tau=tau, r=tau / tau, v_leak=zero))
    graph = load(path, Reading(dt_s=DT))
    assert isinstance(graph.nodes["li"], LI)
    assert graph.nodes["output"].readout == "last"


def test_links_in_a_ring_end(tmp_path):
    """A small file whose groups lead back to themselves is refused, not followed for ever."""
    path = chain(tmp_path / "a.nir", (2,), lif=lif(2))
    with h5py.File(path, "r+") as file:
        for k in range(20):
            file[f"node/nodes/ring{k}"] = file["node"]
    with pytest.raises(InvalidFile, match=r"levels|entries"):
        load(path, Reading(dt_s=DT, reset="hard"))
