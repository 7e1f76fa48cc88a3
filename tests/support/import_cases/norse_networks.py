"""Random networks of Norse: all cells that are imported, in SequentialState and by hand."""

import warnings

import torch
from torch import nn

from tests.support.import_cases.compare import Case
from tests.support.import_cases.networks import Draw, case, plan

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", r".*torch\.jit\.", DeprecationWarning)
    import norse.torch as norse  # noqa: TID251 (the framework is the oracle)
    from norse.torch.functional.reset import reset_subtract, reset_value  # noqa: TID251
    from norse.torch.module.snn import SNNCell, SNNRecurrentCell  # noqa: TID251


def norse_case(rng, *, grid: bool, dtype: torch.dtype = torch.float32) -> Case:
    """A SequentialState, or states passed on by hand, in one of two ways."""
    draw = Draw(rng, grid)
    style = draw.pick("sequential", "step", "loop")
    dt, chain = 2.0**-10 if grid else 1e-3, style == "sequential"

    def run(module: nn.Module, x: torch.Tensor) -> None:
        if style == "loop":
            module(x, None)
            return
        states = None
        for frame in x:
            _, states = module(frame, states)

    return case(
        plan(draw, lambda draw, shape, last: cell(draw, shape, dt, last=last), chain=chain),
        norse.SequentialState if chain else None,
        lambda one, x, state: one(x, state),
        (SNNCell, SNNRecurrentCell),
        run,
        dtype=dtype,
        loop=style == "loop",
        readout="last",
        dt_s=dt,
        time_first=style == "loop",
    )


def cell(draw: Draw, shape, dt: float, *, last: bool) -> nn.Module:
    """A cell with any option that the importer knows."""
    spread = draw.spread(shape)

    def rate(low: float, high: float) -> torch.Tensor:
        if draw.grid:
            return torch.tensor(draw.rng.choice([256.0, 512.0, 512.0, 1024.0], spread)).float()
        return draw.tensor(low, high, spread)

    def volt(low: float, high: float) -> torch.Tensor:
        return draw.tensor(low, high, spread)

    kinds = ["LIFBoxCell", "LIFCell", "IAFCell"]
    if len(shape) == 1:
        kinds.append("LIFRecurrentCell")
    if last:
        kinds += ["LIBoxCell", "LICell"]
    kind = draw.pick(*kinds)
    memory = {"tau_mem_inv": rate(80, 700), "v_leak": volt(-0.2, 0.2)}
    firing = {"v_th": volt(0.3, 0.8), "v_reset": volt(-0.3, 0.2)}
    synapse = {"tau_syn_inv": rate(100, 800)}
    if kind == "LIFBoxCell":
        how = draw.pick(reset_value, reset_subtract)
        return norse.LIFBoxCell(norse.LIFBoxParameters(**memory, **firing, reset_method=how), dt=dt)
    if kind == "LIFCell":
        return norse.LIFCell(norse.LIFParameters(**synapse, **memory, **firing), dt=dt)
    if kind == "LIFRecurrentCell":
        memory["v_leak"] = draw.tensor(-0.2, 0.2)  # Norse fills the state with one number
        n = shape[0]
        return norse.LIFRecurrentCell(
            n,
            n,
            norse.LIFParameters(**synapse, **memory, **firing),
            input_weights=nn.Parameter(draw.tensor(-0.6, 1.0, (n, n))),
            recurrent_weights=nn.Parameter(draw.tensor(-0.5, 0.5, (n, n))),
            autapses=draw.chance(0.5),
            dt=dt,
        )
    if kind == "IAFCell":
        return norse.IAFCell(norse.IAFParameters(**firing), dt=dt)
    if kind == "LIBoxCell":
        return norse.LIBoxCell(norse.LIBoxParameters(**memory), dt=dt)
    return norse.LICell(norse.LIParameters(**synapse, **memory), dt=dt)
