"""The published table of interoperability: its versions and its quickest network, run anew."""

import importlib
import re
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "interoperability.md"
QUICKEST = "fully connected"


@pytest.fixture
def script():
    """The script."""
    for name in ("snntorch", "norse", "spikingjelly", "nirtorch"):
        pytest.importorskip(name)
    return importlib.import_module("benchmarks.interop.page")


def published():
    """Versions, and the text of each section by its heading."""
    opening, *sections = PAGE.read_text(encoding="utf-8").split("\n## ")
    (said,) = re.findall(r"of these versions: (.+?)\.\s", opening)
    versions = dict(part.rsplit(" ", 1) for part in said.split(", "))
    return versions, {text.partition("\n")[0].lower(): f"## {text.rstrip()}" for text in sections}


def test_versions_are_those_that_are_installed(script):
    from benchmarks.interop.frameworks import versions

    found, _ = published()
    assert found == versions()


def test_every_network_is_there_and_nothing_is_missing(script):
    from benchmarks.interop.networks import NAMES

    _, sections = published()
    assert list(sections) == list(NAMES)
    for text in sections.values():
        ours, rows = text.split("\n\n")[2], 4
        assert "not there" not in text
        assert len(ours.splitlines()) == 2 + rows


def test_cells_of_the_quickest_network_come_out_again(script, tmp_path):
    _, sections = published()
    assert script.section(QUICKEST, tmp_path).rstrip() == sections[QUICKEST]


def test_our_way_loses_nothing_without_saying_so():
    """Through a Graph, a cell is 0 bits or an error that says what has no form."""
    _, sections = published()
    for name, text in sections.items():
        for row in text.split("\n\n")[2].splitlines()[2:]:
            for cell in map(str.strip, row.strip("|").split("|")[1:]):
                known = {"**0**", "〃", "cannot be built"}
                assert cell in known or cell.endswith("raises `Unsupported`"), (name, row)


def test_version_of_nir_is_the_one_that_files_are_written_with():
    found, _ = published()
    assert found["nir"] == version("nir")


def test_what_was_lost_is_found_by_running(script):
    """A change of the network gives its own name back, and no change gives none."""
    from benchmarks.interop.cells import lost_on_the_way
    from benchmarks.interop.networks import inputs, plain, run_stepwise, spec_of

    spec = spec_of("soft reset", "random")
    x = inputs(spec, "random")
    cases = {
        "reset": spec.with_populations(soft=False),
        "input gain": spec.with_populations(gain=1 - spec.populations[0].beta.flat[0]),
        "": spec.with_populations(threshold=spec.populations[0].threshold.flat[0] * 1.25),
    }
    for name, changed in cases.items():
        runs = [(given, run_stepwise(plain(changed), given)) for given in (x, 32 * x)]
        assert lost_on_the_way(spec, runs) == name
    silent = [(x, 0 * run_stepwise(plain(spec), x))]
    assert lost_on_the_way(spec, silent) == "every spike"
