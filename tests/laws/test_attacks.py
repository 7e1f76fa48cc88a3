"""Attacks: what they may do is kept to the last bit, what they find is found again."""

import json
import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from neurorobust.attacks import Attack, AttackSet, Fgsm, Linf, Pgd, Request, UniformNoise, craft
from neurorobust.attacks import base as attacks_base
from neurorobust.engine.estimators import Rga, Stbp
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidFile, InvalidInput
from tests.support.attack_cases import HEADER, linear, shown, spiking

EPSILON = 16 / 255


@pytest.fixture(scope="module")
def network():
    return Network(spiking())


@pytest.fixture(scope="module")
def data(network):
    return shown(network, 40)


ATTACKS = {
    "noise": UniformNoise,
    "fgsm": lambda: Fgsm(Rga()),
    "pgd": lambda: Pgd(Rga(), steps=5),
    "pgd stbp": lambda: Pgd(Stbp(), steps=5, relative_step=0.4, random_start=False),
}


@pytest.fixture(params=ATTACKS)
def attack(request):
    return ATTACKS[request.param]()


def test_single_precision_data_are_taken_for_the_grid_values_they_stand_for(attack, network, data):
    x, y = data
    threat = Linf(epsilon=EPSILON, levels=256)
    double = attack(network, x, y, threat, seed=1)
    single = attack(network, x.astype(np.float32), y, threat, seed=1)
    assert (single.adversarial == double.adversarial).all()
    assert (single.clean == x).all()


class TestLegal:
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    @pytest.mark.parametrize("levels", [256, 17, None])
    def test_after_storage(self, attack, data, levels, dtype, tmp_path):
        """The ball, the bounds and the grid, counted in whole steps of the sensor."""
        x = data[0] if levels != 17 else np.rint(data[0] * 16) / 16
        network = Network(spiking(replace(HEADER, levels=levels)), dtype=dtype)
        threat = Linf.of(network.graph.header, 2 / 16)
        made, _ = craft(attack, Request(network, x, data[1], threat), tmp_path)
        (path,) = tmp_path.iterdir()
        kept = AttackSet.load(path).adversarial
        assert kept.dtype == np.float64
        assert np.array_equal(kept, made.adversarial)
        assert kept.min() >= 0
        assert kept.max() <= 1
        moved = np.abs(kept - x)
        if levels is None:
            assert moved.max() <= 2 / 16 * (1 + 1e-12)
            assert moved.max() > 1.9 / 16
        else:
            top = levels - 1
            assert np.array_equal(np.rint(kept * top) / top, kept), "not exactly on the grid"
            steps = np.rint(kept * top) - np.rint(x * top)
            assert np.abs(steps).max() == math.floor(2 / 16 * top)
        assert np.array_equal(kept.clip(0, 1), kept)

    def test_corners_of_the_ball(self):
        """Nearest legal values, by hand: 256 levels, epsilon of 8 steps."""
        threat = Linf(epsilon=8 / 255, levels=256)
        clean = torch.tensor([0, 3, 100, 250, 255], dtype=torch.float64) / 255
        x = torch.tensor([-9.0, 0.1, 0.43, 0.99, 9.0], dtype=torch.float64)
        codes = threat.legalise(x, clean) * 255
        assert codes.tolist() == pytest.approx([0, 11, 108, 252, 255], abs=1e-9)
        assert threat.violations(threat.legalise(x, clean), clean) == 0
        free = Linf(epsilon=0.25)
        assert free.legalise(x, clean).tolist() == pytest.approx([0, 0.1, 0.43, 0.99, 1])

    def test_violations_are_counted(self):
        clean = torch.tensor([0.0, 100, 255], dtype=torch.float64) / 255
        threat = Linf(epsilon=8 / 255, levels=256)
        for codes, count in (
            ([0, 108, 255], 0),
            ([0, 109, 255], 1),
            ([-1, 92, 256], 2),
            ([0.5, 100.5, 254], 2),
            ([8, 91, 246], 2),
        ):
            x = torch.tensor(codes, dtype=torch.float64) / 255
            assert threat.violations(x, clean) == count

    def test_other_bounds(self):
        network = Network(spiking(replace(HEADER, bounds=(-1.0, 3.0), levels=5)))
        x = np.random.default_rng(0).integers(-1, 4, (20, 12)).astype(float)
        threat = Linf.of(network.graph.header, 1.5)
        made = Pgd(Rga())(network, x, np.zeros(20, int), threat).adversarial
        assert set(np.unique(made)) <= {-1.0, 0.0, 1.0, 2.0, 3.0}
        assert np.abs(made - x).max() == 1

    def test_nothing_allowed_nothing_changed(self, attack, network, data):
        made = attack(network, *data, Linf.of(HEADER, 0.0), seed=1)
        assert np.array_equal(made.adversarial, data[0])
        assert np.array_equal(made.clean_decision, made.adversarial_decision)
        free = Network(spiking(replace(HEADER, levels=None)))
        assert np.array_equal(attack(free, *data, Linf(epsilon=0.0)).adversarial, data[0])

    def test_an_attack_that_cheats_is_brought_back(self, network, data):
        class Cheat(UniformNoise):
            def propose(self, case):
                return case.x + 5

        made = Cheat()(network, *data, Linf.of(HEADER, EPSILON))
        assert np.array_equal(made.adversarial, (np.rint(data[0] * 255) + 16).clip(0, 255) / 255)


class TestReproducible:
    def test_by_seed(self, network, data):
        threat = Linf.of(HEADER, EPSILON)
        for attack, random in ((UniformNoise(), True), (Pgd(Rga()), True), (Fgsm(Rga()), False)):
            one, same, other = (attack(network, *data, threat, seed=s) for s in (3, 3, 4))
            assert np.array_equal(one.adversarial, same.adversarial)
            assert np.array_equal(one.adversarial, other.adversarial) != random

    @pytest.mark.parametrize("size", [1, 7, 40])
    def test_whatever_the_size_of_the_batches(self, attack, network, data, size, monkeypatch):
        threat = Linf.of(HEADER, EPSILON)
        whole = attack(network, *data, threat, seed=5)
        monkeypatch.setattr(attacks_base, "BATCH", size)
        pieces = attack(network, *data, threat, seed=5)
        for field in fields(whole):
            assert np.array_equal(getattr(whole, field.name), getattr(pieces, field.name))

    def test_noise_fills_the_ball_evenly(self, network):
        x = np.full((400, 12), 100 / 255)
        made = UniformNoise()(network, x, np.zeros(400, int), Linf.of(HEADER, 20 / 255))
        moved = np.rint(made.adversarial * 255) - 100
        counts = np.bincount((moved + 20).astype(int).ravel(), minlength=41)
        assert counts[1:-1].min() > 70  # 120 expected, the ends have half
        assert abs(moved.mean()) < 0.6


class TestStrength:
    def linear_case(self, seed, low=0.2, high=0.8):
        """Two classes, samples, labels, and the direction in which their margin falls most."""
        draw = np.random.default_rng(seed)
        weight = draw.normal(size=(2, 9))
        x, y = draw.uniform(low, high, (30, 9)), draw.integers(0, 2, 30)
        return weight, x, y, np.sign(weight[1 - y] - weight[y])

    def test_fgsm_on_a_linear_model(self):
        """The step is epsilon against the sign of w_y - w_other, in closed form."""
        weight, x, y, towards = self.linear_case(1)
        for estimator in (Stbp(), Rga()):
            made = Fgsm(estimator)(linear(weight), x, y, Linf(epsilon=0.1))
            assert np.allclose(made.adversarial, x + 0.1 * towards, rtol=0, atol=1e-15)
        margin = ((weight[y] - weight[1 - y]) * x).sum(1)
        fooled = margin < 0.1 * np.abs(weight[0] - weight[1]).sum()
        assert np.array_equal(made.adversarial_decision != y, fooled)
        assert 0 < fooled.sum() < 30

    def test_gradient_of_the_cross_entropy(self):
        """softmax minus one-hot, times the weights."""
        draw = np.random.default_rng(2)
        weight = draw.normal(size=(4, 9))
        x, y = draw.uniform(0, 1, (5, 9)), np.array([0, 1, 2, 3, 0])
        target = attacks_base.Target(linear(weight), Stbp())
        found = target.gradient(torch.tensor(x), torch.tensor(y)).numpy()
        odds = np.exp(x @ weight.T)
        wanted = (odds / odds.sum(1, keepdims=True) - np.eye(4)[y]) @ weight
        assert np.allclose(found, wanted, rtol=1e-12, atol=1e-14)

    def test_pgd_reaches_the_optimum_of_a_linear_model(self):
        weight, x, y, towards = self.linear_case(3, 0, 1)
        attack = Pgd(Stbp(), steps=10, relative_step=0.25)
        made = attack(linear(weight), x, y, Linf(epsilon=0.1), seed=1)
        assert np.allclose(made.adversarial, (x + 0.1 * towards).clip(0, 1), rtol=0, atol=1e-15)

    @pytest.mark.parametrize("estimator", [Rga(), Stbp(detach_reset=True)], ids=["rga", "stbp"])
    def test_more_steps_find_more(self, network, data, estimator):
        threat = Linf.of(HEADER, 24 / 255)

        def found(attack):
            made = attack(network, *data, threat)
            assert (made.clean_decision == data[1]).all()
            return (made.adversarial_decision != data[1]).mean()

        noise, fgsm, pgd = map(found, (UniformNoise(), Fgsm(estimator), Pgd(estimator, steps=20)))
        assert pgd >= fgsm - 0.05
        assert pgd > noise + 0.1

    def test_pgd_returns_the_last_legal_iterate_that_fooled(self, network, data, monkeypatch):
        """Every iterate is watched; the grid is so coarse that legalising changes decisions."""
        network = Network(spiking(replace(HEADER, levels=9), seed=7))
        x = np.rint(data[0] * 8) / 8
        y = np.asarray(attacks_base.Target(network, None).decide(torch.tensor(x)))
        threat, seen = Linf.of(network.graph.header, 2 / 8), []
        look = attacks_base.Target.look

        def watched(self, given, draws=None):
            scores, decided = look(self, given, draws)
            seen.append((given.numpy().copy(), decided.numpy()))
            return scores, decided

        monkeypatch.setattr(attacks_base.Target, "look", watched)
        made = Pgd(Rga(), steps=8, relative_step=0.7)(network, x, y, threat)
        iterates = seen[:8]
        lucky = 0
        for n in range(40):
            fooling = [given[n] for given, decided in iterates if decided[n] != y[n]]
            wanted = fooling[-1] if fooling else iterates[-1][0][n]
            assert np.array_equal(made.adversarial[n], wanted)
            assert (made.adversarial_decision[n] != y[n]) == bool(fooling)
            lucky += bool(fooling) and iterates[-1][1][n] == y[n]
        assert lucky, "no sample that an iterate fooled and the last did not"

    def test_wrong_samples_stay_wrong_or_not_but_are_measured(self, network, data):
        y = (data[1] + 1) % 4
        made = Pgd(Rga())(network, data[0], y, Linf.of(HEADER, EPSILON))
        assert (made.clean_decision != y).all()
        x = torch.tensor(made.adversarial[:, None])
        with torch.no_grad():
            again = network.run(x, 6).argmax(1).numpy()
        assert np.array_equal(made.adversarial_decision, again)


class TestRefused:
    def attack(self, network, x, y, threat=None, **changes):
        return Fgsm(changes.get("estimator", Stbp()))(
            network, x, y, threat or Linf.of(HEADER, EPSILON)
        )

    @pytest.mark.parametrize(
        ("value", "text"),
        [(1.5, "within 0..1"), (-0.1, "within 0..1"), (0.5, "sensor's grid"), (math.nan, "finite")],
    )
    def test_samples(self, network, data, value, text):
        x = data[0].copy()
        x[3, 4] = value
        with pytest.raises(InvalidInput, match=text):
            self.attack(network, x, data[1])

    def test_labels(self, network, data):
        for y in (data[1] + 4, data[1] - 5, data[1][:-1]):
            with pytest.raises(InvalidInput, match=r"labels must be 40 numbers in 0\.\.4"):
                self.attack(network, data[0], y)

    def test_shapes_and_nothing_at_all(self, network, data):
        for x in (data[0][:, :-1], data[0].reshape(40, 3, 4), data[0][:0]):
            with pytest.raises(InvalidInput, match=r"give at least one of shape \(12,\)"):
                self.attack(network, x, data[1][: len(x)])

    @pytest.mark.parametrize("epsilon", [8, -0.01, 1.01, math.nan, math.inf])
    def test_epsilon_out_of_range(self, epsilon):
        with pytest.raises(InvalidInput, match=r"8/255 is 0\.031, not 8"):
            Linf(epsilon=epsilon)

    def test_epsilon_below_a_step_of_the_sensor(self):
        with pytest.raises(InvalidInput, match=r"the sensor moves in steps of 0\.0666667"):
            Linf(epsilon=0.06, levels=16)
        assert Linf(epsilon=1 / 15, levels=16).step == 1 / 15

    def test_a_grid_of_one_value(self):
        with pytest.raises(InvalidInput, match="at least 2"):
            Linf(epsilon=0.1, levels=1)

    def test_bounds_beyond_the_models(self, network, data):
        with pytest.raises(InvalidInput, match=r"use Linf\.of"):
            self.attack(network, *data, Linf(epsilon=0.5, bounds=(-1.0, 1.0)))

    @pytest.mark.parametrize(
        ("steps", "size", "text"),
        [
            (0, 0.1, "PGD: steps is 0; it must be at least 1"),
            (5, 0.0, "relative_step is 0.0; it must be above 0"),
            (5, math.nan, "relative_step is nan"),
        ],
    )
    def test_pgd(self, steps, size, text):
        with pytest.raises(InvalidInput, match=text):
            Pgd(Rga(), steps=steps, relative_step=size)

    def test_a_gradient_that_is_no_number(self, network, data):
        class Broken(Stbp):
            def scores(self, network, x, steps):
                scores = super().scores(network, x, steps)
                nothing = (x - x.detach()).flatten(1).sum(1, keepdim=True)
                wild = torch.where(x.flatten(1)[:, :1] > 0.5, math.inf, 1.0)
                return scores + torch.nan_to_num(nothing.abs().sqrt() * 0 * wild)

        with pytest.raises(InvalidInput, match=r"stbp gradient of \d+ sample\(s\) is NaN"):
            self.attack(network, *data, estimator=Broken())

    def test_no_gradient(self, data):
        network = Network(spiking(readout="first"))
        with pytest.raises(InvalidInput, match="scores have no gradient by the input"):
            self.attack(network, *data)
        with pytest.raises(InvalidInput, match="this attack has no gradient estimator"):
            attacks_base.Target(network, None).gradient(torch.zeros(1, 12), torch.zeros(1))

    def test_an_estimator_with_another_forward(self, network, data):
        class Other(Stbp):
            def scores(self, network, x, steps):
                return super().scores(network, x, steps) + 1e-12

        with pytest.raises(InvalidInput, match="changes the forward pass"):
            self.attack(network, *data, estimator=Other())


def asked(network, data, /, attack=None, **changes):
    """An attack and what it is asked."""
    threat, sample = Linf.of(HEADER, EPSILON), np.arange(len(data[0])) + 100
    return attack or Fgsm(Rga()), replace(Request(network, *data, threat, sample=sample), **changes)


class TestSets:
    @pytest.fixture
    def made(self, network, data, tmp_path):
        return craft(*asked(network, data), tmp_path)[0]

    @pytest.fixture
    def path(self, made, tmp_path):
        (path,) = tmp_path.iterdir()
        return path

    def test_everything_comes_back(self, made, path, network, data):
        loaded = AttackSet.load(path, model_hash=network.graph.content_hash)
        for field in fields(made):
            before, after = getattr(made, field.name), getattr(loaded, field.name)
            assert np.array_equal(before, after)
            if field.name != "request":
                assert before.dtype == after.dtype
        assert loaded.content_hash == made.content_hash
        assert np.array_equal(loaded.clean, data[0])
        assert loaded.sample.tolist() == list(range(100, 140))
        assert (loaded.attack, loaded.gradient, loaded.epsilon) == ("fgsm", "rga", EPSILON)
        assert path.name.startswith("fgsm-rga-")

    def test_for_another_model(self, path):
        with pytest.raises(InvalidFile, match=r"was crafted on model .* not on"):
            AttackSet.load(path, model_hash="0" * 64)

    def rewrite(self, path, change):
        """The file as format 1 has it, with its arrays as they are, and changed."""
        made = AttackSet.load(path)
        described = {"format": 1, "request": dict(made.request), "content_hash": made.content_hash}
        arrays = {f.name: np.array(getattr(made, f.name)) for f in fields(made)}
        arrays.pop("request")
        change(described, arrays)
        save_file(arrays, path, metadata={"neurorobust_attackset": json.dumps(described)})

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            (lambda _, a: a["adversarial"].__setitem__((0, 0), 0.5), "was altered"),
            (lambda _, a: a["label"].__setitem__(0, 3 - a["label"][0]), "was altered"),
            (lambda _, a: a.update(label=a["label"].astype(np.int32)), "was altered"),
            (lambda _, a: a.pop("label"), "no readable attack set"),
            (lambda _, a: a.update(more=np.ones(1)), "no readable attack set"),
            (lambda d, _: d["request"].update(seed=1), "was altered"),
            (lambda d, _: d["request"]["threat"].update(epsilon=1e-3), "was altered"),
            (lambda d, _: d["request"].pop("model"), "no readable attack set"),
            (lambda d, _: d.update(request=5), "no readable attack set"),
            (lambda d, _: d.pop("request"), "no readable attack set"),
            (lambda d, _: d["request"].update(seed=math.nan), "no readable attack set"),
            (lambda d, _: d.pop("content_hash"), "was altered"),
        ],
    )
    def test_tampered(self, path, change, text):
        self.rewrite(path, change)
        with pytest.raises(InvalidFile, match=text) as caught:
            AttackSet.load(path)
        assert "delete it to craft it again" in str(caught.value)

    def test_truncated_or_foreign(self, path):
        whole = path.read_bytes()
        for raw in (b"", whole[:20], whole[:-1]):
            path.write_bytes(raw)
            with pytest.raises(InvalidFile, match="no readable attack set"):
                AttackSet.load(path)
        save_file({"clean": np.ones(1)}, path)
        with pytest.raises(InvalidFile, match="no readable attack set"):
            AttackSet.load(path)

    def test_a_damaged_set_is_not_used(self, network, data, path, tmp_path):
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(InvalidFile, match="delete it to craft it again"):
            craft(*asked(network, data), tmp_path)

    def test_the_same_request_is_reused(self, network, data, made, tmp_path, monkeypatch):
        monkeypatch.setattr(Attack, "answer", None)  # crafting anew would fail
        again, reused = craft(*asked(network, data), tmp_path)
        assert reused
        assert again.content_hash == made.content_hash

    def changed(self, network, data):
        x, y = data
        other = x.copy()
        other[0, 0] = 1 - other[0, 0]
        return {
            "attack": {"attack": Pgd(Rga())},
            "steps": {"attack": Pgd(Rga(), steps=3)},
            "step size": {"attack": Pgd(Rga(), relative_step=0.3)},
            "start": {"attack": Pgd(Rga(), random_start=False)},
            "estimator": {"attack": Fgsm(Stbp())},
            "slope": {"attack": Fgsm(Rga(gamma=0.1))},
            "saturation": {"attack": Fgsm(Rga(beta=2.0))},
            "variant": {"attack": Fgsm(Rga(variant="code"))},
            "surrogate": {"attack": Fgsm(Stbp("sigmoid"))},
            "width": {"attack": Fgsm(Stbp(width=0.5))},
            "reset path": {"attack": Fgsm(Stbp(detach_reset=True))},
            "no estimator": {"attack": UniformNoise()},
            "epsilon": {"threat": Linf.of(HEADER, 17 / 255)},
            "grid": {"threat": replace(Linf.of(HEADER, EPSILON), levels=None)},
            "seed": {"seed": 1},
            "sample values": {"x": other},
            "labels": {"y": (y + 1) % 4},
            "fewer samples": {"x": x[:9], "y": y[:9], "sample": np.arange(9) + 100},
            "indices": {"sample": np.arange(40)},
            "model": {"network": Network(spiking(seed=1))},
            "precision": {"network": Network(spiking(), dtype=torch.float32)},
        }

    def test_any_other_request_is_crafted_anew(self, network, data, made, tmp_path):
        keys = {}
        for name, change in self.changed(network, data).items():
            attack, request = asked(network, data, **change)
            found, reused = craft(attack, request, tmp_path)
            assert not reused, name
            assert np.array_equal(found.sample, request.sample), name
            assert craft(attack, request, tmp_path)[1], name
            if name != "indices":
                keys[name] = json.dumps(found.request, sort_keys=True)
        keys["first"] = json.dumps(made.request, sort_keys=True)
        assert len(set(keys.values())) == len(keys)

    def test_collapsing_is_no_part_of_the_request(self, network, data):
        _, request = asked(network, data)
        first, second = (request.describe(Fgsm(Rga(collapse=c))) for c in (True, False))
        assert first == second
