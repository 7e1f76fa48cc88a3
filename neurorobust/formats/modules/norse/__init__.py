"""Norse modules → Graph."""

from torch import nn

from neurorobust.formats.modules.tracing.importing import (
    header_of,
    import_module,
    require_installed,
)
from neurorobust.ir import Graph, Header, Shape
from neurorobust.ir.header import Coding
from neurorobust.ir.ports import Readout


def from_norse(
    module: nn.Module,
    *,
    input_shape: Shape,
    readout: Readout,
    header: Header | None = None,
    dt_s: float | None = None,
    steps: int | None = None,
    coding: Coding = "direct",
    time_first: bool = False,
) -> Graph:
    """The network that a module with Norse's cells computes.

    Args:
        module: A SequentialState, or any module whose forward passes states on; it may run one
            step or loop over all of them. Arguments of forward beyond the first that have no
            default are given None.
        input_shape: Of one sample at one step, e.g. (C, H, W).
        readout: How the output becomes scores.
        header: Everything the module does not say; or give ``dt_s``, ``steps`` and ``coding``.
        dt_s: Duration of a step in seconds; None takes the ``dt`` of the cells, if they share one.
        steps: Number of steps T.
        coding: What the input means.
        time_first: Whether forward takes (T, B, ...) rather than one step, (B, ...).

    Raises:
        Unsupported: naming the first thing that a Graph cannot hold.
        InvalidInput: if the module fails on this shape, or a cell has another ``dt``.
    """
    require_installed("Norse", "norse")
    from neurorobust.formats.modules.norse.neurons import FRAMEWORK, dt_of

    found = dt_of(module, dt_s if header is None else header.dt_s)
    return import_module(
        module,
        FRAMEWORK,
        header=header_of(header, found if header is None else dt_s, steps, coding),
        input_shape=input_shape,
        readout=readout,
        time_first=time_first,
    )
