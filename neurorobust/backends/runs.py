"""What every executable does around a run: refuse what does not fit, and read the scores out."""

from collections.abc import Collection
from typing import get_args

import numpy as np

from neurorobust.backends.contract import Precision, Record
from neurorobust.data.stimulus import Stimulus
from neurorobust.errors import InvalidInput, Unsupported
from neurorobust.ir import Array, Model
from neurorobust.ir.ports import Readout
from neurorobust.names import require_choice


def require_run(
    model: Model,
    stimulus: Stimulus,
    record: Collection[Record],
    *,
    closed: bool = False,
    membrane: bool = True,
    overflows: bool = False,
) -> None:
    """Refuse a run that cannot give what is asked for.

    Args:
        model: The compiled model.
        stimulus: What it is to be shown.
        record: What is to be recorded.
        closed: Whether the executable was closed.
        membrane: Whether it can record membranes.
        overflows: Whether it can count overflows.

    Raises:
        InvalidInput: if the executable is closed, or stimulus or record do not fit.
        Unsupported: if membranes or overflows are wanted that it cannot record.
    """
    if closed:
        raise InvalidInput("this executable is closed; compile the model again")
    for name in record:
        require_choice("record", name, get_args(Record))
    if "membrane" in record and not membrane:
        msg = "membranes cannot be recorded here; record them with the backend 'reference'"
        raise Unsupported(msg)
    if "overflows" in record and not overflows:
        raise Unsupported(
            "overflows cannot be counted here; count those of a Program with the backend 'torch' "
            "or 'reference'"
        )
    shape, given = model.input_shape, stimulus.values.shape
    if given[2:] != shape or stimulus.steps < 1 or given[1] not in (1, stimulus.steps):
        raise InvalidInput(
            f"stimulus has shape {given} for {stimulus.steps} steps; "
            f"the model takes (B, T or 1, {', '.join(map(str, shape))})"
        )


def require_precision(precision: Precision) -> None:
    """Refuse what is no precision.

    Raises:
        InvalidInput: naming those there are.
    """
    require_choice("precision", precision, get_args(Precision))


def read_out(readout: Readout, arrived: Array) -> Array:
    """Scores from what arrived at the Output.

    Args:
        readout: ``count`` sums over the steps, ``mean`` averages, ``last`` takes the final step,
            ``max`` the largest, ``first`` gives ``T - step of the first spike``, of either sign (0
            without one).
        arrived: Shape (B, T, classes): spikes, or membranes of a readout layer.

    Returns:
        Shape (B, classes), float64.
    """
    arrived = arrived.astype(np.float64)
    if readout == "count":
        scores = arrived.sum(axis=1)
    elif readout == "mean":
        scores = arrived.mean(axis=1)
    elif readout == "last":
        scores = arrived[:, -1]
    elif readout == "max":
        scores = arrived.max(axis=1)
    else:
        fired, steps = arrived != 0, arrived.shape[1]
        scores = np.where(fired.any(axis=1), steps - fired.argmax(axis=1), 0)
    return np.asarray(scores, np.float64)
