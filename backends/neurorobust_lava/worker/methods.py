"""The worker's complete method table: describe, load, run, unload (and shutdown, in the wire)."""

import importlib.metadata
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import checks
import numpy as np
from checks import Network
from wire import Progress, Record, Wire

Method = Callable[[Record, Progress], Any]
Arrays = dict[str, Any]
Paths = dict[str, Path]

_INT32 = np.iinfo(np.int32)
_RESETS = ("none", "clear", "fresh")


class Methods:
    """The methods and the one network they work on.

    Args:
        pipes: The wire, for the report of a failure that no method can return.
    """

    def __init__(self, pipes: Wire) -> None:
        """Start without a network."""
        self._pipes = pipes
        self._network = None

    def table(self) -> dict[str, Method]:
        """Every method a host may call, by name."""
        return {
            "describe": self.describe,
            "load": self.load,
            "run": self.run,
            "unload": self.unload,
        }

    def describe(self, _params: Record, _progress: Progress) -> Record:
        """Versions and abilities; the first call that imports Lava."""
        import assembly  # noqa: F401 - to tell the host now if Lava does not import

        names = ("lava-nc", "numpy", "scipy", "networkx")
        return {
            "python": platform.python_version(),
            "executable": sys.executable,
            "packages": {name: importlib.metadata.version(name) for name in names},
            "kinds": list(checks.KINDS),
            "tags": list(checks.TAGS),
            "resets": list(_RESETS),
        }

    def load(self, params: Record, _progress: Progress) -> Record:
        """Take a network: ``network`` is its description, ``arrays`` the npz with its arrays."""
        network = params["network"]
        arrays = {}
        if params.get("arrays"):
            with np.load(params["arrays"], allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files}
        for process in network["processes"]:
            for key, value in process.items():
                if isinstance(value, dict):
                    process[key] = arrays[value["array"]]
        self._network = None
        checks.check(network)
        self._network = network
        return {
            "ports": {
                process["name"]: [shape and list(shape) for shape in checks.shapes(process)]
                for process in network["processes"]
            }
        }

    def unload(self, _params: Record, _progress: Progress) -> None:
        """Forget the network."""
        self._network = None

    def run(self, params: Record, progress: Progress) -> Record:
        """Run the network on ``inputs`` (npz) and leave its records in the folder ``outputs``."""
        import running

        network = self._loaded()
        steps = params["steps"]
        reset, every = params.get("reset", "none"), params.get("every")
        membrane = params.get("membrane", {})
        faults = self._run_faults(network, steps, reset, every, membrane)
        if faults:
            raise checks.InvalidRun(faults)
        outputs = Path(params["outputs"])
        inputs = self._inputs(network, params.get("inputs"), params.get("keys", {}), steps)
        sinks = self._sinks(network, outputs, steps)
        run = running.Run(
            network=network,
            inputs=inputs,
            sinks=sinks,
            steps=steps,
            membrane=membrane,
            reset=reset,
            every=every,
            report=self._pipes.fail,
            progress=progress,
        )
        run.execute()
        voltages = {}
        for index, (name, values) in enumerate(run.voltages.items()):
            voltages[name] = outputs / f"voltage{index}.npy"
            np.save(voltages[name], values, allow_pickle=False)
        return {
            "sinks": {name: path.name for name, path in sinks.items()},
            "membrane": {name: path.name for name, path in voltages.items()},
            "timing": run.timing,
        }

    def _loaded(self) -> Network:
        if self._network is None:
            raise RuntimeError("no network is loaded; call load first")
        return self._network

    @staticmethod
    def _run_faults(
        network: Network, steps: int, reset: str, every: int | None, membrane: dict[str, list[int]]
    ) -> list[str]:
        """What is wrong with the arguments of a run."""
        faults = []
        if not isinstance(steps, int) or steps < 1:
            faults.append(f"steps is {steps!r}; it must be an integer ≥ 1")
        if reset not in _RESETS:
            faults.append(f"reset is {reset!r}; it must be one of {', '.join(_RESETS)}")
        elif reset != "none" and (not isinstance(every, int) or every < 1):
            faults.append(
                f"every is {every!r}; reset={reset!r} needs the length of an episode, ≥ 1"
            )
        neurons = {p["name"] for p in network["processes"] if p["kind"] in checks.NEURONS}
        for name, when in membrane.items():
            if name not in neurons:
                faults.append(f"membrane of {name!r}: no such neuron process")
            if not all(isinstance(step, int) and 1 <= step <= steps for step in when):
                faults.append(f"membrane of {name!r}: steps must be integers in 1..{steps}")
        return faults

    @staticmethod
    def _inputs(network: Network, path: str | None, keys: dict[str, str], steps: int) -> Arrays:
        """Read, check and pad the data of the sources; ``keys`` maps their names to the file's."""
        given = {}
        if path:
            with np.load(path, allow_pickle=False) as file:
                given = {name: file[key] for name, key in keys.items()}
        fixed = network["tag"] == "fixed_pt"
        faults, inputs = [], {}
        for process in network["processes"]:
            if process["kind"] != "source":
                continue
            name, shape = process["name"], tuple(process["shape"])
            data = given.pop(name, None)
            if data is None:
                faults.append(f"{name}: no input was given for this source")
                continue
            if data.shape[1:] != shape or data.ndim == 0 or len(data) > steps:
                faults.append(
                    f"{name}: input has shape {data.shape}; it must be (≤ {steps}, *{shape})"
                )
                continue
            if fixed and data.dtype.kind not in "biu":
                faults.append(f"{name}: input is of type {data.dtype}; fixed_pt needs integers")
                continue
            if not fixed and not np.isfinite(data).all():
                faults.append(f"{name}: input is not finite")
                continue
            if fixed and data.size and not _INT32.min <= data.min() <= data.max() <= _INT32.max:
                faults.append(f"{name}: input is in {data.min()}..{data.max()}; int32 is sent")
                continue
            # Lava's source begins again at its end; silence is what is meant.
            padded = np.zeros((steps, *shape), np.int32 if fixed else np.float64)
            padded[: len(data)] = data
            inputs[name] = padded
        faults += [f"{name}: input for a source that is not there" for name in given]
        if faults:
            raise checks.InvalidRun(faults)
        return inputs

    @staticmethod
    def _sinks(network: Network, outputs: Path, steps: int) -> Paths:
        """Create the files of the sinks."""
        kind = np.int32 if network["tag"] == "fixed_pt" else np.float64
        paths = {}
        for process in network["processes"]:
            if process["kind"] == "sink":
                path = outputs / f"sink{len(paths)}.npy"
                shape = (steps, *process["shape"])
                np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)
                paths[process["name"]] = path
        return paths
