"""Against the published release of RGA, where its folder is in NEUROROBUST_RGA."""

import importlib
import os
import sys
import types

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from neurorobust.engine.estimators import Rga, Stbp
from neurorobust.engine.network import Network
from neurorobust.ir import Affine, BatchNorm, Conv2d
from neurorobust.zoo.vgg import calibrated, vgg11

STEPS = 8


@pytest.fixture
def release(monkeypatch):
    """Its VGG, in double precision: in single, sums of another order move spikes."""
    folder = os.environ.get("NEUROROBUST_RGA")
    if not folder:
        pytest.skip("NEUROROBUST_RGA is not set")
    names = ("kornia", "kornia.filters", "kornia.filters.median")
    for name in names:  # imported there, not used
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["kornia.filters.median"].MedianBlur = None
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    return importlib.import_module("models.VGG"), importlib.import_module("models.layers")


def theirs(release, graph, beta, mode):
    vgg, layers = release
    channels = [node.weight.shape[0] for _, node in graph.of_kind(Conv2d)]
    sizes = [node.weight.shape for _, node in graph.of_kind(Affine)]
    model = vgg.VGG("vgg5", STEPS, 10, None, tau=beta)
    model.init_channels, pools = 3, {1: "A", 3: "A", 6: "A"}
    for number, part in enumerate((channels[:1], channels[1:3], channels[3:6], channels[6:], [])):
        done = sum(map(len, (channels[:1], channels[1:3], channels[3:6])[: number + 1]))
        plan = [*part, *([pools[done]] if number < 3 else [])]
        setattr(model, f"layer{number + 1}", model._make_layers(plan))
    head = [nn.Flatten()]
    for out, into in sizes:
        head += [nn.Linear(into, out), layers.LIFSpike(STEPS, tau=beta)]
    model.classifier = nn.Sequential(*head[:-1])
    model.double().eval()
    for kind, torch_kind in ((Conv2d, nn.Conv2d), (BatchNorm, nn.BatchNorm2d), (Affine, nn.Linear)):
        found = [m for m in model.modules() if isinstance(m, torch_kind)]
        for (_, node), layer in zip(graph.of_kind(kind), found, strict=True):
            if kind is BatchNorm:
                arrays = (node.scale, node.shift, node.mean, node.var)
                goals = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
            else:
                arrays, goals = (node.weight, node.bias), (layer.weight, layer.bias)
            for goal, array in zip(goals, arrays, strict=True):
                goal.data.copy_(torch.tensor(array))
    model.norm.mean, model.norm.std = (
        torch.tensor(v, dtype=torch.float64) for v in (graph.header.mean, graph.header.std)
    )
    model.set_simulation_time(STEPS, mode)
    return model


@pytest.mark.parametrize("beta", [1.0, 0.9, 0.5])
@pytest.mark.parametrize(
    ("mode", "estimator"), [("bptt", Stbp()), ("bptr", Rga(variant="code")), ("bptr", Rga())]
)
def test_signs_of_the_gradient(release, mode, estimator, beta):
    x = torch.rand(4, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    graph = calibrated(vgg11(width=0.125, hidden=(64, 64), beta=beta, steps=STEPS), x)
    y = torch.arange(4)
    at = x.clone().requires_grad_()
    scores = theirs(release, graph, beta, mode)(at).mean(0)
    (wanted,) = torch.autograd.grad(cross_entropy(scores, y), at)
    at = x.clone().requires_grad_()
    ours = estimator.scores(Network(graph), at[:, None], STEPS)
    (found,) = torch.autograd.grad(cross_entropy(ours, y), at)
    assert torch.allclose(ours, scores, atol=1e-9)
    assert (wanted != 0).double().mean() > 0.99
    assert (found.sign() == wanted.sign()).double().mean() >= 0.999
