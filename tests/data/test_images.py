"""Image Parquet files: pixels as they were stored, and a named error for everything else."""

import sys

import numpy as np
import polars as pl
import pytest

from neurorobust.data import images
from neurorobust.data.images import load_images, read_images
from neurorobust.errors import BackendUnavailable, InvalidFile, InvalidInput
from tests.support.helpers import shared_data
from tests.support.image_files import encoded, written

pytest.importorskip("PIL.Image")

RGB = np.random.default_rng(5).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
GREY = np.random.default_rng(6).integers(0, 256, (6, 5, 4), dtype=np.uint8)


@pytest.fixture
def rgb(tmp_path):
    files = [encoded(pixels) for pixels in RGB]
    return written(tmp_path / "train-00000-of-00001.parquet", files, [3, 1, 4, 1, 5, 9])


class TestPixels:
    def test_are_those_that_were_stored(self, rgb):
        found = read_images([rgb])
        assert found.raw.dtype == np.uint8
        assert np.array_equal(found.raw, RGB.transpose(0, 3, 1, 2))
        assert found.labels.tolist() == [3, 1, 4, 1, 5, 9]
        assert found.formats == ("PNG",)
        assert np.array_equal(np.rint(found.values * 255), found.raw)

    def test_grey_images_have_one_channel(self, tmp_path):
        files = [encoded(pixels) for pixels in GREY]
        path = written(tmp_path / "a.parquet", files, [0] * 6, image="image", label="label")
        assert np.array_equal(read_images([path]).raw, GREY[:, None])

    def test_a_lossy_format_is_named_and_near(self, tmp_path):
        flat = np.full((8, 8, 3), (10, 120, 250), dtype=np.uint8)
        path = written(tmp_path / "a.parquet", [encoded(flat, "JPEG")], [0])
        found = read_images([path])
        assert found.formats == ("JPEG",)
        assert np.abs(found.raw[0].transpose(1, 2, 0).astype(int) - flat).max() <= 3

    def test_do_not_depend_on_the_batch(self, rgb, monkeypatch):
        whole = read_images([rgb])
        monkeypatch.setattr(images, "BATCH", 4)
        assert np.array_equal(read_images([rgb]).raw, whole.raw)

    def test_a_limit_takes_the_first_over_all_files(self, rgb, tmp_path):
        more = written(tmp_path / "train-00001-of-00002.parquet", [encoded(RGB[0])], [7])
        assert read_images([rgb, more]).labels.tolist() == [3, 1, 4, 1, 5, 9, 7]
        assert read_images([rgb, more], limit=2).labels.tolist() == [3, 1]
        assert read_images([more, rgb], limit=2).labels.tolist() == [7, 3]
        assert len(read_images([rgb, more], limit=99)) == 7

    def test_parts_are_found_by_name_also_in_data(self, rgb, tmp_path):
        written(tmp_path / "data" / "test-0.parquet", [encoded(RGB[2])], [8])
        assert len(load_images(tmp_path, "train")) == 6
        assert load_images(tmp_path, "test").labels.tolist() == [8]
        with pytest.raises(InvalidFile, match=r"holds no validation-\*\.parquet"):
            load_images(tmp_path, "validation")


class TestRefusals:
    def refused(self, path, match):
        with pytest.raises(InvalidFile, match=match) as caught:
            read_images([path])
        assert caught.value.path == path

    def test_other_columns(self, tmp_path):
        path = written(tmp_path / "a.parquet", [encoded(RGB[0])], [0], image="picture")
        self.refused(path, "has the columns picture, label; needs img or image, and label")
        path = written(tmp_path / "b.parquet", [encoded(RGB[0])], [0], label="fine_label")
        self.refused(path, "needs img or image, and label")

    def test_other_types(self, tmp_path):
        pl.DataFrame({"img": [1], "label": [0]}).write_parquet(tmp_path / "a.parquet")
        self.refused(tmp_path / "a.parquet", "column img is Int64; needs a struct")
        path = written(tmp_path / "b.parquet", [encoded(RGB[0])], ["cat"])
        self.refused(path, "column label is String; needs whole numbers")

    @pytest.mark.parametrize("labels", [[0, None, 1], [0, -1, 1]])
    def test_no_labels(self, tmp_path, labels):
        path = written(tmp_path / "a.parquet", [encoded(RGB[0])] * 3, labels)
        self.refused(path, "1 of 3 rows have no label .* first is row 1")

    def test_a_truncated_file(self, rgb):
        rgb.write_bytes(rgb.read_bytes()[:-20])
        self.refused(rgb, "cannot be read as Parquet")

    def test_no_file_and_no_rows(self, tmp_path):
        self.refused(tmp_path / "none.parquet", "cannot be read as Parquet")
        self.refused(written(tmp_path / "a.parquet", [], pl.Series([], dtype=pl.Int64)), "no rows")

    @pytest.mark.parametrize("bad", [b"", b"not an image", encoded(RGB[0])[:60]])
    def test_an_image_that_cannot_be_decoded(self, tmp_path, bad):
        files = [encoded(RGB[0]), encoded(RGB[1]), bad]
        self.refused(written(tmp_path / "a.parquet", files, [0, 1, 2]), "row 2: image cannot be")

    def test_an_image_that_is_a_path_only(self, tmp_path):
        path = written(tmp_path / "a.parquet", [encoded(RGB[0]), None], [0, 1])
        self.refused(path, "row 1: holds no image bytes")

    def test_formats_that_are_not_asked_for_are_not_decoded(self, tmp_path):
        path = written(tmp_path / "a.parquet", [encoded(GREY[0], "TIFF")], [0])
        self.refused(path, "row 0: image cannot be decoded")

    def test_other_modes(self, tmp_path):
        alpha = np.dstack([RGB[0], GREY[0]])
        path = written(tmp_path / "a.parquet", [encoded(alpha)], [0])
        self.refused(path, "row 0: image has the mode RGBA")

    def test_unequal_sizes_within_and_between_files(self, tmp_path, rgb):
        files = [encoded(RGB[0]), encoded(RGB[1][:4])]
        path = written(tmp_path / "a.parquet", files, [0, 1])
        self.refused(path, r"row 1: image is \(3, 4, 4\), those before are \(3, 5, 4\)")
        grey = written(tmp_path / "b.parquet", [encoded(GREY[0])], [0])
        with pytest.raises(InvalidFile, match=r"row 0: image is \(1, 5, 4\)"):
            read_images([rgb, grey])

    def test_nothing_asked_for(self, rgb):
        with pytest.raises(InvalidInput, match="at least one"):
            read_images([])
        with pytest.raises(InvalidInput, match="asked for 0"):
            read_images([rgb], limit=0)

    def test_without_pillow(self, rgb, monkeypatch):
        monkeypatch.setitem(sys.modules, "PIL", None)
        with pytest.raises(BackendUnavailable, match=r"neurorobust\[images\]"):
            read_images([rgb])


def test_cifar10_as_on_the_hub():
    folder = shared_data("cifar10")
    found = load_images(folder, "test", limit=500)
    assert found.raw.shape == (500, 3, 32, 32)
    assert set(found.labels) == set(range(10))
    assert found.raw.std() > 50
    assert found.formats == ("JPEG",)  # a lossy copy


def test_mnist_is_lossless():
    found = load_images(shared_data("mnist"), "test", limit=500)
    assert found.raw.shape == (500, 1, 28, 28)
    assert found.formats == ("PNG",)
    assert found.labels[:5].tolist() == [7, 2, 1, 0, 4]  # as the data set is published
    assert (found.raw == 0).mean() > 0.7
