"""Hardware profiles: what is shipped loads, what breaks the schema is refused with every fault."""

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from neurorobust.chips import load_profile, profile_names, whole
from neurorobust.chips.arithmetic import LoihiArithmetic
from neurorobust.chips.load import profile_folders
from neurorobust.errors import InvalidFile, LowerError, ProfileError
from neurorobust.ir import LIF, Affine, Header
from neurorobust.lower import Limits, lower
from tests.support.networks import stack

SHIPPED = Path(__file__).parents[2] / "hw_profiles"

PROFILE = """
schema = "neurorobust/hw-profile/1"
id = "mine"
name = "Mine"

[sources.me]
cite = "a note"
read = "executed"

[arithmetic]
law = "weights"
[arithmetic.weight_bits]
value = {bits}
unit = "bit"
source = "me"
evidence = "definition"
confidence = "H"

[facts]
{more}
"""


def written(folder, name="mine", bits=8, more=""):
    path = folder / f"{name}.toml"
    path.write_text(PROFILE.format(bits=bits, more=more))
    return path


def sources(value):
    """Every source cited in a table or within it."""
    if isinstance(value, dict):
        if isinstance(value.get("source"), str):
            yield value["source"]
        for inner in value.values():
            yield from sources(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from sources(inner)


def refused(path):
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    return str(caught.value)


class TestShipped:
    @pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda p: p.stem)
    def test_loads(self, path):
        loaded = load_profile(path.stem)
        assert loaded.profile.id == path.stem
        assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert loaded.path.read_bytes() == path.read_bytes()
        assert path.stem in profile_names()

    def test_every_figure_is_sourced_and_every_source_used(self):
        for path in SHIPPED.glob("*.toml"):
            raw = tomllib.loads(path.read_text())
            cited = set(sources({k: v for k, v in raw.items() if k != "sources"}))
            assert cited == set(raw.get("sources", {})), path.name

    def test_the_arithmetic_of_loihi2(self):
        arithmetic = load_profile("loihi2").profile.arithmetic
        assert isinstance(arithmetic, LoihiArithmetic)
        widths = {
            "weight_bits": 8,
            "state_bits": 24,
            "decay_bits": 12,
            "threshold_bits": 17,
            "bias_mantissa_bits": 13,
            "bias_exponent_max": 7,
            "delay_max": 62,
        }
        assert {name: whole(getattr(arithmetic, name), name) for name in widths} == widths
        assert arithmetic.rounding.value == "toward_zero"
        assert load_profile("ideal-int8").profile.arithmetic.weight_bits.value == 8


class TestRefused:
    LEAF = '{{ value = 1, unit = "pJ", source = "me", evidence = "vendor", confidence = "H"{} }}'

    def test_nothing_when_it_is_right(self, tmp_path):
        leaf = self.LEAF.format("")
        profile = load_profile(
            written(tmp_path, more=f"a = {leaf}\nb = {{ why = 'secret' }}")
        ).profile
        assert profile.facts["a"].value == 1
        assert profile.facts["b"].value is None

    @pytest.mark.parametrize(
        ("leaf", "text"),
        [
            ("{ value = 1 }", "has a value but no unit, source, evidence, confidence"),
            (LEAF.format("").replace(' unit = "pJ",', ""), "has a value but no unit"),
            (LEAF.format("").replace(' source = "me",', ""), "has a value but no source"),
            ("{ }", "has no value: say why"),
            ('{ why = "" }', "has no value: say why"),
            (LEAF.format(', colour = "red"'), "colour: Extra inputs"),
            (LEAF.format("").replace("pJ", "furlong"), "unit: Input should be"),
            (LEAF.format("").replace("vendor", "hearsay"), "evidence: Input should be"),
            (LEAF.format("").replace('"H"', '"Q"'), "confidence: Input should be"),
            (LEAF.format("").replace("me", "them"), "a cites 'them'"),
            ("5", "facts.a"),
        ],
    )
    def test_a_leaf(self, tmp_path, leaf, text):
        found = refused(written(tmp_path, more=f"a = {leaf}"))
        assert text in found
        assert "1 fault(s)" in found
        assert str(tmp_path / "mine.toml") in found

    def test_all_faults_at_once(self, tmp_path):
        path = written(tmp_path, more="a = { value = 1 }\nb = { }\nc = { why = 1 }")
        path.write_text(path.read_text() + "\n[timing.figures]\nd = { }\n[colours]\nx = 1\n")
        found = refused(path)
        for name in ("facts.a", "facts.b", "facts.c.why", "timing.figures.d", "colours"):
            assert f"- {name}: " in found
        assert "6 fault(s)" in found, "timing.latency is missing, too"

    def test_all_unknown_sources_at_once(self, tmp_path):
        leaves = [self.LEAF.format("").replace("me", source) for source in ("you", "them")]
        found = refused(written(tmp_path, more=f"a = {leaves[0]}\nb = {leaves[1]}"))
        assert "a cites 'you'" in found
        assert "b cites 'them'" in found

    def test_an_unknown_source_of_the_arithmetic(self, tmp_path):
        path = written(tmp_path)
        path.write_text(path.read_text().replace('source = "me"', 'source = "them"'))
        assert "weight_bits cites 'them'" in refused(path)

    def test_an_unknown_law_or_schema(self, tmp_path):
        path = written(tmp_path)
        text = path.read_text()
        path.write_text(text.replace('law = "weights"', 'law = "magic"'))
        assert "arithmetic: " in refused(path)
        path.write_text(text.replace("profile/1", "profile/2"))
        assert "schema: " in refused(path)

    @pytest.mark.parametrize("raw", [b"a = ", b"\xff\xfe", b"a = 1\na = 2"])
    def test_what_is_no_toml(self, tmp_path, raw):
        path = tmp_path / "x.toml"
        path.write_bytes(raw)
        assert "is not TOML" in refused(path)

    def test_unknown(self):
        found = refused("loihi-3")
        assert "no hardware profile is named 'loihi-3'; nearest are loihi2 and loihi1" in found
        assert all(name in found for name in profile_names())

    def test_what_is_no_profile(self, tmp_path):
        with pytest.raises(InvalidFile, match=r"no/such.toml: is no file; give .*, or .*loihi2"):
            load_profile("no/such.toml")
        (tmp_path / "page.toml").write_text("<!DOCTYPE html>")
        with pytest.raises(InvalidFile, match="is a page"):
            load_profile(tmp_path / "page.toml")

    def test_names_as_people_type_them(self):
        assert load_profile("Loihi_2").profile.id == "loihi2"

    def test_a_width_that_lowering_needs(self, tmp_path):
        path = tmp_path / "x.toml"
        text = (SHIPPED / "loihi2.toml").read_text()
        line = next(row for row in text.splitlines() if row.startswith("threshold_bits"))
        path.write_text(text.replace(line, 'threshold_bits = { why = "not published" }'))
        graph = stack((1,), 1, fc=Affine(weight=[[1.0]]), lif=LIF(beta=1.0, threshold=1.0))
        profile = load_profile(path).profile
        with pytest.raises(ProfileError, match=r"threshold_bits .* \(not published\)"):
            lower(graph, profile)


CHIPS = ("akida", "brainscales2", "loihi1", "loihi2", "speck", "spinnaker2", "truenorth", "xylo")

CHIP = """
[[rules]]
constraint = "kernel"
scope = "synapse"
use = "max(kx, ky)"
limit = {{ value = 16, unit = "1", kind = "wall", {cited} }}

[placement]
method = "split"
cores = {{ value = 2, unit = "core", kind = "wall", {cited} }}

[[placement.walls]]
constraint = "neurons"
use = "neurons"
limit = {{ value = 64, unit = "neuron", kind = "wall", {cited} }}

[energy]
boundary = "chip"
static = {{ value = 1, unit = "mW", {cited} }}

[energy.dynamic]
use = "synops*synop"
[energy.dynamic.figures]
synop = {{ value = 2, unit = "pJ", band = [0.5, 2], {cited} }}

[timing.latency]
use = "steps*dt"

[disputed.kernel]
about = "largest kernel"
used = "16"
values = [{{ value = 16, source = "me" }}, {{ value = 15, source = "me" }}]

[[reference_cases]]
name = "a kernel"
kind = "rule"
of = "kernel"
given = {{ kx = 3, ky = 5 }}
expect = 5
unit = "1"
source = "me"

[[deployments]]
task = "digits"
source = "me"
boundary = "chip"
[deployments.figures]
energy = {{ value = 1.5, unit = "uJ" }}

[[known_issues]]
id = "surprise"
what = "it surprises"
source = "me"
""".format(cited='source = "me", evidence = "vendor", confidence = "H"')


class TestChips:
    @pytest.mark.parametrize("name", CHIPS)
    def test_every_limit_has_its_kind_and_every_null_its_reason(self, name):
        profile = load_profile(name).profile
        limits = [rule.limit for rule in profile.rules]
        limits += [wall.limit for wall in profile.placement.walls]
        assert len(limits) > 5
        for limit in limits:
            assert (limit.value is None) == bool(limit.why)
            assert limit.value is None or limit.kind in ("wall", "budget")

    def test_every_law_is_data_and_only_two_laws_can_be_lowered_to(self):
        graph = stack(
            (1,),
            Header(dt_s=1e-3, steps=1, coding="events", levels=2),
            fc=Affine(weight=[[1.0]]),
            lif=LIF(beta=1.0, threshold=0.5),
        )
        laws = {name: load_profile(name).profile.arithmetic.law for name in CHIPS}
        assert laws == {
            "akida": "quant_cnn",
            "brainscales2": "analog",
            "loihi1": "loihi",
            "loihi2": "loihi",
            "speck": "iaf_event",
            "spinnaker2": "software",
            "truenorth": "crossbar",
            "xylo": "xylo",
        }
        for name, law in laws.items():
            profile = load_profile(name).profile
            if law == "loihi":
                assert lower(graph, profile).profile == name
            else:
                with pytest.raises(LowerError, match=f"{name} .*{law}"):
                    lower(graph, profile)

    def test_loihi1_has_no_graded_input(self):
        codings = {
            name: load_profile(name).profile.arithmetic.input_codings.value
            for name in ("loihi1", "loihi2")
        }
        assert codings == {"loihi1": ["bias", "host"], "loihi2": ["graded", "bias", "host"]}

    def test_cores_of_speck_differ(self):
        walls = {w.constraint: w.limit.value for w in load_profile("speck").profile.placement.walls}
        ki = {name: [n // 1024 for n in walls[name]] for name in ("kernel words", "neuron words")}
        assert ki["kernel words"] == [16, 16, 16, 32, 32, 64, 64, 16, 16]
        assert ki["neuron words"] == [64, 64, 64, 32, 32, 16, 16, 16, 16]
        neurons = load_profile("speck").profile.facts["neurons"].value
        assert sum(walls["neuron words"]) == neurons == 327680

    def test_units_are_those_of_the_si(self):
        """A milliwatt is no joule per millisecond."""
        leaf = load_profile("loihi1").profile.energy.static
        assert (leaf.value, leaf.unit, leaf.number) == (104, "mW", pytest.approx(0.104))
        static = load_profile("speck").profile.energy.static
        assert static.number == pytest.approx(0.42e-3)


class TestChipSchema:
    def chip(self, folder, old="", new=""):
        path = written(folder)
        assert old in CHIP
        path.write_text(path.read_text() + CHIP.replace(old, new, 1))
        return path

    def test_right(self, tmp_path):
        profile = load_profile(self.chip(tmp_path)).profile
        assert profile.rules[0].constraint == "kernel"
        assert profile.energy.dynamic.figures["synop"].number == 2e-12
        assert profile.disputed["kernel"].values[1].value == 15

    @pytest.mark.parametrize(
        ("old", "new", "text"),
        [
            ("max(kx, ky)", "max(kx, kz)", "unknown kz; known are"),
            ("max(kx, ky)", "kx^2", r"write ** for powers"),
            ("max(kx, ky)", "kx.real", "outside the grammar"),
            ('"max(kx, ky)"', '"map"', "map is a word; give sense = 'one_of' and a list"),
            (', kind = "wall"', "", "a limit needs a kind"),
            ("value = 16,", "value = [16],", "sense 'most' does not fit the limit [16]"),
            ('use = "max(kx, ky)"', 'use = "kx"\nwhere = { kz = 1 }', "where: unknown kz"),
            ('use = "neurons"', 'use = "kernels"', "unknown kernels"),
            ("value = 64,", "value = [64, 64, 64],", "3 limits, 2 cores"),
            ("synops*synop", "synops*spike", "unknown spike"),
            ("synops*synop", "__import__", "unknown __import__"),
            ('use = "synops*synop"\n', "", "has no formula: say why"),
            ("synop = {", "steps = {", "figures named like counts: steps"),
            ("band = [0.5, 2]", "band = [2, 3]", "give factors below and above 1"),
            ("steps*dt", "steps*tick", "unknown tick"),
            ("value = 15", "value = 16", "fewer than two different values"),
            ('value = 15, source = "me"', 'value = 15, source = "you"', "kernel cites 'you'"),
            ('task = "digits"\nsource = "me"', 'task = "digits"\nsource = "x"', "digits cites 'x'"),
            ('surprises"\nsource = "me"', 'surprises"\nsource = "y"', "surprise cites 'y'"),
            ('boundary = "chip"\n[deployments', "[deployments", "boundary: Field required"),
            ('of = "kernel"\n', "", "of names the constraint"),
            ('method = "split"', 'method = "closed"', "a closed mapper: say why"),
            ("value = 64,", "value = 0,", "limit is 0; a wall takes numbers above 0"),
            ("value = 64,", "value = -1,", "limit is -1; a wall takes numbers above 0"),
            ("value = 64,", 'value = "x",', "limit is 'x'; a wall takes numbers above 0"),
            ("value = 64,", "value = true,", "walls.0.limit.value: Value error, is true; give"),
            ("value = 64,", "value = inf,", "is inf; give a finite number"),
            ("value = 16,", 'value = "x",', "kernel: limit is 'x'; max(kx, ky) takes a number"),
            ('value = 2, unit = "core"', 'value = 0, unit = "core"', "placement.cores: "),
        ],
    )
    def test_wrong(self, tmp_path, old, new, text):
        assert text in refused(self.chip(tmp_path, old, new))

    def test_input_codings(self, tmp_path):
        text = (SHIPPED / "loihi2.toml").read_text()
        line = next(row for row in text.splitlines() if row.startswith("input_codings"))
        path = tmp_path / "x.toml"
        path.write_text(text.replace(line, ""))
        assert load_profile(path).profile.arithmetic.input_codings is None
        path.write_text(text.replace(line, line.replace('"graded"', '"telepathic"')))
        assert "list some of graded, bias, host" in refused(path)


class TestSearch:
    def test_own_folders_come_first_in_their_order(self, tmp_path, monkeypatch):
        first, second = tmp_path / "1", tmp_path / "2"
        for folder, bits in ((first, 3), (second, 4)):
            folder.mkdir()
            written(folder, bits=bits)
        written(second, "other", bits=5)
        written(second, "loihi2", bits=6)
        monkeypatch.setenv("NEUROROBUST_PROFILES", f"{first}:{tmp_path / 'none'}::{second}")
        assert profile_folders()[:2] == [first, second]
        assert {"mine", "other", "loihi2", "ideal-float"} <= set(profile_names())

        def bits(name):
            return load_profile(name).profile.arithmetic.weight_bits.value

        assert (bits("mine"), bits("other"), bits("loihi2")) == (3, 5, 6)
        assert bits(SHIPPED / "loihi2.toml") == 8, "a path is a path"
        monkeypatch.delenv("NEUROROBUST_PROFILES")
        assert "mine" not in profile_names()
        assert bits("loihi2") == 8
        assert "no hardware profile is named 'mine'" in refused("mine")


@pytest.mark.parametrize(
    ("name", "value", "range_"),
    [
        ("weight_bits", 1, "2..8"),
        ("weight_bits", 16, "2..8"),
        ("decay_bits", 13, "1..12"),
        ("threshold_bits", 0, "1..17"),
        ("state_bits", 16, "24"),
        ("rounding", "nearest", "toward_zero"),
        ("current_overflow", "saturate", "wrap"),
        ("membrane_overflow", "wrap", "saturate"),
    ],
)
def test_a_target_beyond_the_law_is_refused(name, value, range_):
    arithmetic = load_profile("loihi2").profile.arithmetic
    leaf = getattr(arithmetic, name).model_copy(update={"value": value})
    with pytest.raises(ProfileError, match=f"{name} is .*{re.escape(range_)}"):
        Limits.of(arithmetic.model_copy(update={name: leaf}))
