"""One door to samples: what it takes, and a named error for everything else."""

from fractions import Fraction

import numpy as np
import pytest

from neurorobust.asking import speaking_options
from neurorobust.data import Samples, Source, load
from neurorobust.data.loading import parts_of
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.ir import Header
from tests.support.image_files import encoded, written
from tests.support.small import mlp

X, Y = np.arange(12.0).reshape(4, 3), np.array([0, 1, 1, 0])


def saved(path, array=None, **arrays):
    np.savez(path, **arrays) if arrays else np.save(path, array)
    return path


class TestArrays:
    def test_with_labels(self, tmp_path):
        found = load(saved(tmp_path / "a.npz", x=X.astype(np.float32), y=Y.astype(np.uint8)))
        assert (found.name, found.values.dtype, found.labels.dtype) == ("a", float, np.int64)
        assert np.array_equal(found.values, X)
        assert np.array_equal(found.labels, Y)
        assert np.array_equal(found.sample, [0, 1, 2, 3])

    def test_without_labels(self, tmp_path):
        kept = X.astype(np.float32)
        for path in (
            saved(tmp_path / "a.npy", kept),
            saved(tmp_path / "one.npz", anything=kept),
            saved(tmp_path / "two.npz", other=2 * kept, samples=kept),
        ):
            found = load(path)
            assert found.values.dtype == np.float32
            assert np.array_equal(found.values, kept)
            with pytest.raises(InvalidInput, match=r"holds no labels; of arrays, .* x=x, y=y"):
                _ = found.labels

    def test_a_part_of_it(self, tmp_path):
        path = saved(tmp_path / "a.npz", x=X, y=Y)
        found = load(path, first=1, limit=2)
        assert found.sample.tolist() == [1, 2]
        assert np.array_equal(found.values, X[1:3])
        assert found[np.array([True, False])].sample.tolist() == [1]
        assert load(path, first=3, limit=9).sample.tolist() == [3]
        with pytest.raises(InvalidInput, match="a has 4 samples, so none from index 4"):
            load(path, first=4)
        with pytest.raises(InvalidFile, match="has no parts, and so no 'train'; leave out part"):
            load(path, "train")

    @pytest.mark.parametrize(
        ("arrays", "match"),
        [
            ({"a": X, "b": Y}, "holds a, b; name one array 'samples', or .* x=x, y=y"),
            ({"x": X, "y": np.ones(4)}, "a whole label for each"),
            ({"x": X, "y": Y[:2]}, "a whole label for each"),
            ({"x": np.ones(4), "y": Y}, "give numbers"),
            ({"x": np.full((1, 1), None), "y": np.ones(1, int)}, "cannot be read as"),
            ({"samples": np.array(1.0)}, "holds a single number"),
        ],
    )
    def test_refused(self, tmp_path, arrays, match):
        with pytest.raises(InvalidFile, match=rf"a\.npz: .*{match}"):
            load(saved(tmp_path / "a.npz", **arrays))

    def test_no_file(self, tmp_path):
        whole = saved(tmp_path / "whole.npz", x=X, y=Y).read_bytes()
        for name, data in (("a.npz", b"no zip"), ("b.npz", whole[:-9]), ("c.npy", b"")):
            (tmp_path / name).write_bytes(data)
        np.save(tmp_path / "d.npy", np.array([{}], dtype=object), allow_pickle=True)
        for name in ("a.npz", "b.npz", "d.npy"):
            with pytest.raises(InvalidFile, match="cannot be read as"):
                load(tmp_path / name)
        for name, message in (
            ("c.npy", "is empty"),
            ("none.npz", "is no file; give .*, or digits"),
        ):
            with pytest.raises(InvalidFile, match=message):
                load(tmp_path / name)


def test_digits():
    pytest.importorskip("sklearn")
    training, test = (load("digits", part) for part in ("train", "test"))
    assert len(training) + len(test) == 1797
    assert np.array_equal(load("digits", first=5, limit=2).raw, test.raw[5:7])
    assert test.note == ""
    with pytest.raises(InvalidInput, match="known are train, test"):
        load("digits", "validation")


def test_what_decides_the_digest():
    own = Samples("a", X, Y)
    assert own.digest == Samples("b", X.copy(), Y.astype(np.uint8)).digest
    assert own.digest not in {Samples("a", X, 1 - Y).digest, Samples("a", X + 1, Y).digest}


def test_a_lossy_copy_is_said_to_be_one():
    assert Samples("a", X, formats=("JPEG", "PNG")).note == "images decoded from JPEG, a lossy copy"
    assert Samples("a", X, formats=("PNG",)).note == ""


def header(**said):
    """A network of six inputs that states bounds and levels."""
    return mlp(6, 5, 3).with_(header=Header(dt_s=1e-3, steps=4, **said))


class TestBoundsAndLevels:
    """A sensor's numbers become values: stated, or the model's; values stay as they are."""

    CODES = np.array([[0, 1, 127, 128, 254, 255]], np.uint8)

    def test_of_the_model(self, tmp_path):
        found = load(saved(tmp_path / "a.npy", self.CODES), levels=256)
        assert np.array_equal(found.values, self.CODES / 255)
        shown = found.shown_to(header(bounds=(-1.0, 3.0), levels=256))
        assert np.array_equal(shown.values, [[-1 + 4 * int(c) / 255 for c in self.CODES[0]]])
        assert shown.values.dtype == np.float64

    def test_said_beats_the_models(self, tmp_path):
        path = saved(tmp_path / "a.npy", self.CODES)
        shown = load(path, levels=256, bounds=(0.0, 0.5)).shown_to(header(bounds=(-1.0, 3.0)))
        assert np.array_equal(shown.values, self.CODES / 510)

    @pytest.mark.parametrize("levels", [2, 4, 16, 52, 256, 1021])
    def test_pixels_are_rounded_onto_the_levels(self, levels, tmp_path):
        pytest.importorskip("PIL.Image")
        pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
        path = written(tmp_path / "a.parquet", [encoded(pixels)], [0])
        values = load(path, levels=levels).values.ravel()
        nearest = [
            max(range(levels), key=lambda k: (-abs(Fraction(k, levels - 1) - Fraction(c, 255)), k))
            for c in range(256)
        ]
        assert np.array_equal(values, np.array(nearest, float) / (levels - 1))

    def test_values_are_taken_as_they_are(self, tmp_path):
        x = np.array([[0.1, 0.25, 0.7, 0.0, 1.0, 0.5]], np.float32)
        shown = load(saved(tmp_path / "a.npy", x), levels=4).shown_to(header(levels=16))
        assert np.array_equal(shown.values, x)
        counts = load(saved(tmp_path / "b.npy", self.CODES))  # whole numbers, and no levels
        assert np.array_equal(counts.values, self.CODES)

    def test_beyond_the_model(self, tmp_path):
        codes = load(saved(tmp_path / "a.npy", self.CODES))
        words = "a has values from 0 to 255, the model takes 0 to 1; .* give {}$"
        with pytest.raises(InvalidInput, match=words.format("levels=256")):
            codes.shown_to(header())
        with speaking_options(), pytest.raises(InvalidInput, match=words.format("--levels 256")):
            codes.shown_to(header())
        wide = load(saved(tmp_path / "a.npy", self.CODES), levels=256, bounds=(0.0, 2.0))
        with pytest.raises(InvalidInput, match=r"values from 0 to 2, .*; give other bounds"):
            wide.shown_to(header())
        with pytest.raises(InvalidFile, match=r"whole numbers 0\.\.255; levels=16 takes 0\.\.15"):
            load(tmp_path / "a.npy", levels=16)

    def test_a_model_of_one_axis_takes_images(self, tmp_path):
        x = np.arange(12.0).reshape(2, 1, 2, 3) / 12
        shown = load(saved(tmp_path / "a.npy", x)).shown_to(header())
        assert np.array_equal(shown.values, x.reshape(2, 6))
        assert shown.shape == (6,)

    def test_what_is_no_range(self):
        for said, words in (
            ({"bounds": (1.0, 0.0)}, "bounds is 1,0; give two finite numbers"),
            ({"bounds": (0.0, np.inf)}, "bounds is 0,inf; give two finite numbers"),
            ({"levels": 1}, "levels is 1; it must be at least 2"),
            ({"first": -1}, "first is -1; it must be at least 0"),
            ({"limit": 0}, "limit is 0; it must be at least 1"),
            ({"seed": 2**32}, "seed is 4294967296; it must be at most 4294967295"),
        ):
            with pytest.raises(InvalidInput, match=words):
                Source("digits", **said)

    def test_the_digest_follows_the_values(self, tmp_path):
        np.savez(tmp_path / "a.npz", x=self.CODES, y=np.zeros(1, int))
        one = load(tmp_path / "a.npz", levels=256)
        digests = [
            one.digest,
            one.shown_to(header(bounds=(-1.0, 1.0))).digest,
            one.shown_to(header(levels=16)).digest,
        ]
        assert len(set(digests)) == 3
        assert one.shown_to(header(levels=256)).digest == one.digest


def test_a_source_says_everything(tmp_path):
    path = saved(tmp_path / "a.npz", x=X, y=Y)
    assert load(Source(path, first=1, limit=2)).sample.tolist() == [1, 2]
    assert load(Source(path, first=1), limit=1).sample.tolist() == [1]
    with pytest.raises(InvalidInput, match="no data are named; give digits"):
        load(Source())
    (tmp_path / "x.csv").write_text("1,2")
    with pytest.raises(InvalidFile, match=r"x\.csv: is no data that are read here; give digits"):
        load(tmp_path / "x.csv")
    with pytest.raises(InvalidFile, match="nowhere: is no file; give a file of arrays"):
        load(tmp_path / "nowhere")


def test_parts(tmp_path):
    assert parts_of("digits") == ("test", "train")
    assert parts_of(saved(tmp_path / "a.npz", x=X, y=Y)) == ()
    for name in ("train-00000-of-00002.parquet", "validation.parquet", "data/test-0.parquet"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"")
    assert parts_of(tmp_path / "set") == ("test", "train", "validation")
