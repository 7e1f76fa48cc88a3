"""One worker process: spawn it, call it, and never leave anything of it behind."""

import contextlib
import itertools
import os
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from neurorobust.backends.worker import protocol
from neurorobust.backends.worker.surroundings import worker_environment
from neurorobust.errors import RemoteError, WorkerCrashed, WorkerError, WorkerTimeout

LIFELINE_VARIABLE: Final = "NEUROROBUST_LIFELINE_FD"
"""Names the file descriptor whose end of file tells the worker that its host is gone."""

_LOOK_S: Final = 0.1
"""How often a silent worker is looked at. Its own children may hold the pipe open after its death,
so the end of file alone is not enough."""

_GRACE_S: Final = 2.0
_LOG_TAIL_BYTES: Final = 64 * 1024
_LOG_TAIL_LINES: Final = 40
_LOG_LINE_CHARACTERS: Final = 300


class RemoteCause(Exception):
    """What the worker said about its exception; the ``__cause__`` of a ``RemoteError``."""

    def __init__(self, failure: protocol.Failure) -> None:
        self.type = failure.type
        self.message = failure.message
        self.traceback = failure.traceback
        self.data = failure.data
        super().__init__(f"in the worker:\n{failure.traceback or failure.message}")


class WorkerClient:
    """A running worker, one call at a time.

    The worker is the leader of a process group of its own, so that a kill reaches its children.
    It inherits the reading end of a pipe, the lifeline: when the host dies, however suddenly, the
    pipe ends and the worker kills its group.

    Args:
        command: The program and its arguments.
        env: Variables on top of the whitelisted ones, see :func:`worker_environment`.
        cwd: Working directory of the worker; that of the host if not given.
        log: File to append the worker's stderr to. A temporary one if not given, removed at close.
        hello_timeout_s: Time for the worker to introduce itself, seconds, > 0.
        threads: Threads that each numerical library of the worker may start, ≥ 1.

    Raises:
        WorkerCrashed: The program cannot be started, or ended without a hello.
        WorkerTimeout: No hello came in time.
        ProtocolError: The hello is of another protocol version, or no hello at all.
    """

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        log: Path | None = None,
        hello_timeout_s: float = 60.0,
        threads: int = 1,
    ) -> None:
        self.command = tuple(os.fspath(part) for part in command)
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._buffer = bytearray()
        self._ended: str | None = None
        self._keep_log = log is not None
        self.log = _open_log_path(log)
        reading, self._lifeline = os.pipe()
        try:
            with self.log.open("ab") as stderr:
                self._process = subprocess.Popen(  # noqa: S603 - running this command is the purpose
                    self.command,
                    bufsize=0,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    cwd=cwd,
                    env=worker_environment(
                        {**(env or {}), LIFELINE_VARIABLE: str(reading)}, threads=threads
                    ),
                    pass_fds=(reading,),
                    start_new_session=True,
                )
        except OSError as error:
            os.close(self._lifeline)
            self._drop_log()
            raise WorkerCrashed(f"{self.command[0]} could not be started: {error}") from error
        finally:
            os.close(reading)
        try:
            os.set_blocking(_fd(self._process.stdin), False)
            self.hello = self._greet(hello_timeout_s)
        except BaseException:
            self._kill("it never introduced itself")
            self._drop_log()
            raise

    @property
    def pid(self) -> int:
        """Process id of the worker, which is also the id of its process group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the worker can still be called."""
        return self._ended is None and not self._exited()

    def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        timeout_s: float = 60.0,
        on_progress: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> Any:
        """Call a method of the worker and wait for its answer.

        Args:
            method: Name in the worker's method table.
            params: JSON values.
            timeout_s: Time for the whole call, seconds, > 0. A progress line does not extend it.
            on_progress: Gets every progress record of this call. What it raises ends the worker.

        Returns:
            The JSON value that the method returned.

        Raises:
            RemoteError: The method raised; its :class:`RemoteCause` is attached. The worker lives.
            WorkerTimeout: No answer in time; the worker and its children are killed.
            WorkerCrashed: The worker ended meanwhile.
            ProtocolError: The worker answered with something else; it is killed.
            WorkerError: The worker was ended before; start another one.
        """
        if not self._lock.acquire(blocking=False):
            message = f"{method}: this worker is busy with a call; use one worker per thread"
            raise WorkerError(message)
        try:
            if self._ended is not None:
                message = f"{method}: this worker is gone ({self._ended}); start another one"
                raise WorkerError(message)
            request = protocol.Request(next(self._ids), method, params or {})
            line = protocol.encode(request)
            try:
                return self._exchange(request, line, timeout_s, on_progress)
            except RemoteError:
                raise
            except BaseException as error:
                # Whatever interrupts a call leaves an answer under way that no later call may see.
                self._kill(f"{type(error).__name__} during {method}")
                raise
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the worker: a polite ``shutdown`` first, then its whole group. Never raises."""
        if self._ended is None:
            with contextlib.suppress(OSError, WorkerError):
                if not self._exited() and self._lock.acquire(blocking=False):
                    try:
                        line = protocol.encode(protocol.Request(0, "shutdown"))
                        self._send(line, time.monotonic() + 0.5)
                        _close(self._process.stdin)
                        self._await_exit(_GRACE_S)
                    finally:
                        self._lock.release()
            self._kill("closed")
        self._drop_log()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # A forgotten client must not leave a process; interpreter shutdown may have begun.
        with contextlib.suppress(Exception):
            if getattr(self, "_process", None) is not None:
                self.close()

    def log_tail(self) -> str:
        """Last lines that the worker wrote to stderr."""
        try:
            with self.log.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - _LOG_TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        # A crash report ends with the names of all extension modules on one line.
        lines = text.splitlines()[-_LOG_TAIL_LINES:]
        return "\n".join(line[:_LOG_LINE_CHARACTERS] for line in lines)

    def _greet(self, timeout_s: float) -> protocol.Hello:
        answer = self._receive(time.monotonic() + timeout_s, f"no hello within {timeout_s:g} s")
        if not isinstance(answer, protocol.Hello):
            message = f"{self.command[0]}: the first line is a {type(answer).__name__}, no hello"
            raise protocol.ProtocolError(message)
        if answer.protocol != protocol.PROTOCOL_VERSION:
            raise protocol.ProtocolError(
                f"{self.command[0]} speaks protocol {answer.protocol}, this host speaks "
                f"{protocol.PROTOCOL_VERSION}; install the worker and the host from the same "
                "release"
            )
        return answer

    def _exchange(
        self,
        request: protocol.Request,
        line: bytes,
        timeout_s: float,
        on_progress: Callable[[Mapping[str, Any]], None] | None,
    ) -> Any:
        deadline = time.monotonic() + timeout_s
        late = f"{request.method}: no answer within {timeout_s:g} s"
        self._send(line, deadline, late)
        while True:
            answer = self._receive(deadline, late)
            if isinstance(answer, protocol.Hello) or answer.id != request.id:
                message = f"{request.method}: expected the answer {request.id}, got {answer}"
                raise protocol.ProtocolError(message)
            match answer:
                case protocol.Progress():
                    if on_progress is not None:
                        on_progress(answer.progress)
                case protocol.Failure():
                    message = f"{request.method}: {answer.type}: {answer.message}"
                    raise RemoteError(message) from RemoteCause(answer)
                case protocol.Result():
                    return answer.result

    def _send(self, line: bytes, deadline: float, late: str = "the worker does not read") -> None:
        """Write a line without ever blocking longer than the deadline."""
        rest = memoryview(line)
        with selectors.DefaultSelector() as selector:
            selector.register(_fd(self._process.stdin), selectors.EVENT_WRITE)
            while rest:
                self._wait(selector, deadline, late)
                try:
                    written = os.write(_fd(self._process.stdin), rest)
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    raise self._crashed() from None
                rest = rest[written:]

    def _receive(self, deadline: float, late: str) -> protocol.Answer:
        out = _fd(self._process.stdout)
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            while True:
                end = self._buffer.find(b"\n")
                if end >= 0:
                    line = bytes(self._buffer[:end])
                    del self._buffer[: end + 1]
                    return protocol.decode(line)
                if len(self._buffer) > protocol.MAX_LINE_BYTES:
                    message = f"the worker wrote a line longer than {protocol.MAX_LINE_BYTES} bytes"
                    raise protocol.ProtocolError(message)
                self._wait(selector, deadline, late)
                chunk = os.read(out, 1 << 16)
                if not chunk:
                    raise self._crashed()
                self._buffer += chunk

    def _wait(self, selector: selectors.BaseSelector, deadline: float, late: str) -> None:
        """Wait until the pipe is ready; notice a death and a missed deadline."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise WorkerTimeout(self._told(f"{late}; the worker was killed"))
            if selector.select(min(left, _LOOK_S)):
                return
            # Looked at again after the death was seen: the last words may still be in the pipe.
            if self._exited() and not selector.select(0):
                raise self._crashed()

    def _crashed(self) -> WorkerCrashed:
        self._await_exit(_GRACE_S)
        closed_only = not self._exited()
        self._kill("it crashed")
        code = self._process.returncode
        if closed_only:
            how = "closed its pipe without ending; it was killed"
        elif code < 0:
            how = f"was ended by signal {_signal_name(-code)}"
        else:
            how = f"ended with exit code {code}"
        return WorkerCrashed(self._told(f"the worker {how}"))

    def _told(self, message: str) -> str:
        tail = self.log_tail()
        return f"{message}; its last lines were:\n{tail}" if tail else f"{message}; it said nothing"

    def _exited(self) -> bool:
        """Whether the worker has ended; it is not reaped here, so its id stays ours until then."""
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _await_exit(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        pause = 0.001
        while not self._exited() and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(2 * pause, _LOOK_S)

    def _kill(self, reason: str) -> None:
        """Kill the whole group, reap the worker and close every pipe. Idempotent."""
        if self._ended is not None:
            return
        self._ended = reason
        # An unreaped leader keeps the group id from being given to strangers.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        _close(self._process.stdin)
        _close(self._process.stdout)
        os.close(self._lifeline)

    def _drop_log(self) -> None:
        if not self._keep_log:
            self.log.unlink(missing_ok=True)


def _open_log_path(log: Path | None) -> Path:
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        return log
    handle, name = tempfile.mkstemp(prefix="neurorobust-worker-", suffix=".log")
    os.close(handle)
    return Path(name)


def _fd(pipe: Any) -> int:
    return int(pipe.fileno())


def _close(pipe: Any) -> None:
    """Close a pipe that may be broken or closed already."""
    with contextlib.suppress(OSError):
        pipe.close()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
