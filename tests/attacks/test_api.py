"""How attacks are called, combined and kept: names, Foolbox style, ensembles, sets, backends."""

import inspect
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from neurorobust.attacks import (
    ATTACKS,
    L2,
    Apgd,
    AttackSet,
    CarliniWagner,
    Ensemble,
    Fgsm,
    GradientAttack,
    Knowledge,
    Linf,
    Parts,
    Pgd,
    Queried,
    Request,
    Square,
    Target,
    Targeted,
    Transferred,
    UniformNoise,
    attack_names,
    craft,
    ensemble,
    make_attack,
)
from neurorobust.attacks.adapters.foolbox import (
    FoolboxStyle,
    Misclassification,
    TargetedMisclassification,
)
from neurorobust.attacks.knowledge import on_other_arithmetic
from neurorobust.backends import get_backend
from neurorobust.chips import load_profile
from neurorobust.data import Stimulus
from neurorobust.engine.estimators import ESTIMATORS, Bptr, Hart, Rga, Stbp
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.ir import LI, Affine
from neurorobust.lower import lower
from neurorobust.methods import METHODS, needed, options, table
from neurorobust.metrics import PRINTED, Outcomes, Proportion, success_rates
from neurorobust.metrics.success import DEFINITIONS, changed_on_chip
from neurorobust.names import plain
from neurorobust.render import looks
from neurorobust.render.colours import GRADIENTS
from tests.support import small
from tests.support.attack_cases import HEADER, decided, shown, spiking


@pytest.fixture(scope="module")
def network():
    return Network(spiking())


@pytest.fixture(scope="module")
def data(network):
    return shown(network, 30)


@pytest.fixture
def tensors(data):
    return tuple(map(torch.tensor, data))


def crafted(attack, network, data, epsilon, folder, **given):
    """The set of an attack at a radius."""
    return craft(attack, Request(network, *data, Linf.of(HEADER, epsilon)), folder, **given)[0]


class TestNames:
    def test_every_attack_can_be_made(self):
        for name in attack_names():
            needs = "gradient" in needed(ATTACKS[name])
            made = make_attack(name, "rga" if needs else None)
            assert made.name == name
            assert (made.estimator is not None) == needs == isinstance(made, GradientAttack)
            fields = set(inspect.signature(ATTACKS[name]).parameters) - {"gradient"}
            recorded = set(made.parameters()) - {"distribution"}
            left_out = {key for key, it in options(type(made)).items() if it.sparse}
            fields -= {key for key in left_out if getattr(made, key) is None}
            assert recorded == fields, f"{name} keeps a parameter out of its record"

    def test_every_method_has_what_papers_say(self):
        """Each has a text, a family and an entry to cite; names are plainly different."""
        for kind in METHODS.values():
            assert kind.title
            assert kind.cited
            assert inspect.getdoc(kind)
            if kind.name not in ("targeted", "transferred"):
                assert kind.family, kind.name
        assert len({plain(name) for name in METHODS}) == len(METHODS)

    def test_reports_use_their_names_and_colours(self):
        for kind in METHODS.values():
            assert looks.proper(kind.name) == kind.title
        assert set(GRADIENTS) <= {"none", *METHODS}

    @pytest.mark.parametrize(
        ("page", "kinds"),
        [("attacks", map(ATTACKS.get, attack_names())), ("gradients", ESTIMATORS.values())],
    )
    def test_the_tables_of_the_documentation(self, page, kinds):
        text = (Path(__file__).parents[2] / f"docs/{page}.md").read_text(encoding="utf-8")
        assert table(kinds) in text

    @pytest.mark.parametrize(
        ("given", "text"),
        [
            (("pdg", "rga"), "no attack is named 'pdg'; nearest is pgd"),
            (("targeted", "rga"), "no attack is named 'targeted'"),
            (("pgd",), "'pgd' needs a gradient estimator"),
            (("square", "rga"), "'square' takes no gradient"),
            (("pgd", "grad"), "no gradient estimator is named 'grad'"),
        ],
    )
    def test_refused(self, given, text):
        with pytest.raises(InvalidInput, match=text):
            make_attack(*given)

    def test_an_unknown_parameter(self):
        with pytest.raises(InvalidInput, match=r"'pgd': .*step_size"):
            make_attack("pgd", "rga", step_size=0.1)


class TestFoolboxStyle:
    """Tensors in, tensors out."""

    def test_many_epsilons(self, network, data, tensors):
        epsilons = [0.0, 8 / 255, 32 / 255]
        pgd = Pgd(Rga(), steps=10)
        raw, clipped, success = FoolboxStyle(pgd)(network, *tensors, epsilons=epsilons)
        assert success.shape == (3, 30)
        assert len(raw) == len(clipped) == 3
        for e, legal, met in zip(epsilons, clipped, success, strict=True):
            made = pgd(network, *data, Linf.of(HEADER, e))
            assert np.array_equal(made.adversarial, legal)
            assert np.array_equal(made.adversarial_decision != data[1], met)
            assert (legal - tensors[0]).abs().max() <= e + 1e-12
        assert torch.equal(success.sum(1), success.sum(1).sort().values)
        assert not torch.equal(raw[2], clipped[2])

    def test_one_epsilon_and_a_graph(self, network, tensors):
        attack = FoolboxStyle(Fgsm(Stbp()))
        raw, clipped, success = attack(spiking(), *tensors, epsilons=0.1)
        assert raw.shape == clipped.shape == (30, 12)
        assert success.shape == (30,)
        _, again, _ = attack(network, *tensors, epsilons=[0.1])
        assert torch.equal(clipped, again[0])

    def test_clean_errors_are_successes_as_in_foolbox(self, network, tensors):
        wrong = (tensors[1] + 1) % 5
        assert FoolboxStyle(Pgd(Rga()))(network, tensors[0], wrong, epsilons=0.0).success.all()

    def test_criteria(self, network, tensors):
        x, y = tensors
        aim = (y + 1) % 5
        attack = FoolboxStyle(Apgd(Rga(), steps=15))
        aimed = attack(network, x, TargetedMisclassification(aim), epsilons=0.4)
        assert np.array_equal(aimed.success, decided(network, aimed.clipped) == aim.numpy())
        assert aimed.success.double().mean() > 0.8
        stated = attack(network, x, TargetedMisclassification(aim, labels=y), epsilons=0.4)
        assert torch.equal(stated.clipped, aimed.clipped)
        plainly = attack(network, x, Misclassification(y), epsilons=0.1)
        assert torch.equal(plainly.clipped, attack(network, x, y, epsilons=0.1).clipped)

    def test_the_smallest_move(self, network, tensors):
        x, y = (part[:8] for part in tensors)
        attack = FoolboxStyle(CarliniWagner(Rga(), steps=40, search=5, c=0.1), "l2")
        smallest = attack(network, x, y, epsilons=None)
        assert smallest.success.all()
        size = (smallest.clipped - x).norm(dim=1)
        pgd = FoolboxStyle(Pgd(Rga(), steps=20), "l2")
        _, _, within = pgd(network, x, y, epsilons=[float(size.median() / 8)])
        assert within.double().mean() < 0.5

    def test_refused(self, network, tensors):
        with pytest.raises(InvalidInput, match="no threat model is named 'l1'"):
            FoolboxStyle(Pgd(Rga()), threat="l1")
        for epsilons, message in (
            (None, "pgd needs an epsilon"),
            ([], "epsilons is empty"),
            ([8], r"8/255 is 0\.031, not 8"),
        ):
            with pytest.raises(InvalidInput, match=message):
                FoolboxStyle(Pgd(Rga()))(network, *tensors, epsilons=epsilons)


class TestQueried:
    """Attacks without gradients run on any backend and rung, by its scores."""

    def test_square_on_the_chips_integers(self, data):
        model = spiking(readout="count")
        program = lower(model, load_profile("loihi2").profile)
        executable = get_backend("torch").compile(program, "quantised")
        queried = Queried(program, executable)
        y = decided(queried, data[0])
        threat = Linf.of(HEADER, 32 / 255)
        made = Square(queries=60)(queried, data[0], y, threat)
        assert (made.clean_decision == y).all()
        noise = UniformNoise()(queried, data[0], y, threat)
        fooled, by_chance = (found.adversarial_decision != y for found in (made, noise))
        assert fooled.sum() > by_chance.sum()
        scores = executable.run(Stimulus(made.adversarial[:, None], 6)).scores
        assert np.array_equal(scores.argmax(1), made.adversarial_decision)
        tensors = map(torch.tensor, (data[0], y))
        styled = FoolboxStyle(Square(queries=5))(queried, *tensors, epsilons=0.1)
        assert styled.success.shape == (30,)
        with pytest.raises(InvalidInput, match="gives scores, not gradients; use an attack"):
            Fgsm(Rga())(queried, data[0], y, threat)

    def test_the_float_rung_gives_what_the_network_gives(self, network, data):
        executable = get_backend("torch").compile(network.graph, "float")
        attack, threat = Square(queries=30), Linf.of(HEADER, 16 / 255)
        there = attack(Queried(network.graph, executable), *data, threat)
        assert np.array_equal(there.adversarial, attack(network, *data, threat).adversarial)


class TestKnowledge:
    def test_labels(self, network, data, tmp_path):
        made = partial(crafted, network=network, data=data, epsilon=16 / 255, folder=tmp_path)
        twin = Network(spiking(seed=1))
        assert made(Fgsm(Rga())).knowledge == Knowledge.WHITE_BOX
        assert made(UniformNoise()).knowledge == Knowledge.NONE
        assert made(Square(queries=3)).knowledge == Knowledge.QUERY_ONLY
        assert made(Transferred(Fgsm(Rga()), twin)).knowledge == Knowledge.BLACK_BOX
        aware = made(Fgsm(Rga()), knowledge=Knowledge.BACKEND_AWARE)
        assert aware.knowledge == Knowledge.BACKEND_AWARE
        assert len(list(tmp_path.iterdir())) == 5

    def test_on_other_arithmetic_white_is_gray(self):
        assert on_other_arithmetic("white_box") == Knowledge.GRAY_BOX
        for known in set(Knowledge) - {Knowledge.WHITE_BOX}:
            assert on_other_arithmetic(known) == known


class TestSets:
    @pytest.fixture
    def made(self, network, data, tmp_path):
        return crafted(Pgd(Rga(), steps=9), network, data, 24 / 255, tmp_path)

    def test_outcomes_come_back(self, made, network, data, tmp_path):
        (path,) = tmp_path.iterdir()
        loaded = AttackSet.load(path)
        again = Pgd(Rga(), steps=9)(network, *data, Linf.of(HEADER, 24 / 255))
        assert loaded.outcome_bits.shape == (30, 2)
        assert np.array_equal(loaded.fooled, again.fooled)
        assert np.array_equal(loaded.fooled_ever, again.fooled.any(1))
        assert np.array_equal(loaded.queries, again.queries)
        assert loaded.threat == Linf.of(HEADER, 24 / 255)
        assert loaded.violations() == 0

    def test_violations_are_measured_not_believed(self, made):
        beyond = made.adversarial.copy()
        beyond[0, 0] = made.clean[0, 0] + (0.5 if made.clean[0, 0] < 0.5 else -0.5)
        assert replace(made, adversarial=beyond).violations() >= 1

    def test_sets_without_outcomes_load(self, made, tmp_path):
        outcomes = ("outcome_bits", "iterates", "queries", "gradients", "wanted")
        bare = replace(made, **dict.fromkeys(outcomes))
        loaded = AttackSet.load(bare.save(tmp_path / "bare.safetensors"))
        assert loaded.fooled is None
        assert loaded.fooled_ever is None
        assert loaded.outcomes.every is None
        assert loaded.content_hash == bare.content_hash != made.content_hash

    def test_the_table_of_success_rates(self, made):
        rates = success_rates(made.outcomes)
        clean = made.clean_decision == made.label
        wrong = made.adversarial_decision != made.label
        assert rates[PRINTED].proportion == Proportion(int((clean & wrong).sum()), int(clean.sum()))
        assert next(iter(rates)) == PRINTED
        assert set(rates) == {d.name for d in DEFINITIONS} - {"targeted"}


class TestSuccessRates:
    """Eight samples by hand."""

    TABLE = Outcomes(
        clean=np.array([1, 1, 1, 1, 1, 0, 0, 0], bool),
        attacked=np.array([1, 1, 0, 0, 0, 1, 0, 0], bool),
        every=np.array([1, 0, 0, 0, 0, 0, 0, 0], bool),
        changed=np.array([0, 10, 150, 199, 500, 10, 900, 10]),
    )

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("conditional", 3 / 5),
            ("conditional_any_iterate", 4 / 5),
            ("unconditional", 5 / 8),
            ("unconditional_any_iterate", 7 / 8),
            ("relative_drop", 1 - 3 / 5),
            ("absolute_drop", 5 / 8 - 3 / 8),
            ("fewer_than_200", 2 / 3),
            ("fewer_than_800", 3 / 3),
        ],
    )
    def test_by_hand(self, name, value):
        assert success_rates(self.TABLE)[name].value == pytest.approx(value)

    def test_what_the_table_does_not_tell_is_left_out(self):
        bare = Outcomes(clean=self.TABLE.clean, attacked=self.TABLE.attacked)
        assert list(success_rates(bare)) == [
            "conditional", "unconditional", "relative_drop", "absolute_drop",
        ]  # fmt: skip

    def test_nothing_asked(self):
        empty = Outcomes(clean=np.zeros(3, bool), attacked=np.zeros(3, bool))
        rates = success_rates(empty)
        assert np.isnan(rates["conditional"].value)
        assert np.isnan(rates["relative_drop"].value)
        assert rates["conditional"].proportion.interval == (0, 1)

    def test_on_the_chip(self):
        converged = np.array([1, 1, 1, 0], bool)
        found = changed_on_chip(converged, np.array([1, 1, 1, 1]), np.array([2, 1, 3, 2]))
        assert found == Proportion(2, 3)

    def test_other_lengths(self):
        with pytest.raises(InvalidInput, match=r"every is bool of shape"):
            Outcomes(clean=np.ones(3, bool), attacked=np.ones(3, bool), every=np.ones(2, bool))


class TestEnsemble:
    THREAT = Linf.of(HEADER, 14 / 255)

    def make(self, **given):
        return Ensemble([Rga(), Stbp()], steps=4, queries=15, **given)

    @pytest.fixture
    def request_(self, network, data):
        return Request(network, *data, self.THREAT, seed=1)

    def test_the_worst_case_and_who_found_it(self, network, data):
        x, y = data
        y = y.copy()
        y[:3] = (y[:3] + 1) % 5  # wrong when clean
        request = Request(network, x, y, self.THREAT, seed=1)
        verdict = self.make(twin=Network(spiking(seed=1))).judge(request)
        assert verdict.stages[:2] == ("sapgd rga", "sapgd stbp")
        assert [s.partition(" ")[0] for s in verdict.stages[2:]] == [
            "apgd-dlr", "apgd-dlr", "apgd-targeted", "square", "twin",
        ]  # fmt: skip
        assert (verdict.broken_by[:3] == -2).all()
        assert (verdict.broken_by[3:] != -2).all()
        worst = verdict.crafted
        fooled = worst.adversarial_decision != y
        assert np.array_equal(verdict.robust, ~fooled)
        assert 0 < verdict.robust.sum() < 27
        legal = torch.tensor(worst.adversarial)
        assert self.THREAT.violations(legal, torch.tensor(x)) == 0
        assert np.array_equal(decided(network, legal) != y, fooled)
        assert np.array_equal(worst.adversarial[:3], x[:3])
        first = verdict.broken_by == 0
        assert worst.fooled[first, 0].all()
        assert not worst.fooled[~first, 0].any()

    def test_no_weaker_than_its_members(self, data, request_):
        verdict = self.make().judge(request_)
        for name, gradient in (("sapgd", "rga"), ("sapgd", "stbp")):
            alone = make_attack(name, gradient, steps=4).answer(request_)
            assert not (verdict.robust & (alone.adversarial_decision != data[1])).any()
        assert verdict.notes == ("transfer from a twin is left out: none was given",)

    def test_it_goes_on_where_it_stopped(self, request_, tmp_path):
        parts, made = Parts(tmp_path / "parts"), []
        whole = self.make().judge(request_)

        def stop(stage, done, total):
            made.append(stage)
            if done == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.make().judge(request_, parts=parts, progress=stop)
        resumed: list[str] = []
        again = self.make().judge(
            request_, parts=parts, progress=lambda stage, *_: resumed.append(stage)
        )
        assert (*made[:3], *resumed) == whole.stages == again.stages
        assert np.array_equal(whole.crafted.adversarial, again.crafted.adversarial)
        assert np.array_equal(whole.crafted.queries, again.crafted.queries)
        assert np.array_equal(whole.broken_by, again.broken_by)
        assert [p.name for p in parts.folder.iterdir()] == ["stages.safetensors"]

    def test_a_state_of_another_request_or_damaged(self, request_, tmp_path):
        parts = Parts(tmp_path)
        state = tmp_path / "stages.safetensors"
        short = Ensemble([Rga()], steps=1, queries=1)
        short.judge(request_, parts=parts)
        for change in ({"seed": 2}, {"sample": np.arange(30) + 1}):
            with pytest.raises(InvalidFile, match="belongs to another request"):
                short.judge(replace(request_, **change), parts=parts)
        state.write_bytes(state.read_bytes()[:50])
        with pytest.raises(InvalidFile, match="no readable ensemble state"):
            short.judge(request_, parts=parts)

    def test_standard_names_what_is_missing(self, monkeypatch):
        full = ensemble()
        names = [e.name for e in full.estimators]
        assert set(names) == {"rga", "stbp", "hart", "assg"} & set(ESTIMATORS)
        monkeypatch.delitem(ESTIMATORS, "hart")
        some = ensemble("standard", steps=3)
        assert "hart" not in [e.name for e in some.estimators]
        assert some.notes == ("estimator 'hart' is left out: it is not registered",)
        assert some.steps == 3
        with pytest.raises(InvalidInput, match="no ensemble is named 'quick'"):
            ensemble("quick")
        with pytest.raises(InvalidInput, match="at least one gradient estimator"):
            Ensemble([])

    def test_it_cannot_aim(self, request_):
        with pytest.raises(InvalidInput, match="ensemble cannot aim at a class"):
            self.make().judge(replace(request_, wanted=(request_.y + 1) % 5))

    def test_l2_leaves_out_what_has_no_l2(self, network, data):
        verdict = self.make().judge(Request(network, *data, L2.of(HEADER, 0.2)))
        assert "square is left out: it is not defined for l2" in verdict.notes
        assert verdict.stages[0].startswith("apgd rga")

    def test_as_a_set(self, network, data, tmp_path):
        asked = Request(network, *data, self.THREAT, seed=1, sample=np.arange(30) + 7)
        made, reused = craft(self.make(), asked, tmp_path)
        assert not reused
        assert craft(self.make(), asked, tmp_path)[1]
        assert (made.attack, made.gradient) == ("ensemble", "ensemble")
        assert [m["name"] for m in made.request["gradient"]["members"]] == ["rga", "stbp"]
        assert made.violations() == 0

    def test_targeted_sets_do_not_pass_iterates_for_errors(self, network, data, tmp_path):
        made = crafted(Targeted(Pgd(Rga(), steps=4), "next"), network, data, 0.3, tmp_path)
        assert (made.wanted == (data[1] + 1) % 5).all()
        assert made.outcomes.every is None


class TestRefusals:
    def test_a_label_as_the_wanted_class(self, network, data):
        with pytest.raises(InvalidInput, match=r"wanted is the label of \d+ sample"):
            Pgd(Rga(), steps=1)(network, *data, Linf.of(HEADER, 0.1), wanted=data[1])

    def test_fractions_of_events(self):
        header = replace(HEADER, coding="events", levels=None, bounds=(0.0, 4.0))
        model = Network(spiking().with_(header=header))
        x = np.zeros((2, header.steps, *model.graph.input_shape))
        with pytest.raises(InvalidInput, match="fractions of events"):
            Pgd(Rga(), steps=1)(model, x, np.zeros(2, int), Linf.of(header, 0.5))
        counted = replace(header, levels=5)
        made = Pgd(Rga(), steps=1)(
            Network(spiking().with_(header=counted)), x, np.zeros(2, int), Linf.of(counted, 1)
        )
        assert np.array_equal(made.adversarial, np.rint(made.adversarial))


def test_the_best_of_an_ensemble_do_not_depend_on_the_order_of_its_members(network, data):
    """Which estimators go on is measured on the same samples, not on what is left."""
    members = [Bptr(), Rga(), Stbp("arctan", 0.5), Hart(gamma=0.5)]
    later = [
        Ensemble(given, steps=2, queries=2)
        .judge(Request(network, *data, Linf.of(HEADER, 0.05), seed=1))
        .stages[len(members) :]
        for given in (members, members[::-1])
    ]
    broke = {}
    for e in members:
        made = Pgd(e)(network, *data, Linf.of(HEADER, 0.05), seed=1)
        broke[str(e)] = int((made.adversarial_decision != data[1]).sum())
    assert len(set(broke.values())) == len(members)
    best = sorted(broke, key=broke.get, reverse=True)
    assert later[0] == later[1]
    assert later[0][:3] == (
        f"apgd-dlr {best[0]}", f"apgd-dlr {best[1]}", f"apgd-targeted {best[0]}",
    )  # fmt: skip


@pytest.mark.parametrize("gain", [1.0, 1 / 100])
def test_a_long_integration_does_not_saturate_the_cross_entropy(gain):
    """Scores that are summed over 100 steps leave a gradient, the same for any gain."""
    rng = np.random.default_rng(0)
    header = replace(HEADER, steps=100, levels=None)
    fc = Affine(weight=rng.normal(0, 2, (3, 6)))
    made = Network(
        small.graph(6, header, readout="last", fc=fc, li=LI(beta=1.0, gain_in=gain)),
        dtype=torch.float32,
    )
    x = torch.tensor(rng.random((20, 6)))
    y = made.run(x[:, None].float(), 100).argmax(1)
    gradient = Target(made, Stbp()).gradient(x, y)
    assert (gradient.abs().sum(1) > 1e-6).all()
    weight = torch.tensor(made.graph.nodes["fc"].weight)
    mean = x @ weight.T
    chance = mean.softmax(1) - torch.nn.functional.one_hot(y, 3)
    # A constant input is summed to 100 times its gain; the loss takes the mean current either way.
    assert torch.allclose(gradient, chance @ weight, rtol=1e-3, atol=1e-5)
