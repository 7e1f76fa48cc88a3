"""Ways of writing Norse networks, and what is refused, each by name."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from neurorobust.backends import get_backend
from neurorobust.data import Stimulus
from neurorobust.errors import InvalidInput, InvalidModel, Unsupported
from neurorobust.formats.modules import from_module
from neurorobust.ir import LI, Affine, Edge
from tests.support.helpers import require_backend

T = 6


@pytest.fixture(autouse=True)
def norse(request):
    require_backend(request, "norse")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit\.", DeprecationWarning)
        import norse.torch as norse  # noqa: TID251 (the importer reads its modules)

    torch.manual_seed(0)
    return norse


def imported(module, **given):
    usual = {"input_shape": (4,), "readout": "last", "steps": T}
    return from_module(module, framework="norse", **usual | given)


def scores(graph, x):
    """Last output of the Graph for (T, B, ...)."""
    run = get_backend("torch").compile(graph, "float").run
    return run(Stimulus(x.transpose(0, 1).numpy(), T)).scores


def test_time_is_inside_with_lift_and_layers_over_all_steps(norse):
    net = norse.SequentialState(
        norse.Lift(nn.Conv1d(1, 2, 3)),
        norse.LIF(),
        nn.Flatten(2),
        norse.LIFRecurrent(4, 5),
        nn.Linear(5, 3),
        norse.LI(),
    )
    graph = imported(net, input_shape=(1, 4), time_first=True, coding="events")
    assert graph.header.dt_s == 1e-3
    assert isinstance(graph.nodes["lif3.input"], Affine)
    assert Edge("lif3", "lif3.recurrent", 1) in graph.edges
    assert isinstance(graph.nodes["li5.syn"], LI)
    x = (torch.rand(T, 6, 1, 4) * 40).float()
    with torch.no_grad():
        out, _ = net(x)
    assert out.abs().max() > 0.01
    np.testing.assert_allclose(scores(graph, x), out[-1], rtol=1e-3, atol=1e-5)


def test_states_passed_on_by_hand(norse):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.lif = nn.Linear(4, 3), norse.LIFCell()
            self.out = norse.LIBoxCell()

        def forward(self, x):
            s1 = s2 = None
            for frame in x:
                z, s1 = self.lif(self.fc(frame), s1)
                v, s2 = self.out(z + self.fc(frame), s2)
            return v

    net = Net()
    graph = imported(net, time_first=True, coding="events")
    assert [edge.source for edge in graph.incoming("out")] == ["lif", "fc"]
    x = torch.rand(T, 5, 4) * 30
    with torch.no_grad():
        np.testing.assert_allclose(scores(graph, x), net(x), rtol=1e-4, atol=1e-5)
    with pytest.raises(InvalidInput, match="is readout='last', not 'mean'"):
        imported(net, time_first=True, readout="mean")


def test_the_one_output_that_feeds_no_other_is_taken(norse):
    net = norse.SequentialState(
        nn.Linear(4, 3), norse.LIFBoxCell(), nn.Linear(3, 2), norse.LIBoxCell(), return_hidden=True
    )
    assert [edge.source for edge in imported(net).incoming("output")] == ["li3"]


def test_integrate_and_fire_starts_at_its_reset_value(norse):
    p = norse.IAFParameters(v_th=torch.tensor(0.5), v_reset=torch.tensor(-0.25))
    node = imported(norse.SequentialState(norse.IAFCell(p)), dt_s=1e-3).nodes["lif0"]
    assert (node.beta, node.v_init, node.reset_to) == (1, -0.25, -0.25)


def test_the_step_of_the_cells_is_the_step_of_the_graph(norse):
    net = norse.SequentialState(nn.Linear(4, 3), norse.LIFBoxCell(dt=2e-3))
    assert imported(net).header.dt_s == 2e-3
    with pytest.raises(InvalidInput, match=r"1: its dt is 0\.002, not 0\.001"):
        imported(net, dt_s=1e-3)
    with pytest.raises(InvalidInput, match=r"2: its dt is 0\.001, not 0\.002"):
        imported(norse.SequentialState(*net, norse.LIBoxCell()))
    with pytest.raises(InvalidInput, match=r"say what is meant, as dt_s=0.001"):
        imported(norse.SequentialState(nn.Linear(4, 3), norse.IAFCell()))


def given_state(norse):
    class Given(nn.Module):
        def __init__(self):
            super().__init__()
            self.lif = norse.LIFBoxCell()

        def forward(self, x):
            return self.lif(x, norse.LIFBoxFeedForwardState(v=torch.ones(4)))

    return Given()


def restarted(norse):
    class Restarted(nn.Module):
        def __init__(self):
            super().__init__()
            self.lif = norse.LIFBoxCell()

        def forward(self, x):
            return torch.stack([self.lif(frame, None)[0] for frame in x])

    return Restarted()


def membrane(norse):
    class Membrane(nn.Module):
        def __init__(self):
            super().__init__()
            self.lif, self.fc = norse.LIFBoxCell(), nn.Linear(4, 3)

        def forward(self, x, state=None):
            _, state = self.lif(x, state)
            return self.fc(state.v)

    return Membrane()


def test_networks_that_a_graph_cannot_hold_are_refused_by_name(norse):
    box = norse.LIFBoxParameters
    refused = {
        "0: a LIFRefracCell has no law": norse.SequentialState(norse.LIFRefracCell()),
        "0: a LSNNCell has no law": norse.SequentialState(norse.LSNNCell()),
        "method 'logistic' is no step": norse.SequentialState(
            norse.LIFBoxCell(box(method="logistic"))
        ),
        "method 'adjoint' is no step": norse.SequentialState(
            norse.LIFCell(norse.LIFParameters(method="adjoint"))
        ),
        "reset_method .* is a function of its own": norse.SequentialState(
            norse.LIFBoxCell(box(reset_method=lambda z, v, r, th: v))
        ),
        "starts from a given state": given_state(norse),
        "its membrane is used as a value": membrane(norse),
        "tau_mem_inv has shape": norse.SequentialState(
            norse.LIFBoxCell(box(tau_mem_inv=torch.ones(3)))
        ),
    }
    for message, net in refused.items():
        with pytest.raises(Unsupported, match=message):
            pytest.fail(f"{message}: {imported(net, dt_s=1e-3)}")
    with pytest.raises(Unsupported, match="step 1 does not go on from the state"):
        imported(restarted(norse), time_first=True)
    with pytest.raises(InvalidInput, match=r"0: .*takes \(3,\), got \(4,\)"):
        imported(norse.SequentialState(norse.LIFRecurrentCell(3, 3)))
    with pytest.raises(InvalidModel, match=r"lif0: beta is outside 0\.\.1"):
        imported(norse.SequentialState(norse.LIFBoxCell(box(tau_mem_inv=torch.tensor(3000.0)))))
