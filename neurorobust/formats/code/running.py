"""Running a generated file in a process of its own."""

import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from neurorobust.backends import RunResult
from neurorobust.backends.worker.commands import run
from neurorobust.backends.worker.environments import find, interpreter
from neurorobust.data import Stimulus
from neurorobust.errors import BackendUnavailable, WorkerCrashed
from neurorobust.ir import Array, Model

PATIENCE_S = 600.0


def interpreter_of(target: str) -> tuple[Path | None, str]:
    """The Python that has a framework, or None and the way to get one."""
    if target == "lava":
        try:
            return interpreter(find("lava")[0]), ""
        except BackendUnavailable as error:
            return None, str(error)
    if find_spec(target) is None:
        return None, f"{target} is not installed; run `pip install 'neurorobust[{target}]'`"
    return Path(sys.executable), ""


def versions_of(target: str) -> Mapping[str, str]:
    """Of the libraries that run a generated file."""
    if target == "lava":
        return dict(find("lava")[0].tiers[0].packages)
    return {package: version(package) for package in (target, "torch")}


class GeneratedCode:
    """A generated file as something that runs a stimulus.

    Args:
        code: The file.
        python: Interpreter that has the framework.
        model: Says how samples are shown, and in which type spikes are recorded.
        patience_s: Limit of one run, seconds; Lava waits for ever where it fails.
    """

    def __init__(
        self, code: Path, python: Path, model: Model, *, patience_s: float = PATIENCE_S
    ) -> None:
        self._code, self._python, self._model = code, python, model
        self._patience_s = patience_s

    def __call__(self, stimulus: Stimulus) -> RunResult:
        """Run it.

        Raises:
            WorkerCrashed: if it ends with an error, or not in time.
        """
        with tempfile.TemporaryDirectory(prefix="neurorobust-run-") as folder:
            inputs, outputs = Path(folder) / "inputs.npy", Path(folder) / "outputs.npz"
            np.save(inputs, samples_of(self._model, stimulus))
            command: list[str | Path] = [self._python, "-I", self._code, inputs, outputs]
            ended = run(command, timeout_s=self._patience_s, say=lambda _: None, cwd=Path(folder))
            if not ended.ok:
                last = ended.tail[-1] if ended.tail else "no output"
                raise WorkerCrashed(f"{self._code.name} ended with exit code {ended.code}: {last}")
            return result_of(outputs)


def samples_of(model: Model, stimulus: Stimulus) -> Array:
    """What a generated file reads: (B, ...) where every step shows the same, else (B, T, ...)."""
    values = stimulus.values
    if model.header.coding == "direct":
        return np.ascontiguousarray(values[:, 0])
    shape = (len(values), stimulus.steps, *values.shape[2:])
    return np.ascontiguousarray(np.broadcast_to(values, shape))


def result_of(outputs: Path) -> RunResult:
    """What a generated file wrote."""
    with np.load(outputs, allow_pickle=False) as record:
        scores = record["scores"].astype(np.float64)
        named = {name.removeprefix("spikes/"): name for name in record.files if "spikes/" in name}
        spikes = {name: record[key].astype(np.uint8) for name, key in named.items()}
    return RunResult(scores=scores, spikes=spikes)
