"""A lane is one backend on one rung; which lanes run here, and why the others do not."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from neurorobust.backends import Rung, backend_names, get_backend
from neurorobust.backends.capabilities import require_support
from neurorobust.errors import BackendUnavailable, Unsupported
from neurorobust.ir import Graph, Model, Program


@dataclass(frozen=True, slots=True)
class Lane:
    """One backend on one rung.

    Attributes:
        backend: Name in the registry.
        rung: ``float`` runs the Graph, ``quantised`` the Program.
    """

    backend: str
    rung: Rung

    def __str__(self) -> str:
        return f"{self.backend} {self.rung}"

    def row(self) -> dict[str, Any]:
        """As JSON values."""
        return {"backend": self.backend, "rung": self.rung}


@dataclass(frozen=True, slots=True)
class Closed:
    """A lane that does not run, with the reason and, where there is one, the way out."""

    lane: Lane
    reason: str

    def row(self) -> dict[str, Any]:
        """As JSON values."""
        return self.lane.row() | {"status": "skipped", "reason": self.reason}


def open_lanes(
    graph: Graph, program: Program | None, *, names: Iterable[str] | None = None
) -> tuple[list[Lane], list[Closed]]:
    """Every registered backend on every rung, open to this model or closed.

    Args:
        graph: For the rung ``float``.
        program: For the rung ``quantised``; without one that rung is left out.
        names: Backends to consider; all registered ones by default.
    """
    chosen = backend_names() if names is None else tuple(names)
    models: dict[Rung, Model] = {"float": graph}
    if program is not None:
        models["quantised"] = program
    found = {
        lane: _obstacle(lane, model)
        for rung, model in models.items()
        for lane in (Lane(name, rung) for name in chosen)
    }
    closed = [Closed(lane, reason) for lane, reason in found.items() if reason is not None]
    return [lane for lane, reason in found.items() if reason is None], closed


def _obstacle(lane: Lane, model: Model) -> str | None:
    try:
        backend = get_backend(lane.backend)
        capabilities = backend.capabilities()
        if lane.rung not in capabilities.rungs:
            return capabilities.missing_rungs.get(lane.rung, "this rung is not offered")
        require_support(lane.backend, capabilities, model, lane.rung)
    except (BackendUnavailable, Unsupported) as error:
        return str(error)
    return backend.missing()
