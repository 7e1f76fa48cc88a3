"""The command line: every command with its options, and what each prints as JSON."""

import inspect
import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from neurorobust.backends import get_backend
from neurorobust.chips import load_profile
from neurorobust.cli import app
from neurorobust.data import encode
from neurorobust.ir import save_model
from neurorobust.lower import lower
from tests.golden.networks import conv, dense, events, images
from tests.golden.pinning import files, pinned, rounded, without
from tests.support.netx_files import dense as net_dense
from tests.support.netx_files import write_net

BACKENDS = ("reference", "torch", "snntorch", "norse", "onnx", "lava")
SECTIONS = {
    name: lines
    for text in (Path(__file__).parent / "commands.txt").read_text().split("# ")[1:]
    for name, *lines in [text.strip().split("\n")]
}


@pytest.fixture
def cli(tmp_path, monkeypatch):
    """Commands in a folder with small files: exit code, and the JSON or the message."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEUROROBUST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NEUROROBUST_LAVA_PYTHON", "")
    graph, x = dense(60), images(61, 24, 6)
    models = {
        "net": graph, "same": dense(60), "twin": dense(63), "closed": dense(60, compare=">="),
        "soft": dense(60, reset="soft"), "frames": events(), "conv": conv(norm=False),
        "program": lower(graph, load_profile("loihi2").profile),
    }  # fmt: skip
    for name, model in models.items():
        save_model(model, tmp_path / f"{name}.safetensors")
    y = get_backend("reference").compile(graph, "float").run(encode(graph, x)).decisions
    np.savez(tmp_path / "data.npz", x=x, y=np.where(np.arange(24) % 8 == 5, (y + 1) % 3, y))
    np.savez(tmp_path / "samples.npz", samples=x)
    odd = np.array([[4, -8, 12], [2, 300, -20]]) + 0.5
    write_net(tmp_path / "net.net", [net_dense(odd), net_dense([[4, -8], [2, 6], [6, 6]])])

    def run(line):
        arguments = line.split()
        monkeypatch.setattr("sys.argv", ["neurorobust", *arguments])
        done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        try:
            said = json.loads(done.stdout)
        except ValueError:
            _, error, said = (done.stdout + done.stderr).partition("error:")
            said = error + said.replace(str(tmp_path), "...")
        return {"exit": done.exit_code, "said": said}

    return run


def test_commands_and_options():
    def parameters(command):
        given = inspect.signature(command.callback).parameters if command.callback else {}
        for one in command.params:
            if one.name not in given:  # the shell's completion is typer's own
                continue
            kind, told = get_args(given[one.name].annotation)[:2]
            yield {
                "names": [*one.opts, *one.secondary_opts],
                "type": getattr(kind, "__name__", str(kind)).replace("pathlib.", ""),
                "default": one.default if one.default is None else str(one.default),
                "required": one.required,
                "limits": [told.min, told.max],
            }

    def listed(command, path):
        inner = getattr(command, "commands", {})
        yield path, {"help": command.help, "parameters": list(parameters(command))}
        for name, one in inner.items():
            yield from listed(one, f"{path} {name}")

    pinned("commands", dict(listed(typer.main.get_command(app), "neurorobust")))


@pytest.mark.parametrize("section", SECTIONS)
def test_answers(section, cli, tmp_path):
    before, json_wanted = set(files(tmp_path)), " --json" * (section != "refused")
    found = {line: cli(line + json_wanted) for line in SECTIONS[section]}
    assert all(isinstance(f["said"], str) != bool(json_wanted) for f in found.values()), found
    found = rounded(without(found, "wall_s", "versions", "version"), 5)
    found["files"] = sorted(set(files(tmp_path)) - before)
    for name in found["files"]:
        if name.endswith(".py"):
            found[name] = (tmp_path / name).read_text().splitlines()
    pinned(f"cli_{section}", found)


def test_backends(cli):
    table, environments = cli("backends --json")["said"], cli("env status --json")["said"]
    found = {name: without(table[name], "available", "reason", "versions") for name in BACKENDS}
    pinned("cli_backends", found | {"env": without(environments, "folder", "python")})
