"""The CIFAR-10 model: augmentation by enumeration, training that repeats, a network that lowers."""

import numpy as np
import pytest
import torch

from neurorobust.backends import run
from neurorobust.chips import load_profile
from neurorobust.data import Samples, encode
from neurorobust.ir import Graph, Program, load_model
from neurorobust.lower import lower
from neurorobust.zoo import cifar10
from neurorobust.zoo.card import accuracy, model_card

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (20, 3, 32, 32), dtype=np.uint8)
DATA = Samples("noise", PIXELS, RNG.integers(0, 10, 20), levels=256)


def crops(image):
    """Every image that the augmentation may give, by NumPy: 81 places, each also mirrored."""
    padded = np.pad(image, ((0, 0), (4, 4), (4, 4)))
    size = image.shape[1:]
    for top in range(9):
        for left in range(9):
            crop = padded[:, top : top + size[0], left : left + size[1]]
            yield crop
            yield crop[:, :, ::-1]


def test_augmentation_gives_crops_and_mirror_images_alike():
    torch.manual_seed(1)
    image = RNG.integers(1, 256, (3, 6, 5), dtype=np.uint8)
    given = cifar10.augment(torch.tensor(np.stack([image] * 4000)))
    counts = dict.fromkeys((crop.tobytes() for crop in crops(image)), 0)
    assert len(counts) == 162
    for made in np.rint(given.numpy() * 255).astype(np.uint8):
        counts[made.tobytes()] += 1
    # 4000 draws from 162 places: each about 25 times, none left out, none too often.
    assert min(counts.values()) > 5
    assert max(counts.values()) < 60


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of two batches, and its checkpoint."""
    path = tmp_path_factory.mktemp("cifar10") / "model.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(cifar10.RECIPE, "batch", 10)
        graph = cifar10.train(DATA, seed=3, epochs=1, checkpoint=path)
        again = cifar10.train(DATA, seed=3, epochs=1)
        other = cifar10.train(DATA, seed=4, epochs=1)
    return graph, again, other, path


def test_the_seed_decides_the_weights(trained):
    graph, again, other, path = trained
    assert graph.content_hash == again.content_hash != other.content_hash
    assert load_model(path, Graph).content_hash == graph.content_hash


def test_it_lowers_whole_to_loihi2(trained):
    program = lower(trained[0], load_profile("loihi2").profile)
    assert isinstance(program, Program)
    assert program.shapes["lif1"] == (32, 16, 16)
    assert [row["layer"] for row in program.report] == ["lif1", "lif2", "lif3", "lif4", "li1"]


def test_accuracy_is_that_of_the_reference(trained):
    graph = trained[0]
    scores = run(graph, encode(graph, DATA.values), backend="reference").scores
    right = int((scores.argmax(1) == DATA.labels).sum())
    found = accuracy(graph, DATA, batch=7)
    assert (found.count, found.n) == (right, 20)
    card = model_card(graph, DATA, DATA)
    assert card["test_accuracy"] == right / 20
    assert card["recipe"]["epochs"] == 1
