"""What the documentation says can be followed: links, commands, code, pictures."""

import re
import runpy
import shlex
import textwrap
from pathlib import Path

import pytest

from neurorobust.backends import SIMULATED, backend_names, get_backend
from neurorobust.testing.__main__ import main as conformance
from neurorobust.testing.fuzz import main as fuzz
from tests.support.running import invoke

MODULES = {"neurorobust.testing": conformance, "neurorobust.testing.fuzz": fuzz}
ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
TEXTS = sorted([*PAGES, ROOT / "CITATION.cff", *(ROOT / "examples").glob("*.py")])
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?:\]\(|(?:src|srcset|href)=\")([^)\s\"]+)")
MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:work|tmp|home|root|usr|opt|mnt|var)\b")
PROCESS_WORD = re.compile(r"\b(?:issue|session|todo|fixme)s?\b", re.IGNORECASE)


def blocks(page: Path, *languages: str) -> list[str]:
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [textwrap.dedent(text) for _, language, text in found if language in languages]


def commands(page: Path) -> list[list[str]]:
    lines = [line for block in blocks(page, "console") for line in block.splitlines()]
    return [shlex.split(line.removeprefix("$ "), comments=True) for line in lines]


def anchors(page: Path) -> set[str]:
    """Headings as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text).strip().lower().replace(" ", "-") for text in headings}


def named(paths: list[Path]) -> list:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


@pytest.mark.parametrize("page", named(PAGES))
def test_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{page.name}: {link} leads nowhere"
        assert not anchor or anchor in anchors(file), f"{page.name}: {link}: no such heading"


def test_the_table_of_backends_is_what_they_declare():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \| (yes|no) \| (yes|no) \|", text, re.MULTILINE)
    rungs = {name: get_backend(name).capabilities().rungs for name in backend_names()}
    declared = {
        (name, *("yes" if rung in own else "no" for rung in SIMULATED))
        for name, own in rungs.items()
    }
    assert set(told) == declared


@pytest.mark.parametrize("page", named(PAGES))
def test_commands_are_known(page, capsys):
    for command in commands(page):
        program, *arguments = command
        if program == "neurorobust":
            result = invoke(*arguments, "--help")
            assert result.exit_code == 0, f"{shlex.join(command)}: {result.output}"
        elif command[:2] == ["python", "-m"] and command[2] in MODULES:
            with pytest.raises(SystemExit, match=r"^0$"):
                MODULES[command[2]]([*command[3:], "--help"])
        else:
            assert program == "make", f"{page.name}: unknown command {shlex.join(command)}"
            rules = (ROOT / "Makefile").read_text(encoding="utf-8")
            assert re.search(rf"^{arguments[0]}:", rules, re.MULTILINE), arguments[0]


@pytest.mark.parametrize("page", named(PAGES))
def test_python_compiles(page):
    for number, code in enumerate(blocks(page, "python")):
        compile(code, f"{page.name}, block {number + 1}", "exec")


@pytest.mark.parametrize("page", named(PAGES))
def test_fences_are_closed_and_named(page):
    marks = re.findall(r"^ *```.*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(marks) == 2 * len(FENCE.findall(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("text", named(TEXTS))
def test_says_nothing_about_where_and_how_it_was_written(text):
    words = text.read_text(encoding="utf-8")
    assert not MACHINE_PATH.findall(words)
    assert not PROCESS_WORD.findall(words)


def test_every_page_is_in_the_index_and_the_readme():
    for page in (ROOT / "docs").glob("*.md"):
        for entry, place in ((ROOT / "docs" / "index.md", ""), (ROOT / "README.md", "docs/")):
            if page != entry and page.name != "index.md":
                assert f"({place}{page.name})" in entry.read_text(encoding="utf-8"), page.name


def test_pages_are_short():
    for page in (ROOT / "docs").glob("*.md"):
        assert len(page.read_text(encoding="utf-8").splitlines()) <= 150, page.name


def test_readme_names_every_backend():
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    shipped = {path.name.removeprefix("neurorobust_") for path in (ROOT / "backends").iterdir()}
    assert set(listed) == shipped & set(backend_names())


def test_pictures_are_those_of_the_script():
    drawn = runpy.run_path(str(ROOT / "docs" / "pipeline.py"))
    for file, palette in drawn["PICTURES"].items():
        picture = (ROOT / "docs" / file).read_text(encoding="utf-8")
        assert picture == drawn["draw"](palette), f"run docs/pipeline.py: {file} is older"
