"""Finding backends: every distribution may register some in the entry-point group below."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from neurorobust.backends.contract import Backend
from neurorobust.errors import BackendUnavailable
from neurorobust.names import known_name

GROUP = "neurorobust.backends"


@cache
def _found() -> dict[str, EntryPoint]:
    return {point.name: point for point in sorted(entry_points(group=GROUP))}


def backend_names() -> tuple[str, ...]:
    """Names of all registered backends, the reference first."""
    return tuple(sorted(_found(), key=lambda name: (name != "reference", name)))


@cache
def get_backend(name: str) -> Backend:
    """The backend of a name; it may still be ``missing()`` what it runs on.

    Raises:
        BackendUnavailable: if no backend of this name is registered, or its import fails.
    """
    name = known_name(name, backend_names(), "backend", BackendUnavailable)
    try:
        found = _found()[name].load()
    except Exception as error:  # a third party's import may raise anything
        msg = f"backend {name!r} cannot be loaded ({error}); reinstall its package"
        raise BackendUnavailable(msg) from error
    if not isinstance(found, Backend):
        msg = f"backend {name!r} does not follow neurorobust.backends.contract.Backend"
        raise BackendUnavailable(msg)
    return found


def require_backend(name: str) -> Backend:
    """A backend that can run here.

    Raises:
        BackendUnavailable: with the reason and the command that adds it.
    """
    backend = get_backend(name)
    if reason := backend.missing():
        raise BackendUnavailable(f"backend {name!r} cannot run here: {reason}")
    return backend
