"""One door to samples: what it takes, and a named error for everything else."""

import numpy as np
import pytest

from neurorobust.data import Samples, load
from neurorobust.errors import InvalidFile, InvalidInput

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
