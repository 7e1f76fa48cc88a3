"""The page of a study as people use it: in a browser, light, dark and narrow, without a network."""

import csv
import io
import re
import xml.etree.ElementTree as ET

import pytest

from neurorobust.study import folder
from neurorobust.study.report import write_report
from tests.support.browser import browser
from tests.support.results_fixture import SWEEP, build

MODELS = "digits-conv", "digits-mlp"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    root = tmp_path_factory.mktemp("pages")
    axes = {
        "study": (MODELS, ("loihi2", "speck")),
        "sweep": (MODELS[:1], ("loihi2",), SWEEP),
    }
    return {name: write_report(build(root / name, *given)) for name, given in axes.items()}


@pytest.fixture(scope="module")
def tab(request, tmp_path_factory):
    with browser(request.config, tmp_path_factory.mktemp("downloads")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _silent(tab):
    """Whatever a test does, the page complains of nothing and asks nothing of the network."""
    yield
    assert tab.complaints() == []
    assert tab.requests() == []


CELLS = """
const table = document.getElementById(arguments[0]);
const at = [...table.tHead.rows[0].cells].findIndex(c => c.textContent.trim() === arguments[1]);
return [...table.tBodies[0].rows].filter(r => !r.hidden).map(r => r.cells[at].textContent.trim());
"""
PRESS = """
const heads = [...document.getElementById(arguments[0]).tHead.rows[0].cells];
heads.find(c => c.textContent.trim() === arguments[1]).querySelector("button").click();
"""
CHOOSE = """
const select = document.querySelector(`[data-for=${arguments[0]}] [data-filter=${arguments[1]}]`);
select.value = arguments[2];
select.dispatchEvent(new Event("change"));
"""
SAVE = """
const places = [...document.querySelectorAll(".table, figure")];
const place = places.find(p => p.querySelector(arguments[0]));
const tools = [...place.querySelectorAll(".save button, .save a")];
tools.find(tool => tool.textContent === arguments[1]).click();
"""


def shares(cells):
    return [float(re.match(r"[\d.]+", cell)[0]) for cell in cells]


def test_columns_sort_up_and_down(tab, pages):
    tab.open(pages["study"])
    before = shares(tab.run(CELLS, "worst-table", "Clean"))
    tab.run(PRESS, "worst-table", "Clean")
    assert shares(tab.run(CELLS, "worst-table", "Clean")) == sorted(before) != before
    tab.run(PRESS, "worst-table", "Clean")
    assert shares(tab.run(CELLS, "worst-table", "Clean")) == sorted(before, reverse=True)
    tab.run(PRESS, "worst-table", "Network")
    names = tab.run(CELLS, "worst-table", "Network")
    assert names == sorted(names)


def test_filters_leave_what_was_asked_for(tab, pages):
    tab.open(pages["study"])
    assert set(tab.run(CELLS, "survive-table", "Attack")) == {"SA-PGD · RGA"}
    tab.run(CHOOSE, "survive-table", "attack", "FGSM · STBP")
    tab.run(CHOOSE, "survive-table", "model", "digits-mlp")
    assert set(tab.run(CELLS, "survive-table", "Attack")) == {"FGSM · STBP"}
    assert set(tab.run(CELLS, "survive-table", "Network")) == {"digits-mlp"}
    shown = len(tab.run(CELLS, "survive-table", "Attack"))
    told = tab.run("return document.querySelector('[data-for=survive-table] output').textContent")
    assert told.startswith(f"{shown} of ")
    tab.run(CHOOSE, "survive-table", "attack", "")
    assert len(set(tab.run(CELLS, "survive-table", "Attack"))) == 5


def test_contents_lead_to_their_sections(tab, pages):
    tab.open(pages["study"])
    links = tab.run("return [...document.querySelectorAll('.contents a')].map(a => a.hash)")
    sections = tab.run("return [...document.querySelectorAll('main section')].map(s => '#' + s.id)")
    assert links == sections
    tab.click('.contents a[href="#provenance"]')
    assert tab.run("return location.hash") == "#provenance"
    seen = "return document.getElementById('provenance').getBoundingClientRect().top"
    assert tab.run(seen) < 900


def test_a_table_is_saved_as_csv_as_it_is_filtered(tab, pages):
    tab.open(pages["study"])
    tab.run(CHOOSE, "survive-table", "model", "digits-conv")
    tab.run(SAVE, "#survive-table", "CSV")
    text = tab.saved("what-becomes-of-every-attack.csv").decode()
    found = list(csv.DictReader(io.StringIO(text)))
    assert len(found) == len(tab.run(CELLS, "survive-table", "Attack"))
    rows = folder.read(pages["study"].parent).rows
    row = next(r for r in found if r["Arithmetic"].startswith("Intel Loihi 2") and r["Kept"])
    known = rows.filter(
        (rows["model"] == "digits-conv")
        & (rows["attack"] == "sapgd")
        & (rows["profile"] == "loihi2")
        & (rows["backend"] == "reference")
        & ((rows["epsilon"] * 255).round() == int(row["Radius"].split()[1].split("/")[0]))
        & (rows["crafted_on"] == rows["model_hash"])
    ).row(0, named=True)
    assert (int(row["Fooled count"]), int(row["Fooled n"])) == (
        known["fooled"],
        known["attackable"],
    )
    assert float(row["Fooled"]) == pytest.approx(known["success"])
    assert float(row["Fooled low"]) == pytest.approx(known["success_low"], abs=6e-4)
    assert int(row["Kept count"]) == known["kept"]


def test_a_table_is_saved_as_latex(tab, pages):
    tab.open(pages["study"])
    tab.run(SAVE, "#worst-table", "LaTeX")
    text = tab.saved("accuracy-in-the-worst-case-over-all-atta.tex").decode()
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    lines = [line for line in body.splitlines() if line.endswith(r"\\")]
    spec = re.search(r"\\begin\{tabular\}\{([lr]+)\}", text)[1]
    assert len(lines) == len(tab.run(CELLS, "worst-table", "Clean"))
    assert all(len(re.split(r"(?<!\\)&", line)) == len(spec) for line in lines)
    assert r"$\varepsilon$ 8/255" in text
    assert not re.search(r"(?<!\\)[%#_]", text.split("\n", 1)[1].replace("$_\\infty$", ""))
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


def test_a_figure_is_saved_as_svg_with_light_colours(tab, pages):
    tab.open(pages["study"], dark=True)
    tab.run(SAVE, "#figure-transfer svg", "SVG")
    text = tab.saved("transfer.svg").decode()
    root = ET.fromstring(text)  # noqa: S314  # our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(" not in text
    assert "#f1f4f8" in text


def test_a_figure_is_saved_as_pdf(tab, pages):
    tab.open(pages["study"])
    tab.run(SAVE, "#figure-worst-case svg", "PDF")
    data = tab.saved("worst-case.pdf")
    assert data.startswith(b"%PDF-1.")
    assert data.rstrip().endswith(b"%%EOF")
    assert b"CreationDate" not in data


LUMINANCE = """
const light = (css) => {
  const [r, g, b] = css.match(/[\\d.]+/g).map(x => (x / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const paper = light(getComputedStyle(document.documentElement).backgroundColor);
const drawing = document.querySelector("#figure-transfer svg");
const fields = [...drawing.querySelectorAll("path")].filter(p => p.style.fill.includes("heat-"));
const texts = [...drawing.querySelectorAll("text")].filter(t => t.style.fill.includes("--on-"));
return [paper, fields.map(f => light(getComputedStyle(f).fill)),
        texts.map(t => [Number(t.textContent), light(getComputedStyle(t).fill)])];
"""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("page", ["study", "sweep"])
def test_more_is_further_from_the_paper_and_can_be_read(tab, pages, page, dark):
    tab.open(pages[page], dark=dark)
    paper, fields, texts = tab.run(LUMINANCE)
    assert (paper < 0.1) == dark
    assert len(fields) == len(texts) > 20
    found = sorted(
        (share, abs(field - paper)) for (share, _), field in zip(texts, fields, strict=True)
    )
    least, most = found[0], found[-1]
    assert least[0] < 5
    assert most[0] > 60
    assert least[1] < 0.2 * most[1]
    for (_, ink), field in zip(texts, fields, strict=True):
        low, high = sorted((ink, field))
        assert (high + 0.05) / (low + 0.05) > 4


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_on_both_papers(tab, pages, dark):
    tab.open(pages["study"], dark=dark)
    found = tab.run(
        LUMINANCE.split("const paper", maxsplit=1)[0]
        + """
        const of = (name) => light(getComputedStyle(document.querySelector(name)).color);
        const paper = light(getComputedStyle(document.documentElement).backgroundColor);
        return [paper, ["h1", ".lead", "td", "td small", ".save a", ".good"].map(of)];
        """
    )
    for ink in found[1]:
        low, high = sorted((found[0], ink))
        assert (high + 0.05) / (low + 0.05) > 4.5


@pytest.mark.parametrize("page", ["study", "sweep"])
def test_a_narrow_screen_scrolls_inside_the_tables(tab, pages, page):
    tab.open(pages[page], width=420)
    assert tab.run("return document.documentElement.scrollWidth") <= 420
    wide = tab.run(
        """const all = [...document.querySelectorAll(".scroll")];
        return all.filter(s => s.scrollWidth > s.clientWidth)
        .map(s => [s, getComputedStyle(s)])
        .map(([s, look]) => [look.overflowX, look.backgroundImage, s.tabIndex])"""
    )
    assert len(wide) > 5
    for overflow, cue, focus in wide:
        assert overflow == "auto"
        assert cue.count("linear-gradient") == 4
        assert focus == 0
