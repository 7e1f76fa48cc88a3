"""The worker's end of protocol 1: claim the pipes, say hello, answer calls, watch the lifeline.

Standard library only; nothing here may be imported after numpy or Lava have written something.
"""

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any

PROTOCOL_VERSION = 1
Record = dict[str, Any]
Progress = Callable[[Record], None]
Methods = Mapping[str, Callable[[Record, Progress], Any]]

LIFELINE_VARIABLE = "NEUROROBUST_LIFELINE_FD"


class Wire:
    """The two pipes to the host, taken away from everybody else in this process.

    After construction file descriptor 0 reads nothing and 1 is stderr, so a ``print`` here, a
    ``printf`` in a library or the output of a child goes to the log and never between records.
    """

    def __init__(self) -> None:
        """Move the pipes to new descriptors, which no program started from here inherits."""
        self._in = os.dup(0)
        self._out = os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        self._buffer = bytearray()
        self._lock = threading.Lock()
        self._current = 0
        # Lava's processes are forks; one that kept the pipe would hide the end of its parent.
        os.register_at_fork(after_in_child=self._close_in_child)

    def _close_in_child(self) -> None:
        os.close(self._in)
        os.close(self._out)

    def send(self, record: Record) -> None:
        """Write one record as one line."""
        line = memoryview(json.dumps(record, allow_nan=False).encode() + b"\n")
        with self._lock:
            while line:
                line = line[os.write(self._out, line) :]

    def receive(self) -> Record | None:
        """Read the next record; None when the host has closed its end."""
        while b"\n" not in self._buffer:
            chunk = os.read(self._in, 1 << 16)
            if not chunk:
                return None
            self._buffer += chunk
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer = bytearray(rest)
        request = json.loads(line)
        self._current = request["id"]
        return request

    def fail(self, error: Exception, text: str) -> None:
        """Answer the present request from another thread, just before the worker ends."""
        self.send(failure(self._current, error, text))


def watch_lifeline(before_kill: Callable[[], None]) -> None:
    """Kill this process group as soon as the host is gone.

    The thread waits in a raw read without any lock, so forks meanwhile are safe.

    Args:
        before_kill: Called first, to remove what would outlive the processes.
    """
    name = os.environ.get(LIFELINE_VARIABLE)
    if name is None:
        return
    descriptor = int(name)
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - it takes no keyword

    def watch() -> None:
        while True:
            try:
                if os.read(descriptor, 1) == b"":
                    break
            except InterruptedError:
                continue
        try:
            before_kill()
        finally:
            os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def serve(wire: Wire, methods: Methods) -> None:
    """Answer requests until ``shutdown`` or until the host closes the pipe.

    Args:
        wire: The claimed pipes.
        methods: The complete method table: name to function of (params, progress).
    """
    while True:
        request = wire.receive()
        if request is None or request.get("method") == "shutdown":
            return
        wire.send(_answer(wire, methods, request))


def _answer(wire: Wire, methods: Methods, request: Record) -> Record:
    """Call one method and describe its result or its exception."""
    number = request["id"]

    def progress(record: Record) -> None:
        wire.send({"id": number, "progress": record})

    try:
        method = methods.get(request["method"])
        if method is None:
            known = ", ".join(sorted([*methods, "shutdown"]))
            raise LookupError(f"no method {request['method']!r}; there are {known}")
        return {"id": number, "result": method(request.get("params") or {}, progress)}
    except Exception as error:  # noqa: BLE001 - the host gets it, whatever it is
        return failure(number, error)


def failure(number: int, error: Exception, text: str | None = None) -> Record:
    """Describe an exception as an error record.

    Args:
        number: Id of the request.
        error: The exception; its ``data`` attribute, if any, travels along.
        text: Traceback, if it is not that of the exception itself.
    """
    return {
        "id": number,
        "error": {
            "type": type(error).__name__,
            "message": str(error),
            "traceback": text
            or "".join(traceback.format_exception(None, error, error.__traceback__)),
            "data": getattr(error, "data", None),
        },
    }


def hello(worker: str, packages: dict[str, str]) -> Record:
    """First record of a worker."""
    return {
        "hello": {
            "protocol": PROTOCOL_VERSION,
            "worker": worker,
            "python": ".".join(map(str, sys.version_info[:3])),
            "pid": os.getpid(),
            "packages": packages,
        }
    }
