"""SpikingJelly modules → Graph."""

from torch import nn

from neurorobust.formats.modules.tracing.importing import (
    header_of,
    import_module,
    require_installed,
)
from neurorobust.ir import Graph, Header, Shape
from neurorobust.ir.header import Coding
from neurorobust.ir.ports import Readout


def from_spikingjelly(
    module: nn.Module,
    *,
    input_shape: Shape,
    readout: Readout,
    header: Header | None = None,
    dt_s: float | None = None,
    steps: int | None = None,
    coding: Coding = "direct",
    time_first: bool | None = None,
) -> Graph:
    """The network that a module with SpikingJelly's neurons computes.

    Args:
        module: Any module with neurons in single-step or multi-step mode.
        input_shape: Of one sample at one step, e.g. (C, H, W).
        readout: How the output becomes scores.
        header: Everything the module does not say; or give ``dt_s``, ``steps`` and ``coding``.
        dt_s: Duration of a step in seconds.
        steps: Number of steps T.
        coding: What the input means.
        time_first: Whether forward takes (T, B, ...) rather than one step, (B, ...); None takes
            it from the step mode of the module's parts.

    Raises:
        Unsupported: naming the first thing that a Graph cannot hold.
        InvalidInput: if the module fails on this shape, or its neurons were not reset.
    """
    require_installed("SpikingJelly", "spikingjelly")
    from neurorobust.formats.modules.spikingjelly.neurons import FRAMEWORK, has_multi_step

    return import_module(
        module,
        FRAMEWORK,
        header=header_of(header, dt_s, steps, coding),
        input_shape=input_shape,
        readout=readout,
        time_first=has_multi_step(module) if time_first is None else time_first,
    )
