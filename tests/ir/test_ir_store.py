"""Files of models: what is saved comes back the same, and nothing else comes back at all."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from safetensors import safe_open
from safetensors.numpy import save_file

from neurorobust import ir
from neurorobust.errors import InvalidFile
from tests.support import strategies
from tests.support.networks import stack, wired

KEY = "neurorobust"
search = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def a_graph():
    header = ir.Header(
        name="a name", dt_s=1e-3, steps=3, coding="events", bounds=(-1.5, 2.0), levels=17,
        mean=(0.1,), std=(0.3,), classes=("a", "b"), provenance={"from": "a test"},
    )  # fmt: skip
    kernel = np.arange(16, dtype=np.float32).reshape(2, 2, 2, 2)
    numbers = {
        "beta": np.array(0.9),
        "threshold": np.array([[[1.0]], [[2.0]]]),
        "alpha": np.float32(0.25),
        "v_min": np.array(-1, dtype=np.int8),
    }
    nodes = {
        "input": ir.Input(shape=(2, 4, 4)),
        "conv": ir.Conv2d(weight=kernel, stride=(1, 2), dilation=(2, 1)),
        "lif": ir.LIF(**numbers, reset="soft"),
        "pool": ir.Pool2d(op="avg", kernel=(2, 1), stride=(2, 1)),
        "flat": ir.Flatten(),
        "fc": ir.Affine(weight=np.ones((2, 4), np.float16), bias=np.zeros(2)),
        "li": ir.LI(beta=1.0),
        "output": ir.Output(readout="last"),
        "zz": ir.Affine(weight=np.full((2, 4), 0.5)),
        "aa": ir.Affine(weight=np.full((2, 4), 0.5)),
    }
    return wired([" ".join([*nodes][:8]), "flat>2 zz li", "flat>1 aa li"], header, **nodes)


def assert_same(first, second):
    assert type(first) is type(second)
    assert first.header == second.header
    assert first.edges == second.edges
    assert list(first.nodes) == list(second.nodes)
    assert first.order == second.order
    assert first.shapes == second.shapes
    assert first.content_hash == second.content_hash
    for name, node in first.nodes.items():
        other = second.nodes[name]
        assert type(node) is type(other)
        assert node.attributes() == other.attributes()
        assert node.arrays().keys() == other.arrays().keys()
        for key, value in node.arrays().items():
            found = other.arrays()[key]
            assert (value.dtype, value.shape) == (found.dtype, found.shape)
            assert value.tobytes() == found.tobytes()
            assert not found.flags.writeable


def test_everything_comes_back(tmp_path):
    graph = a_graph()
    path = ir.save_model(graph, tmp_path / "deep" / "er" / "g.safetensors")
    loaded = ir.load_model(path, ir.Graph)
    assert_same(graph, loaded)
    assert loaded.nodes["lif"].beta.shape == ()
    assert loaded.nodes["lif"].v_min.dtype == np.int8
    assert loaded.nodes["lif"].reset_value is None
    assert loaded.nodes["conv"].stride == (1, 2)
    assert isinstance(loaded.header.mean, tuple)


def test_saving_again_gives_the_same_bytes(tmp_path):
    first = ir.save_model(a_graph(), tmp_path / "a")
    again = ir.save_model(ir.load_model(first, ir.Graph), tmp_path / "b")
    assert first.read_bytes() == again.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@given(strategies.graphs(samples=1))
@search
def test_random_graphs(tmp_path_factory, case):
    graph, _ = case
    path = ir.save_model(graph, tmp_path_factory.getbasetemp() / "random.safetensors")
    assert_same(graph, ir.load_model(path, ir.Graph))


@given(strategies.programs(samples=1))
@search
def test_random_programs(tmp_path_factory, case):
    fields = {"profile": "p", "source_hash": "s", "score_unit": 1 / 3}
    fields["report"] = [{"layer": "x", "scale": 0.1}]
    program = replace(case[0], **fields)
    path = ir.save_model(program, tmp_path_factory.getbasetemp() / "random.safetensors")
    loaded = ir.load_model(path, ir.Program)
    assert_same(program, loaded)
    assert {field: getattr(loaded, field) for field in fields} == fields


def a_hosted_program(gain=2.0, name="host"):
    host = stack(
        (1, 2, 2),
        ir.Header(name=name, dt_s=1e-3, steps=3, mean=(0.5,)),
        flat=ir.Flatten(),
        fc=ir.Affine(weight=np.full((3, 4), gain)),
    )
    return ir.Program.chain(
        ir.Header(dt_s=1e-3, steps=3, coding="events"),
        {
            "input": ir.FixedInput(shape=(3,), scale=1.0, low=-4095, high=4095),
            "host": ir.FixedTernaryLIF(
                vth_high=1, vth_low=np.array([-1, -2, -3]), reset_interval=2
            ),
            "fc": ir.FixedDelayDense(weight=np.ones((2, 3), int), delay=np.array([[0, 1, 62]] * 2)),
            "lif": ir.FixedLIF(vth=3),
            "output": ir.Output(),
        },
        host=host,
    )


class TestHost:
    def test_comes_back(self, tmp_path):
        program = a_hosted_program()
        loaded = ir.load_model(ir.save_model(program, tmp_path / "p"), ir.Program)
        assert_same(program, loaded)
        assert_same(program.host, loaded.host)
        assert loaded.input_shape == (1, 2, 2)
        assert loaded.with_(host=None).input_shape == (3,)

    def test_is_part_of_the_hash_but_its_name_is_not(self):
        first, other = a_hosted_program(), a_hosted_program(gain=2.5)
        assert first.content_hash != other.content_hash
        assert first.content_hash != first.with_(host=None).content_hash
        assert first.content_hash == a_hosted_program(name="another").content_hash


class TestDamage:
    @pytest.fixture
    def path(self, tmp_path):
        return ir.save_model(a_graph(), tmp_path / "g.safetensors")

    def refused(self, path, text, kind=ir.Graph):
        with pytest.raises(InvalidFile) as caught:
            ir.load_model(path, kind)
        assert text in str(caught.value)
        assert str(path) in str(caught.value)
        assert caught.value.path == path

    def rewrite(self, path, change):
        with safe_open(path, framework="numpy") as file:
            described = json.loads(file.metadata()[KEY])
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        described = change(described, arrays) or described
        save_file(arrays, path, metadata={KEY: json.dumps(described)})

    def test_missing(self, tmp_path):
        self.refused(tmp_path / "none", "is no file; give a saved Graph")

    def test_a_folder(self, tmp_path):
        self.refused(tmp_path, "is no file but a folder; give a saved Graph")

    def test_truncated_anywhere(self, path):
        whole = path.read_bytes()
        for length in (0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            self.refused(path, "cannot be read as safetensors" if length else "is empty")

    def test_any_byte_of_the_arrays(self, path):
        whole = path.read_bytes()
        start = 8 + int.from_bytes(whole[:8], "little")
        for at in range(start, len(whole)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises(InvalidFile):
                ir.load_model(path, ir.Graph)

    def test_foreign(self, path):
        save_file({"weight": np.ones(3)}, path)
        self.refused(path, "a safetensors file without a neurorobust model")
        save_file({"weight": np.ones(3)}, path, metadata={"format": "pt"})
        self.refused(path, "without a neurorobust model")

    @pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", '"x"', "{}", '{"format": 1}'])
    def test_metadata_that_is_none(self, path, text):
        save_file({"weight": np.ones(3)}, path, metadata={KEY: text})
        self.refused(path, "describes no valid model")

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            (lambda d, _: d | {"format": 2}, "format 2, this version reads 1"),
            (lambda d, _: d | {"model": "Program"}, "it holds a Program, a Graph is wanted"),
            (lambda d, _: d["nodes"][1].update(kind="Conv9d"), "unknown node kind 'Conv9d'"),
            (lambda d, _: d["nodes"][1].update(colour="red"), "colour"),
            (lambda d, _: d["nodes"][1].update(stride="ab"), "describes no valid model"),
            (lambda d, _: d["nodes"][1].pop("kind"), "kind"),
            (lambda d, _: d["nodes"][3].update(op="sum"), "content hash does not match"),
            (lambda d, _: d["header"].update(steps=4), "content hash does not match"),
            (lambda d, _: d["header"].update(steps=0), "at least one step"),
            (lambda d, _: d["header"].update(steps="x"), "describes no valid model"),
            (lambda d, _: d["header"].update(extra=1), "extra"),
            (lambda d, _: d["header"].update(bounds=[0]), "describes no valid model"),
            (lambda d, _: d["header"].update(bounds=[0, float("inf")]), "must be finite"),
            (lambda d, _: d["edges"].pop(0), "no edge leads to it"),
            (lambda d, _: d["edges"][0].append(1), "describes no valid model"),
            (lambda d, _: d["edges"][3].__setitem__(2, 1), "content hash does not match"),
            (lambda d, _: d.pop("edges"), "edges"),
            (lambda d, _: d.pop("content_hash"), "content hash does not match"),
            (lambda d, _: d.update(content_hash="0" * 64), "content hash does not match"),
            (lambda _, a: a.pop("fc/weight"), "weight"),
            (lambda _, a: a.pop("fc/bias"), "content hash does not match"),
            (lambda _, a: a.update({"fc/more": np.ones(1)}), "more"),
            (lambda _, a: a.update({"fc/weight": a["fc/weight"] + 1}), "does not match"),
            (lambda _, a: a.update({"fc/weight": np.full((2, 4), np.nan)}), "NaN"),
            (lambda _, a: a.update({"fc/bias": np.zeros(2, "f4")}), "does not match"),
            (lambda _, a: a.update({"lif/beta": np.array([0.9])}), "does not match"),
            (lambda _, a: a.update({"lif/beta": np.array(7.0)}), "beta is outside 0..1"),
        ],
    )
    def test_altered(self, path, change, text):
        self.rewrite(
            path, lambda d, a: r if isinstance(r := change(d, a), dict) and "nodes" in r else None
        )
        self.refused(path, text)

    def test_name_and_origin_may_change(self, path):
        self.rewrite(path, lambda d, _: d["header"].update(name="another"))
        assert ir.load_model(path, ir.Graph).header.name == "another"

    def test_the_other_kind_of_model(self, path):
        self.refused(path, "it holds a Graph, a Program is wanted", ir.Program)


class TestWriting:
    def test_where_no_folder_can_be(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(InvalidFile, match="choose another folder"):
            ir.save_model(a_graph(), tmp_path / "file" / "g.safetensors")
        assert [p.name for p in tmp_path.iterdir()] == ["file"]

    def test_onto_a_folder(self, tmp_path):
        (tmp_path / "g" / "inside").mkdir(parents=True)
        with pytest.raises(InvalidFile):
            ir.save_model(a_graph(), tmp_path / "g")
        assert [p.name for p in tmp_path.rglob("*")] == ["g", "inside"]

    def test_a_failure_on_the_way_leaves_the_old_file(self, tmp_path, monkeypatch):
        path = ir.save_model(a_graph(), tmp_path / "g")
        before = path.read_bytes()

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("pathlib.Path.replace", full)
        with pytest.raises(InvalidFile, match="No space left on device"):
            ir.save_model(a_graph().with_(header=ir.Header(dt_s=1.0, steps=9)), path)
        assert path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["g"]
