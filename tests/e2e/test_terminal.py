"""What is printed: names from anywhere, terminals without letters, faults of the program itself."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.text import Text

from neurorobust.cli import console as command_line
from neurorobust.ir import save_model
from neurorobust.render.console import say, table, visible
from tests.support.running import neurorobust, python
from tests.support.small import dense, graph, header, lif

HOSTILE = "x[/x][red] \x1b[31mred\x07\u202e"


@pytest.fixture
def hostile(tmp_path):
    name = HOSTILE.replace("/", "")  # which nodes may not have
    nodes = {name: dense(5, 6), f"lif{name}": lif(), "fc2": dense(3, 5), "lif2": lif()}
    return save_model(graph(6, header(name=HOSTILE), **nodes), tmp_path / "net.safetensors")


def printed(what) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120, color_system=None)
    what(console)
    return stream.getvalue()


def test_neither_markup_nor_commands_to_the_terminal():
    assert visible("plain ε – 1\u202f000\n") == "plain ε – 1\u202f000\n"
    assert visible("\x1b[2J\x07\u202e\x9b") == r"\x1b[2J\x07\u202e\x9b"
    shown = table("a[/b]", title=f"t{HOSTILE}")
    shown.add_row(HOSTILE)
    shown.add_row(Text("ok", "green"))
    for text in (printed(lambda c: say(c, HOSTILE)), printed(lambda c: c.print(shown))):
        assert r"x[/x][red] \x1b[31mred\x07\u202e" in text
        assert not set(text) & {"\x1b", "\x07", "\u202e"}


@pytest.mark.parametrize("arguments", [("check", "--profile", "loihi2", "--all"), ("lower",)])
def test_commands_on_a_hostile_file(arguments, hostile, tmp_path):
    command, *options = arguments
    if command == "lower":
        options = ["--profile", "loihi2", "--out", tmp_path / "out.safetensors"]
    done = neurorobust(command, hostile, *options)
    assert done.returncode in (0, 1), done.stderr
    assert r"x[x][red]" in done.stdout + done.stderr
    assert r"\x1b[31m" in done.stdout + done.stderr
    assert not set(done.stdout + done.stderr) & {"\x1b", "\x07", "\u202e"}


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_any_terminal(encoding, hostile):
    for arguments in (("check", hostile, "--profile", "loihi2", "--all"), ("attack", "--help")):
        done = neurorobust(*arguments, PYTHONIOENCODING=encoding)
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1)
    code = "from neurorobust.cli.console import say; import neurorobust.cli; say('8 µs – ε ≥ 1 ☃')"
    done = python("-c", code, PYTHONIOENCODING=encoding)
    shown = done.stdout.strip()
    assert shown == {"ascii": r"8 us - eps >= 1 \u2603", "utf-8": "8 µs – ε ≥ 1 ☃"}[encoding]


def test_a_path_that_is_no_text(tmp_path):
    done = neurorobust("check", str(tmp_path) + "/\udcff.nir", "--profile", "loihi2")
    assert done.returncode == 2
    assert r"\udcff.nir: is no file" in done.stderr


def test_a_fault_of_the_program_is_one_line_and_a_report(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    @command_line.command
    def broken() -> None:
        raise KeyError("an oversight")

    with pytest.raises(command_line.typer.Exit) as caught:
        broken()
    assert caught.value.exit_code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "a fault of neurorobust, not of what it was given: KeyError: 'an oversight'" in said
    report = Path(re.search(r"is in (\S+)", said)[1])
    text = report.read_text()
    assert report.parent == tmp_path
    for part in ("Traceback", "an oversight", "command: neurorobust", f"numpy: {np.__version__}"):
        assert part in text


def test_a_lack_of_memory_is_no_fault(capsys):
    @command_line.command
    def hungry() -> None:
        raise MemoryError

    with pytest.raises(command_line.typer.Exit):
        hungry()
    assert "memory does not suffice" in capsys.readouterr().err
