"""``neurorobust check``, the figure and the page, as a user meets them."""

import json
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from neurorobust.fit.checking import check
from neurorobust.fit.figure import cores_figure, save_figure
from neurorobust.fit.html import page
from neurorobust.ir import save_model
from tests.support.netx_files import dense, write_net
from tests.support.running import invoke
from tests.support.small import changed, cnn, mlp, profile

SVG = "{http://www.w3.org/2000/svg}svg"
CHIPS = (
    "loihi1", "loihi2", "speck", "xylo", "truenorth", "spinnaker2", "brainscales2", "akida",
)  # fmt: skip


def run(*arguments):
    result = invoke("check", *arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def saved(tmp_path):
    return save_model(changed(mlp(20, 12, 4), header={"levels": 2}), tmp_path / "net.safetensors")


class TestCommand:
    def test_fits(self, saved):
        result = run(saved, "--profile", "loihi2")
        assert result.exit_code == 0
        assert "net on Intel Loihi 2: fits on 1 of 128 cores" in result.output
        assert "no public figure" in result.output

    def test_does_not_fit(self, saved):
        result = run(saved, "--profile", "loihi2", "--profile", "xylo")
        assert result.exit_code == 1
        assert "does not fit" in result.output
        assert "20 of 16" in result.output

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["nothing.safetensors", "--profile", "loihi2"], "nothing.safetensors: is no file"),
            (["{saved}", "--profile", "no-such-chip"], "no hardware profile is named"),
            (
                ["{saved}", "--profile", "loihi2", "--data", "none.npz"],
                "is no file; give a file of arrays",
            ),
            (["{text}", "--profile", "loihi2"], "cannot be read as safetensors"),
            (["{text}", "--profile", "loihi2", "--steps", "0"], "--steps"),
            (
                ["{saved}", "--profile", "loihi2", "--steps", "3"],
                "says --steps itself, or has no use for it",
            ),
            (["{saved}", "--profile", "loihi2", "--data", "{none}"], "at least one sample"),
            (["{saved}", "--profile", "loihi2", "--data", "{half}"], "model's 2 levels"),
        ],
    )
    def test_cannot_be_checked(self, saved, tmp_path, arguments, message):
        text = tmp_path / "text.safetensors"
        text.write_text("no model")
        none, half = tmp_path / "none.npy", tmp_path / "half.npy"
        np.save(none, np.zeros((0, 4, 20)))
        np.save(half, np.full((1, 4, 20), 0.5))
        result = run(*(a.format(saved=saved, text=text, none=none, half=half) for a in arguments))
        assert result.exit_code == 2
        assert message in re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m", "", result.output))

    def test_json_is_the_whole_check(self, saved, tmp_path):
        samples = tmp_path / "s.npz"
        np.savez(samples, samples=np.ones((2, 4, 20)))
        result = run(saved, "--profile", "loihi1", "--data", samples, "--json")
        (found,) = json.loads(result.stdout)
        assert found["ok"]
        assert found["profile"] == "loihi1"
        assert found["placement"]["cores"] == 2
        assert found["placement"]["layers"][0]["neurons"] == 12
        assert {r["status"] for r in found["results"]} == {"ok"}
        keys = {"constraint", "kind", "used", "limit", "headroom", "binding", "status", "source"}
        assert all(keys <= result.keys() for result in found["results"])
        costs = found["costs"]
        assert costs["total"]["value"] == costs["static"]["value"] + costs["dynamic"]["value"]

    def test_all_shows_what_passed(self, saved):
        assert "reset timing" not in run(saved, "--profile", "loihi2").output
        assert "reset timing" in run(saved, "--profile", "loihi2", "--all").output

    def test_files(self, saved, tmp_path):
        svg, html = tmp_path / "a" / "cores.svg", tmp_path / "a" / "page.html"
        result = run(saved, "--profile", "loihi2", "--figure", svg, "--html", html)
        assert result.exit_code == 0
        assert ET.parse(svg).getroot().tag == SVG  # noqa: S314  # written here
        assert "<h1>Which network fits on which chip?</h1>" in html.read_text()

    def test_a_figure_shows_one_network(self, saved, tmp_path):
        other = save_model(cnn(), tmp_path / "cnn.safetensors")
        result = run(saved, other, "--profile", "loihi2", "--figure", tmp_path / "x.svg")
        assert result.exit_code == 2
        assert "one network" in result.output

    def test_no_figure_where_there_is_no_place(self, saved, tmp_path):
        result = run(saved, "--profile", "akida", "--figure", tmp_path / "x.svg")
        assert "no figure" in result.output
        assert not (tmp_path / "x.svg").exists()


class TestNetx:
    """A ``.net`` file is held against the doctor's rules, too."""

    W = np.array([[2, -4, 6], [8, 10, -12]])

    def test_errors_fail_and_warnings_are_notes(self, tmp_path):
        clean = write_net(tmp_path / "clean.net", [dense(self.W)])
        assert run(clean, "--profile", "loihi2", "--steps", "3").exit_code == 0
        clipped = write_net(tmp_path / "clipped.net", [dense(self.W * 40)])
        result = run(clipped, "--profile", "loihi2", "--steps", "3", "--json")
        assert result.exit_code == 1
        (found,) = json.loads(result.stdout)
        failed = [r for r in found["results"] if r["status"] == "fail"]
        assert [(r["constraint"], r["layer"]) for r in failed] == [
            ("netx: weights-clipped", "layer 0")
        ]
        assert "becomes" in failed[0]["note"]
        biased = write_net(tmp_path / "biased.net", [dense(self.W, bias=np.array([7, -9]))])
        result = run(biased, "--profile", "loihi2", "--steps", "3")
        assert result.exit_code == 0
        assert "note: netx: bias-before-data (layer 0)" in result.output


class TestPage:
    def checks(self):
        networks = [
            changed(net, header={"name": name})
            for net, name in ((mlp(20, 12, 4), "one & <two>"), (cnn(), "three"))
        ]
        return [check(net, profile(chip)) for net in networks for chip in CHIPS]

    def test_networks_by_chips(self):
        checks = self.checks()
        text = page(checks)
        matrix = text[text.index("<tbody>") : text.index("</tbody>")]
        rows = matrix.split("<tr>")[1:]
        assert len(rows) == 2
        for row, part in zip(rows, (checks[:8], checks[8:]), strict=True):
            words = re.findall(r'<span class="(good|bad)">', row)
            assert words == ["good" if found.ok else "bad" for found in part]
        assert "one &amp; &lt;two&gt;" in text
        assert "<two>" not in text

    def test_loads_nothing_and_is_equal_for_equal_checks(self):
        text = page(self.checks())
        assert text == page(self.checks())
        assert not re.findall(r'(?:src|href)="(?!#|data:)', text)
        assert not re.findall(r"https?:(?!//www.w3.org/)", text)  # names of XML, no places
        ids = re.findall(r'\bid="([^"]+)"', text)
        assert len(ids) == len(set(ids))

    def test_a_missing_cell_is_said(self):
        checks = [
            check(changed(mlp(20, n), header={"name": name}), profile(chip))
            for n, name, chip in ((4, "a", "loihi2"), (5, "b", "loihi1"))
        ]
        assert page(checks).count("not checked") == 2

    def test_every_missing_number_has_its_reason(self):
        text = page([check(mlp(20, 12, 4), profile("loihi2"))])
        assert "no energy per operation is published for Loihi 2" in text
        assert "whose size is not published" in text


class TestFigure:
    def test_every_used_core_is_filled_and_framed_and_free_ones_are_counted(self):
        found = check(mlp(200, 3000, 10), profile("loihi1"))
        drawing = cores_figure([found])
        used = len(found.placement.cores)
        assert used > 5
        assert f"{used} of 128 cores, {128 - used} free" in drawing.svg
        root = ET.fromstring(drawing.svg)  # noqa: S314  # drawn here
        counts = {
            group.get("id"): len([e for e in group.iter() if e.tag in ("path", "use")])
            for group in root.iter()
            if "PolyCollection" in (group.get("id") or "")
        }
        assert sorted(counts.values()) == [used, used]

    def test_chips_that_the_network_fits_come_before_those_that_only_have_a_place(self):
        soft = mlp(16, 12, 4, reset="soft")
        checks = [check(soft, profile(name)) for name in ("loihi2", "xylo")]
        assert [found.ok for found in checks] == [False, True]
        assert "Xylo" in cores_figure(checks).svg
        assert "Loihi" not in cores_figure(checks).svg
        assert "does not fit" in cores_figure(checks[:1]).svg

    def test_nothing_to_draw(self):
        assert cores_figure([check(mlp(3, 2), profile("akida"))]) is None

    def test_a_file_of_its_own(self, tmp_path):
        drawing = cores_figure([check(mlp(20, 12, 4), profile("speck"))])
        text = save_figure(drawing, tmp_path / "x.svg").read_text()
        assert "prefers-color-scheme: dark" in text
        used = set(re.findall(r"var\((--\w+)\)", text))
        assert used <= set(re.findall(r"(--\w+):", text))
