"""Protocol between host and worker, version 1: one JSON object per line.

====================  =========  ==============================================================
record                direction  line
====================  =========  ==============================================================
:class:`Hello`        ←          ``{"hello": {"protocol", "worker", "python", "pid", "packages"}}``
:class:`Request`      →          ``{"id", "method", "params"}``
:class:`Result`       ←          ``{"id", "result"}``
:class:`Failure`      ←          ``{"id", "error": {"type", "message", "traceback", "data"}}``
:class:`Progress`     ←          ``{"id", "progress"}``
====================  =========  ==============================================================

The worker speaks first. Arrays never travel here; they lie in npz files whose paths do.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from neurorobust.errors import WorkerError

PROTOCOL_VERSION = 1

MAX_LINE_BYTES = 16 * 1024 * 1024
"""A longer line is a bug: data belongs in files."""

_SHOWN_CHARACTERS = 200


class ProtocolError(WorkerError):
    """The worker wrote something that protocol version 1 does not allow."""


@dataclass(frozen=True, slots=True)
class Hello:
    """First line of a worker: who it is and what it runs on."""

    protocol: int
    worker: str
    python: str
    pid: int
    packages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One call. ``params`` holds JSON values only."""

    id: int
    method: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to the request of the same id."""

    id: int
    result: Any


@dataclass(frozen=True, slots=True)
class Failure:
    """The exception that the request of the same id ended in."""

    id: int
    type: str
    message: str
    traceback: str = ""
    data: Any = None


@dataclass(frozen=True, slots=True)
class Progress:
    """A sign of life of a request that is still being worked on."""

    id: int
    progress: Mapping[str, Any]


Answer = Hello | Result | Failure | Progress


def encode(request: Request) -> bytes:
    """Write a request as one line.

    Args:
        request: The call; every value in ``params`` must be a finite JSON value.

    Returns:
        The line with its newline.

    Raises:
        ProtocolError: ``params`` holds something that is not JSON; put arrays into a file.
    """
    record = {"id": request.id, "method": request.method, "params": dict(request.params)}
    try:
        return json.dumps(record, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise ProtocolError(
            f"{request.method}: params are not JSON ({error}); "
            "pass numbers, strings, lists and mappings, and arrays through files"
        ) from error


def decode(line: bytes) -> Answer:
    """Read one line of a worker.

    Args:
        line: The line, with or without its newline.

    Returns:
        The record on it.

    Raises:
        ProtocolError: The line is not JSON, or not a record of this protocol.
    """
    try:
        record = json.loads(line)
    except ValueError as error:
        message = f"the worker wrote {_shown(line)}, which is not JSON; only records may go there"
        raise ProtocolError(message) from error
    if not isinstance(record, dict):
        raise ProtocolError(f"the worker wrote {_shown(line)}, which is not a JSON object")
    try:
        return _record(record)
    except (KeyError, TypeError, ValueError) as error:
        message = f"the worker wrote {_shown(line)}, no record of protocol {PROTOCOL_VERSION}"
        raise ProtocolError(message) from error


def _record(record: Mapping[str, Any]) -> Answer:
    """Map the keys of a line to its record; any missing or ill-typed key raises."""
    if "hello" in record:
        hello = record["hello"]
        return Hello(
            protocol=int(hello["protocol"]),
            worker=str(hello.get("worker", "")),
            python=str(hello.get("python", "")),
            pid=int(hello.get("pid", 0)),
            packages={str(key): str(value) for key, value in hello.get("packages", {}).items()},
        )
    number = int(record["id"])
    if "error" in record:
        error = record["error"]
        return Failure(
            id=number,
            type=str(error["type"]),
            message=str(error["message"]),
            traceback=str(error.get("traceback", "")),
            data=error.get("data"),
        )
    if "progress" in record:
        return Progress(id=number, progress=dict(record["progress"]))
    return Result(id=number, result=record["result"])


def _shown(line: bytes) -> str:
    text = line[: _SHOWN_CHARACTERS + 1].decode(errors="backslashreplace").rstrip("\r\n")
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")
