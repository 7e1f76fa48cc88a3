"""snnTorch modules → Graph."""

from torch import nn

from neurorobust.formats.modules.tracing.build import OutputKind
from neurorobust.formats.modules.tracing.importing import (
    header_of,
    import_module,
    require_installed,
)
from neurorobust.ir import Graph, Header, Shape
from neurorobust.ir.header import Coding
from neurorobust.ir.ports import Readout


def from_snntorch(
    module: nn.Module,
    *,
    input_shape: Shape,
    readout: Readout,
    header: Header | None = None,
    dt_s: float | None = None,
    steps: int | None = None,
    coding: Coding = "direct",
    time_first: bool = False,
    output: OutputKind = "spikes",
) -> Graph:
    """The network that a module with snnTorch's neurons computes.

    Args:
        module: A Sequential with ``init_hidden=True``, or any module whose forward passes states
            on; it may run one step or loop over all of them. Arguments of forward beyond the first
            that have no default are given None.
        input_shape: Of one sample at one step, e.g. (C, H, W).
        readout: How the output becomes scores.
        header: Everything the module does not say; or give ``dt_s``, ``steps`` and ``coding``.
        dt_s: Duration of a step in seconds.
        steps: Number of steps T.
        coding: What the input means.
        time_first: Whether forward takes (T, B, ...) rather than one step, (B, ...).
        output: Whether the returned spikes or the returned membrane are the output; a membrane
            can be one with ``reset_mechanism="none"``.

    Raises:
        Unsupported: naming the first thing that a Graph cannot hold.
        InvalidInput: if the module fails on this shape, or its hidden state was advanced.
    """
    require_installed("snnTorch", "snntorch")
    from neurorobust.formats.modules.snntorch.neurons import FRAMEWORK

    return import_module(
        module,
        FRAMEWORK,
        header=header_of(header, dt_s, steps, coding),
        input_shape=input_shape,
        readout=readout,
        time_first=time_first,
        output=output,
    )
