"""The host's handle on a worker that runs real Lava."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt

from neurorobust.backends.worker.client import RemoteCause, WorkerClient
from neurorobust.backends.worker.environments import interpreter
from neurorobust.errors import InvalidInput, InvalidModel, RemoteError, WorkerCrashed
from neurorobust.formats.lava.network import LavaNetwork
from neurorobust_lava.environment import LAVA_ENVIRONMENT, WORKER

Reset = Literal["none", "clear", "fresh"]
Array = npt.NDArray[Any]
Value = TypeVar("Value")

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - only what this module itself put there
_PREFIX_VARIABLE: Final = "NEUROROBUST_SHM_PREFIX"
_LOAD_TIMEOUT_S: Final = 120.0
_INVALID: Final = "InvalidNetwork"
_INVALID_RUN: Final = "InvalidRun"
_FATAL: Final = "ProcessModelFailed"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a run may take: ``base_s + per_step_s · steps + per_episode_s · episodes``.

    Lava waits for ever when one of its processes dies without a word, so there is always a limit.
    """

    base_s: float = 60.0
    per_step_s: float = 1.0
    per_episode_s: float = 10.0

    def limit_s(self, steps: int, episodes: int) -> float:
        """Limit for one run, seconds."""
        return self.base_s + self.per_step_s * steps + self.per_episode_s * episodes


@dataclass(frozen=True, slots=True)
class LavaRecord:
    """What one run left.

    Args:
        sinks: What arrived at each sink, shape (steps, *shape), by name.
        membrane: Voltage of each neuron process asked for, one row per step asked for, by name.
            It is read after the step, so it is 0 where the neuron spiked.
        timing: Seconds spent assembling, running and clearing.
    """

    sinks: Mapping[str, Array]
    membrane: Mapping[str, Array] = field(default_factory=dict)
    timing: Mapping[str, float] = field(default_factory=dict)


class LavaWorker:
    """A process with real Lava. It holds one network at a time.

    Args:
        python: Interpreter that has lava-nc; that of the built environment if not given.
        log: File to append the worker's output to.
        patience: Limits for a run.
        worker: Folder to run; for tests.
        tier: Smallest tier of the environment that will do.

    Raises:
        BackendUnavailable: There is no environment; the message says how to build it.
        WorkerCrashed: The worker did not start.
    """

    def __init__(
        self,
        *,
        python: Path | None = None,
        log: Path | None = None,
        patience: Patience | None = None,
        worker: Path = WORKER,
        tier: str | None = None,
    ) -> None:
        self._client: WorkerClient | None = None
        self._python = python if python is not None else interpreter(LAVA_ENVIRONMENT, tier)
        self._log = log
        self._patience = patience or Patience()
        self._worker = worker
        self._network: LavaNetwork | None = None
        # Chosen by the host so that the host can find what a killed worker left.
        self._prefix = f"neurorobust-{secrets.token_hex(8)}-"
        self._start()

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._living().pid

    def describe(self) -> dict[str, Any]:
        """Versions and abilities of the worker; the first call imports Lava."""
        return dict(self._living().call("describe", timeout_s=_LOAD_TIMEOUT_S))

    def load(self, network: LavaNetwork) -> dict[str, Any]:
        """Give the worker a network, in place of any other.

        Args:
            network: Processes and connections.

        Returns:
            ``ports``: shapes of the input and output of each process, by name.

        Raises:
            InvalidModel: Lava would refuse it, hang on it or compute something else; all faults
                are listed.
        """
        self._network = None
        ports = self._retried(lambda: self._load(network))
        self._network = network
        return ports

    def run(
        self,
        inputs: Mapping[str, Array],
        steps: int,
        *,
        membrane: Mapping[str, tuple[int, ...]] | None = None,
        reset: Reset = "none",
        every: int | None = None,
        timeout_s: float | None = None,
        on_progress: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> LavaRecord:
        """Run the loaded network from its initial state.

        Args:
            inputs: Data of every source, shape (≤ steps, *shape), by name; integers in
                ``fixed_pt``. Missing rows are silence.
            steps: Length of the run, ≥ 1.
            membrane: Steps (1..steps) after which to read the voltage of a neuron process. Lava
                pauses for each and reads 20 µs per neuron.
            reset: ``none``: run through. ``clear``: every so many steps set all currents,
                voltages and synaptic buffers to their initial values, about 20 µs for each
                number. ``fresh``: build the network anew instead, 0.1 to 0.3 s.
            every: Length of an episode in steps, for ``clear`` and ``fresh``.
            timeout_s: Limit, seconds; from :class:`Patience` if not given.
            on_progress: Gets ``{"steps", "of"}`` now and then.

        Returns:
            The records of the sinks and the voltages.

        Raises:
            InvalidInput: The arguments do not fit the network; all faults are listed.
            RemoteError: An exception in the worker or in a Lava process.
            WorkerTimeout: No result in time; the worker was killed, the next call starts another.
            WorkerCrashed: The worker ended, twice.
        """
        episodes = -(-steps // every) if every and reset == "fresh" else 1
        params = {
            "steps": steps,
            "membrane": {name: list(when) for name, when in (membrane or {}).items()},
            "reset": reset,
            "every": every,
            "keys": {name: f"a{number}" for number, name in enumerate(inputs)},
        }
        arrays = {f"a{number}": np.asarray(data) for number, data in enumerate(inputs.values())}
        limit_s = self.limit_s(steps, episodes) if timeout_s is None else timeout_s
        with self.exchange("run", params, arrays, limit_s, on_progress) as (answer, folder):
            return LavaRecord(
                sinks=_read(folder, answer["sinks"]),
                membrane=_read(folder, answer["membrane"]),
                timing=dict(answer["timing"]),
            )

    def limit_s(self, steps: int, episodes: int = 1) -> float:
        """How long a run may take before its worker is killed, seconds."""
        return self._patience.limit_s(steps, episodes)

    @contextlib.contextmanager
    def exchange(
        self,
        method: str,
        params: Mapping[str, Any],
        arrays: Mapping[str, Array],
        timeout_s: float,
        on_progress: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> Iterator[tuple[Mapping[str, Any], Path]]:
        """Call a method that takes and leaves arrays; as long as its files are wanted.

        Args:
            method: Name in the worker's table.
            params: JSON values; ``inputs``, the npz with the arrays, and ``outputs``, the folder
                for what the method leaves, are added.
            arrays: What the method takes.
            timeout_s: Limit, seconds.
            on_progress: Gets every progress record.

        Yields:
            The answer, and the folder that the names of files in it refer to.
        """
        with _exchange_folder(self._prefix) as folder:
            path = folder / "inputs.npz"
            np.savez(path, allow_pickle=False, **dict(arrays))
            places = {"inputs": str(path), "outputs": str(folder)}
            answer = self._retried(
                lambda: self._living().call(method, {**params, **places}, timeout_s, on_progress)
            )
            yield dict(answer), folder

    def unload(self) -> None:
        """Let the worker forget the network."""
        self._network = None
        self._living().call("unload")

    def close(self) -> None:
        """End the worker and remove what it may have left in shared memory."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
        _remove_segments(self._prefix)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        self.close()
        self._client = WorkerClient(
            [self._python, "-I", "-u", "-X", "faulthandler", self._worker],
            env={_PREFIX_VARIABLE: self._prefix},
            log=self._log,
        )
        if self._network is not None:
            self._load(self._network)

    def _living(self) -> WorkerClient:
        if self._client is None or not self._client.alive:
            self._start()
        if self._client is None:
            raise WorkerCrashed("the worker ended right after its start")
        return self._client

    def _retried(self, action: Callable[[], Value]) -> Value:
        """Do something again, once, in a new process if the first one crashes meanwhile."""
        try:
            self._living()
            return action()
        except WorkerCrashed:
            self._start()
            return action()
        except RemoteError as error:
            cause = error.__cause__
            if isinstance(cause, RemoteCause):
                if cause.type == _INVALID:
                    raise InvalidModel([str(fault) for fault in cause.data]) from error
                if cause.type == _INVALID_RUN:
                    raise InvalidInput("; ".join(map(str, cause.data))) from error
                if cause.type == _FATAL:
                    self.close()
            raise

    def _load(self, network: LavaNetwork) -> dict[str, Any]:
        description, arrays = network.serialise()
        with _exchange_folder(self._prefix) as folder:
            path = folder / "network.npz"
            np.savez(path, allow_pickle=False, **dict(arrays))
            params = {"network": description, "inputs": str(path)}
            return dict(self._living().call("load", params, timeout_s=_LOAD_TIMEOUT_S))


@contextlib.contextmanager
def _exchange_folder(prefix: str) -> Iterator[Path]:
    """Give a folder for one call, in memory if there is room to write."""
    place = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=prefix, dir=place, ignore_cleanup_errors=True) as name:
        yield Path(name)


def _read(folder: Path, names: Mapping[str, str]) -> dict[str, Array]:
    return {name: np.load(folder / file, allow_pickle=False) for name, file in names.items()}


def _remove_segments(prefix: str) -> None:
    """Remove the shared memory of a killed worker, known by the prefix it was given."""
    if _SHARED_MEMORY.is_dir():
        for segment in _SHARED_MEMORY.glob(f"{prefix}*"):
            # The folder of a call that is being retried has the same prefix and is still in use.
            if segment.is_file():
                segment.unlink(missing_ok=True)
