"""The first example of the README and the script it points to work as they stand."""

import re
from pathlib import Path

import pytest

from tests.support.running import python

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


def run(code: list[str], folder: Path) -> str:
    # Two busy threads on one busy core crawl.
    done = python("-W", "error", *code, folder=folder, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    return done.stdout


def example() -> str:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    return code


def test_the_example_is_short():
    assert len([line for line in example().splitlines() if line.strip()]) <= 20
    assert max(map(len, example().splitlines())) <= 100


def test_the_example_works_as_pasted(folder):
    printed = run(["-c", example()], folder)
    kept, lost, successes = map(
        int, re.fullmatch(r"kept (\d+) lost (\d+) of (\d+)\n", printed).groups()
    )
    assert kept + lost == successes
    assert kept > lost


def test_the_script_tells_the_same_story(folder):
    printed = run([str(ROOT / "examples" / "transfer.py")], folder)
    rows = {
        tuple(found[:2]): tuple(map(int, found[2:]))
        for found in re.findall(
            r"^(\w+) · (\w+) +fooled (\d+) of (\d+) .*?kept (\d+), lost (\d+), gained (\d+)",
            printed,
            re.MULTILINE,
        )
    }
    fooled, n, kept, lost, gained = rows["torch", "float"]
    assert (kept, lost, gained) == (fooled, 0, 0)
    assert 0 < fooled < n
    assert rows["reference", "float"] == rows["torch", "float"]
    assert rows["reference", "quantised"] == rows["torch", "quantised"]
