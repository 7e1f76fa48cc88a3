"""``.net`` files → Programs: against a NumPy model of netx, in old and new forms, and refused."""

import h5py
import numpy as np
import pytest
import torch

from neurorobust.engine.integer import FixedNetwork
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.formats.load import Reading, load
from neurorobust.formats.netx import netx_latency
from neurorobust.ir import FixedConv2d, FixedDelayDense, FixedDense, FixedInput, FixedLI, FixedLIF
from tests.support.netx_files import (
    CUBA,
    FLATTEN,
    REFUSED,
    conv,
    dense,
    dense_file,
    image_file,
    put,
    source,
    write_net,
)
from tests.support.netx_model import Netx

STEPS = 30
WEIGHT = np.arange(-6, 6).reshape(3, 4) * 2


def run(program, codes, record=("spikes", "membrane")):
    """Records of one sample of integer inputs, without the batch axis."""
    node = program.nodes[program.input]
    values = torch.as_tensor(codes / node.scale + node.offset)[None]
    trace = FixedNetwork(program).run(values.numpy(), len(codes), record=record)
    spikes = {name: value[0].numpy() for name, value in trace.spikes.items()}
    return spikes, {name: value[0].numpy() for name, value in trace.membrane.items()}


def assert_equal_to_netx(program, codes, layers):
    """Every layer of netx is what the Program was, later by its latency."""
    spikes, membranes = run(program, codes)
    latency = netx_latency(program)
    assert len(latency) == len(layers)
    for (name, late), (fired, membrane) in zip(latency.items(), layers, strict=True):
        last = isinstance(program.nodes[name], FixedLI)
        mine, theirs = (membranes[name], membrane) if last else (spikes[name], fired)
        if mine.ndim == 4:  # (T, C, H, W) here, (T, W, H, C) there
            mine = mine.transpose(0, 3, 2, 1)
        assert np.array_equal(mine, theirs[late : late + len(codes)]), name
    return sum(int(value.sum()) for value in spikes.values())


@pytest.mark.parametrize("block", range(4))
def test_dense_files_compute_what_netx_computes(tmp_path, block):
    total = 0
    for seed in range(20 * block, 20 * block + 20):
        path, shape = dense_file(tmp_path / "a.net", seed)
        program = load(path, Reading(steps=STEPS))
        codes = np.random.default_rng(seed).integers(0, 2, (STEPS, *shape))
        layers = Netx(path).run(STEPS + len(netx_latency(program)), codes)
        total += assert_equal_to_netx(program, codes, layers)
    assert total > 500


@pytest.mark.parametrize("seed", range(12))
def test_image_files_compute_what_netx_computes(tmp_path, seed):
    path, shape = image_file(tmp_path / "a.net", seed)
    program = load(path, Reading(steps=2 * STEPS, reset_interval=STEPS))
    image = np.random.default_rng(seed).integers(0, 90, shape)
    bias = image.transpose(2, 1, 0) + program.nodes["lif0"].bias_mant
    layers = Netx(path, image=bias, reset=(STEPS, 0)).run(2 * STEPS + 4)
    codes = np.broadcast_to(image, (2 * STEPS, *shape))
    assert assert_equal_to_netx(program, codes, layers) > 500


@pytest.mark.parametrize("offset", [0, 1, 5])
def test_resets_fall_where_netx_resets(tmp_path, offset):
    rng = np.random.default_rng(5)
    layers = [dense(rng.integers(-20, 60, (5, 4)) // 2 * 2), dense(rng.integers(-20, 60, (3, 5)))]
    path = write_net(tmp_path / "a.net", layers)
    program = load(path, Reading(steps=60, reset_interval=7, reset_offset=offset))
    codes = rng.integers(0, 2, (60, 4))
    netx = Netx(path, reset=(7, offset)).run(62, codes)
    assert assert_equal_to_netx(program, codes, netx) > 20
    assert program.nodes["lif0"].reset_offset == (offset - 1) % 7
    in_phase = load(path, Reading(steps=60, reset_interval=7))
    assert in_phase.nodes["lif1"].reset_offset == 0


def test_bias_needs_the_reset_that_starts_from_rest(tmp_path):
    weight = np.array([[20, -14], [30, 6]])
    slow = CUBA | {"vDecay": 0, "vThMant": 90}
    layers = [dense(weight, bias=np.array([9, b]), neuron=slow) for b in (30, 3)]
    path = write_net(tmp_path / "a.net", layers)
    codes = np.random.default_rng(0).integers(0, 2, (STEPS, 2))
    program = load(path, Reading(steps=STEPS, reset_interval=STEPS))
    assert_equal_to_netx(program, codes, Netx(path, reset=(STEPS, 1)).run(STEPS + 2, codes))
    with pytest.raises(AssertionError):
        assert_equal_to_netx(program, codes, Netx(path).run(STEPS + 2, codes))


def test_payloads_count_by_value(tmp_path):
    path = write_net(tmp_path / "a.net", [dense(np.array([[3, -1], [2, 5]]))])
    program = load(path, Reading(steps=STEPS, input_message_bits=4))
    codes = np.random.default_rng(1).integers(0, 16, (STEPS, 2))
    assert program.nodes["input"].high == 15
    layers = Netx(path, message_bits=4).run(STEPS + 1, codes)
    assert assert_equal_to_netx(program, codes, layers) > 10


def test_what_a_program_says_about_itself(tmp_path):
    first = source(1, 2, 3, neuron=CUBA, weight=np.array([20]), bias=7)
    weight = np.array([[1, 2, 3, -1, 0, 2]])
    path = write_net(tmp_path / "name.net", [first, FLATTEN, dense(weight, neuron=None)])
    program = load(path, Reading(steps=9, dt_s=2e-3))
    assert list(program.nodes) == ["input", "lif0", "flatten2", "dense2", "li2", "output"]
    node = program.nodes["input"]
    assert isinstance(node, FixedInput)
    assert (node.scale, node.low, node.high) == (20.0, -32768, 32760)
    assert program.nodes["lif0"].bias_mant == 7
    assert program.nodes["lif0"].du == 4095
    header = program.header
    assert (header.name, header.dt_s, header.steps) == ("name", 2e-3, 9)
    assert (header.coding, header.bounds) == ("direct", (0.0, 1.0))
    assert program.nodes["output"].readout == "last"
    assert netx_latency(program) == {"lif0": 0, "li2": 1}


def test_older_forms_are_the_same_network(tmp_path):
    kernel = np.arange(-8, 8).reshape(2, 2, 2, 2)
    last = dense(np.arange(-9, 9).reshape(1, 18))
    new = [source(2, 4, 4), conv(kernel, (2, 3, 3)), FLATTEN, last]
    old = [
        new[0],
        conv(kernel[..., None].astype(np.float32), (2, 3, 3), stride=1, padding=0, dilation=1),
        FLATTEN,
        last | {"weight": np.arange(-9, 9).astype(np.float32)},
    ]
    for layer in old[1::2]:
        layer["neuron"] = {k: np.array([v]) for k, v in CUBA.items() if k != "type"}
        layer["neuron"]["type"] = b"LOIHI"
    programs = [
        load(write_net(tmp_path / f"{i}.net", layers), Reading(steps=5))
        for i, layers in enumerate((new, old))
    ]
    assert programs[0].content_hash == programs[1].content_hash


def test_layers_are_left_out_as_netx_leaves_them_out(tmp_path):
    layers = [dense(WEIGHT), dense(WEIGHT.T), dense(WEIGHT), {"type": b"average"}]
    path = write_net(tmp_path / "a.net", layers)
    program = load(path, Reading(steps=5, num_layers=3, skip_layers=1))
    assert [n for n in program.nodes if n.startswith("lif")] == ["lif1", "lif2"]
    assert program.input_shape == (3,)


def test_image_layout_is_that_of_pytorch(tmp_path):
    rng = np.random.default_rng(2)
    kernel, first = rng.integers(-9, 9, (3, 2, 2, 3)), rng.integers(0, 2, (2, 5, 7))
    path = write_net(tmp_path / "a.net", [conv(kernel, (3, 4, 5))])
    program = load(path, Reading(steps=1, input_shape=(2, 5, 7)))
    node = program.nodes["conv0"]
    assert isinstance(node, FixedConv2d)
    wanted = torch.nn.functional.conv2d(torch.tensor(first), torch.tensor(node.weight).long())
    _, membrane = run(program, first[None])
    assert np.array_equal(membrane["lif0"][0], wanted.numpy() * 64)


def test_weights_of_nine_bits_take_two_nodes(tmp_path):
    weight = np.array([[-256, 7, 201], [3, -1, 254]])
    path = write_net(tmp_path / "a.net", [dense(weight)])
    program = load(path, Reading(steps=5))
    parts = [node for _, node in program.of_kind(FixedDense)]
    assert len(parts) == 2
    assert np.array_equal(sum(part.effective_weight for part in parts), weight)
    assert program.report == []


def test_the_report_counts_weights_that_change(tmp_path):
    path = write_net(tmp_path / "a.net", [dense(np.array([[-4, -2], [-4, -1]]))])
    program = load(path, Reading(steps=5))
    assert program.report == [{"layer": "dense0", "weights_changed": 2}]
    assert np.array_equal(program.nodes["dense0"].effective_weight, [[-3, -2], [-3, -1]])


@pytest.mark.parametrize("delay", [None, np.array([[0, 1, 2]] * 2)])
def test_half_a_step_lost_floors_the_sums(tmp_path, delay):
    weight = np.array([[-4, -2, -4], [-1, 0, -3]])
    slow = CUBA | {"vDecay": 0, "vThMant": 20}
    layers = [dense(weight, delay=delay, bias=np.array([9, 5]), neuron=slow)]
    path = write_net(tmp_path / "a.net", layers)
    program = load(path, Reading(steps=STEPS, reset_interval=STEPS))
    assert np.array_equal(program.nodes["dense0"].effective_weight[0], [-224, -128, -224])
    codes = np.random.default_rng(4).integers(0, 2, (STEPS, 3))
    assert_equal_to_netx(program, codes, Netx(path, reset=(STEPS, 1)).run(STEPS + 1, codes))


def test_delays_are_per_output_input_or_synapse(tmp_path):
    for delay, wanted in (
        (np.array([1, 2, 63]), [[1] * 4, [2] * 4, [62] * 4]),
        (np.array([1, 2, 3, 0]), [[1, 2, 3, 0]] * 3),
        (np.array(5.0), [[5] * 4] * 3),
        (np.arange(12).reshape(3, 4), np.arange(12).reshape(3, 4)),
    ):
        path = write_net(tmp_path / "a.net", [dense(WEIGHT, delay=delay)])
        node = load(path, Reading(steps=5)).nodes["dense0"]
        assert isinstance(node, FixedDelayDense)
        assert np.array_equal(node.delay, wanted)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_layer_reason_and_way_out(tmp_path, name):
    layers, message, _, _ = REFUSED[name]
    path = write_net(tmp_path / "a.net", layers)
    with pytest.raises(InvalidFile, match=f"(?s)exactly.*layer.*{message}"):
        load(path, Reading(steps=5))


def test_refused_kinds_of_neurons(tmp_path):
    for kind, message in ((b"SDNN", "sigma-delta"), (b"RF_PHASE", "resonate-and-fire")):
        path = write_net(tmp_path / "a.net", [dense(WEIGHT, neuron=CUBA | {"type": kind})] * 2)
        with pytest.raises(InvalidFile, match=f"layers 0, 1: has {message}"):
            load(path, Reading(steps=5))


def test_arguments_out_of_range_are_named(tmp_path):
    path = write_net(tmp_path / "a.net", [dense(WEIGHT)])
    for fields in (
        {"num_layers": 0},
        {"skip_layers": -1},
        {"reset_interval": 0},
        {"input_message_bits": 24},
        {"input_shape": (3, 3)},
    ):
        with pytest.raises(InvalidInput, match=next(iter(fields))):
            load(path, Reading(steps=5, **fields))
    with pytest.raises(InvalidFile, match="no layer is left"):
        load(path, Reading(steps=5, skip_layers=1))
    with pytest.raises(InvalidFile, match=r"beyond 32 bits.*input_message_bits"):
        load(path, Reading(steps=5, input_message_bits=23))


def test_only_the_last_layer_may_never_fire(tmp_path):
    path = write_net(tmp_path / "a.net", [dense(WEIGHT, neuron=CUBA | {"vThMant": 1 << 17})])
    assert isinstance(load(path, Reading(steps=5)).nodes["li0"], FixedLI)
    path = write_net(tmp_path / "b.net", [dense(WEIGHT, neuron=CUBA | {"vThMant": (1 << 17) - 1})])
    assert isinstance(load(path, Reading(steps=5)).nodes["lif0"], FixedLIF)


class TestHostileFiles:
    """Files made to mislead: always a named refusal."""

    @pytest.fixture
    def path(self, tmp_path):
        return write_net(tmp_path / "a.net", [dense(WEIGHT), dense(WEIGHT.T)])

    def refuse(self, path, message):
        with pytest.raises(InvalidFile, match=message):
            load(path, Reading(steps=5))

    def test_no_file(self, tmp_path):
        self.refuse(tmp_path / "absent.net", "is no file")
        self.refuse(tmp_path, "is no file")

    def test_no_hdf5(self, tmp_path):
        (tmp_path / "a.net").write_bytes(b"\x80\x04cos\nsystem\n")
        self.refuse(tmp_path / "a.net", "is a pickle, which can run code")
        (tmp_path / "a.net").write_bytes(b"cos\nsystem\n")
        self.refuse(tmp_path / "a.net", "cannot be read as HDF5")

    def test_truncated(self, path):
        whole = path.read_bytes()
        for size in (0, 10, 100, len(whole) // 2, len(whole) - 200):
            path.write_bytes(whole[:size])
            self.refuse(path, "cannot be read" if size else "is empty")

    def test_no_layers(self, tmp_path):
        self.refuse(write_net(tmp_path / "b.net", []), "has 0 layers")
        with h5py.File(tmp_path / "c.net", "w") as file:
            file["other"] = 1
        self.refuse(tmp_path / "c.net", "no group 'layer'")

    def test_numbers_with_a_gap(self, path):
        with h5py.File(path, "a") as file:
            file.move("layer/0", "layer/7")
        self.refuse(path, "no group 'layer/0'")

    @pytest.mark.parametrize("link", [h5py.SoftLink("/layer/0"), h5py.ExternalLink("b.net", "/")])
    @pytest.mark.parametrize("place", ["layer/0/weight", "layer/0/neuron", "layer/1"])
    def test_links(self, path, link, place):
        self.refuse(put(path, place, link), "may lead anywhere")

    def test_values_in_other_files(self, path, tmp_path):
        (tmp_path / "raw").write_bytes(bytes(8 * 12))
        outside = {"shape": (3, 4), "dtype": "i8", "external": [(str(tmp_path / "raw"), 0, 96)]}
        self.refuse(put(path, "layer/0/weight", **outside), "from other files")
        layout = h5py.VirtualLayout((3, 4), "i8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "x.h5"), "w", (3, 4))
        with h5py.File(path, "a") as file:
            del file["layer/0/weight"]
            file["layer/0"].create_virtual_dataset("weight", layout)
        self.refuse(path, "from other files")

    def test_a_loop_of_groups(self, path):
        with h5py.File(path, "a") as file:
            del file["layer/0/neuron"]
            file["layer/0/neuron"] = file["layer/0"]
        self.refuse(path, "type 'dense'")

    def test_a_few_bytes_that_declare_much(self, path):
        put(path, "layer/0/weight", shape=(1 << 20, 1 << 20), dtype="f8", chunks=(64, 64))
        assert path.stat().st_size < 1 << 16
        self.refuse(path, "above 1024 MiB")

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (np.full((3, 4), np.nan), "NaN"),
            (np.zeros((3, 0)), r"has shape \(3, 0\)"),
            (np.zeros((3, 4), complex), "dtype complex128"),
            (np.array([b"x"] * 12), "dtype"),
            (np.zeros((3, 4), [("a", "i4")]), "dtype"),
            (np.full((3, 4), 1e12), "beyond 32 bits"),
            (np.zeros((1,) * 9), "8 axes"),
            (h5py.Empty("f8"), "has shape None"),
        ],
    )
    def test_values_that_are_no_weights(self, path, value, message):
        self.refuse(put(path, "layer/0/weight", value), message)

    @pytest.mark.parametrize("value", [3, np.array([b"a", b"b"]), "\u00e9", h5py.Empty("S3")])
    def test_types_that_are_no_names(self, path, value):
        self.refuse(put(path, "layer/0/type", value), "layer/0/type")

    def test_missing_datasets(self, path):
        for place, message in (
            ("neuron/vThMant", "neuron/vThMant.*KeyError"),
            ("weight", "'weight'.*KeyError"),
            ("shape", "'shape'"),
            ("type", "type ''"),
        ):
            self.refuse(put(path, f"layer/0/{place}"), message)

    def test_millions_of_neurons_in_a_few_bytes(self, tmp_path):
        huge = source(1 << 20, 1 << 20, 1 << 20, neuron=CUBA)
        self.refuse(write_net(tmp_path / "b.net", [huge]), "write 1 to 16777216 neurons")

    def test_flipped_bits_are_refused_or_read(self, path):
        whole, rng = path.read_bytes(), np.random.default_rng(3)
        outcomes = set()
        for _ in range(300):
            damaged = bytearray(whole)
            for at in rng.integers(0, len(whole), int(rng.integers(1, 9))):
                damaged[at] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            try:
                load(path, Reading(steps=5))
                outcomes.add("read")
            except InvalidFile:
                outcomes.add("refused")
        assert outcomes == {"read", "refused"}
