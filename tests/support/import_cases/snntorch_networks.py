"""Random networks of snnTorch: all neurons, resets and ways to hold the state that are imported."""

import snntorch as snn  # noqa: TID251 (the framework is the oracle)
import torch
from snntorch import utils  # noqa: TID251
from torch import nn

from tests.support.import_cases.compare import Case
from tests.support.import_cases.networks import Draw, case, plan


def snntorch_case(rng, *, grid: bool, dtype: torch.dtype = torch.float32) -> Case:
    """A Sequential with hidden states, or states passed on by hand, in one of two ways."""
    draw = Draw(rng, grid)
    # A Sequential cannot bring snnTorch's float32 spikes to another type.
    styles = ("sequential", "step", "loop") if dtype == torch.float32 else ("step", "loop")
    style = draw.pick(*styles)
    hidden = style == "sequential"

    def make(draw: Draw, shape, last: bool) -> nn.Module:
        dense = dtype == torch.float32  # its float32 spikes do not enter weights of another type
        return neuron(draw, shape, init_hidden=hidden, output=hidden and last, dense=dense)

    def run(module: nn.Module, x: torch.Tensor) -> None:
        if style == "loop":
            module(x, None)
            return
        utils.reset(module)
        states = None
        for frame in x:
            states = module(frame)[1] if hidden else module(frame, states)[1]

    return case(
        plan(draw, make, chain=hidden),
        nn.Sequential if hidden else None,
        advance,
        snn.SpikingNeuron,
        run,
        dtype=dtype,
        loop=style == "loop",
        readout="count",
        time_first=style == "loop",
    )


def advance(cell, x, state):
    """One step with the state in hand."""
    out, *state = cell(x, *(state or ()))
    return out, ((out, *state) if hasattr(cell, "recurrent") else state)


def neuron(draw: Draw, shape, *, init_hidden: bool, output: bool, dense: bool) -> nn.Module:
    """A neuron with any option that the importer knows."""
    kind = draw.pick("Leaky", "Leaky", "Synaptic", "RLeaky", "RSynaptic")
    recurrent = kind.startswith("R")
    reset = draw.pick("zero", "subtract", "none")
    delays = (True,) if reset == "subtract" or kind == "RSynaptic" else (True, False)
    options = {
        "threshold": draw.tensor(0.5, 1.5, draw.spread(shape)),
        "reset_mechanism": reset,
        "reset_delay": draw.pick(*delays),
        "init_hidden": init_hidden,
        "output": output,
        "learn_threshold": draw.chance(0.3),
        "learn_beta": draw.chance(0.3),
    }
    if recurrent and (draw.chance(0.5) or not dense or len(shape) == 2):
        spread = draw.pick((), (shape[0], *(1,) * (len(shape) - 1)))
        options |= {"all_to_all": False, "V": draw.tensor(-0.6, 0.6, spread)}
    elif recurrent and len(shape) == 1:
        options["linear_features"] = shape[0]
    elif recurrent:
        options |= {"conv2d_channels": shape[0], "kernel_size": 3}
    if kind == "Leaky" and draw.chance(0.3):
        options["graded_spikes_factor"] = draw.pick(0.5, 2.0)
    beta = draw.decay(draw.spread(shape))
    if draw.chance(0.2):
        beta = beta * 4 - 0.5  # snnTorch clamps it
    decays = (beta,) if "Leaky" in kind else (draw.decay(draw.spread(shape)), beta)
    cell = getattr(snn, kind)(*decays, **options)
    if recurrent and options.get("all_to_all", True):
        with torch.no_grad():
            cell.recurrent.weight.copy_(draw.tensor(-0.5, 0.5, tuple(cell.recurrent.weight.shape)))
            cell.recurrent.bias.copy_(draw.tensor(-0.2, 0.2, tuple(cell.recurrent.bias.shape)))
    return cell
