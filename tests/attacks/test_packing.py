"""Files of attack sets: a few bits per value, every one of them back, and nothing else let in."""

import json
import math
import struct
import tracemalloc
import zlib
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors import safe_open
from safetensors.numpy import save_file

from neurorobust.attacks import AttackSet, Events, Linf, Pgd, Request, UniformNoise, craft
from neurorobust.attacks.packing import Packing, pack, unpack
from neurorobust.attacks.sets import read_request
from neurorobust.data import Samples
from neurorobust.engine.estimators import Rga
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidFile
from tests.support.attack_cases import HEADER, WITHOUT_GRID, shown, spiking

OLD = Path(__file__).parent / "files" / "set_of_format_1.safetensors"
GRID = Linf(epsilon=0.5, bounds=(-1.0, 2.0), levels=256)
KEY = "neurorobust_attackset"


def bits(array):
    return array.dtype, array.shape, np.ascontiguousarray(array).tobytes()


def grid(codes, threat=GRID):
    low, high = threat.bounds
    return low + codes * (high - low) / (threat.levels - 1)


class TestArrays:
    @given(
        st.sampled_from(["?", "i1", "u1", "i8", "f4", "f8"]).flatmap(
            lambda kind: arrays(kind, array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))
        )
    )
    def test_whatever_it_is_it_comes_back(self, array):
        """NaN and -0 too, and with a grid on which it does not lie."""
        for threat in (None, GRID):
            assert bits(unpack(*pack(array, threat), threat)) == bits(array)

    @pytest.mark.parametrize(
        ("move", "stored"), [(127, "|i1"), (-128, "|i1"), (128, "<i2"), (-255, "<i2")]
    )
    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    def test_moves_are_whole_steps(self, move, stored, dtype):
        start = np.full((3, 7), 255 if move < 0 else 0)
        moved = start.copy()
        moved[1, 2] += move
        clean, adversarial = (grid(codes).astype(dtype) for codes in (start, moved))
        packing, stream = pack(adversarial, GRID, clean)
        assert (packing.way, packing.stored) == ("moves", stored)
        assert bits(unpack(packing, stream, GRID, clean)) == bits(adversarial)
        held, width = zlib.decompress(stream.tobytes()), packing.size // 21
        by_value = b"".join(held[at::21] for at in range(21))  # the bytes of one after the other
        numbers = struct.unpack(f"<21{'bh'[width - 1]}", by_value)
        assert np.array_equal(np.reshape(numbers, (3, 7)), moved - start)

    def test_a_value_beside_the_grid_stays_there(self):
        clean = grid(np.arange(12.0))
        beside = clean.copy()
        beside[5] = np.nextafter(beside[5], 9)
        packing, stream = pack(beside, GRID, clean)
        assert packing.way == "bytes"
        assert bits(unpack(packing, stream, GRID, clean)) == bits(beside)


class TestRefused:
    PACKING, STREAM = pack(np.arange(1000))

    @pytest.mark.parametrize(
        ("shape", "change", "text"),
        [
            ((1001,), None, "other than the 8008 bytes"),
            ((999,), None, "other than the 7992 bytes"),
            ((10**12,), None, "cannot hold the 8000000000000"),
            ((10**30, 10**30), None, "cannot hold"),
            ((1000,), lambda raw: raw[:-1], "other than"),
            ((1000,), lambda raw: raw + b"x", "other than"),
            ((1000,), lambda raw: b"xx" + raw[2:], "is damaged"),
            ((1000,), lambda raw: raw[:40] + bytes([raw[40] ^ 255]) + raw[41:], "damaged|other"),
            ((1000,), lambda _: b"", "cannot hold"),
        ],
    )
    def test_streams(self, shape, change, text):
        raw = self.STREAM.tobytes()
        raw = raw if change is None else change(raw)
        with pytest.raises(ValueError, match=text):
            unpack(replace(self.PACKING, shape=shape), np.frombuffer(raw, np.uint8))

    def test_a_bomb_takes_no_memory(self):
        bomb = np.frombuffer(zlib.compress(bytes(10**8), 9), np.uint8)
        assert bomb.nbytes < 10**5
        tracemalloc.start()
        for declared in ((8,), (10**12,)):
            with pytest.raises(ValueError, match="bytes"):
                unpack(replace(self.PACKING, shape=declared), bomb)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10**6

    @pytest.mark.parametrize(
        "change",
        [
            {"way": "pickled"}, {"dtype": "|O"}, {"stored": "<U4"}, {"shape": [-1]},
            {"shape": [2.0]}, {"shape": [True]}, {"shape": 3}, {"dtype": None},
        ],
    )  # fmt: skip
    def test_records(self, change):
        with pytest.raises((ValueError, TypeError)):
            Packing.read(self.PACKING.describe() | change)

    def test_places_beyond_the_grid(self):
        small = Linf(epsilon=1.0, bounds=(-1.0, 2.0), levels=4)
        packing, stream = pack(grid(np.arange(256)), GRID)
        with pytest.raises(ValueError, match="beyond the grid"):
            unpack(packing, stream, small)
        with pytest.raises(ValueError, match="the threat has none"):
            unpack(packing, stream, replace(GRID, levels=None))


@pytest.fixture(scope="module")
def network():
    return Network(spiking())


@pytest.fixture(scope="module")
def asked(network):
    x, y = shown(network, 5)
    return Request(network, x, y, Linf.of(HEADER, 16 / 255), sample=np.arange(5) + 100)


@pytest.fixture(scope="module")
def data(asked):
    """Those of the request in another order, and others, as a data set holds them."""
    codes = np.rint(asked.x * 255).astype(np.uint8)
    raw = np.concatenate([codes[::-1], codes[:3] ^ 1])
    index = np.concatenate([asked.sample[::-1], [7, 8, 9]])
    return Samples("some", raw, np.zeros(8, int), index, levels=256)


@pytest.fixture
def made(asked, tmp_path):
    return craft(Pgd(Rga(), steps=3), asked, tmp_path / "sets")[0]


def equal(one, other):
    for field in fields(AttackSet):
        if field.name != "request":
            assert bits(getattr(one, field.name)) == bits(getattr(other, field.name)), field.name
    assert dict(one.request) == dict(other.request)
    assert one.content_hash == other.content_hash


class TestSets:
    def test_a_file_of_the_old_form(self, made, network):
        """Written before arrays were packed: the same set, and its decisions are the network's."""
        old = AttackSet.load(OLD, model_hash=network.graph.content_hash)
        equal(old, made)
        assert read_request(OLD) == made.request
        scores = network.run(torch.from_numpy(old.adversarial)[:, None], HEADER.steps)
        assert np.array_equal(scores.argmax(1).numpy(), old.adversarial_decision)

    def test_alone_and_with_the_data_left_out(self, made, data, tmp_path):
        whole = made.save(tmp_path / "whole.safetensors")
        short = made.save(tmp_path / "short.safetensors", left_out="some")
        equal(AttackSet.load(whole), made)
        equal(AttackSet.load(whole, data), made)
        equal(AttackSet.load(short, data), made)
        assert read_request(whole) == read_request(short) == made.request
        with safe_open(short, framework="numpy") as file:
            assert "clean" not in file.keys()  # noqa: SIM118

    def test_values_of_other_bounds_and_shapes_resolve(self, made, asked, data, tmp_path):
        short = made.save(tmp_path / "short.safetensors", left_out="some")
        square = replace(data, raw=data.raw.reshape(8, 3, 4))
        equal(AttackSet.load(short, square), made)
        single = Samples("single", asked.x.astype(np.float32), asked.y, asked.sample)
        equal(AttackSet.load(short, single), made)

    def test_which_data_are_needed(self, made, data, tmp_path):
        short = made.save(tmp_path / "short.safetensors", left_out="photos/train")
        needed = r"the 5 clean samples of photos/train \(SHA-256 [0-9a-f]{12}\)"
        others = replace(data, raw=data.raw[::-1].copy())
        for samples, text in (
            (None, f"leaves out {needed}; give .*name"),
            (data[:2], f"needs {needed}; some has 2 samples and none of the index 100"),
            (others, f"needs {needed}, and those of some are others"),
            (replace(data, raw=data.raw[:, :6]), "those of some are others"),
        ):
            with pytest.raises(InvalidFile, match=text):
                AttackSet.load(short, samples)

    def test_crafting_finds_what_it_left_out(self, asked, made, tmp_path):
        attack, folder = Pgd(Rga(), steps=3), tmp_path / "left"
        first, reused = craft(attack, asked, folder, left_out="some")
        again, found = craft(attack, asked, folder, left_out="some")
        assert (reused, found) == (False, True)
        equal(first, again)
        equal(first, made)

    @pytest.mark.parametrize("coding", ["direct", "events"])
    def test_without_a_grid(self, coding, tmp_path):
        header = replace(WITHOUT_GRID, coding=coding)
        model, draw = Network(spiking(header)), np.random.default_rng(3)
        if coding == "events":
            x, threat = draw.integers(0, 2, (4, 6, 12)).astype(float), Events.of(header, 4)
        else:
            x, threat = draw.random((4, 12)), Linf.of(header, 0.1)
        made, _ = craft(UniformNoise(), Request(model, x, np.zeros(4, int), threat), tmp_path)
        equal(AttackSet.load(made.save(tmp_path / "a.safetensors")), made)
        short = made.save(tmp_path / "b.safetensors", left_out="draws")
        equal(AttackSet.load(short, Samples("draws", x)), made)

    def test_images_take_a_twentieth(self, tmp_path):
        """Noise of 8 grey values on every one of 3,072 pixels, five bits each at best."""
        draw = np.random.default_rng(0)
        codes = draw.integers(8, 248, (20, 3, 32, 32))
        made = replace(
            AttackSet.load(OLD),
            clean=codes / 255,
            adversarial=(codes + draw.integers(-8, 9, codes.shape)) / 255,
            **{
                key: np.resize(getattr(AttackSet.load(OLD), key), (20, *shape))
                for key, shape in {
                    "label": (), "sample": (), "clean_decision": (), "adversarial_decision": (),
                    "iterates": (), "queries": (), "gradients": (), "wanted": (),
                    "outcome_bits": (1,),
                }.items()
            },
        )  # fmt: skip
        sizes = {
            left_out: made.save(tmp_path / "set", left_out=left_out).stat().st_size / 20
            for left_out in (None, "noise")
        }
        least = 3072 * math.log2(17) / 8
        assert least < sizes["noise"] < 1.3 * least
        assert sizes["noise"] < 2 * 8 * 3072 / 25
        assert sizes[None] < 2 * 8 * 3072 / 8

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            (lambda d, _: d.update(format=3), "format 3, this version reads 1 and 2"),
            (lambda d, _: d.pop("packed"), "no readable attack set"),
            (lambda d, _: d["packed"]["adversarial"].update(shape=[5, 13]), "no readable"),
            (lambda d, _: d["packed"]["adversarial"].update(shape=[10**9, 12]), "no readable"),
            (lambda d, _: d["packed"]["label"].update(shape=[4]), "different numbers of samples"),
            (lambda d, _: d["packed"]["adversarial"].update(way="levels"), "no readable|altered"),
            (lambda d, _: d["packed"]["label"].update(dtype="|O"), "no readable"),
            (lambda d, _: d["request"]["threat"].update(levels=128), "no readable|altered"),
            (lambda d, _: d["request"]["threat"].update(name="l9"), "no readable"),
            (lambda d, _: d.update(request=[]), "no readable"),
            (lambda _, a: a.pop("adversarial"), "it holds .* and describes"),
            (lambda _, a: a.update(more=a["label"]), "it holds .* and describes"),
            (lambda _, a: a.update(adversarial=pack(np.zeros((5, 12), np.int8))[1]), "altered"),
            (lambda _, a: a.update(adversarial=a["adversarial"].astype("f8")), "no readable"),
            (lambda d, _: d.update(content_hash="0"), "altered"),
        ],
    )
    def test_damaged_or_altered(self, made, change, text, tmp_path):
        path = made.save(tmp_path / "set.safetensors")
        with safe_open(path, framework="numpy") as file:
            described = json.loads(file.metadata()[KEY])
            stored = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        change(described, stored)
        save_file(stored, path, metadata={KEY: json.dumps(described)})
        with pytest.raises(InvalidFile, match=text) as caught:
            AttackSet.load(path)
        assert "delete it to craft it again" in str(caught.value)

    def test_a_flipped_bit_is_found_or_changes_nothing(self, made, tmp_path):
        """The last bits of a stream that fill its last byte mean nothing."""
        path = made.save(tmp_path / "set.safetensors")
        raw = path.read_bytes()
        start = 8 + struct.unpack("<Q", raw[:8])[0]
        passed = 0
        for at in range(start, len(raw)):
            path.write_bytes(raw[:at] + bytes([raw[at] ^ 0x10]) + raw[at + 1 :])
            try:
                equal(AttackSet.load(path), made)
                passed += 1
            except InvalidFile:
                continue
        assert passed < 0.05 * (len(raw) - start)
