"""Running a model on a backend by name, from compilation to close."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import numpy as np

from neurorobust.backends import contract
from neurorobust.backends.capabilities import require_support
from neurorobust.backends.registry import get_backend
from neurorobust.data.stimulus import Stimulus
from neurorobust.errors import BackendUnavailable, Unsupported
from neurorobust.ir import Model


def rung_of(model: Model) -> contract.Rung:
    """A Program runs on ``quantised``, a Graph on ``float``."""
    return "quantised" if model.arithmetic == "integer" else "float"


def require_lane(backend: str, rung: contract.Rung, model: Model | None = None) -> contract.Backend:
    """A backend that runs here and offers a rung, and there a model exactly.

    Args:
        backend: Its name.
        rung: Where it is to run.
        model: What it is to run; None asks for the rung alone.

    Raises:
        Unsupported: if it has no such rung, or cannot run the model exactly.
        BackendUnavailable: if it is unknown or cannot run here.
    """
    found = get_backend(backend)
    capabilities = found.capabilities()
    if rung not in capabilities.rungs:
        raise Unsupported(capabilities.missing_rungs.get(rung, "this rung is not offered"))
    if model is not None:
        require_support(backend, capabilities, model, rung)
    if reason := found.missing():
        raise BackendUnavailable(reason)
    return found


@contextmanager
def compiled(
    model: Model,
    backend: str | contract.Backend = "torch",
    rung: contract.Rung | None = None,
    *,
    precision: contract.Precision = "double",
) -> Iterator[contract.Executable]:
    """A model compiled for one rung of one backend, closed at the end.

    Args:
        model: A Graph or Program.
        backend: Its name, or itself.
        rung: By default that of the model.
        precision: Of the rung ``float``.

    Raises:
        BackendUnavailable: for a backend that is unknown or cannot run here.
        Unsupported: if the backend has no such rung, or cannot run the model exactly.
    """
    found = get_backend(backend) if isinstance(backend, str) else backend
    executable = found.compile(model, rung or rung_of(model), precision=precision)
    try:
        yield executable
    finally:
        executable.close()


def run(
    model: Model,
    stimulus: Stimulus,
    *,
    backend: str | contract.Backend = "torch",
    rung: contract.Rung | None = None,
    precision: contract.Precision = "double",
    record: Collection[contract.Record] = (),
    chunk: int | None = None,
) -> contract.RunResult:
    """Compile, run all samples, close.

    Args:
        model: A Graph or Program.
        stimulus: What it is shown.
        backend: Its name, or itself.
        rung: By default that of the model.
        precision: Of the rung ``float``.
        record: What is kept besides the scores.
        chunk: Samples that run at a time, which bounds the memory of what is not kept; None for
            all at once.

    Raises:
        BackendUnavailable: for a backend that is unknown or cannot run here.
        Unsupported: if the backend has no such rung, or cannot run the model exactly.
        InvalidInput: if the stimulus does not fit the model.
    """
    with compiled(model, backend, rung, precision=precision) as executable:
        if chunk is None:
            return executable.run(stimulus, record)
        return _joined([executable.run(part, record) for part in stimulus.chunks(chunk)])


def _joined(parts: list[contract.RunResult]) -> contract.RunResult:
    """The runs of successive samples as one."""
    first = parts[0]
    return contract.RunResult(
        scores=np.concatenate([part.scores for part in parts]),
        spikes={n: np.concatenate([part.spikes[n] for part in parts]) for n in first.spikes},
        membrane={n: np.concatenate([part.membrane[n] for part in parts]) for n in first.membrane},
        overflows={
            n: contract.Overflow(
                wrapped=np.concatenate([part.overflows[n].wrapped for part in parts]),
                saturated=np.concatenate([part.overflows[n].saturated for part in parts]),
            )
            for n in first.overflows
        },
        deviations=tuple(dict.fromkeys(text for part in parts for text in part.deviations)),
        wall_s=sum(part.wall_s for part in parts),
    )
