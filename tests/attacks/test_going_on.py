"""An interrupted attack loses nothing and ends in the same samples."""

from dataclasses import fields

import numpy as np
import pytest

from neurorobust.attacks import Attack, Bim, Crafted, Ensemble, Linf, Parts, Pgd, Request, craft
from neurorobust.attacks import base as attacks_base
from neurorobust.engine.estimators import Rga, Stbp
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidFile
from tests.support import studies

COUNT = 60


@pytest.fixture
def data():
    """Samples on the grid, some of them wrongly decided."""
    shown = studies.images(seed=5, count=COUNT)
    return shown.values, shown.labels


class TestGoingOn:
    """An interrupted run loses nothing and ends in the same samples."""

    THREAT = Linf(epsilon=24 / 255, levels=256)

    def crafted(self, folder, data, attack, **more):
        request = Request(
            Network(studies.network()), *data, self.THREAT, seed=3, sample=np.arange(60) + 4
        )
        return craft(attack, request, folder, **more)[0]

    @pytest.mark.parametrize(
        "attack",
        [Pgd(Rga(), steps=3), Ensemble([Rga(), Stbp()], steps=3, queries=10)],
        ids=["pgd", "ensemble"],
    )
    def test_same_samples(self, data, tmp_path, monkeypatch, attack):
        monkeypatch.setattr(attacks_base, "BATCH", 16)
        whole = self.crafted(tmp_path / "whole", data, attack)
        inner, batches = Attack._attack, []

        def failing(self, case):
            if len(batches) == 2:
                raise KeyboardInterrupt
            batches.append(len(case))
            return inner(self, case)

        monkeypatch.setattr(Attack, "_attack", failing)
        with pytest.raises(KeyboardInterrupt):
            self.crafted(tmp_path / "cut", data, attack)
        assert [p.name for p in (tmp_path / "cut").iterdir()] == ["unfinished"]

        def counting(self, case):
            batches.append(len(case))
            return inner(self, case)

        monkeypatch.setattr(Attack, "_attack", counting)
        told = []
        again = self.crafted(
            tmp_path / "cut", data, attack, progress=lambda *step: told.append(step)
        )
        assert again.content_hash == whole.content_hash
        assert [p.suffix for p in (tmp_path / "cut").iterdir()] == [".safetensors"]
        if isinstance(attack, Pgd):
            assert batches == [16, 16, 16, 12], "two batches before, only the other two after"
            assert told == [("pgd", start, 60) for start in (0, 16, 32, 48)]

    def test_parts(self, data, tmp_path):
        parts = Parts(tmp_path / "a" / "b")
        made = Pgd(Rga(), steps=2)(Network(studies.network()), *data, self.THREAT)
        assert parts.load(0, 60) is None
        parts.save(0, made)
        found = parts.load(0, 60)
        for field in fields(Crafted):
            before, after = getattr(made, field.name), getattr(found, field.name)
            assert np.array_equal(before, after)
            assert before.dtype == after.dtype
        assert parts.load(0, 59) is None
        (path,) = parts.folder.iterdir()
        path.write_bytes(path.read_bytes()[:-3])
        with pytest.raises(InvalidFile, match="delete it to craft it again"):
            parts.load(0, 60)
        parts.remove()
        assert not (tmp_path / "a").exists()

    def test_joined(self, data):
        network, threat = Network(studies.network()), self.THREAT
        whole = Bim(Rga(), steps=2)(network, *data, threat)
        some = [
            Bim(Rga(), steps=2)(network, data[0][at], data[1][at], threat)
            for at in (slice(0, 50), slice(50, 60))
        ]
        for field in fields(Crafted):
            joined = getattr(Crafted.joined(some), field.name)
            assert np.array_equal(joined, getattr(whole, field.name))
