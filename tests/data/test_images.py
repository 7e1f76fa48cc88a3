"""Images in Parquet and in folders: pixels as Pillow gives them, a named error for all else."""

import io
import json
import sys

import numpy as np
import polars as pl
import pytest

from neurorobust.data import load
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
        found = load(rgb)
        assert found.raw.dtype == np.uint8
        assert np.array_equal(found.raw, RGB.transpose(0, 3, 1, 2))
        assert found.labels.tolist() == [3, 1, 4, 1, 5, 9]
        assert found.formats == ("PNG",)
        assert np.array_equal(np.rint(found.values * 255), found.raw)

    def test_grey_images_have_one_channel(self, tmp_path):
        files = [encoded(pixels) for pixels in GREY]
        path = written(tmp_path / "a.parquet", files, [0] * 6, image="image", label="label")
        assert np.array_equal(load(path).raw, GREY[:, None])

    def test_a_lossy_format_is_named_and_near(self, tmp_path):
        flat = np.full((8, 8, 3), (10, 120, 250), dtype=np.uint8)
        path = written(tmp_path / "a.parquet", [encoded(flat, "JPEG")], [0])
        found = load(path)
        assert found.formats == ("JPEG",)
        assert np.abs(found.raw[0].transpose(1, 2, 0).astype(int) - flat).max() <= 3

    def test_a_limit_takes_the_first_over_all_files(self, rgb, tmp_path):
        written(tmp_path / "train-00001-of-00002.parquet", [encoded(RGB[0])], [7])
        assert load(tmp_path, "train").labels.tolist() == [3, 1, 4, 1, 5, 9, 7]
        assert load(tmp_path, "train", limit=2).labels.tolist() == [3, 1]
        assert load(tmp_path, "train", first=5, limit=2).labels.tolist() == [9, 7]
        assert len(load(tmp_path, "train", limit=99)) == 7

    def test_parts_are_found_by_name_also_in_data(self, rgb, tmp_path):
        written(tmp_path / "data" / "test-0.parquet", [encoded(RGB[2])], [8])
        assert len(load(tmp_path, "train")) == 6
        assert load(tmp_path, "test").labels.tolist() == [8]
        with pytest.raises(InvalidFile, match=r"no part 'validation'; it has test, train, .* part"):
            load(tmp_path, "validation")

    @pytest.mark.parametrize(
        "name", ["test.parquet", "test/0.parquet", "test/a/0.parquet", "data/test-0-of-1.parquet"]
    )
    def test_layouts(self, name, tmp_path):
        written(tmp_path / name, [encoded(RGB[2])], [8])
        assert load(tmp_path).labels.tolist() == [8]
        assert load(tmp_path / name).labels.tolist() == [8]
        with pytest.raises(InvalidFile, match="has no parts, and so no 'train'; leave out part"):
            load(tmp_path / name, "train")


def features(**columns):
    """What the hub writes into the schema."""
    return {"metadata": {"huggingface": json.dumps({"info": {"features": columns}})}}


class TestColumns:
    """One that can be nothing else is taken, of several one is asked for."""

    def columns(self, tmp_path, schema=None, **more):
        path = written(tmp_path / "a.parquet", [encoded(one) for one in GREY], range(6), **more)
        if schema:
            pl.read_parquet(path).write_parquet(path, **schema)
        return path

    def test_any_name_that_is_not_ambiguous(self, tmp_path):
        found = load(self.columns(tmp_path, image="picture", label="fine_label"))
        assert found.labels.tolist() == [*range(6)]
        assert np.array_equal(found.raw, GREY[:, None])

    def test_bytes_without_a_struct(self, tmp_path):
        path = tmp_path / "a.parquet"
        pl.DataFrame({"png": [encoded(GREY[0])], "y": [4]}).write_parquet(path)
        assert np.array_equal(load(path).raw, GREY[:1, None])

    def test_several_label_columns(self, tmp_path):
        path = self.columns(tmp_path, coarse_label=[0] * 6)
        with pytest.raises(
            InvalidFile,
            match=r"several label columns: label, coarse_label; .* label_column='label'",
        ):
            load(path)
        assert load(path, label_column="coarse_label").labels.tolist() == [0] * 6
        schema = features(coarse_label={"_type": "ClassLabel", "names": ["a", "b"]})
        found = load(self.columns(tmp_path, schema, coarse_label=[1] * 6))
        assert found.labels.tolist() == [1] * 6
        assert found.classes == ("a", "b")

    def test_several_image_columns(self, tmp_path):
        masks = [{"bytes": encoded(255 - one), "path": ""} for one in GREY]
        path = self.columns(tmp_path, mask=masks)
        with pytest.raises(InvalidFile, match=r"several image columns: img, mask; .*image_column="):
            load(path)
        assert np.array_equal(load(path, image_column="mask").raw, 255 - GREY[:, None])
        schema = features(img={"_type": "Image"})
        assert np.array_equal(load(self.columns(tmp_path, schema, mask=masks)).raw, GREY[:, None])

    def test_a_column_that_is_not_there(self, tmp_path):
        path = self.columns(tmp_path)
        for option in ("image_column", "label_column"):
            with pytest.raises(
                InvalidFile, match=rf"no column 'x' \({option}\); it has img, label"
            ):
                load(path, **{option: "x"})

    def test_no_labels(self, tmp_path):
        path = written(tmp_path / "b.parquet", [encoded(GREY[0])], ["cat"])
        assert load(path).values.shape == (1, 1, 5, 4)
        with pytest.raises(InvalidInput, match="b holds no labels"):
            _ = load(path).labels

    def test_files_of_a_part_that_differ(self, tmp_path):
        for number, label in enumerate(("a", "b")):
            written(tmp_path / f"test-{number}.parquet", [encoded(GREY[0])], [0], label=label)
        with pytest.raises(InvalidFile, match=r"test-1.parquet: has other columns, .* test-0"):
            load(tmp_path)


def pillow(data, mode=None):
    """Pixels as the hub's loader decodes them, in words of Pillow's own."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    pixels = np.asarray(image if mode is None else image.convert(mode))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def turned(kind, orientation):
    from PIL import Image

    exif, buffer = Image.Exif(), io.BytesIO()
    exif[274] = orientation
    Image.fromarray(RGB[0]).save(buffer, kind, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(kind, orientation, tmp_path):
    data = turned(kind, orientation)
    found = load(written(tmp_path / "a.parquet", [data], [0])).raw[0]
    assert np.array_equal(found, pillow(data))
    if kind == "PNG":  # lossless: what each orientation means, written out
        x = RGB[0]
        flipped = {1: x, 2: x[:, ::-1], 3: x[::-1, ::-1], 4: x[::-1]}
        turned_ = {5: x, 6: x[::-1], 7: x[::-1, ::-1], 8: x[:, ::-1]}
        right = flipped.get(orientation)
        right = turned_[orientation].transpose(1, 0, 2) if right is None else right
        assert np.array_equal(found.transpose(1, 2, 0), right)


def test_the_mode_that_a_data_set_declares(tmp_path):
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(RGB[0]).quantize(8).save(buffer, "PNG")
    path = written(tmp_path / "a.parquet", [buffer.getvalue(), encoded(GREY[0])], [0, 1])
    pl.read_parquet(path).write_parquet(path, **features(img={"_type": "Image", "mode": "RGB"}))
    found = load(path).raw
    assert np.array_equal(found[0], pillow(buffer.getvalue(), "RGB"))
    assert np.array_equal(found[1], np.repeat(GREY[:1], 3, 0))


class TestRefusals:
    def refused(self, path, match):
        with pytest.raises(InvalidFile, match=match) as caught:
            load(path)
        assert caught.value.path == path

    def test_other_types(self, tmp_path):
        pl.DataFrame({"img": [1], "label": [0]}).write_parquet(tmp_path / "a.parquet")
        self.refused(tmp_path / "a.parquet", "the columns img, label; none holds images: a struct")
        path = written(tmp_path / "b.parquet", [encoded(RGB[0])], ["cat"])
        with pytest.raises(InvalidFile, match="column label is String; needs whole numbers"):
            load(path, label_column="label")
        with pytest.raises(InvalidFile, match="column label is String; needs a struct"):
            load(path, image_column="label")

    @pytest.mark.parametrize("labels", [[0, None, 1], [0, -1, 1]])
    def test_no_labels(self, tmp_path, labels):
        path = written(tmp_path / "a.parquet", [encoded(RGB[0])] * 3, labels)
        self.refused(path, "1 of 3 rows have no label .* first is row 1")

    def test_a_truncated_file(self, rgb):
        rgb.write_bytes(rgb.read_bytes()[:-20])
        self.refused(rgb, "cannot be read as Parquet")

    def test_no_file_and_no_rows(self, tmp_path):
        self.refused(tmp_path / "none.parquet", "is no file")
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

    @pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "CMYK", "I;16"])
    def test_other_modes(self, mode, tmp_path):
        from PIL import Image

        image, buffer = Image.fromarray(RGB[0]), io.BytesIO()
        if mode == "I;16":
            image = Image.fromarray(GREY[0].astype(np.uint16) * 250)
        elif mode == "P":
            image = image.quantize(8)
        else:
            image = image.convert(mode)
        image.save(buffer, "JPEG" if mode == "CMYK" else "PNG")
        path = written(tmp_path / "a.parquet", [encoded(RGB[0]), buffer.getvalue()], [0, 1])
        self.refused(path, rf"row 1: image has .*mode {mode}.*; save it as 8-bit grey \(L\) or RGB")

    def test_unequal_sizes_and_modes_within_and_between_files(self, tmp_path, rgb):
        files = [encoded(RGB[0]), encoded(RGB[1][:4])]
        path = written(tmp_path / "a.parquet", files, [0, 1])
        self.refused(path, "row 1: image is RGB, 4 x 4 pixels, those before are RGB, 4 x 5 pixels")
        grey = written(tmp_path / "train-1.parquet", [encoded(GREY[0])], [0])
        with pytest.raises(
            InvalidFile, match=r"row 0: image is grey.* save all in one mode"
        ) as caught:
            load(tmp_path, "train")
        assert caught.value.path == grey

    def test_nothing_asked_for(self, rgb):
        with pytest.raises(InvalidInput, match="limit is 0; it must be at least 1"):
            load(rgb, limit=0)

    def test_without_pillow(self, rgb, monkeypatch):
        monkeypatch.setitem(sys.modules, "PIL", None)
        with pytest.raises(BackendUnavailable, match=r"neurorobust\[images\]"):
            load(rgb)


def test_cifar10_as_on_the_hub():
    folder = shared_data("cifar10")
    found = load(folder, "test", limit=500)
    assert found.raw.shape == (500, 3, 32, 32)
    assert set(found.labels) == set(range(10))
    assert found.raw.std() > 50
    assert found.formats == ("JPEG",)  # a lossy copy


def test_mnist_is_lossless():
    found = load(shared_data("mnist"), "test", limit=500)
    assert found.raw.shape == (500, 1, 28, 28)
    assert found.formats == ("PNG",)
    assert found.labels[:5].tolist() == [7, 2, 1, 0, 4]  # as the data set is published
    assert (found.raw == 0).mean() > 0.7


@pytest.fixture
def folders(tmp_path):
    """Three images of cats, two of ants, in a part; one of a bee, in another."""
    for name, pixels in {
        "test/cat/1.png": RGB[0],
        "test/cat/2.PNG": RGB[1],
        "test/cat/3.png": RGB[2],
        "test/ant/x.png": RGB[3],
        "test/ant/y.webp": RGB[4],
        "train/bee/a.png": RGB[5],
    }.items():
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = path.suffix[1:].upper()
        more = {"lossless": True} if kind == "WEBP" else {}
        path.write_bytes(encoded(pixels, kind, **more))
    (tmp_path / "set" / "test" / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "set" / "test" / ".hidden").mkdir()
    return tmp_path / "set"


class TestFolders:
    def test_classes_in_turn_by_the_names_of_folders(self, folders):
        found = load(folders)
        assert found.classes == ("ant", "bee", "cat")  # of all parts
        assert found.labels.tolist() == [0, 2, 0, 2, 2]
        assert np.array_equal(found.raw, RGB[[3, 0, 4, 1, 2]].transpose(0, 3, 1, 2))
        assert found.formats == ("PNG", "WEBP")
        assert load(folders, "train").labels.tolist() == [1]
        assert load(folders, first=1, limit=2).labels.tolist() == [2, 0]

    def test_without_parts(self, folders):
        found = load(folders / "test")
        assert found.classes == ("ant", "cat")
        assert found.labels.tolist() == [0, 1, 0, 1, 1]
        with pytest.raises(InvalidFile, match="has no parts, and so no 'train'"):
            load(folders / "test", "train")

    def test_refusals(self, folders):
        with pytest.raises(InvalidFile, match=r"holds no part 'val'; it has test, train, .* part"):
            load(folders, "val")
        with pytest.raises(InvalidFile, match="holds no images; put those of each class"):
            load(folders / "test" / ".hidden")

    def test_images_outside_of_the_classes(self, folders):
        (folders / "test" / "stray.png").write_bytes(encoded(RGB[0]))
        with pytest.raises(
            InvalidFile, match=r"stray\.png: lies beside the folders of the classes"
        ):
            load(folders)

    def test_classes_and_parts_at_once(self, folders):
        (folders / "dog").mkdir()
        (folders / "dog" / "1.png").write_bytes(encoded(RGB[0]))
        with pytest.raises(InvalidFile, match="images in dog and folders of images in test"):
            load(folders)

    @pytest.mark.parametrize("name", ["4.gif", "4.BMP"])
    def test_formats_that_are_not_decoded_are_not_passed_over(self, name, folders):
        (folders / "test" / "cat" / name).write_bytes(b"GIF89a")
        with pytest.raises(InvalidFile, match=rf"{name}: is not decoded here; save it as JPEG"):
            load(folders)

    def test_a_damaged_image_is_named(self, folders):
        path = folders / "test" / "ant" / "x.png"
        path.write_bytes(path.read_bytes()[:40])
        with pytest.raises(InvalidFile, match=r"x\.png: image cannot be decoded") as caught:
            load(folders)
        assert caught.value.path == path
