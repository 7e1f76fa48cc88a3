"""What several test modules share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from neurorobust.backends import get_backend
from neurorobust.backends.worker.environments import interpreter
from neurorobust.errors import BackendUnavailable, WorkerTimeout
from neurorobust_lava.environment import LAVA_ENVIRONMENT

Answer = TypeVar("Answer")


def require_backend(request: pytest.FixtureRequest, name: str):
    """The backend, or a skip with its reason; a failure when the run demands this backend."""
    try:
        backend = get_backend(name)
        reason = backend.missing()
    except BackendUnavailable as error:
        backend, reason = None, str(error)
    if reason:
        if name in request.config.getoption("--require-backend"):
            pytest.fail(f"backend {name!r} is required but cannot run: {reason}")
        pytest.skip(f"{name}: {reason}")
    return backend


def require_lava(request: pytest.FixtureRequest, tier: str) -> Path:
    """Python of Lava's environment, or a skip; a failure when the run demands this tier."""
    try:
        return interpreter(LAVA_ENVIRONMENT, tier)
    except BackendUnavailable as error:
        if tier in request.config.getoption("--require-backend"):
            pytest.fail(f"tier {tier!r} is required but cannot run: {error}")
        pytest.skip(str(error))


def shared_data(*parts: str) -> Path:
    """A file of the optional data folder: $NEUROROBUST_DATA, or shared/data beside the checkout."""
    default = Path(__file__).parents[3] / "shared" / "data"
    path = Path(os.environ.get("NEUROROBUST_DATA", default)).joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path.name} is not in the data folder; set NEUROROBUST_DATA")
    return path


def asked_again(ask: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:
    """Ask real Lava once more, in a new process, if it gave no answer in time.

    On busy processors its processes now and then wait for each other for ever.
    """
    try:
        return ask(*args, **kwargs)
    except WorkerTimeout:
        return ask(*args, **kwargs)
