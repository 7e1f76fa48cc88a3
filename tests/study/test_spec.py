"""Study files: what they may say, all faults at once, and what a study leaves out."""

import pytest

from neurorobust.attacks import Ensemble, Pgd, SaPgd, Square, Transferred
from neurorobust.engine.estimators import Mix, Rga, Stbp, TimeExtended, make_estimator
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.methods import number, spelled, spelling
from neurorobust.names import known_name
from neurorobust.study.crafters import crafters, split
from neurorobust.study.presets import whole_numbers
from neurorobust.study.spec import read_spec
from tests.support import studies

GOOD = """
[models]
use = ["digits", "net.nir", "sub/made.py:net"]
twin = "twin.nir"
[data]
name = "images.npz"
calibration = "digits"
[lower]
profile = ["loihi2", "own/chip.toml"]
weight_bits = [3, 8]
[craft]
attack = ["noise", "pgd(steps=3, restarts=2)"]
gradient = "rga"
epsilon = ["2/255", 0.125]
box = ["white", "twin"]
[replay]
backend = "torch"
lane = [{backend = "lava", rung = "quantised", samples = 4, epsilon = "2/255"}]
sets = ["frozen"]
[run]
store = "shared"
"""


def written(folder, text):
    path = folder / "study.toml"
    path.write_text(text)
    return path


MANY = "pgd(steps=2,restarts=2)"


class TestReading:
    def test_what_is_said(self, tmp_path):
        spec = read_spec(written(tmp_path, GOOD))
        assert spec.craft.attack == ("noise", "pgd(steps=3, restarts=2)")
        assert spec.craft.epsilon == (2 / 255, 0.125)
        assert (spec.craft.gradient, spec.replay.backend) == (("rga",), ("torch",))
        assert spec.lower.weight_bits == (3, 8)
        assert spec.lower.decay_bits == (None,)
        lanes = [(lane.backend, lane.rung, lane.samples) for lane in spec.replay.lanes]
        assert lanes == [
            ("lava", "quantised", 4),
            ("torch", "float", None),
            ("torch", "quantised", None),
        ]
        assert spec.replay.lanes[0].epsilon == (2 / 255,)

    def test_paths_begin_in_its_folder_and_names_stay(self, tmp_path):
        spec = read_spec(written(tmp_path, GOOD))
        assert spec.models.use == (
            "digits",
            str(tmp_path / "net.nir"),
            str(tmp_path / "sub/made.py:net"),
        )
        assert spec.models.twin == str(tmp_path / "twin.nir")
        assert spec.data.name == str(tmp_path / "images.npz")
        assert spec.data.calibration == "digits"
        assert spec.lower.profile == ("loihi2", str(tmp_path / "own/chip.toml"))
        assert spec.replay.sets == (str(tmp_path / "frozen"),)
        assert spec.run.store == str(tmp_path / "shared")
        absolute = GOOD.replace('"frozen"', '"/else/frozen"')
        assert read_spec(written(tmp_path, absolute)).replay.sets == ("/else/frozen",)

    @pytest.mark.parametrize(
        ("change", "where", "value"),
        [
            ("craft.epsilon=[1/255]", ("craft", "epsilon"), (1 / 255,)),
            ("craft.epsilon=1/255,4/255", ("craft", "epsilon"), (1 / 255, 4 / 255)),
            ('craft.epsilon=["8/255"]', ("craft", "epsilon"), (8 / 255,)),
            ("craft.attack=fgsm", ("craft", "attack"), ("fgsm",)),
            (f"craft.attack={MANY}", ("craft", "attack"), (MANY,)),
            (f"craft.attack=fgsm,{MANY}", ("craft", "attack"), ("fgsm", MANY)),
            ("run.jobs = 3", ("run", "jobs"), 3),
            ("study.title=All of it", ("study", "title"), "All of it"),
            ("data.count=7", ("data", "count"), 7),
        ],
    )  # fmt: skip
    def test_set(self, tmp_path, change, where, value):
        section, key = where
        if change == "craft.epsilon=[1/255]":  # that is no TOML, so it is text
            with pytest.raises(InvalidFile, match=r"craft.epsilon: '\[1/255\]' is no number"):
                read_spec(written(tmp_path, GOOD), [change])
            return
        spec = read_spec(written(tmp_path, GOOD), [change])
        assert getattr(getattr(spec, section), key) == value

    @pytest.mark.parametrize("change", ["", "jobs", "=3", "run..jobs=3", "models.use.x=3"])
    def test_no_change(self, tmp_path, change):
        with pytest.raises(InvalidInput, match="--set"):
            read_spec(written(tmp_path, GOOD), [change])


class TestFaults:
    def test_five_at_once_each_with_its_place(self, tmp_path):
        text = """
        [study]
        nmae = "x"
        [models]
        use = ["net.nir"]
        [data]
        count = 0
        [craft]
        attack = ["pdg", "fgsm", "pgd(stride=3)", 7]
        epsilon = ["8/0", "4/255", "eight"]
        box = 3
        [replay]
        backend = ["tpu"]
        rung = "floot"
        [run]
        jobs = "many"
        """
        with pytest.raises(InvalidFile) as told:
            read_spec(written(tmp_path, text))
        head, *lines = str(told.value).split("\n  - ")
        assert head == f"{tmp_path / 'study.toml'}: {len(lines)} fault(s) in the study:"
        said = dict(line.split(": ", 1) for line in lines)
        wanted = {
            "study.nmae": ("is no key of a study",),
            "data.name": ("names no samples",),
            "craft.gradient": ("names no estimator",),
            "data.count": ("greater than or equal to 1", "got 0"),
            "craft.attack": ("'pdg'", "stride", "7"),
            "craft.epsilon": ("'8/0'", "'eight'", "8/255"),
            "craft.box.0": ("'white' or 'twin'", "got 3"),
            "replay.backend": ("'tpu'", "known are", "reference"),
            "replay.rung": ("'floot'", "float"),
            "run.jobs": ("integer", "'many'"),
        }
        assert set(said) == set(wanted)
        for place, words in wanted.items():
            assert all(word in said[place] for word in words), said[place]

    @pytest.mark.parametrize(
        ("section", "text"),
        [
            ({"models": {"use": []}}, "models.use: names no model"),
            ({"models": None}, "models.use: names no model"),
            ({"data": {}}, "data.name: names no samples"),
            ({"craft": {"attack": ["noise"]}}, "craft.epsilon: names no radius"),
            (
                {"craft": {"attack": "pgd", "epsilon": "8/255"}},
                "craft.gradient: names no estimator",
            ),
            ({"craft": {"box": "twin"}}, "models.twin: names no model"),
            ({"craft": {"box": ["twin"]}}, "models.twin: names no model"),
            (
                {"craft": {"attack": ["pgd,square"], "gradient": "rga", "epsilon": 0.1}},
                "give a list of",
            ),
            (
                {"craft": {"attack": ["pgd"], "gradient": "rga,stbp", "epsilon": 0.1}},
                "give a list of",
            ),
            ({"craft": {"seed": [-1]}}, "craft.seed.0"),
            ({"craft": 3}, "craft"),
            ({"lower": {"profile": ["loihi2"], "scaling": ["best"]}}, "lower.scaling.0"),
            ({"lower": {"percentile": 0}}, "lower.percentile"),
            ({"replay": {"lane": [{"backend": "torch", "rung": "up"}]}}, "replay.lane.0.rung"),
            ({"replay": {"lane": [{"rung": "float"}]}}, "replay.lane.0.backend"),
            ({"run": {"memory_mb": 0}}, "run.memory_mb"),
            ({"exclude": [{"then": {}}]}, "exclude.0.when"),
        ],
    )  # fmt: skip
    def test_what_does_not_fit(self, section, text):
        with pytest.raises(InvalidFile) as told:
            studies.spec_of(**section)
        assert text in str(told.value)

    @pytest.mark.parametrize(
        ("content", "text"),
        [("[a", "is not TOML"), (b"\xff\xfe", "is not TOML"), ("a = " + "[" * 3000, "is not TOML")],
    )
    def test_no_toml(self, tmp_path, content, text):
        path = tmp_path / "study.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(InvalidFile, match=text):
            read_spec(path)
        with pytest.raises(InvalidFile, match="cannot be read"):
            read_spec(tmp_path)
        with pytest.raises(InvalidFile, match="cannot be read"):
            read_spec(tmp_path / "nowhere.toml")


CRAFT = {
    "attack": ["noise", "pgd(steps=2)"],
    "gradient": ["rga", "stbp"],
    "epsilon": ["16/255", "32/255"],
}


class TestExclude:
    @pytest.mark.parametrize(
        ("when", "crafted", "lowered"),
        [
            ([], 6, 4),
            ([{"gradient": "stbp", "epsilon": "32/255"}], 5, 4),
            ([{"attack": "pgd(...)"}], 2, 4),
            ([{"attack": "pgd*", "gradient": "rga"}], 4, 4),
            ([{"epsilon": 16 / 255}, {"gradient": "none"}], 2, 4),
            ([{"weight_bits": 3}], 6, 2),
            ([{"weight_bits": [3, 8], "scaling": "mse"}], 6, 2),
            ([{"profile": "loihi2"}], 6, 0),
            ([{"profile": "akida"}, {"nothing": "*"}], 6, 4),
        ],
        ids=str,
    )
    def test_is_counted_and_not_planned(self, tmp_path, when, crafted, lowered):
        axes = {"profile": ["loihi2"], "weight_bits": [3, 8], "scaling": ["max_abs", "mse"]}
        plan = studies.planned(
            tmp_path,
            lower=axes,
            craft=CRAFT,
            replay={"backend": ["torch"]},
            exclude=[{"when": one} for one in when],
        )
        kinds = [cell.kind for cell in plan.cells]
        assert (kinds.count("craft"), kinds.count("lower")) == (crafted, lowered)
        assert plan.excluded >= (6 - crafted) + (4 - lowered)
        assert kinds.count("replay") == (1 + lowered) * (1 + crafted)

    def test_of_lanes(self, tmp_path):
        plan = studies.planned(tmp_path, exclude=[{"when": {"backend": "torch", "rung": "float"}}])
        lanes = {(c.row["backend"], c.row["rung"]) for c in plan.cells if c.kind == "replay"}
        assert lanes == {("reference", "float"), ("reference", "quantised"), ("torch", "quantised")}
        assert plan.excluded == 1


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
        with pytest.raises(InvalidInput, match=r"no attack is named 'pdg'; .*known are .*pgd"):
            known_name("pdg", ["sapgd", "pgd", "square"], "attack")

    def test_lists_are_split_outside_of_brackets(self):
        parts = split("pgd(steps=40, relative_step=1/8), square")
        assert [spelled(part) for part in parts] == [
            [("pgd", {"steps": 40, "relative_step": 0.125})],
            [("square", {})],
        ]
        assert split(" ") == []

    def test_whole_numbers(self):
        assert whole_numbers("8, 2..4,3", "bits") == (2, 3, 4, 8)
        assert whole_numbers("5", "bits") == (5,)
        for text in ("", "a", "2..", "..3", "1.5", "2-8"):
            with pytest.raises(InvalidInput, match=r"bits is .*; give whole numbers"):
                whole_numbers(text, "bits")

    def test_crafters(self):
        twin = Network(studies.network(1))
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
            ("pgd", "rgb", "no gradient estimator is named 'rgb'; .*known are .*rga"),
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
        twin = Transferred(SaPgd(Rga()), Network(studies.network(1)))
        assert str(twin) == "sapgd"
