"""How attacks are called, combined and kept: names, Foolbox style, ensembles, sets, backends."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch

from neurorobust.attacks import (
    ATTACKS,
    L2,
    AttackSet,
    CarliniWagner,
    Ensemble,
    Fgsm,
    Knowledge,
    Linf,
    Parts,
    Pgd,
    Queried,
    Square,
    Target,
    Targeted,
    Transferred,
    UniformNoise,
    attack_names,
    craft,
    ensemble,
    make_attack,
    on_other_arithmetic,
)
from neurorobust.attacks.api import (
    APGD,
    FGSM,
    L2PGD,
    PGD,
    L2CarliniWagner,
    Misclassification,
    SquareAttack,
    TargetedMisclassification,
)
from neurorobust.attacks.ensemble import label
from neurorobust.backends import get_backend
from neurorobust.chips import load_profile
from neurorobust.engine.estimators import ESTIMATORS, Bptr, Hart, Rga, Stbp
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.ir import LI, LIF, Affine, Graph, Header, Input, Output
from neurorobust.lower import lower
from neurorobust.metrics import PRINTED, Outcomes, Proportion, success_rates
from neurorobust.metrics.success import DEFINITIONS, changed_on_chip

HEADER = Header(dt_s=1e-3, steps=6, levels=256)


def graph(seed=6, readout="last"):
    draw = np.random.default_rng(seed)
    weight = draw.normal(size=(20, 12))
    top = LI(beta=1.0, gain_in=1 / 6) if readout == "last" else LIF(beta=0.9, threshold=0.5)
    return Graph.chain(
        HEADER,
        input=Input(shape=(12,)),
        a=Affine(weight=weight, bias=0.8 - weight.sum(1) / 2),
        lif=LIF(beta=0.8, threshold=1.0),
        b=Affine(weight=draw.normal(size=(5, 20))),
        top=top,
        output=Output(readout=readout),
    )


@pytest.fixture(scope="module")
def network():
    return Network(graph())


@pytest.fixture(scope="module")
def data(network):
    x = np.random.default_rng(9).integers(0, 256, (30, 12)) / 255
    return x, Target(network, None).decide(torch.tensor(x)).numpy()


class TestNames:
    def test_every_attack_can_be_made(self):
        for name in attack_names():
            kind = ATTACKS[name]
            taken = set(inspect.signature(kind).parameters)
            needs = "gradient" in taken
            made = make_attack(name, "rga" if needs else None)
            assert made.name == name
            assert (made.estimator is not None) == needs
            recorded = set(made.parameters()) - {"distribution"}
            assert recorded == taken - {"gradient"}, f"{name} keeps a parameter out of its record"

    @pytest.mark.parametrize(
        ("given", "text"),
        [
            (("pdg", "rga"), "no attack is named 'pdg'; known are apgd"),
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
    def test_many_epsilons(self, network, data):
        epsilons = [0.0, 8 / 255, 32 / 255]
        raw, clipped, success = PGD(gradient="rga", steps=10)(network, *data, epsilons=epsilons)
        assert success.shape == (3, 30)
        assert len(raw) == len(clipped) == 3
        for e, legal, met in zip(epsilons, clipped, success, strict=True):
            made = Pgd(Rga(), steps=10)(network, *data, Linf.of(HEADER, e))
            assert np.array_equal(made.adversarial, legal)
            assert np.array_equal(made.adversarial_decision != data[1], met)
            assert np.abs(legal - data[0]).max() <= e + 1e-12
        assert np.array_equal(success.sum(1), np.sort(success.sum(1)))
        assert not np.array_equal(raw[2], clipped[2])

    def test_one_epsilon_a_graph_and_tensors(self, network, data):
        x, y = map(torch.tensor, data)
        raw, clipped, success = FGSM(gradient="stbp")(graph(), x, y, epsilons=0.1)
        assert raw.shape == clipped.shape == (30, 12)
        assert success.shape == (30,)
        _, again, _ = FGSM(gradient=Stbp())(network, *data, epsilons=[0.1])
        assert np.array_equal(clipped, again[0])

    def test_clean_errors_are_successes_as_in_foolbox(self, network, data):
        wrong = (data[1] + 1) % 5
        assert PGD(gradient="rga")(network, data[0], wrong, epsilons=0.0).success.all()

    def test_criteria(self, network, data):
        x, y = data
        aim = (y + 1) % 5
        attack = APGD(gradient="rga", steps=15)
        aimed = attack(network, x, TargetedMisclassification(aim), epsilons=0.4)
        decided = Target(network, None).decide(torch.tensor(aimed.clipped)).numpy()
        assert np.array_equal(aimed.success, decided == aim)
        assert aimed.success.mean() > 0.8
        stated = attack(network, x, TargetedMisclassification(aim, labels=y), epsilons=0.4)
        assert np.array_equal(stated.clipped, aimed.clipped)
        plain = attack(network, x, Misclassification(y), epsilons=0.1)
        assert np.array_equal(plain.clipped, attack(network, x, y, epsilons=0.1).clipped)

    def test_the_smallest_move(self, network, data):
        x, y = data[0][:8], data[1][:8]
        attack = L2CarliniWagner(gradient="rga", steps=40, search=5, c=0.1)
        smallest = attack(network, x, y, epsilons=None)
        assert smallest.success.all()
        size = np.linalg.norm(smallest.clipped - x, axis=1)
        _, _, within = L2PGD(gradient="rga", steps=20)(
            network, x, y, epsilons=[float(np.median(size) / 8)]
        )
        assert within.mean() < 0.5
        assert isinstance(attack.attack, CarliniWagner)

    def test_refused(self, network, data):
        with pytest.raises(InvalidInput, match="pgd needs an epsilon"):
            PGD(gradient="rga")(network, *data, epsilons=None)
        with pytest.raises(InvalidInput, match="epsilons is empty"):
            PGD(gradient="rga")(network, *data, epsilons=[])
        with pytest.raises(InvalidInput, match="no threat model is named 'l1'"):
            PGD(gradient="rga", threat="l1")
        with pytest.raises(InvalidInput, match=r"8/255 is 0\.031, not 8"):
            PGD(gradient="rga")(network, *data, epsilons=[8])


class TestQueried:
    """Attacks without gradients run on any backend and rung, by its scores."""

    def test_square_on_the_chips_integers(self, data):
        model = graph(readout="count")
        program = lower(model, load_profile("loihi2").profile)
        executable = get_backend("torch").compile(program, "quantised")
        queried = Queried(program, executable)
        y = Target(queried, None).decide(torch.tensor(data[0])).numpy()
        threat = Linf.of(HEADER, 32 / 255)
        made = Square(queries=60)(queried, data[0], y, threat)
        assert (made.clean_decision == y).all()
        fooled = made.adversarial_decision != y
        assert (
            fooled.sum()
            > (UniformNoise()(queried, data[0], y, threat).adversarial_decision != y).sum()
        )
        scores = executable.run(_stimulus(made.adversarial)).scores
        assert np.array_equal(scores.argmax(1), made.adversarial_decision)
        assert SquareAttack(queries=5)(queried, data[0], y, epsilons=0.1).success.shape == (30,)
        with pytest.raises(InvalidInput, match="gives scores, not gradients; use an attack"):
            Fgsm(Rga())(queried, data[0], y, threat)

    def test_the_float_rung_gives_what_the_network_gives(self, network, data):
        executable = get_backend("torch").compile(network.graph, "float")
        attack, threat = Square(queries=30), Linf.of(HEADER, 16 / 255)
        there = attack(Queried(network.graph, executable), *data, threat)
        assert np.array_equal(there.adversarial, attack(network, *data, threat).adversarial)


def _stimulus(x):
    from neurorobust.data import Stimulus

    return Stimulus(x[:, None], 6)


class TestKnowledge:
    def test_labels(self, network, data, tmp_path):
        def made(attack, **given):
            return craft(
                attack, network, clean=data[0], label=data[1], sample=np.arange(30),
                threat=Linf.of(HEADER, 16 / 255), seed=0, folder=tmp_path, **given,
            )[0]  # fmt: skip

        twin = Network(graph(seed=1))
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
        return craft(
            Pgd(Rga(), steps=9), network, clean=data[0], label=data[1], sample=np.arange(30),
            threat=Linf.of(HEADER, 24 / 255), seed=0, folder=tmp_path,
        )[0]  # fmt: skip

    def test_outcomes_come_back(self, made, network, data, tmp_path):
        (path,) = tmp_path.iterdir()
        loaded = AttackSet.load(path)
        crafted = Pgd(Rga(), steps=9)(network, *data, Linf.of(HEADER, 24 / 255))
        assert loaded.outcome_bits.shape == (30, 2)
        assert np.array_equal(loaded.fooled, crafted.fooled)
        assert np.array_equal(loaded.fooled_ever, crafted.fooled.any(1))
        assert np.array_equal(loaded.queries, crafted.queries)
        assert loaded.threat == Linf.of(HEADER, 24 / 255)
        assert loaded.violations() == 0

    def test_violations_are_measured_not_believed(self, made):
        beyond = made.adversarial.copy()
        beyond[0, 0] = made.clean[0, 0] + (0.5 if made.clean[0, 0] < 0.5 else -0.5)
        assert replace(made, adversarial=beyond).violations() >= 1

    def test_sets_without_outcomes_load(self, made, tmp_path):
        bare = replace(
            made, outcome_bits=None, iterates=None, queries=None, gradients=None, wanted=None
        )
        loaded = AttackSet.load(bare.save(tmp_path / "bare.safetensors"))
        assert loaded.fooled is None
        assert loaded.fooled_ever is None
        assert loaded.outcomes.every is None
        assert loaded.content_hash == bare.content_hash != made.content_hash

    def test_for_another_model(self, made, tmp_path):
        with pytest.raises(InvalidFile, match="was crafted on model"):
            AttackSet.load(made.save(tmp_path / "a.safetensors"), model_hash="0" * 64)

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

    def test_the_worst_case_and_who_found_it(self, network, data):
        x, y = data
        y = y.copy()
        y[:3] = (y[:3] + 1) % 5  # wrong when clean
        verdict = self.make(twin=Network(graph(seed=1))).judge(network, x, y, self.THREAT, seed=1)
        assert verdict.stages[0] == "sapgd rga(" + verdict.stages[0].partition("(")[2]
        assert [s.partition(" ")[0] for s in verdict.stages] == [
            "sapgd", "sapgd", "apgd-dlr", "apgd-dlr", "apgd-targeted", "square", "twin",
        ]  # fmt: skip
        assert (verdict.broken_by[:3] == -2).all()
        assert (verdict.broken_by[3:] != -2).all()
        crafted = verdict.crafted
        fooled = crafted.adversarial_decision != y
        assert np.array_equal(verdict.robust, ~fooled)
        assert 0 < verdict.robust.sum() < 27
        legal = torch.tensor(crafted.adversarial)
        assert self.THREAT.violations(legal, torch.tensor(x)) == 0
        assert np.array_equal(Target(network, None).decide(legal).numpy() != y, fooled)
        assert np.array_equal(crafted.adversarial[:3], x[:3])
        first = verdict.broken_by == 0
        assert crafted.fooled[first, 0].all()
        assert not crafted.fooled[~first, 0].any()

    def test_no_weaker_than_its_members(self, network, data):
        verdict = self.make().judge(network, *data, self.THREAT, seed=1)
        for name, gradient in (("sapgd", "rga"), ("sapgd", "stbp")):
            alone = make_attack(name, gradient, steps=4)(network, *data, self.THREAT, seed=1)
            assert not (verdict.robust & (alone.adversarial_decision != data[1])).any()
        assert verdict.notes == ("transfer from a twin is left out: none was given",)

    def test_it_goes_on_where_it_stopped(self, network, data, tmp_path):
        parts, made = Parts(tmp_path / "parts"), []
        whole = self.make().judge(network, *data, self.THREAT, seed=1)

        def stop(stage, done, total):
            made.append(stage)
            if done == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.make().judge(network, *data, self.THREAT, seed=1, parts=parts, progress=stop)
        resumed: list[str] = []
        again = self.make().judge(
            network, *data, self.THREAT, seed=1, parts=parts,
            progress=lambda stage, *_: resumed.append(stage),
        )  # fmt: skip
        assert (*made[:3], *resumed) == whole.stages == again.stages
        assert np.array_equal(whole.crafted.adversarial, again.crafted.adversarial)
        assert np.array_equal(whole.crafted.queries, again.crafted.queries)
        assert np.array_equal(whole.broken_by, again.broken_by)
        assert [p.name for p in parts.folder.iterdir()] == ["stages.safetensors"]

    def test_a_state_of_another_request_or_damaged(self, network, data, tmp_path):
        parts = Parts(tmp_path)
        state = tmp_path / "stages.safetensors"
        short = Ensemble([Rga()], steps=1, queries=1)
        short.judge(network, *data, self.THREAT, parts=parts)
        for change in ({"seed": 1}, {"sample": np.arange(30) + 1}):
            with pytest.raises(InvalidFile, match="belongs to another request"):
                short.judge(network, *data, self.THREAT, parts=parts, **change)
        state.write_bytes(state.read_bytes()[:50])
        with pytest.raises(InvalidFile, match="no readable ensemble state"):
            short.judge(network, *data, self.THREAT, parts=parts)

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

    def test_l2_leaves_out_what_has_no_l2(self, network, data):
        verdict = self.make().judge(network, *data, L2.of(HEADER, 0.2))
        assert "square is left out: it is not defined for l2" in verdict.notes
        assert verdict.stages[0].startswith("apgd rga")

    def test_as_a_set(self, network, data, tmp_path):
        asked = {
            "clean": data[0], "label": data[1], "sample": np.arange(30) + 7,
            "threat": self.THREAT, "seed": 1, "folder": tmp_path,
        }  # fmt: skip
        made, reused = craft(self.make(), network, **asked)
        assert not reused
        assert craft(self.make(), network, **asked)[1]
        assert (made.attack, made.gradient) == ("ensemble", "ensemble")
        assert [m["name"] for m in made.request["gradient"]["members"]] == ["rga", "stbp"]
        assert made.violations() == 0

    def test_targeted_sets_do_not_pass_iterates_for_errors(self, network, data, tmp_path):
        made, _ = craft(
            Targeted(Pgd(Rga(), steps=4), "next"), network, clean=data[0], label=data[1],
            sample=np.arange(30), threat=Linf.of(HEADER, 0.3), seed=0, folder=tmp_path,
        )  # fmt: skip
        assert (made.wanted == (data[1] + 1) % 5).all()
        assert made.outcomes.every is None


class TestRefusals:
    def test_a_label_as_the_wanted_class(self, network, data):
        with pytest.raises(InvalidInput, match=r"wanted is the label of \d+ sample"):
            Pgd(Rga(), steps=1)(network, *data, Linf.of(HEADER, 0.1), wanted=data[1])

    def test_fractions_of_events(self):
        header = replace(HEADER, coding="events", levels=None, bounds=(0.0, 4.0))
        model = Network(graph().with_(header=header))
        x = np.zeros((2, header.steps, *model.graph.input_shape))
        with pytest.raises(InvalidInput, match="fractions of events"):
            Pgd(Rga(), steps=1)(model, x, np.zeros(2, int), Linf.of(header, 0.5))
        counted = replace(header, levels=5)
        made = Pgd(Rga(), steps=1)(
            Network(graph().with_(header=counted)), x, np.zeros(2, int), Linf.of(counted, 1)
        )
        assert np.array_equal(made.adversarial, np.rint(made.adversarial))


def test_the_best_of_an_ensemble_do_not_depend_on_the_order_of_its_members(network, data):
    """Which estimators go on is measured on the same samples, not on what is left."""
    members = [Bptr(), Rga(), Stbp("arctan", 0.5), Hart(gamma=0.5)]
    later = [
        Ensemble(given, steps=2, queries=2)
        .judge(network, *data, Linf.of(HEADER, 0.05), seed=1)
        .stages[len(members) :]
        for given in (members, members[::-1])
    ]
    broke = {
        label(e): int((Pgd(e)(network, *data, Linf.of(HEADER, 0.05), seed=1).adversarial_decision
                       != data[1]).sum())
        for e in members
    }  # fmt: skip
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
    made = Network(
        Graph.chain(
            header, input=Input(shape=(6,)), fc=Affine(weight=rng.normal(0, 2, (3, 6))),
            li=LI(beta=1.0, gain_in=gain), output=Output(readout="last"),
        ),
        dtype=torch.float32,
    )  # fmt: skip
    x = torch.tensor(rng.random((20, 6)))
    y = made.run(x[:, None].float(), 100).argmax(1)
    gradient = Target(made, Stbp()).gradient(x, y)
    assert (gradient.abs().sum(1) > 1e-6).all()
    weight = torch.tensor(made.graph.nodes["fc"].weight)
    mean = x @ weight.T
    chance = mean.softmax(1) - torch.nn.functional.one_hot(y, 3)
    # A constant input is summed to 100 times its gain; the loss takes the mean current either way.
    assert torch.allclose(gradient, chance @ weight, rtol=1e-3, atol=1e-5)
