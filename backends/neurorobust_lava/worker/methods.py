"""The worker's complete method table (shutdown is in the wire).

describe, load, run and unload need lava-nc; run_netx and slayer_forward need lava-dl as well.
"""

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
            "run_netx": self.run_netx,
            "slayer_forward": self.slayer_forward,
        }

    def describe(self, _params: Record, _progress: Progress) -> Record:
        """Versions and abilities; the first call that imports Lava."""
        import assembly  # noqa: F401 - to tell the host now if Lava does not import

        names = ("lava-nc", "lava-dl", "numpy", "scipy", "networkx", "torch")
        installed = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
        return {
            "python": platform.python_version(),
            "executable": sys.executable,
            "packages": {name: installed[name] for name in names if name in installed},
            "kinds": list(checks.KINDS),
            "tags": list(checks.TAGS),
            "resets": list(_RESETS),
        }

    def load(self, params: Record, _progress: Progress) -> Record:
        """Take a network: ``network`` is its description, ``arrays`` the npz with its arrays."""
        network = params["network"]
        arrays = _arrays(params["inputs"])
        network["processes"] = _filled(network["processes"], arrays)
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

    def run_netx(self, params: Record, progress: Progress) -> Record:
        """Run a ``.net`` file with lava-dl's netx and leave its records in ``outputs``."""
        from lava_dl import netx_run

        outputs = Path(params["outputs"])
        run = netx_run.NetxRun(
            params, _arrays(params["inputs"]), outputs, self._pipes.fail, progress
        )
        try:
            run.execute()
        finally:
            run.close()
        return {"layers": run.layers, "timing": run.timing}

    def slayer_forward(self, params: Record, _progress: Progress) -> Record:
        """Pass spikes through SLAYER's blocks and leave their outputs in ``outputs``."""
        from lava_dl import slayer_forward

        arrays = _arrays(params["inputs"])
        layers = _filled(params["layers"], arrays)
        export = Path(params["export"]) if params["export"] else None
        found = slayer_forward.forward(layers, arrays["spikes"], export)
        names = [f"block{number}.npy" for number in range(len(found))]
        for name, values in zip(names, found, strict=True):
            np.save(Path(params["outputs"]) / name, values, allow_pickle=False)
        return {"blocks": names}

    def _loaded(self) -> Network:
        if self._network is None:
            raise RuntimeError("no network is loaded; call load first")
        return self._network

    @staticmethod
    def _run_faults(
        network: Network, steps: int, reset: str, every: int | None, membrane: dict[str, list[int]]
    ) -> list[str]:
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
        kind = np.int32 if network["tag"] == "fixed_pt" else np.float64
        paths = {}
        for process in network["processes"]:
            if process["kind"] == "sink":
                path = outputs / f"sink{len(paths)}.npy"
                shape = (steps, *process["shape"])
                np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)
                paths[process["name"]] = path
        return paths


def _arrays(path: str) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def _filled(records: list[Record], arrays: Arrays) -> list[Record]:
    """Records with their arrays in place of ``{"array": key}``."""
    return [
        {key: arrays[val["array"]] if isinstance(val, dict) else val for key, val in record.items()}
        for record in records
    ]
