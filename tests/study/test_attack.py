"""``neurorobust attack`` and what is behind it, as a user meets them."""

import json
from dataclasses import fields

import numpy as np
import polars as pl
import pytest
import torch
from neurorobust.study.attack import crafters

from neurorobust import backends
from neurorobust.attacks import (
    Attack,
    AttackSet,
    Bim,
    Crafted,
    Ensemble,
    Linf,
    Parts,
    Pgd,
    Request,
    SaPgd,
    Square,
    Transferred,
    craft,
)
from neurorobust.attacks import base as attacks_base
from neurorobust.audit import audit
from neurorobust.chips import load_profile
from neurorobust.data import encode
from neurorobust.engine.estimators import Mix, Rga, Stbp, TimeExtended, make_estimator
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.ir import LI, LIF, Affine, Graph, Header, load_model, save_model
from neurorobust.lower import lower
from neurorobust.methods import number, spelled, spelling
from neurorobust.names import known_name
from tests.support import small
from tests.support.running import invoke

SIDE, CLASSES, STEPS = 12, 3, 6


def network_of(seed, **header):
    """Random weights: a hidden layer that fires, and a readout that integrates."""
    rng = np.random.default_rng(seed)
    header = {"dt_s": 1e-3, "steps": STEPS, "bounds": (0.0, 1.0), "levels": 256} | header
    return small.graph(
        SIDE,
        Header(name="net", **header),
        readout="last",
        fc=Affine(weight=rng.normal(0, 1, (16, SIDE)).round(3)),
        lif=LIF(beta=0.75, threshold=1.0),
        head=Affine(weight=rng.normal(0, 1, (CLASSES, 16)).round(3)),
        li=LI(beta=1.0),
    )


@pytest.fixture
def data():
    """Samples on the grid, labelled by the network of seed 0, a tenth of them wrongly."""
    x = np.random.default_rng(5).integers(0, 256, (60, SIDE)) / 255
    y = decisions(network_of(0), x)
    return x, np.where(np.arange(60) % 10 == 0, (y + 1) % CLASSES, y)


def decisions(graph, x):
    return backends.run(graph, encode(graph, x), backend="reference").decisions


@pytest.fixture
def files(tmp_path, data):
    np.savez(tmp_path / "data.npz", x=data[0], y=data[1])
    for name, seed in (("net", 0), ("twin", 1)):
        save_model(network_of(seed), tmp_path / f"{name}.safetensors")
    return tmp_path


def run(*arguments):
    result = invoke("attack", *arguments, COLUMNS="200")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def run_json(*arguments):
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


class TestSpelling:
    def test_values(self):
        assert spelled(
            "pgd(steps=40, relative_step=1/8,random_start=false), sa-pgd,a(b=none,c=x)"
        ) == [
            ("pgd", {"steps": 40, "relative_step": 0.125, "random_start": False}),
            ("sa-pgd", {}),
            ("a", {"b": None, "c": "x"}),
        ]
        assert number("2.55/255") == pytest.approx(0.01)

    @pytest.mark.parametrize(
        "text", ["", "pgd,", "pgd(steps=4", "pgd)steps=4(", "pgd((a=1))", "pgd(steps)", "pgd(=4)"]
    )
    def test_refused(self, text):
        with pytest.raises(InvalidInput):
            spelled(text)

    def test_no_numbers(self):
        for text in ("", "8/0", "a", "1/2/3"):
            with pytest.raises(InvalidInput, match="is no number"):
                number(text)

    def test_names(self):
        assert known_name("SA-PGD", ["sapgd", "pgd"], "attack") == "sapgd"
        assert known_name("event-flips", ["event_flips"], "attack") == "event_flips"
        with pytest.raises(
            InvalidInput,
            match=r"no attack is named 'pdg'; nearest .*pgd.*known .*square",
        ):
            known_name("pdg", ["sapgd", "pgd", "square"], "attack")

    def test_crafters(self):
        twin = Network(network_of(1))
        made = crafters("pgd(steps=3),square(queries=5)", "rga,stbp(surrogate=arctan)", twin)
        kinds = [type(one) for one in made]
        assert kinds == [Pgd, Pgd, Transferred, Transferred, Square]
        assert [one.gradient_record()["name"] for one in made[:2]] == ["rga", "stbp"]
        assert made[0].parameters()["steps"] == 3
        assert made[2].parameters()["twin"] == twin.graph.content_hash
        (whole,) = crafters("standard(steps=2, queries=3)", "", twin)
        assert isinstance(whole, Ensemble)
        assert (whole.steps, whole.queries, whole.twin) == (2, 3, twin)

    @pytest.mark.parametrize(
        ("attacks", "gradients", "text"),
        [
            ("pgd", "", "needs a gradient estimator"),
            ("pgd(stride=3)", "rga", "stride"),
            (
                "pgd",
                "rgb",
                "no gradient estimator is named 'rgb'; nearest .*rga",
            ),
            ("standard(epochs=3)", "", "epochs"),
            ("pgd", "mix", "members"),
        ],
    )
    def test_refused_crafters(self, attacks, gradients, text):
        with pytest.raises(InvalidInput, match=text):
            crafters(attacks, gradients)

    def test_nested_gradients(self):
        extended = make_estimator("time-extended", inner="rga", factor=2)
        assert isinstance(extended, TimeExtended)
        assert isinstance(extended.inner, Rga)
        mixed = make_estimator("mix", members="rga+stbp")
        assert isinstance(mixed, Mix)
        assert [member.name for member in mixed.members] == ["rga", "stbp"]
        assert str(extended) == "time_extended(factor=2, inner=rga)"

    def test_short(self):
        assert str(Rga()) == "rga"
        assert str(Stbp("arctan", 0.5)) == "stbp(surrogate=arctan, width=0.5)"
        record = {"name": "pgd", "revision": 2, **Pgd(Rga(), steps=7).parameters()}
        assert spelling(record) == "pgd(steps=7)"
        twin = Transferred(SaPgd(Rga()), Network(network_of(1)))
        assert str(twin) == "sapgd"


class TestCommand:
    def test_table_sets_and_worst_case(self, files, data):
        """Every number again from the frozen samples, by the reference backend."""
        out = files / "out"
        found = run_json(
            *(files / "net.safetensors", "--data", files / "data.npz", "--out", out, "--double"),
            *("--attack", "noise,fgsm,pgd(steps=4)", "--gradient", "rga,stbp"),
            *("--eps", "8/255,32/255", "--first", 5, "--limit", 40, "--audit", 0),
        )
        x, y = (part[5:45] for part in data)
        graph = load_model(files / "net.safetensors", Graph)
        right, left = decisions(graph, x) == y, {}
        sets = {s.content_hash: s for s in map(AttackSet.load, out.glob("*.safetensors"))}
        assert len(found["sets"]) == len(sets) == 10
        for row in found["sets"]:
            made = sets[row["set"]]
            assert np.array_equal(made.sample, np.arange(5, 45))
            assert np.abs(made.adversarial - x).max() <= made.epsilon + 1e-9
            fooled = right & (decisions(graph, made.adversarial) != y)
            assert (row["right"], row["fooled"]) == (right.sum(), fooled.sum())
            assert row["accuracy"] == pytest.approx((right & ~fooled).mean())
            left[made.epsilon] = left.get(made.epsilon, right) & ~fooled
        assert found["robust_accuracy"] is None
        assert "no audit" in found["withheld"]
        table = pl.read_parquet(out / "attacks.parquet")
        assert table["fooled"].to_list() == [row["fooled"] for row in found["sets"]]
        assert {p.name for p in out.iterdir()} == {
            "attacks.parquet", "attacks.json", *(p.name for p in out.glob("*.safetensors")),
        }  # fmt: skip
        shown = run(
            *(files / "net.safetensors", "--data", files / "data.npz", "--out", out, "--double"),
            *("--attack", "pgd(steps=4)", "--gradient", "rga", "--eps", "32/255"),
            *("--first", 5, "--limit", 40, "--audit", 0),
        )
        (row,) = [
            r for r in found["sets"]
            if (r["attack"], r["gradient"]) == ("pgd(steps=4)", "rga") and r["epsilon"] > 0.1
        ]  # fmt: skip
        assert f"{100 * row['success']:.1f} %" in shown.stdout
        assert "Robust accuracy withheld: no audit was asked for" in shown.stdout

    def test_the_audit_decides_whether_there_is_a_headline(self, files, data):
        asked = (
            *(files / "net.safetensors", "--data", files / "data.npz", "--out", files / "out"),
            *("--attack", "fgsm,pgd", "--gradient", "rga,stbp", "--eps", "24/255", "--audit", 20),
        )
        free = run_json(*asked)
        (card,) = (files / "out").glob("card.html")
        assert "C11" in card.read_text()
        reds = [f["id"] for f in free["card"]["findings"] if f["status"] == "red"]
        worst = min(r["accuracy"] for r in free["sets"])
        if reds:
            assert free["robust_accuracy"] is None
            assert all(red in free["withheld"] for red in reds)
        else:
            assert free["robust_accuracy"][0]["rate"] <= worst
            assert free["audited"]["left_by_audit"] <= free["audited"]["left_by_campaign"]
        graph = load_model(files / "net.safetensors", Graph)
        alone = audit(
            Network(graph, dtype=torch.float32), *data, Linf.of(graph.header, 24 / 255),
            gradients=["rga", "stbp"], attack=Pgd, limit=20,
        )  # fmt: skip
        statuses = {f["id"]: f["status"] for f in free["card"]["findings"]}
        assert statuses == {f.id: f.status.value for f in alone.findings}

    def test_a_red_check_withholds_it(self, files):
        """One step of one grey value finds less than noise does."""
        found = run_json(
            *(files / "net.safetensors", "--data", files / "data.npz", "--out", files / "out"),
            *("--attack", "bim(steps=1,grey_values=1)", "--gradient", "rga", "--eps", "40/255"),
            *("--audit", 20),
        )
        assert found["robust_accuracy"] is None
        assert "C5 noise floor" in found["withheld"]

    def test_twin_and_integers(self, files, data):
        graph = load_model(files / "net.safetensors", Graph)
        program = lower(graph, load_profile("loihi2").profile)
        save_model(program, files / "int.safetensors")
        ran = run_json(
            *(files / "int.safetensors", "--data", files / "data.npz", "--out", files / "o"),
            *("--attack", "pgd", "--gradient", "stbp", "--eps", "32/255", "--audit", 0),
        )
        assert ran["model"]["content_hash"] == program.content_hash
        twin = run_json(
            *(files / "net.safetensors", "--data", files / "data.npz", "--out", files / "o"),
            *("--attack", "pgd", "--gradient", "rga", "--eps", "32/255", "--audit", 0),
            *("--twin", files / "twin.safetensors"),
        )
        own, other = twin["sets"]
        assert (own["knowledge"], other["knowledge"]) == ("white_box", "black_box")
        assert other["fooled"] < own["fooled"]
        assert (own["attack"], other["attack"]) == ("pgd", "pgd")

    def test_draws(self, files, data):
        save_model(network_of(0, coding="bernoulli", steps=12), files / "drawn.safetensors")
        rates = {}
        for eot in (1, 4):
            found = run_json(
                *(files / "drawn.safetensors", "--data", files / "data.npz", "--limit", 20),
                *("--attack", "pgd(steps=2)", "--gradient", "stbp", "--eps", "32/255"),
                *("--audit", 0, "--eot", eot, "--votes", 3, "--out", files / "o"),
            )
            rates[eot] = found["sets"][0]
        assert rates[1]["set"] != rates[4]["set"]
        assert rates[4]["gradients"] == 4 * rates[1]["gradients"] == 8

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (("--eps", "8"), r"8/255 is 0.031, not 8"),
            (("--eps", "0.1/255"), "moves in steps of"),
            (("--eps", "8/255,8/255"), "each budget once"),
            (("--eps", "eight"), "is no number"),
            (("--attack", "pdg"), "no attack is named 'pdg'"),
            (("--gradient", "rgb"), "no gradient estimator is named 'rgb'"),
            (("--threat", "l3"), "no threat model is named 'l3'"),
            (("--threat", "linf(total=3)"), "total"),
            (("--device", "tpu9"), "use --device cpu"),
            (("--first", 60), "has 60 samples"),
            (("--twin", "net.safetensors"), "net.safetensors"),
        ],
    )
    def test_refused(self, files, arguments, text):
        result = run(
            *(files / "net.safetensors", "--data", files / "data.npz", "--out", files / "o"),
            *("--audit", 0, *arguments),
        )
        assert result.exit_code == 2
        assert text.replace("\\", "") in " ".join(result.stderr.split())

    def test_data_that_do_not_fit(self, files, data):
        net = files / "net.safetensors"
        for change, text in (
            ({"y": data[1] + 7}, "0..2"),
            ({"x": data[0] * 2}, "within 0..1"),
            ({"x": data[0][:, :5]}, "shape"),
        ):
            np.savez(files / "bad.npz", **({"x": data[0], "y": data[1]} | change))
            result = run(net, "--data", files / "bad.npz", "--out", files / "o", "--audit", 0)
            assert result.exit_code == 2
            assert text in result.stderr
        result = run(net, "--out", files / "o")
        assert result.exit_code == 2
        assert "--data" in result.stderr


class TestGoingOn:
    """An interrupted run loses nothing and ends in the same samples."""

    THREAT = Linf(epsilon=24 / 255, levels=256)

    def crafted(self, folder, data, attack, **more):
        request = Request(
            Network(network_of(0)), *data, self.THREAT, seed=3, sample=np.arange(60) + 4
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
        made = Pgd(Rga(), steps=2)(Network(network_of(0)), *data, self.THREAT)
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
        network, threat = Network(network_of(0)), self.THREAT
        whole = Bim(Rga(), steps=2)(network, *data, threat)
        some = [
            Bim(Rga(), steps=2)(network, data[0][at], data[1][at], threat)
            for at in (slice(0, 50), slice(50, 60))
        ]
        for field in fields(Crafted):
            joined = getattr(Crafted.joined(some), field.name)
            assert np.array_equal(joined, getattr(whole, field.name))
