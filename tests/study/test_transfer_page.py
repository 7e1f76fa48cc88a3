import io
import re
import subprocess
import sys
from html.parser import HTMLParser

import polars as pl
import pytest
from rich.console import Console

from neurorobust.compare.spikes import AGREEMENT_COLUMNS
from neurorobust.metrics import Column, Proportion, SetKey, scopes
from neurorobust.render import looks
from neurorobust.render.colours import GRADIENTS, backend_colours
from neurorobust.study.transfer import print_summary, read_results, write_report, write_results
from neurorobust.study.transfer.raster import MOST_NEURONS, choose
from neurorobust.study.transfer.tables import headline_set, transfer_table
from tests.support.results_fixture import EPSILONS, build, manifest, outcomes, rasters

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Collects ids, tags and text, and checks that elements nest."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.tags, self.words, self.open = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in {"script", "style"}:
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


def few_outcomes():
    """Clean, one attack set, three backends on all samples."""
    rows = outcomes().filter(pl.col("backend").is_in(["torch", "snntorch", "norse"]))
    strong = (pl.col("attack") == "pgd") & (pl.col("epsilon") == EPSILONS[1])
    return rows.filter((pl.col("set") == "clean") | strong)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def markup(folder):
    return write_report(folder).read_text()


@pytest.fixture(scope="module")
def page(markup):
    return Page(markup)


def test_the_page_asks_nothing_of_the_network(markup, page):
    assert "http:" not in markup
    assert "https:" not in markup
    assert "@import" not in markup
    for tag, attrs in page.tags:
        assert tag not in {"link", "iframe", "object", "base"}
        for name in ("src", "href", "xlink:href", "srcset"):
            assert attrs.get(name, "#").startswith(("#", "data:image/png;base64,"))


def test_ids_are_unique_and_references_resolve(markup, page):
    assert len(page.ids) == len(set(page.ids))
    wanted = set(re.findall(r'(?:url\(#|href="#)([^")]+)', markup))
    assert wanted <= set(page.ids)


def test_figures_and_tables_are_accessible(page):
    tags = page.tags
    figures = [attrs for tag, attrs in tags if tag == "svg"]
    assert len(figures) == 8
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in figures)
    assert all("scope" in attrs for tag, attrs in tags if tag == "th")
    count = [tag for tag, _ in tags].count
    assert count("caption") == count("table")
    assert count("h1") == 1
    assert count("figcaption") == count("figure") == count("svg")


def test_rendering_again_gives_the_same_page(folder, markup):
    assert write_report(folder).read_text() == markup


def test_the_script_stays_small(markup):
    script = re.search(r"<script>(.*?)</script>", markup, re.DOTALL)[1]
    assert len(script.splitlines()) <= 100


@pytest.mark.parametrize(
    "words",
    [
        "Digits on Loihi 2 arithmetic",
        "torch · float decides 98.6 % (interval 96.8–99.4) of 360 clean test samples rightly",
        "PGD · RGA, ε 24/255, fools it on",
        "On the float rung, torch and snntorch fire exactly the spikes of reference",
        "step 6 in conv1, neuron 77 of sample 118; membrane +4.0e-16 from its threshold",
        "skipped: lava's fixed-point processes are compared, not its float ones",
        "deviates: weights are rounded",
        "All backends, on the samples that lava (quantised) replayed",
        "neurorobust run studies/synthetic.toml",
        "lava-nc 0.10.0",
        "0.0064",
    ],
)
def test_the_page_says_what_was_found(page, words):
    assert words in page.text


def test_names_from_the_folder_are_escaped(tmp_path):
    hostile = '<script>alert("x")</script>'
    named = few_outcomes().with_columns(backend=pl.col("backend").replace("snntorch", hostile))
    changed = manifest() | {"title": hostile, "notes": [hostile], "command": hostile}
    changed |= {"backends": [], "surrogate": {"backend": "torch", "rung": "float"}}
    page = Page(write_report(build(tmp_path, outcomes=named, manifest=changed)).read_text())
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert hostile in page.text


def test_the_least_folder_still_makes_a_page(tmp_path):
    clean = outcomes().filter((pl.col("set") == "clean") & (pl.col("backend") == "torch"))
    empty = pl.DataFrame(schema=AGREEMENT_COLUMNS)
    folder = write_results(tmp_path, clean, empty, {}, {"title": "Least"})
    page = Page(write_report(folder).read_text())
    assert "torch · float decides 98.6 %" in page.text
    assert "Which attacks survive" not in page.text
    print_summary(Console(file=io.StringIO()), folder)


def test_a_surrogate_that_did_not_run_is_no_error(tmp_path):
    changed = manifest() | {"surrogate": {"backend": "elsewhere", "rung": "float"}}
    folder = build(tmp_path, outcomes=few_outcomes(), manifest=changed)
    assert "Which attacks survive" in Page(write_report(folder).read_text()).text


def test_a_silent_raster_is_drawn(tmp_path):
    quiet = {name: 0 * spikes for name, spikes in rasters().items()}
    folder = build(tmp_path, outcomes=few_outcomes(), rasters=quiet)
    assert "Inside the network" in Page(write_report(folder).read_text()).text


def test_the_headline_set_is_where_half_of_the_samples_fall(folder):
    results = read_results(folder)
    table = transfer_table(results, scopes(results.outcomes)[0])
    assert table.headline[1:] == ("pgd", "rga", EPSILONS[2])
    weak = [t for t in table.transfers if t.key.epsilon < EPSILONS[1]]
    assert headline_set(weak, results.surrogate)[1:] == ("pgd", "rga", EPSILONS[0])
    assert headline_set([], results.surrogate) is None


def test_large_layers_show_those_that_fire():
    spikes = rasters()["clean/conv1"]
    chosen = choose(spikes, spikes)
    assert len(set(chosen)) == len(chosen) == MOST_NEURONS
    assert spikes[:, chosen].any(axis=0).all()


@pytest.mark.parametrize("terminal", [True, False])
def test_the_summary_fits_a_hundred_columns(folder, terminal):
    stream = io.StringIO()
    print_summary(
        Console(file=stream, width=100, force_terminal=terminal, color_system=None), folder
    )
    text = stream.getvalue()
    assert "Transfer of PGD · RGA, ε 24/255, crafted on torch · float" in text
    assert "lava · quantised" in text
    if terminal:
        assert max(map(len, text.splitlines())) <= 100
    else:
        assert "\x1b" not in text
        assert re.search(r"^lava · quantised: clean .* kept \d+/\d+, lost", text, re.MULTILINE)


def test_names_in_the_terminal_are_no_markup(tmp_path):
    folder = build(tmp_path, manifest=manifest() | {"title": "[bold]x[/nothing]"})
    stream = io.StringIO()
    print_summary(Console(file=stream), folder)
    assert "[bold]x[/nothing]" in stream.getvalue()


@pytest.mark.parametrize(
    ("rate", "text"),
    [(1.0, "100.0 %"), (0.99999, "> 99.9 %"), (0.0, "0.0 %"), (1e-5, "< 0.1 %"), (0.574, "57.4 %")],
)
def test_only_a_whole_is_a_hundred(rate, text):
    assert looks.percent(rate) == text


def test_numbers_are_written_alike():
    assert looks.percent(float("nan")) == "–"
    assert looks.epsilon(8 / 255) == "8/255"
    assert looks.epsilon(0.05) == "0.05"
    assert looks.epsilon_axis([0.0, 0.05])[0] == ["0", "0.05"]
    assert looks.set_name(SetKey("x", "noise", "none", 0.1)) == "noise, ε 0.1"
    assert looks.interval(Proportion(0, 0)) == ""
    assert looks.p_value(1e-9) == "< 0.001"
    assert looks.integer(12345678) == "12\u202f345\u202f678"
    assert looks.duration(4000) == "1:06:40"
    assert looks.column_list([Column("a", "float"), Column("b", "float")]) == "a, b (float)"
    both = [Column("a", "float"), Column("a", "quantised")]
    assert looks.column_list(both) == "a (float, quantised)"


def test_backend_colours_are_stable_and_distinct():
    names = ["lava", "torch", "speck", "mine", "lava"]
    colours = backend_colours(names)
    assert len(set(colours.values())) == 4
    assert colours["lava"] == backend_colours(["lava"])["lava"]
    assert not set(colours.values()) & set(GRADIENTS.values())


def test_importing_the_package_stays_light():
    code = (
        "import sys, neurorobust; "
        "heavy = {'matplotlib', 'polars', 'jinja2'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_reports_import_no_backend():
    code = (
        "import sys, neurorobust.study.transfer, neurorobust.metrics; "
        "found = [m for m in sys.modules if m.startswith(('torch', 'neurorobust.backends', "
        "'neurorobust_', 'neurorobust.engine'))]; assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
