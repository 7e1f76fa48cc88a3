import base64
import io
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest
from PIL import Image
from rich.console import Console

from neurorobust.errors import InvalidFile
from neurorobust.metrics import Proportion
from neurorobust.render import looks
from neurorobust.study import folder, tables
from neurorobust.study.report import print_summary, render_report, worst_case, write_report
from neurorobust.study.report.answer import answer
from neurorobust.study.report.pictures import pictures
from neurorobust.study.report.raster import MOST_NEURONS, choose, raster_pair
from neurorobust.study.report.sections import audit_rows, causes
from neurorobust.study.report.transfer import headline_set
from neurorobust.study.report.view import Radius, View
from tests.support.results_fixture import (
    EPSILONS,
    SWEEP,
    build,
    card,
    manifest,
    outcomes,
    study,
)
from tests.support.results_fixture import pictures as arrays_of_pictures

VOID = {"meta", "link", "br", "hr", "img", "input"}
MODELS = "digits-conv", "digits-mlp"


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


def least():
    """Clean samples on one backend, and nothing else."""
    clean = (
        (pl.col("set") == "clean") & (pl.col("backend") == "torch") & (pl.col("rung") == "float")
    )
    whole = study()
    return folder.Results(
        manifest=folder.Manifest(title="Least"),
        rows=whole.rows.filter(clean),
        outcomes=whole.outcomes.filter(clean),
        agreement=tables.frame(tables.AGREEMENT, []),
        cells=tables.frame(tables.CELLS, []),
    )


def least_tables():
    found = least()
    return found.rows, found.outcomes, found.agreement, found.cells


@pytest.fixture(scope="module")
def results():
    return study(MODELS, ("loihi2", "speck"))


@pytest.fixture(scope="module")
def view(results):
    return View(results)


@pytest.fixture(scope="module")
def at(results, tmp_path_factory):
    path = tmp_path_factory.mktemp("report")
    folder.write(path, results)
    return path


@pytest.fixture(scope="module")
def markup(at):
    return write_report(at).read_text()


@pytest.fixture(scope="module")
def page(markup):
    return Page(markup)


class TestThePage:
    def test_it_asks_nothing_of_the_network(self, markup, page):
        assert "https:" not in markup
        assert re.findall("http:[^\"' ]*", markup) == ["http://www.w3.org/2000/svg"]  # a name
        assert "@import" not in markup
        for tag, attrs in page.tags:
            assert tag not in {"link", "iframe", "object", "base"}
            for name in ("src", "href", "xlink:href", "srcset"):
                own = "#", "data:image/png;base64,", "data:application/pdf;base64,"
                assert attrs.get(name, "#").startswith(own)

    def test_ids_are_unique_and_references_resolve(self, markup, page):
        assert len(page.ids) == len(set(page.ids))
        wanted = set(re.findall(r'(?:url\(#|href="#)([^")]+)', markup))
        assert wanted <= set(page.ids)

    def test_figures_and_tables_are_accessible(self, page):
        figures = [attrs for tag, attrs in page.tags if tag == "svg"]
        assert len(figures) == 6
        assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in figures)
        assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")
        count = [tag for tag, _ in page.tags].count
        assert count("caption") == count("table")
        assert count("h1") == 1
        assert count("figcaption") == count("figure") == count("svg")

    def test_equal_results_give_equal_text(self, at, markup):
        code = f"from neurorobust.study.report import write_report; write_report({str(at)!r})"
        subprocess.run([sys.executable, "-c", code], check=True)
        assert (at / folder.REPORT).read_text() == markup

    def test_it_is_small(self, markup):
        assert len(markup.encode()) < 3_000_000

    @pytest.mark.parametrize(
        "words",
        [
            "Digits on Loihi 2 arithmetic",
            "digits-conv decides rightly in float 98.6 % of 360 clean samples and",
            "Lava fire exactly the spikes of the reference on float; Intel Loihi 2: 0 of",
            "Nothing fired on SynSense Speck, so comparing spikes there shows nothing.",
            "step 6 in conv1, neuron 77 of sample 118; membrane +4.0e-16 from its threshold",
            "Lava's float processes are not compared; run it on the rung quantised",
            "Not everything ran: 2 lanes refused, 4 lanes unavailable, 1 attack set refused and 1",
            "weights are rounded, the membrane stays in floating point",
            "kernel words: 9 216 of 1 024 words (conv1, conv2)",
            "The audit withholds the robust accuracy of digits-mlp: no attack was to be audited.",
            "PGD (40 steps) · STBP",
            "neurorobust run studies/synthetic.toml",
            "lava-nc 0.10.0",
            "0.0064",
            "full colour ±16/255",
            "took more than 4 GB; give --memory",
        ],
    )
    def test_it_says_what_was_found(self, page, words):
        assert words in page.text.replace("\u202f", " ")

    def test_one_cause_is_one_row(self, page):
        assert page.text.count("onnxruntime is not installed") == 1

    def test_causes_are_those_of_lowering_and_names_are_no_causes(self):
        known = study(variants=((None, "mse"), (4, "mse"))).manifest
        why = "Speck has no form of it"
        refused = {"status": "refused", "reason": why, "model": "digits-conv", "profile": "speck"}
        lanes = [
            {"model": "digits-conv", "backend": name, "rung": "float", "status": "refused"}
            | {"reason": f"{looks.proper(name)} has no such neuron"}
            for name in ("norse", "snntorch")
        ]
        lanes += [refused | {"backend": "torch", "rung": "quantised"}]
        changed = known.model_copy(
            update={
                "lanes": [folder.LaneInfo.model_validate(lane) for lane in lanes],
                "programs": [folder.ProgramInfo.model_validate(refused)],
                "sets": [],
            }
        )
        found = causes(View(folder.Results(changed, *(least_tables()))))
        assert [(cause.reason, cause.what) for cause in found] == [
            ("each has no such neuron", ("Norse, snnTorch · float",)),
            (why, ("lowering · speck",)),
        ]

    def test_contents_list_what_there_is(self):
        text = render_report(least())
        links = re.findall(r'<a href="#(\w+)">', text)
        assert links == ["answer", "worst", "provenance"]

    def test_names_from_the_folder_are_escaped(self):
        hostile = '<script>alert("x")</script>'
        named = {n: pl.col(n).replace("digits-conv", hostile) for n in ("model",)}
        known = study()
        changed = known.manifest.model_copy(
            update={"title": hostile, "notes": [hostile], "command": hostile}
        )
        page = Page(
            render_report(
                folder.Results(
                    manifest=changed,
                    rows=known.rows.with_columns(**named),
                    outcomes=known.outcomes.with_columns(**named),
                    agreement=known.agreement.with_columns(**named),
                    cells=known.cells,
                    pictures=known.pictures,
                )
            )
        )
        assert [tag for tag, _ in page.tags].count("script") == 1
        assert hostile in page.text

    def test_an_unfinished_folder_is_refused(self, tmp_path):
        with pytest.raises(InvalidFile, match="no folder of a study"):
            write_report(tmp_path)


class TestTheAnswer:
    @staticmethod
    def brute(results, site, backend, epsilon):
        """Right when clean and in every set of the radius or less, sample by sample."""
        own = results.outcomes.filter(
            (pl.col("model") == site.model)
            & (pl.col("rung") == site.rung)
            & (pl.col("profile") == site.profile)
            & (pl.col("backend") == backend)
            & (pl.col("epsilon") <= epsilon)
        )
        right: dict[int, bool] = {}
        for row in own.to_dicts():
            held = right.get(row["sample"], True)
            right[row["sample"]] = held and row["decision"] == row["label"]
        return Proportion(sum(right.values()), len(right))

    @pytest.mark.parametrize("epsilon", EPSILONS)
    def test_the_worst_case_is_over_all_attacks(self, results, view, epsilon):
        for group in view.groups:
            for backend in group.backends:
                known = self.brute(results, group.site, backend, epsilon)
                assert view.worst(group, Radius("linf", epsilon)) == known

    def test_a_network_that_decides_by_chance_is_told_first(self):
        whole = study()
        lost = whole.outcomes.with_columns(decision=(pl.col("label") + 1) % 10)
        wrong = View(folder.Results(whole.manifest, whole.rows, lost, *rest(whole)))
        (first, *_) = answer(wrong, (), ()).warnings
        assert first[0] == "bad"
        assert "decides 0.0 % of" in first[1]
        assert "10.0 % would be chance" in first[1]
        right = answer(View(whole), (), ()).warnings
        assert not any("would be chance" in text for _, text in right)

    def test_a_chip_without_a_form_of_the_network_is_told_with_its_first_reason(self):
        refused = folder.ProgramInfo(
            model="digits-conv",
            profile="speck",
            status="refused",
            reason="no exact form:\n  - lif1: compares with >=\n  - lif2: soft reset",
        )
        told = answer(View(study(programs=[refused])), (), ()).warnings
        said = [text for _, text in told if "has no form" in text]
        assert len(said) == 1
        assert said[0].endswith("lif1: compares with >= (and 1 more, see below).")

    def test_a_number_that_the_audit_doubts_is_marked(self):
        held = {"model": "digits-conv", "card": None, "withheld": "C7 unbounded attack"}
        tiles = answer(View(study(audits=[held])), (), ()).headline.tiles
        worst = [tile.name for tile in tiles if "worst case" in tile.name]
        assert worst
        assert all("which the audit doubts" in name for name in worst)

    def test_programs_are_told_the_same_worst_case(self, results, view):
        told = worst_case(results)
        assert len(told) == len(view.groups)
        for group, row in zip(view.groups, told, strict=True):
            for at in row["worst"]:
                known = self.brute(results, group.site, row["backends"][0], at["epsilon"])
                assert (at["right"]["count"], at["right"]["n"]) == (known.count, known.n)
                assert at["right"]["interval"] == list(known.interval)

    def test_sets_of_one_attack_on_two_ranges_are_one(self):
        whole = study()
        strong = (pl.col("attack") == "sapgd") & (pl.col("sample") >= 100)
        parted = whole.outcomes.with_columns(
            set=pl.when(strong).then(pl.col("set").str.reverse()).otherwise(pl.col("set"))
        )
        assert parted["set"].n_unique() > whole.outcomes["set"].n_unique()
        radius = Radius("linf", EPSILONS[3])
        for one, two in (
            (View(whole), View(folder.Results(whole.manifest, whole.rows, parted, *rest(whole)))),
        ):
            found = [one.worst(g, radius) for g in one.groups]
            assert found == [two.worst(g, radius) for g in two.groups]

    def test_lanes_that_decide_alike_share_a_row(self, view):
        shared = {(g.site.model, g.site.profile): g.backends for g in view.main.values()}
        assert shared["digits-conv", ""] == ("reference", "torch", "snntorch")
        assert shared["digits-conv", "speck"] == ("reference", "torch")
        assert all(backends != ("lava",) for backends in shared.values())

    def test_one_other_decision_is_another_row(self):
        whole = study()
        one = (pl.col("backend") == "torch") & (pl.col("sample") == 7) & (pl.col("set") != "clean")
        changed = whole.outcomes.with_columns(
            decision=pl.when(one & (pl.col("rung") == "float"))
            .then((pl.col("decision") + 1) % 10)
            .otherwise(pl.col("decision"))
        )
        found = View(folder.Results(whole.manifest, whole.rows, changed, *rest(whole)))
        assert ("reference", "snntorch") in [group.backends for group in found.groups]

    def test_the_headline_set_fools_most_where_it_was_crafted(self, view):
        first = headline_set(view, "digits-conv")
        assert (first.attack, first.gradient) == ("sapgd", "rga")
        assert view.crafted(first) == "digits-conv, float"

    def test_a_study_without_attacks_has_an_answer(self):
        text = Page(render_report(least())).text
        assert "How well does digits-conv decide?" in text
        assert (
            "digits-conv in float decides 98.6 % (96.8–99.4) of 360 clean samples rightly" in text
        )
        assert "No audit" not in text

    def test_a_red_check_withholds_the_number(self):
        audits = [{"model": "digits-conv", "set": "", "card": card(red=True)}]
        found = View(study(audits=audits))
        warning = "The audit withholds the robust accuracy of digits-conv: C5 More steps."
        assert ("bad", warning) in answer(found, (), ()).warnings
        [row] = audit_rows(found)
        assert [finding["id"] for finding in row.findings] == ["C5", "C9"]
        assert not row.number.text

    @pytest.mark.parametrize(("left", "warned"), [(20, True), (199, False)])
    def test_an_audit_that_leaves_far_less_is_a_warning(self, left, warned):
        found = card(red=False)
        found["headline"] |= {"count": left}
        audits = [{"model": "digits-conv", "set": "", "card": found}]
        told = [text for _, text in answer(View(study(audits=audits)), (), ()).warnings]
        assert any("they are too weak" in text for text in told) == warned

    def test_numbers_that_nobody_audited_are_said_to_be(self):
        told = answer(View(study(audits=[])), (), ()).headline.sentences
        assert any(sentence.startswith("No audit asked") for sentence in told)


def rest(results):
    return results.agreement, results.cells, results.pictures


@pytest.fixture(scope="module")
def text():
    return Page(render_report(study(MODELS[:1], ("loihi2",), SWEEP))).text


class TestWhatFewerBitsCost:
    def test_there_is_one_curve_and_one_map(self, text):
        assert text.count("Accuracy over weight bits") == 1
        assert text.count("How much of each attack arrives") == 1

    def test_refused_variants_are_there_with_their_reason(self, text):
        assert "1 bit has no value but zero; give at least 2 bits" in text
        assert "lowering · Intel Loihi 2, 1-bit weights, mse" in text

    def test_the_fewest_bits_are_told(self, text):
        rows = study(MODELS[:1], ("loihi2",), SWEEP).rows
        clean = rows.filter((pl.col("set") == "clean") & (pl.col("backend") == "reference"))
        own = clean.filter(pl.col("rung") == "float")["accuracy"][0]
        near = clean.filter(pl.col("weight_bits").is_not_null() & (pl.col("accuracy") > own - 0.01))
        least_bits = near["weight_bits"].min()
        assert f"loses less than one point: {least_bits}-bit weights" in text

    def test_nothing_of_it_is_shown_where_nothing_varies(self, page):
        assert "What fewer bits cost" not in page.text


class TestPictures:
    @staticmethod
    def drawn(arrays):
        return {d.name: d for d in pictures(View(study(pictures=arrays)))}

    def test_a_silent_raster_is_drawn(self):
        quiet = {name: 0 * a for name, a in arrays_of_pictures().items() if "raster" in name}
        found = raster_pair(View(study(pictures=quiet)))
        assert "sample 118 (label 3) in digits-conv" in found.caption

    def test_colour_and_recordings_are_drawn(self):
        rng = np.random.default_rng(0)
        arrays = {}
        for i, shape in enumerate([(3, 8, 8), (20, 2, 8, 8), (40,), (2, 2, 2, 2, 2)]):
            arrays[f"clean/{i}"] = rng.random(shape)
            arrays[f"adversarial/{i}"] = rng.random(shape)
        found = self.drawn(arrays)
        assert list(found) == ["pictures", "events-0"]
        assert "each colour channel is brighter or darker" in found["pictures"].caption
        assert "samples 118, 120" in found["pictures"].caption
        assert "Time runs to the right in 6 equal parts" in found["events-0"].caption

    def test_the_pixels_are_those_of_the_samples(self):
        [drawing] = self.drawn(
            {n: a for n, a in arrays_of_pictures().items() if n[-1] == "0"}
        ).values()
        found = [base64.b64decode(data) for data in re.findall(r"base64,\s*([^\"]+)", drawing.svg)]
        clean, attacked, change = (np.asarray(Image.open(io.BytesIO(data))) for data in found)
        known = {n: arrays_of_pictures()[f"{n}/0"][0] for n in ("clean", "adversarial")}
        assert np.abs(clean[..., 0] / 255 - known["clean"]).max() < 2e-3
        assert np.abs(attacked[..., 0] / 255 - known["adversarial"]).max() < 2e-3
        moved = known["adversarial"] - known["clean"]
        assert np.abs(change[..., 3] / 255 - np.abs(moved) / np.abs(moved).max()).max() < 2e-3
        assert ((change[..., 0] > change[..., 2])[moved > 0]).all()
        assert ((change[..., 0] < change[..., 2])[moved < 0]).all()

    def test_without_pictures_there_are_none(self):
        assert self.drawn({}) == {}
        assert raster_pair(View(study(pictures={}))) is None

    def test_large_layers_show_those_that_fire(self):
        spikes = arrays_of_pictures()["raster/clean/conv1"]
        chosen = choose(spikes, spikes)
        assert len(set(chosen)) == len(chosen) == MOST_NEURONS
        assert spikes[:, chosen].any(axis=0).all()


class TestTheTerminal:
    @staticmethod
    def printed(at, **options):
        stream = io.StringIO()
        print_summary(Console(file=stream, **options), at)
        return stream.getvalue()

    def test_the_summary_fits_a_terminal(self, tmp_path):
        at = build(tmp_path)
        text = self.printed(at, width=120, force_terminal=True, color_system=None)
        table = text[text.index("Right when clean") : text.index("Second lines")]
        assert max(map(len, table.splitlines())) <= 120
        assert "Does digits-conv decide on Intel Loihi 2 as in float" in text

    def test_it_is_plain_lines_where_there_is_none(self, at):
        text = self.printed(at)
        assert "\x1b" not in text
        line = r"^digits-conv · float · reference, PyTorch, snnTorch: clean 98\.6 % .*, ε\s8/255 "
        assert re.search(line, text, re.MULTILINE)
        assert "unavailable: digits-conv · ONNX Runtime · float" in text

    def test_names_are_no_markup(self, tmp_path):
        at = build(tmp_path, title="[bold]x[/nothing]")
        assert "[bold]x[/nothing]" in self.printed(at)

    def test_the_least_folder_is_summed_up(self, tmp_path):
        folder.write(tmp_path, least())
        assert "98.6 %" in self.printed(tmp_path)


def test_importing_the_package_stays_light():
    code = (
        "import sys, neurorobust; "
        "heavy = {'matplotlib', 'polars', 'jinja2'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_reports_import_no_backend():
    code = (
        "import sys, neurorobust.study.report; "
        "found = [m for m in sys.modules if m.startswith(('torch', 'neurorobust.backends', "
        "'neurorobust_', 'neurorobust.engine'))]; assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_fixture_has_the_columns_of_a_study():
    assert outcomes().columns == list(tables.OUTCOMES)
    assert manifest().models[0].label == "digits-conv"
