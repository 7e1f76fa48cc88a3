"""Ways of writing SpikingJelly networks, and what is refused, each by name."""

import numpy as np
import pytest
import torch
from torch import nn

from neurorobust.backends import get_backend
from neurorobust.data import Stimulus
from neurorobust.errors import InvalidInput, Unsupported
from neurorobust.formats.modules import from_module
from neurorobust.ir import LIF, Flatten

pytest.importorskip("spikingjelly")

from spikingjelly.activation_based import functional, layer, neuron, surrogate  # noqa: TID251

T = 6


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def imported(module, **given):
    usual = {"input_shape": (4,), "readout": "mean", "dt_s": 1e-3, "steps": T}
    return from_module(module, framework="spikingjelly", **usual | given)


def multi(*layers):
    net = nn.Sequential(*layers)
    functional.set_step_mode(net, "m")
    return net


@pytest.mark.parametrize(
    ("made", "law"),
    [
        (lambda: neuron.LIFNode(tau=4.0), (0.75, 0.25, 0.0, "hard", 0.0, 0.0)),
        (
            lambda: neuron.LIFNode(tau=4.0, decay_input=False, v_reset=-0.5),
            (0.75, 1.0, -0.125, "hard", -0.5, -0.5),
        ),
        (
            lambda: neuron.LIFNode(tau=2.0, v_threshold=0.5, v_reset=None),
            (0.5, 0.5, 0.0, "soft", 0.5, 0.0),
        ),
        (lambda: neuron.IFNode(v_reset=0.25), (1.0, 1.0, 0.0, "hard", 0.25, 0.25)),
        (lambda: neuron.ParametricLIFNode(init_tau=2.0), (0.5, 0.5, 0.0, "hard", 0.0, 0.0)),
    ],
)
def test_the_law_of_every_neuron(made, law):
    node = imported(nn.Sequential(made())).nodes["lif0"]
    found = (node.beta, node.gain_in, node.bias, node.reset, node.reset_to, node.v_init)
    assert found == law
    assert (node.compare, node.reset_timing) == (">=", "same")


def residual_block():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = layer.Conv2d(2, 2, 3, padding=1), layer.BatchNorm2d(2)
            self.sn1 = neuron.LIFNode(v_threshold=0.3, v_reset=None)
            self.conv2, self.bn2 = layer.Conv2d(2, 2, 3, padding=1), layer.BatchNorm2d(2)
            self.sn2 = neuron.IFNode(v_threshold=0.3)

        def forward(self, x):
            out = self.sn1(self.bn1(self.conv1(x)))
            out = self.bn2(self.conv2(out))
            out += x
            return self.sn2(out)

    return Block()


@pytest.mark.parametrize(
    ("front", "inside", "threshold"),
    [
        (residual_block, None, 0.3),
        (lambda: layer.SeqToANNContainer(nn.Conv2d(2, 2, 3), nn.MaxPool2d(2)), None, 0.2),
        (
            lambda: layer.MultiStepContainer(nn.Conv2d(2, 2, 3), neuron.IFNode(v_threshold=0.3)),
            "s",
            0.2,
        ),
    ],
)
def test_blocks_and_containers_of_all_steps(front, inside, threshold):
    block = front()
    with torch.no_grad():
        for weights in block.parameters():
            weights.abs_()
    if inside is None:
        functional.set_step_mode(block, "m")
    rest = multi(
        layer.AvgPool2d(2),
        layer.Flatten(),
        layer.Dropout(0.5),
        neuron.LIFNode(v_threshold=threshold),
    )
    net = nn.Sequential(block, *rest).eval()
    graph = imported(net, input_shape=(2, 6, 6), coding="events")
    assert any(isinstance(node, Flatten) for node in graph.nodes.values())
    assert "left out" in graph.header.provenance["3"]
    x = (torch.rand(T, 5, 2, 6, 6) < 0.15).float() * torch.rand(5, 1, 1, 1)
    with torch.no_grad():
        expected = net(x).mean(0)
    assert 0 < expected.mean() < 1
    run = get_backend("torch").compile(graph, "float", precision="single").run
    found = run(Stimulus(x.transpose(0, 1).numpy(), T))
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)


def test_forward_may_take_the_mean_and_merge_time_and_batch_itself():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = nn.Conv1d(2, 3, 2), nn.BatchNorm1d(3).eval()
            self.sn = neuron.LIFNode(v_threshold=0.2, step_mode="m")
            self.fc = nn.Linear(9, 3)

        def forward(self, x):
            t, b = x.shape[:2]
            h = self.bn(self.conv(x.flatten(0, 1))).view(t, b, 3, -1)
            return self.fc(self.sn(h).flatten(2)).mean(0)

    net = Net()
    graph = imported(net, input_shape=(2, 4), coding="events")
    assert [edge.source for edge in graph.incoming("fc")] == ["flatten"]
    x = torch.rand(T, 5, 2, 4) * 3
    with torch.no_grad():
        expected = net(x)
    run = get_backend("torch").compile(graph, "float").run
    np.testing.assert_allclose(
        run(Stimulus(x.transpose(0, 1).numpy(), T)).scores, expected, rtol=1e-4, atol=1e-5
    )
    functional.reset_net(net)
    with pytest.raises(InvalidInput, match="the mean over 6 steps, which is readout='mean'"):
        imported(net, input_shape=(2, 4), readout="count")


def test_the_last_step_of_all_is_a_readout_of_its_own():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.sn = neuron.IFNode(step_mode="m")

        def forward(self, x):
            return self.sn(x)[-1]

    assert imported(Last(), readout="last").incoming("output")[0].delay == 0
    with pytest.raises(InvalidInput, match="what step 5 gives, which is readout='last'"):
        imported(Last())


def test_advanced_membranes_are_an_error_that_says_how_to_reset():
    net = nn.Sequential(nn.Linear(4, 3), neuron.LIFNode(v_reset=0.25))
    imported(net)
    net(torch.ones(2, 4))
    with pytest.raises(InvalidInput, match=r"1: its membrane was advanced from 0\.25.*reset_net"):
        imported(net)
    functional.reset_net(net)
    assert [name for name, _ in imported(net).of_kind(LIF)] == ["lif1"]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: nn.Sequential(neuron.QIFNode()), "0: a QIFNode has no law"),
        (lambda: nn.Sequential(neuron.LIFNode(surrogate_function=soft())), "step function gives"),
        (lambda: nn.Sequential(layer.WSLinear(4, 3), neuron.IFNode()), "nn.functional.linear"),
        (lambda: multi(nn.Flatten(), neuron.IFNode()), r"reshapes the input from \(6, 2, 4\)"),
        (lambda: multi(nn.BatchNorm1d(4).eval(), neuron.IFNode()), "merge time and batch"),
        (
            lambda: nn.Sequential(neuron.IFNode(step_mode="m"), neuron.IFNode()),
            "1: takes one step, .* and gets all at once",
        ),
        (lambda: nn.Sequential(layer.Dropout(0.5), neuron.IFNode()), "0: a Dropout in training"),
        (lambda: nn.Sequential(nn.Softmax(-1), neuron.IFNode()), "functional.softmax"),
        (lambda: nn.Sequential(nn.LayerNorm(4), neuron.IFNode()), "functional.layer_norm"),
        (
            lambda: layer.LinearRecurrentContainer(neuron.IFNode(), 4, 4),
            "LinearRecurrentContainer has no law",
        ),
    ],
)
def test_networks_that_a_graph_cannot_hold_are_refused_by_name(made, message):
    with pytest.raises(Unsupported, match=message):
        imported(made())


def soft():
    return surrogate.Sigmoid(spiking=False)


def test_errors_of_wrong_modes_are_named():
    net = nn.Sequential(neuron.IFNode(step_mode="m"))
    with pytest.raises(Unsupported, match="takes all steps at once"):
        imported(net, time_first=False)
    with pytest.raises(InvalidInput, match="forward of Sequential fails on zeros"):
        imported(multi(nn.Conv2d(2, 2, 3), neuron.IFNode()), input_shape=(2, 6, 6))
