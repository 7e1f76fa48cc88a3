"""The built-in model: trained anew, it is the same and it is good."""

import json

import numpy as np
import pytest
import torch

from neurorobust.backends import run
from neurorobust.data import encode
from neurorobust.data.digits import load_digits
from neurorobust.errors import InvalidFile
from neurorobust.ir import Graph, load_model
from neurorobust.zoo import digits

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def trained():
    """Models by seed, each trained once."""
    found = {}

    def of(seed):
        if seed not in found:
            found[seed] = digits.train(load_digits(seed=seed)[0], seed=seed)
        return found[seed]

    return of


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_accuracy_on_held_out_digits(trained, seed):
    graph, (training, test) = trained(seed), load_digits(seed=seed)
    seen = {image.tobytes() for image in training.raw}
    held_out = [image.tobytes() not in seen for image in test.raw]
    assert np.mean(held_out) > 0.99
    assert set(np.bincount(test.labels)) <= {35, 36, 37}
    result = run(graph, encode(graph, test.values), backend="reference")
    assert (result.decisions == test.labels).mean() >= 0.95


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(trained):
    torch.manual_seed(99)  # whatever came before
    before = torch.get_rng_state()
    again = digits.train(load_digits(seed=0)[0], seed=0)
    assert again.content_hash == trained(0).content_hash
    assert torch.equal(before, torch.get_rng_state())
    assert trained(1).content_hash != again.content_hash


def test_the_split_follows_the_seed():
    (a, b), (c, _), (d, _) = (load_digits(seed=s) for s in (0, 0, 1))
    assert np.array_equal(a.raw, c.raw)
    assert not np.array_equal(a.raw, d.raw)
    assert len(a) + len(b) == 1797
    assert a.values.min() == 0
    assert a.values.max() == 1
    assert np.array_equal(np.rint(a.values * 255), a.raw)


class TestLoadOrTrain:
    @pytest.fixture(autouse=True)
    def short(self, monkeypatch):
        monkeypatch.setitem(digits.RECIPE, "epochs", 1)
        self.calls = 0
        train = digits.train

        def counted(data, **options):
            self.calls += 1
            return train(data, **options)

        monkeypatch.setattr(digits, "train", counted)

    def test_reuses_what_it_left(self, tmp_path, monkeypatch):
        first, card = digits.load_or_train(tmp_path, seed=3)
        again, same = digits.load_or_train(tmp_path, seed=3)
        assert (self.calls, again.content_hash, same) == (1, first.content_hash, card)
        assert card["content_hash"] == first.content_hash
        assert load_model(tmp_path / "digits.safetensors", Graph).content_hash == first.content_hash
        other, _ = digits.load_or_train(tmp_path, seed=4)
        assert self.calls == 2
        assert other.content_hash != first.content_hash
        monkeypatch.setitem(digits.RECIPE, "learning_rate", 0.02)
        digits.load_or_train(tmp_path, seed=4)
        assert self.calls == 3
        path = tmp_path / "digits.card.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"content_hash": "0" * 64}))
        digits.load_or_train(tmp_path, seed=4)
        assert self.calls == 4

    def test_damage_is_named(self, tmp_path):
        digits.load_or_train(tmp_path, seed=3)
        model, card = tmp_path / "digits.safetensors", tmp_path / "digits.card.json"
        whole = model.read_bytes()
        model.write_bytes(whole[:-1])
        with pytest.raises(InvalidFile, match=r"digits\.safetensors"):
            digits.load_or_train(tmp_path, seed=3)
        model.write_bytes(whole)
        card.write_text("{")
        with pytest.raises(InvalidFile, match="delete it to train the model again"):
            digits.load_or_train(tmp_path, seed=3)
        assert self.calls == 1
