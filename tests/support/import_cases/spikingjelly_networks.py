"""Random networks of SpikingJelly: single-step and multi-step, plain torch layers and its own."""

import torch
from spikingjelly.activation_based import functional, layer, neuron  # noqa: TID251 (the oracle)
from torch import nn

from tests.support.import_cases.compare import Case
from tests.support.import_cases.networks import Draw, case, plan

KINDS = (neuron.LIFNode, neuron.ParametricLIFNode, neuron.IFNode)


def spikingjelly_case(rng, *, grid: bool, dtype: torch.dtype = torch.float32) -> Case:
    """A Sequential or a module with skips, one step per call or all at once."""
    draw = Draw(rng, grid)
    style = draw.pick("sequential", "step", "multi", "multi with skips")
    multi, chain = style.startswith("multi"), style in ("sequential", "multi")
    stages = plan(draw, make, chain=chain)
    if multi:
        stages.maps = [[wrapped(map_) for map_ in stage] for stage in stages.maps]

    def run(module: nn.Module, x: torch.Tensor) -> None:
        functional.reset_net(module)
        for frame in [x] if multi else x:
            _ = module(frame) if chain else module(frame, None)

    return case(
        stages,
        nn.Sequential if chain else None,
        lambda cell, x, _: (cell(x), None),
        KINDS,
        run,
        dtype=dtype,
        ready=lambda module: functional.set_step_mode(module, "m") if multi else None,
        readout="mean",
    )


def make(draw: Draw, shape, last: bool) -> nn.Module:
    """A neuron with any option that the importer knows."""
    kind = draw.pick(*KINDS)
    soft = draw.chance(0.4)
    options = {
        "v_threshold": float(draw.tensor(0.5, 1.2)),
        "v_reset": None if soft else draw.pick(0.0, float(draw.tensor(-0.3, 0.2))),
    }
    if kind is neuron.IFNode:
        return kind(**options)
    options["decay_input"] = draw.chance(0.5)
    tau = draw.pick(2.0, 4.0) if draw.grid else float(draw.rng.uniform(1.2, 6.0))
    if kind is neuron.LIFNode:
        return kind(tau=tau, **options)
    return kind(init_tau=2.0 if draw.grid else tau, **options)


def wrapped(map_: nn.Module) -> nn.Module:
    """SpikingJelly's class of a torch layer, with the same parameters."""
    kind = getattr(layer, type(map_).__name__)
    if isinstance(map_, nn.Linear):
        own = kind(map_.in_features, map_.out_features, map_.bias is not None)
    elif isinstance(map_, nn.Conv1d | nn.Conv2d):
        own = kind(
            map_.in_channels,
            map_.out_channels,
            map_.kernel_size,
            map_.stride,
            map_.padding,
            map_.dilation,
            map_.groups,
            map_.bias is not None,
        )
    elif isinstance(map_, nn.AvgPool2d | nn.MaxPool2d):
        own = kind(map_.kernel_size, map_.stride)
    elif isinstance(map_, nn.BatchNorm1d | nn.BatchNorm2d):
        own = kind(map_.num_features)
    elif isinstance(map_, nn.Dropout):
        own = kind(map_.p)
    else:
        own = kind()
    own.load_state_dict(map_.state_dict())
    return own.train(map_.training)
