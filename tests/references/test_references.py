"""``neurorobust cite``: everything has an entry, the file is whole, sets name what they used."""

import json
import re
import tomllib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import neurorobust
from neurorobust.attacks import (
    METHODS,
    Apgd,
    Ensemble,
    Linf,
    Pgd,
    Request,
    Square,
    Targeted,
    Transferred,
    attack_names,
    craft,
)
from neurorobust.attacks.losses import LOSSES
from neurorobust.backends import backend_names
from neurorobust.engine.estimators import ESTIMATORS, SURROGATES, Hart, Mix, Rga, Stbp, TimeExtended
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.ir import LIF, Affine, Graph, Header, save_model
from neurorobust.references import cite, references
from neurorobust.references.bibtex import Reference, parse
from tests.support import small
from tests.support.running import invoke

ROOT = Path(__file__).parents[2]
TEXT = (files("neurorobust.references") / "references.bib").read_text(encoding="utf-8")
LISTED = {name for reference in references() for name in reference.names}
WRAPPERS = {"ensemble", "fast", "targeted", "transferred"}


def of(kind: str) -> set[str]:
    return {name.partition(":")[2] for name in LISTED if name.startswith(f"{kind}:")}


def keys(*wanted: str | Path) -> set[str]:
    found, uncited = cite(map(str, wanted))
    assert not uncited
    return {reference.key for reference in found} - {"neurorobust"}


def graph(seed: int = 0) -> Graph:
    draw = np.random.default_rng(seed)
    a = Affine(weight=draw.normal(size=(3, 4)), bias=np.full(3, 0.5))
    lif = LIF(beta=0.8, threshold=1.0)
    return small.graph(4, Header(dt_s=1e-3, steps=3, levels=256), a=a, lif=lif)


def crafted(attack, folder: Path) -> Path:
    network, x = Network(graph()), np.array([[0.0, 0.2, 0.4, 1.0]])
    threat = Linf.of(network.graph.header, 32 / 255)
    craft(attack, Request(network, x, np.array([0]), threat), folder)
    return folder


def ids_of_profiles() -> set[str]:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "hw_profiles").glob("*.toml")]
    return {tomllib.loads(text)["id"] for text in texts}


def test_everything_registered_has_an_entry():
    assert of("attack") == set(attack_names()) | WRAPPERS
    assert of("gradient") == set(ESTIMATORS)
    assert of("backend") == set(backend_names())


def test_nothing_is_listed_that_does_not_exist():
    assert of("loss") <= set(LOSSES)
    assert of("surrogate") <= set(SURROGATES)
    assert of("chip") <= ids_of_profiles()
    adapters = {path.stem for path in (ROOT / "neurorobust/attacks/adapters").glob("*.py")}
    assert of("adapter") <= adapters
    assert of("data") == {"digits", "mnist", "cifar10"}


def test_the_file_is_read_whole_and_every_entry_is_complete():
    found = references()
    assert len(found) == TEXT.count("@") > 40
    assert [entry.key for entry in found] == re.findall(r"^@\w+\{(\w+),$", TEXT, re.MULTILINE)
    assert len({entry.key for entry in found}) == len(found)
    for entry in found:
        assert {"author", "title", "year"} <= set(entry.fields), entry.key
        assert re.fullmatch(r"(19|20)\d\d", entry.fields["year"]), entry.key
        assert entry.names, entry.key
        for name, value in entry.fields.items():
            assert value, (entry.key, name)
            assert value.count("{") == value.count("}"), (entry.key, name)
        if "eprint" in entry.fields:
            assert re.fullmatch(r"\d{4}\.\d{4,5}", entry.fields["eprint"]), entry.key
            assert entry.fields["archiveprefix"] == "arXiv"
        if entry.type == "inproceedings":
            assert "booktitle" in entry.fields, entry.key
        if entry.type == "article":
            assert {"journal", "volume", "pages"} <= set(entry.fields), entry.key


def test_no_field_is_lost_by_the_reader():
    lines = re.findall(r"^  (\w+) = \{", TEXT, re.MULTILINE)
    read = sum(len(entry.fields) + bool(entry.names) for entry in parse(TEXT))
    assert read == len(lines)
    assert {entry.key for entry in references()} >= {k for m in METHODS.values() for k in m.cited}


def test_what_is_printed_reads_the_same():
    printed = "\n\n".join(entry.bibtex for entry in references())
    assert "neurorobust =" not in printed
    assert max(map(len, printed.splitlines())) <= 100
    again = parse(printed)
    assert [(e.key, e.type, dict(e.fields)) for e in again] == [
        (e.key, e.type, dict(e.fields)) for e in references()
    ]


def test_values_keep_braces_and_accents():
    text = """% comment with {one brace
    @Misc{a1,
      Title = {{SNN-RAT}:
        an \\{escaped\\} title}, author = {Tram{\\`e}r, F. and M{\\"u}ller, E.},
      neurorobust = {attack:x, gradient:y_2}
    }
    """
    wanted = {
        "title": "{SNN-RAT}: an \\{escaped\\} title",
        "author": 'Tram{\\`e}r, F. and M{\\"u}ller, E.',
    }
    assert parse(text) == (Reference("a1", "misc", wanted, ("attack:x", "gradient:y_2")),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("@misc{a, title = {{open }", "line 1: the brace of its field title is not closed"),
        ("% first\n@misc{a, title = {b},}\nloose words", "line 3: an entry starts with @type{key,"),
        ('@misc{a, title = "b"}', "a: after its key comes neither another"),
        ("@misc{a, title = {b} year = {2020}}", "after its field title comes neither another"),
        ("@misc{a, title = {b},", "nor the end"),
        ("@misc{a, title = {b}, title = {c}}", "field title twice"),
        ("@misc{a, title = {b}}\n@misc{a, title = {c}}", "line 2: the key a is given twice"),
        ("@misc{a, neurorobust = {pgd}}", "write kind:name"),
    ],
)
def test_bad_bibtex_is_refused_with_its_place(text, reason):
    with pytest.raises(InvalidFile, match=re.escape(reason)) as error:
        parse(text, "some.bib")
    assert str(error.value).startswith("some.bib: ")


def test_the_software_is_always_first_with_the_version_of_the_package():
    (alone,), uncited = cite([])
    assert (alone.key, alone.type, uncited) == ("neurorobust", "software", ())
    assert alone.fields["version"] == neurorobust.__version__
    assert alone.fields["author"] == "{The neurorobust developers}"
    assert cite(["rga", "pgd"])[0][0] == alone
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {alone.fields['version']}\n" in citation


def test_names_are_found_however_they_are_written():
    assert keys("sapgd") == keys("SA-PGD") == keys("sa_pgd") == keys("attack:sapgd")
    assert keys("sapgd") == keys("assg") == {"wang2025towards"}
    assert keys("PGD", "Rga", "pgd") == {"madry2018towards", "bu2023rate"}
    assert keys("CIFAR-10") == {"krizhevsky2009learning"}
    assert keys("cba") == {"bu2022optimal", "hao2024threaten"}
    assert keys("loihi-2") == {"orchard2021efficient"}
    assert len(keys("audit")) == 4
    assert keys("noise", "reference") == set()


def test_an_unknown_name_is_an_error_with_what_is_close():
    with pytest.raises(InvalidInput, match="'pgdd'; nearest are pgd, ") as error:
        cite(["rga", "pgdd"])
    assert all(len(line) <= 110 for line in str(error.value).splitlines())
    assert "spikefool" in str(error.value)
    with pytest.raises(InvalidInput, match=r"'zzzz'; known are(.|\s)*spikefool"):
        cite(["zzzz"])


def test_a_folder_names_exactly_what_its_sets_used(tmp_path):
    folder = crafted(Pgd(Rga(), steps=1), tmp_path / "results" / "attacks")
    save_model(graph(), tmp_path / "results" / "model.safetensors")
    assert keys(tmp_path) == keys(next(folder.glob("*.safetensors"))) == keys("pgd", "rga")
    assert keys(tmp_path) == {"madry2018towards", "bu2023rate"}
    crafted(Square(queries=5), folder)
    assert keys(tmp_path) == {"madry2018towards", "bu2023rate", "andriushchenko2020square"}


def test_details_of_a_method_have_papers_of_their_own(tmp_path):
    attack = Pgd(Stbp("piecewise_linear"), steps=1, loss="dlr")
    stbp = {"wu2018spatio", "neftci2019surrogate"}
    found = keys(crafted(attack, tmp_path))
    assert found == stbp | {"madry2018towards", "sharmin2020inherent", "croce2020reliable"}


def test_attacks_and_gradients_within_others_are_cited(tmp_path):
    mixed = TimeExtended(Mix([Hart(), Stbp()]), factor=1)
    twin = Network(graph(seed=1))
    crafted(Transferred(Targeted(Apgd(mixed, steps=1), "next"), twin), tmp_path)
    found = keys("transferred", "targeted", "apgd", "mix", "hart", "time_extended", "stbp")
    assert keys(tmp_path) == found
    assert {"papernot2016transferability", "croce2020reliable", "wu2018spatio"} < found


@pytest.mark.parametrize("twin", [None, 1])
def test_an_ensemble_cites_its_stages_and_members(tmp_path, twin):
    other = None if twin is None else Network(graph(seed=twin))
    crafted(Ensemble([Rga(), Hart()], steps=1, queries=2, twin=other), tmp_path)
    found = keys(tmp_path)
    transfer = set() if twin is None else keys("transferred")
    assert found == keys("sapgd", "apgd", "square", "rga", "hart") | transfer


def test_files_without_sets_are_named(tmp_path):
    save_model(graph(), tmp_path / "model.safetensors")
    for path in (tmp_path, tmp_path / "model.safetensors"):
        with pytest.raises(InvalidFile, match="holds no attack set"):
            cite([str(path)])
    with pytest.raises(InvalidFile, match="is missing"):
        cite([str(tmp_path / "none")])
    with pytest.raises(InvalidFile, match="is missing"):
        cite(["none.safetensors"])
    (tmp_path / "broken.safetensors").write_bytes(b"\x08")
    with pytest.raises(InvalidFile, match=r"broken\.safetensors"):
        cite([str(tmp_path)])


def test_a_name_is_never_a_folder(tmp_path, monkeypatch):
    crafted(Pgd(Rga(), steps=1), tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    assert keys("digits") == {"alpaydin1998optical"}
    assert keys("./digits") == {"madry2018towards", "bu2023rate"}


def test_methods_of_others_are_said_to_have_no_entry(tmp_path, monkeypatch):
    monkeypatch.setattr(Pgd, "name", "elsewhere")
    folder = crafted(Pgd(Rga(), steps=1), tmp_path)
    found, uncited = cite([str(folder)])
    assert [entry.key for entry in found] == ["neurorobust", "bu2023rate"]
    assert uncited == ("attack:elsewhere",)
    result = invoke("cite", folder)
    assert result.exit_code == 0
    assert "no entry for attack:elsewhere" in result.stderr


def test_the_command_prints_bibtex_or_json(tmp_path):
    folder = crafted(Pgd(Rga(), steps=1), tmp_path)
    wanted = ["neurorobust", "madry2018towards", "bu2023rate"]
    result = invoke("cite", folder, "RGA")
    assert result.exit_code == 0, result.output
    assert [entry.key for entry in parse(result.stdout)] == wanted
    result = invoke("cite", "pgd", "rga", "--json")
    rows = json.loads(result.stdout)
    assert [row["key"] for row in rows] == wanted
    assert all(set(row) == {"key", "type", "fields", "names"} for row in rows)
    assert rows[2]["names"] == ["gradient:rga", "gradient:time_extended"]
    assert "neurorobust" not in rows[2]["fields"]
    result = invoke("cite", "pgdd")
    assert result.exit_code == 1
    assert "'pgdd'; nearest are pgd," in result.stderr
