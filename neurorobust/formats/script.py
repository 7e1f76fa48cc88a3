"""``file.py:name``: a network that a file of Python makes, converted in a process of its own.

The process starts anew, in the folder of the file, and runs the file: no other spelling of a model
executes anything. What has the name becomes a Graph, which it saves and this process reads.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from neurorobust.asking import in_options
from neurorobust.errors import (
    BackendUnavailable,
    InvalidFile,
    InvalidInput,
    NeurorobustError,
    Unsupported,
)
from neurorobust.formats.reading import Reading
from neurorobust.ir import Graph, Program, Shape, load_model

TAKEN = "taken as given"
"""Under which the provenance of a Graph says what nobody said."""
_SPELLING = re.compile(r"(?P<file>.+\.py):(?P<name>[^\W\d]\w*(\.[^\W\d]\w*)*)")
_ERRORS: dict[str, type[NeurorobustError]] = {
    kind.__name__: kind for kind in (BackendUnavailable, InvalidInput, Unsupported)
}
_KINDS: dict[str, type[Any]] = {"Graph": Graph, "Program": Program}
_MODEL = "model.safetensors"
_CHILD = "neurorobust.formats.scripted"


def is_script(what: Path | str) -> bool:
    """Whether something is spelled ``file.py:name``."""
    return _SPELLING.fullmatch(str(what)) is not None


def load_script(what: Path | str, reading: Reading, shape: Shape | None) -> Graph | Program:
    """Run a file of Python in a process of its own; the model that it has under a name.

    Args:
        what: ``file.py:name``: a variable, or a function without required arguments that gives a
            Graph, a Program, a module of snnTorch, Norse or SpikingJelly, or a SpikingSequential.
        reading: What a module leaves open.
        shape: Of a sample that it is to be shown, where ``input_shape`` is not said.

    Raises:
        InvalidFile: if the file is missing or fails, or has no model of this name.
        InvalidInput: if something has to be said, or a Graph says itself what was.
        Unsupported: if a Graph cannot hold the module.
        BackendUnavailable: if its framework is not installed.
    """
    spelled = _SPELLING.fullmatch(str(what))
    assert spelled is not None  # noqa: S101  # whoever calls asked is_script
    file = Path(spelled["file"])
    if not file.is_file():
        raise InvalidFile(file, "is no file; give a file of Python and the name of a model in it")
    with TemporaryDirectory() as folder:
        said = {key: value for key, value in asdict(reading).items() if key != "header"}
        job = {
            "file": str(file.resolve()),
            "name": spelled["name"],
            "said": said,
            "shape": shape,
            "folder": folder,
            "options": in_options(),
        }
        done = _run(job, file.resolve().parent)
        answer = Path(folder) / "answer.json"
        if not answer.is_file():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            reason = f"its process ended with exit code {done.returncode} and no model: {last}"
            raise InvalidFile(what, reason)
        found = json.loads(answer.read_text("utf-8"))
        if "fault" in found:
            raise InvalidFile(what, found["fault"])
        if "error" in found:
            raise _ERRORS.get(found["error"], InvalidInput)(f"{what}: {found['text']}")
        model: Graph | Program = load_model(Path(folder) / _MODEL, _KINDS[found["model"]])
        return model


def _run(job: dict[str, Any], folder: Path) -> "subprocess.CompletedProcess[str]":
    """A fresh interpreter that finds this package where this process did."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    given = [str(Path(path).resolve()) for path in paths]
    return subprocess.run(  # noqa: S603  # this interpreter, and a module of ours
        [sys.executable, "-P", "-m", _CHILD, json.dumps(job)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(given)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
