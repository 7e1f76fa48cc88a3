"""The MNIST model: any leak and coding, attacked while it trains, and what is held out."""

import numpy as np
import pytest

from neurorobust.attacks import Linf, Pgd
from neurorobust.backends import run
from neurorobust.data import Samples, encode
from neurorobust.engine.estimators import Rga
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.ir import LIF, Graph, load_model
from neurorobust.zoo import mnist
from neurorobust.zoo.card import model_card
from neurorobust.zoo.command import changes
from tests.support.image_files import encoded, written

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (40, 1, 28, 28), dtype=np.uint8)
DATA = Samples("noise", PIXELS, np.arange(40) % 2, levels=256)
SHORT = {"batch": 10, "epochs": 1, "steps": 2}


def test_the_seed_and_the_recipe_decide_the_weights(tmp_path):
    path = tmp_path / "model.safetensors"
    graph = mnist.train(DATA, seed=3, checkpoint=path, **SHORT)
    assert load_model(path, Graph).content_hash == graph.content_hash
    again = mnist.train(DATA, seed=3, **SHORT)
    others = [
        mnist.train(DATA, seed=4, **SHORT),
        mnist.train(DATA, seed=3, **SHORT, beta=0.5),
        mnist.train(DATA, seed=3, **SHORT, coding="bernoulli"),
        mnist.train(DATA, seed=3, **SHORT, adversarial_epsilon=0.2),
    ]
    hashes = {g.content_hash for g in (graph, again, *others)}
    assert again.content_hash == graph.content_hash
    assert len(hashes) == 5
    assert {float(node.beta) for _, node in others[1].of_kind(LIF)} == {0.5}
    assert others[2].header.coding == "bernoulli"
    weights = [g.nodes["conv1"].weight for g in (graph, others[2], others[3])]
    assert not np.array_equal(weights[0], weights[1]), "it trains on drawn spikes"
    assert not np.array_equal(weights[0], weights[2]), "it trains on attacked images"


def test_training_on_attacked_images_withstands_the_attack():
    """Two classes told apart by one bright row, easily hidden: attacks find less after it."""
    pixels = RNG.integers(0, 60, (120, 1, 28, 28), dtype=np.uint8)
    label = np.arange(120) % 2
    pixels[label == 0, :, 5:12] += 120
    data = Samples("rows", pixels, label, levels=256)
    fooled = {}
    for epsilon in (0.0, 0.2):
        graph = mnist.train(data, seed=0, steps=4, batch=20, epochs=6, adversarial_epsilon=epsilon)
        threat = Linf.of(graph.header, 0.25)
        made = Pgd(Rga(), steps=5)(Network(graph), data.values, label, threat)
        assert (made.clean_decision == label).mean() > 0.95
        fooled[epsilon] = int((made.adversarial_decision != label).sum())
    assert fooled[0.2] < fooled[0.0]


def test_the_card_counts_right_decisions():
    graph = mnist.train(DATA, seed=3, **SHORT)
    card = model_card(graph, DATA, DATA)
    scores = run(graph, encode(graph, DATA.values), backend="reference").scores
    assert card["test_accuracy"] == (scores.argmax(1) == DATA.labels).mean()
    assert card["recipe"]["beta"] == mnist.RECIPE["beta"]
    assert card["input"] == "1x28x28 pixels, 8 bit, as values in 0..1"


class TestParts:
    def folder(self, path, **sizes):
        for part, size in sizes.items():
            files = [encoded(np.full((2, 2), index, np.uint8)) for index in range(size)]
            written(path / f"{part}-0.parquet", files, [0] * size, image="image")
        return path

    def test_both_parts(self, tmp_path):
        training, test = mnist.parts(self.folder(tmp_path, train=7, test=5))
        assert (len(training), len(test)) == (7, 5)

    def test_without_a_training_part_the_rest_is_held_out(self, tmp_path, monkeypatch):
        monkeypatch.setattr(mnist, "HELD_OUT", 6)
        training, test = mnist.parts(self.folder(tmp_path, test=8))
        assert training.raw[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
        assert test.raw[:, 0, 0, 0].tolist() == [6, 7]
        assert test.formats == ("PNG",)

    def test_too_few_images_to_hold_any_out(self, tmp_path):
        with pytest.raises(InvalidFile, match="holds no part 'train'"):
            mnist.parts(self.folder(tmp_path, test=5))


def test_what_may_be_changed():
    assert changes(["beta=0.5", "steps=16", "coding=bernoulli"], mnist.RECIPE) == {
        "beta": 0.5, "steps": 16, "coding": "bernoulli",
    }  # fmt: skip
    for text, message in (
        ("architecture=x", r"(?s)sets nothing that can be changed; known are.*beta"),
        ("beta", "beta is ''; give a number of type float"),
        ("steps=1.5", "steps is '1.5'; give a number of type int"),
    ):
        with pytest.raises(InvalidInput, match=message):
            changes([text], mnist.RECIPE)
