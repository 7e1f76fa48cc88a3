"""What a shell completes: the protocol of a shell, in a process of its own."""

import subprocess
import sys
from typing import get_args

import pytest

from neurorobust.attacks import THREATS, attack_names
from neurorobust.attacks.ensemble import ENSEMBLES
from neurorobust.backends import backend_names
from neurorobust.backends.worker.environments import registered
from neurorobust.chips import profile_names
from neurorobust.chips.arithmetic import InputCoding
from neurorobust.cli import completion
from neurorobust.cli.export import CODE, FILES
from neurorobust.cli.import_ import KINDS
from neurorobust.engine.estimators import ESTIMATORS
from neurorobust.formats.load import model_names
from neurorobust.ir.neurons import ResetMode
from neurorobust.ir.ports import Readout
from neurorobust.lower import Scaling
from tests.support.running import python

RUN = "import sys; sys.argv = ['neurorobust']; from neurorobust.cli import app; app()"


def completed(line: str, **environment: str) -> list[str]:
    """What bash is told for the last word of a line."""
    words = line.split(" ")
    done = python(
        "-c",
        RUN,
        COMP_WORDS=line,
        COMP_CWORD=str(len(words) - 1),
        _NEUROROBUST_COMPLETE="complete_bash",
        **environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("neurorobust ch", ["check"]),
        ("neurorobust check --pro", ["--profile"]),
        ("neurorobust check m.nir --profile loi", ["loihi1", "loihi2"]),
        ("neurorobust lower m.nir --scaling s", ["spikes"]),
        ("neurorobust attack digits --attack square,sap", ["square,sapgd"]),
        ("neurorobust attack digits --gradient rga,stb", ["rga,stbp"]),
        ("neurorobust attack digits --threat lin", ["linf"]),
        ("neurorobust attack dig", ["digits"]),
        ("neurorobust export m.nir --to sn", ["snntorch"]),
        ("neurorobust env path lava-", ["lava-dl"]),
    ],
)
def test_names(line, wanted):
    assert completed(line) == wanted


def test_files_that_may_be_models(tmp_path, monkeypatch):
    for name in ("net.nir", "net.onnx", "notes.txt", ".hidden.nir"):
        (tmp_path / name).write_text("")
    (tmp_path / "nets").mkdir()
    found = [f"{tmp_path}/{name}" for name in ("net.nir", "net.onnx", "nets/")]
    assert completed(f"neurorobust check {tmp_path}/ne") == found
    assert completed(f"neurorobust check {tmp_path}/nowhere/") == []
    monkeypatch.chdir(tmp_path)
    assert list(completion.COMPLETED["model"]("")) == [
        *model_names(),
        *("net.nir", "net.onnx"),
        "nets/",
    ]


def test_what_is_written_out_is_what_there_is():
    assert set(completion.ATTACKS) == {*attack_names(), *ENSEMBLES}
    assert set(completion.ESTIMATORS) == set(ESTIMATORS)
    assert set(completion.THREATS) == set(THREATS)
    assert set(completion.SCALINGS) == set(get_args(Scaling))
    assert set(completion.CODINGS) == set(get_args(InputCoding))
    assert set(completion.FORMS) == {*CODE, *FILES}
    assert set(completion.SOURCES) == {"auto", *KINDS}
    assert set(completion.RESETS) == set(get_args(ResetMode))
    assert set(completion.READOUTS) == set(get_args(Readout))
    tiers = {tier.name for environment in registered() for tier in environment.tiers}
    assert tiers <= set(completion.ENVIRONMENTS)
    assert set(completion.backends()) == set(backend_names())
    assert set(completion.models()) == set(model_names())
    assert set(completion.profiles()) == set(profile_names())


def test_nothing_slow_is_imported():
    """A shell asks after every key."""
    code = (
        "import sys; from neurorobust.cli import completion, app; completion.profiles(); "
        "completion.backends(); completion.models(); print(*sys.modules)"
    )
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    slow = ("torch", "numpy", "numba", "polars", "h5py", "matplotlib", "nir", "jinja2")
    assert not loaded & set(slow)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_a_shell_is_given(shell):
    # Without a terminal above it, no shell can be found; so it is named.
    code = RUN.replace("'neurorobust']", f"'neurorobust', '--show-completion', '{shell}']")
    done = python("-c", code, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.returncode == 0, done.stderr
    assert "_NEUROROBUST_COMPLETE" in done.stdout
