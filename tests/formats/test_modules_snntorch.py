"""Ways of writing snnTorch networks, and what is refused, each by name."""

import numpy as np
import pytest
import torch
from torch import nn

from neurorobust import backends
from neurorobust.backends import get_backend
from neurorobust.data import Stimulus
from neurorobust.errors import InvalidInput, Unsupported
from neurorobust.formats.modules import from_module
from neurorobust.ir import LI, LIF, Affine, Conv2d, Edge, Header
from tests.support.helpers import require_backend

T = 6


@pytest.fixture(autouse=True)
def snn(request):
    require_backend(request, "snntorch")
    import snntorch  # noqa: TID251 (the importer reads its modules)

    torch.manual_seed(0)
    return snntorch


def imported(module, **given):
    usual = {"input_shape": (4,), "readout": "count", "dt_s": 1e-3, "steps": T}
    return from_module(module, framework="snntorch", **usual | given)


class Tutorial(nn.Module):
    """As in snnTorch's tutorials: static input, loop inside, all steps returned."""

    def __init__(self, snn, steps=T, **reset):
        super().__init__()
        self.fc1 = nn.Linear(4, 5)
        self.lif1 = snn.Leaky(beta=0.9, **reset)
        self.fc2 = nn.Linear(5, 3)
        self.lif2 = snn.Leaky(beta=0.5, learn_beta=True, threshold=0.5)
        self.steps = steps

    def forward(self, x):
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, membranes = [], []
        for _ in range(self.steps):
            spk1, mem1 = self.lif1(self.fc1(x), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
            membranes.append(mem2)
        return torch.stack(spikes, dim=0), torch.stack(membranes, dim=0)


def test_the_tutorials_network(snn):
    net = Tutorial(snn)
    graph = imported(net)
    assert [*graph.nodes] == ["input", "fc1", "lif1", "fc2", "lif2", "output"]
    assert graph.nodes["lif1"].reset == "soft"
    assert graph.nodes["lif1"].reset_timing == "next"
    assert "soft by the threshold, next step" in graph.header.provenance["lif1"]
    x = torch.rand(7, 4) * 4
    scores = backends.run(graph, Stimulus(x[:, None].numpy(), T))
    with torch.no_grad():
        expected = net(x)[0].sum(0)
    assert expected.sum() > 10
    np.testing.assert_array_equal(scores.scores, expected)


def test_states_as_arguments_of_one_step(snn):
    class Step(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.lif1 = nn.Linear(4, 5), snn.Leaky(beta=0.9)
            self.fc2, self.lif2 = nn.Linear(5, 3), snn.Synaptic(alpha=0.5, beta=0.9)

        def forward(self, x, mem1, syn2, mem2):
            spk1, mem1 = self.lif1(self.fc1(x), mem1)
            spk2, syn2, mem2 = self.lif2(self.fc2(spk1), syn2, mem2)
            return mem1, spk1, syn2, mem2, spk2

    graph = imported(Step())
    assert graph.incoming("output") == [Edge("lif2", "output")]
    assert graph.nodes["lif2"].alpha == np.float32(0.5)


def test_membrane_of_a_readout_is_an_integrator(snn):
    class Readout(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 3)
            self.out = snn.Leaky(beta=0.75, reset_mechanism="none")

        def forward(self, x, mem=None):
            return self.out(self.fc(x), mem)

    net = Readout()
    graph = imported(net, output="membrane", readout="last")
    assert isinstance(graph.nodes["out"], LI)
    assert not list(graph.of_kind(LIF))
    x = torch.rand(5, 4)
    mem = None
    with torch.no_grad():
        for _ in range(T):
            _, mem = net(x, mem)
    scores = backends.run(graph, Stimulus(x[:, None].numpy(), T))
    np.testing.assert_allclose(scores.scores, mem, rtol=1e-5)


def test_membrane_of_a_synaptic_readout_is_two_integrators(snn):
    net = nn.Sequential(
        nn.Linear(4, 3),
        snn.Synaptic(0.5, 0.75, reset_mechanism="none", init_hidden=True, output=True),
    )
    graph = imported(net, output="membrane", readout="last")
    assert [type(graph.nodes[n]) for n in graph.order[2:4]] == [LI, LI]
    x = torch.rand(5, 4)
    with torch.no_grad():
        for _ in range(T):
            _, _, mem = net(x)
    scores = backends.run(graph, Stimulus(x[:, None].numpy(), T))
    np.testing.assert_allclose(scores.scores, mem, rtol=1e-5)


@pytest.fixture
def utils(snn):
    from snntorch import utils  # noqa: TID251

    return utils


def test_recurrence_written_by_hand_is_an_edge_with_delay(snn, utils):
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.back = nn.Linear(4, 3), nn.Linear(3, 3)
            self.lif = snn.Leaky(beta=0.5)

        def forward(self, x):
            mem, spk, out = None, torch.zeros(x.shape[1], 3), []
            for frame in x:
                spk, mem = self.lif(self.fc(frame) + self.back(spk), mem)
                out.append(spk)
            return torch.stack(out)

    net = Loop()
    graph = imported(net, time_first=True, coding="events")
    assert Edge("lif", "back", 1) in graph.edges
    x = torch.rand(T, 6, 4) * 3
    run = get_backend("torch").compile(graph, "float").run
    found = run(Stimulus(x.transpose(0, 1).numpy(), T), record=("spikes",)).spikes["lif"]
    utils.reset(net)
    with torch.no_grad():
        np.testing.assert_array_equal(found, net(x).transpose(0, 1))


@pytest.mark.parametrize(
    ("kind", "mechanism", "delay", "law"),
    [
        ("Leaky", "zero", True, ("hard", "same")),
        ("Leaky", "zero", False, ("hard", "same")),
        ("Leaky", "subtract", True, ("soft", "next")),
        ("Leaky", "none", False, ("none", "same")),
        ("Synaptic", "zero", True, ("hard", "next")),
        ("Synaptic", "zero", False, ("hard", "same")),
        ("Synaptic", "subtract", True, ("soft", "next")),
        ("RLeaky", "zero", True, ("hard", "next")),
        ("RLeaky", "zero", False, ("hard", "same")),
        ("RSynaptic", "zero", True, ("hard", "next")),
        ("Leaky", "subtract", False, "loses spikes"),
        ("Synaptic", "subtract", False, "loses spikes"),
        ("RLeaky", "subtract", False, "loses spikes"),
        ("RSynaptic", "zero", False, "RSynaptic with reset_delay=False"),
        ("RSynaptic", "none", False, "RSynaptic with reset_delay=False"),
    ],
)
def test_every_reset_is_taken_as_it_is_or_refused(snn, kind, mechanism, delay, law):
    options = {"linear_features": 3} if kind.startswith("R") else {}
    decays = (0.5, 0.5) if "Syn" in kind else (0.5,)
    options |= {"reset_mechanism": mechanism, "reset_delay": delay, "init_hidden": True}
    net = nn.Sequential(nn.Linear(4, 3), getattr(snn, kind)(*decays, **options))
    if isinstance(law, str):
        with pytest.raises(Unsupported, match=law):
            imported(net)
    else:
        node = imported(net).nodes["lif1"]
        assert (node.reset, node.reset_timing) == law


def test_decays_are_clamped_and_factors_become_maps(snn):
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3),
        snn.Leaky(beta=1.7, graded_spikes_factor=2.0, init_hidden=True),
        nn.Flatten(),
        nn.Linear(8, 3),
        snn.RLeaky(
            torch.tensor([-0.5, 0.5, 1.0]), V=torch.ones(3), all_to_all=False, init_hidden=True
        ),
    )
    graph = imported(net, input_shape=(1, 4, 4))
    assert graph.nodes["lif1"].beta == 1
    np.testing.assert_array_equal(graph.nodes["lif4"].beta, [0, 0.5, 1])
    assert isinstance(graph.nodes["lif1.scale"], Conv2d)
    assert isinstance(graph.nodes["lif4.recurrent"], Affine)


def test_advanced_hidden_state_is_an_error_that_says_how_to_reset(snn, utils):
    net = nn.Sequential(nn.Linear(4, 3), snn.Leaky(beta=0.9, init_hidden=True))
    net(torch.ones(2, 4))
    with pytest.raises(InvalidInput, match=r"1: its hidden state was advanced.*utils\.reset"):
        imported(net)
    utils.reset(net)
    imported(net)
    net(torch.ones(2, 4)).sum().backward()  # states are part of a graph of autograd now
    net[1].reset_mem()
    imported(net)


def test_hidden_state_is_kept_where_forward_starts_from_a_new_one(snn):
    net = Tutorial(snn)
    net(torch.ones(2, 4))
    before = net.lif1.mem
    imported(net)
    assert net.lif1.mem is before


def in_place_behind_a_view(h, x):
    view = h.view(2, 4)
    h += x
    return view


class Custom(nn.Module):
    """One layer, then an expression."""

    def __init__(self, snn, expression):
        super().__init__()
        self.fc, self.bn = nn.Linear(4, 4), nn.BatchNorm1d(4).eval()
        self.lif, self.expression = snn.Leaky(beta=0.5, init_hidden=True), expression

    def forward(self, x):
        return self.lif(self.bn(self.expression(self.fc(x), x)))


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            lambda h, x: torch.relu(h + x),
            "applies torch.relu to the sum of the output of 'fc' and the input",
        ),
        (lambda h, x: nn.functional.relu(h), "torch.nn.functional.relu"),
        (lambda h, x: h * 0.5, r"torch.Tensor.mul to the output of 'fc'"),
        (lambda h, x: h - x, "torch.Tensor.sub"),
        (lambda h, x: torch.cat([h, x], 1)[:, :4], "torch.cat"),
        (lambda h, x: h.T.T, "torch.Tensor.T"),
        (lambda h, x: h.permute(1, 0).reshape(2, 4), "torch.Tensor.permute"),
        (lambda h, x: h.view(1, 8).view(2, 4), r"reshapes .* from \(2, 4\) to \(1, 8\)"),
        (lambda h, x: h + torch.ones(4), "adds a constant to the output of 'fc'"),
        (lambda h, x: h + 1, "adds a constant"),
        (lambda h, x: torch.add(h, x, alpha=2), "torch.add"),
        (lambda h, x: h if bool(h.sum() > 0) else x, "torch.Tensor.sum|over other axes"),
        (lambda h, x: h.half().float(), "torch.Tensor.half"),
        (in_place_behind_a_view, "changed in place through another name"),
    ],
)
def test_operations_without_a_node_are_refused_by_name(snn, expression, message):
    with pytest.raises(Unsupported, match=message):
        imported(Custom(snn, expression))


@pytest.mark.parametrize(
    ("expression", "sources"),
    [
        (lambda h, x: h + x, ["fc", "input"]),
        (lambda h, x: torch.add(x, h), ["input", "fc"]),
        (lambda h, x: h.add_(x), ["fc", "input"]),
        (lambda h, x: h + h, ["fc", "fc"]),
        (lambda h, x: sum([h, x, x]), ["fc", "input", "input"]),
        (lambda h, x: x + (h + x), ["fc", "input", "input"]),
        (lambda h, x: h.view(h.size(0), -1).clone().detach() + 0, ["fc"]),
    ],
)
def test_sums_are_exact_edges_in_the_order_of_the_sum(snn, expression, sources):
    net = Custom(snn, expression)
    graph = imported(net)
    assert [edge.source for edge in graph.incoming("bn")] == sources
    x = torch.rand(9, 4) * 2
    with torch.no_grad():
        expected = sum(net(x) for _ in range(T))
    scores = backends.run(graph, Stimulus(x[:, None].numpy(), T), backend="reference")
    np.testing.assert_array_equal(scores.scores, expected)


def bad_networks(snn):
    """Layers one behind the other, what is said of them, and the reason."""
    leaky = {"beta": 0.5, "init_hidden": True}
    shared, renamed, plain = (snn.Leaky(**leaky) for _ in range(3))
    renamed.reset_mechanism = "zero"
    hooked = nn.Linear(4, 3)
    hooked.register_forward_hook(lambda m, i, o: o * 2)
    with pytest.warns(UserWarning, match="Inhibition"):
        inhibited = snn.Leaky(inhibition=True, **leaky)
    wide = snn.Leaky(beta=torch.ones(7), init_hidden=True)
    alpha = snn.Alpha(0.9, 0.5, init_hidden=True)
    return [
        ([nn.Linear(4, 3), nn.ReLU(), plain], {}, "torch.*relu"),
        ([nn.Linear(4, 3), alpha], {}, "a Alpha has no"),
        ([inhibited], {}, "inhibition"),
        ([snn.Leaky(state_quant=lambda m: m, **leaky)], {}, "state_quant"),
        ([snn.Leaky(spike_grad=torch.sigmoid, **leaky)], {}, "step function gives"),
        ([snn.Leaky(threshold=-1.0, **leaky)], {}, "below 0"),
        ([wide], {}, r"beta has shape \(7,\)"),
        ([renamed], {}, "reset_mechanism says 'zero'"),
        ([nn.Linear(4, 4), shared, nn.Linear(4, 4), shared], {}, "fed in another way"),
        ([hooked, plain], {}, "0: has forward hooks"),
        ([nn.Flatten(0), nn.Linear(8, 3)], {}, "reshapes the input"),
        ([nn.BatchNorm1d(4), plain], {}, r"0: a BatchNorm1d in training mode; call module.eval"),
        ([nn.Dropout(0.5), plain], {}, "0: a Dropout in training mode"),
        ([plain], {"time_first": True}, "gets all at once"),
        ([plain], {"output": "membrane"}, "0 membrane outputs"),
        (
            [snn.Leaky(output=True, **leaky)],
            {"output": "membrane"},
            "read out reset_mechanism='none'",
        ),
    ]


def test_networks_that_a_graph_cannot_hold_are_refused_by_name(snn):
    for layers, given, message in bad_networks(snn):
        with pytest.raises(Unsupported, match=message):
            pytest.fail(f"{message}: {imported(nn.Sequential(*layers), **given)}")


class Returning(nn.Module):
    """Two heads, and what forward makes of them."""

    def __init__(self, snn, answer):
        super().__init__()
        self.a, self.b = nn.Linear(4, 3), nn.Linear(4, 3)
        self.lif_a, self.lif_b = (snn.Leaky(beta=0.5, init_hidden=True) for _ in range(2))
        self.answer = answer

    def forward(self, x):
        return self.answer(self.lif_a(self.a(x)), self.lif_b(self.b(x)))


def test_what_has_no_effect_on_the_output_is_an_error(snn):
    with pytest.raises(Unsupported, match=r"b: has no effect on the output \(in all: b, lif_b\)"):
        imported(Returning(snn, lambda a, b: a))
    with pytest.raises(Unsupported, match="returns 2 spikes outputs"):
        imported(Returning(snn, lambda a, b: (a, b)))
    assert len(imported(Returning(snn, lambda a, b: a + b)).incoming("output")) == 2
    net = Tutorial(snn)
    net.spare = nn.Linear(3, 3)
    with pytest.raises(Unsupported, match="spare: has no effect"):
        imported(net)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dt_s": None}, "say what is meant, as dt_s=0.001$"),
        ({"steps": None}, "say what is meant, as steps=25$"),
        ({"header": Header(dt_s=1e-3, steps=T)}, "not both"),
        ({"steps": T + 1}, "forward runs 6 steps, not 7; give steps=6"),
        ({"input_shape": (5,)}, r"fc1: .*takes \(4,\), got \(5,\)"),
        ({"input_shape": ()}, r"input_shape is \(\)"),
    ],
)
def test_what_the_caller_must_say(snn, given, message):
    with pytest.raises(InvalidInput, match=message):
        imported(Tutorial(snn), **given)


def test_readouts_that_forward_computes_must_be_the_one_asked_for(snn):
    class Reduced(Tutorial):
        def __init__(self, how):
            super().__init__(snn)
            self.how = how

        def forward(self, x):
            return self.how(super().forward(x)[0])

    for how, readout, wrong in (
        (lambda s: s.sum(0), "count", "mean"),
        (lambda s: s.mean(dim=0), "mean", "count"),
        (lambda s: s[-1], "last", "count"),
    ):
        assert imported(Reduced(how), readout=readout).nodes["output"].readout == readout
        with pytest.raises(InvalidInput, match=f"is readout='{readout}', not '{wrong}'"):
            imported(Reduced(how), readout=wrong)
    for part in (
        lambda s: s[0],
        lambda s: torch.stack([*s][:2]),
        lambda s: torch.stack([s[0]]).sum(0),
    ):
        with pytest.raises(Unsupported, match="reads the last step, or all of them"):
            imported(Reduced(part))


def test_every_step_must_be_run_in_its_order(snn):
    class Ordered(nn.Module):
        def __init__(self, order):
            super().__init__()
            self.lif, self.order = snn.Leaky(beta=0.5, init_hidden=True), order

        def forward(self, x):
            return torch.stack([self.lif(x[t]) for t in self.order])

    given = {"time_first": True, "coding": "events"}
    assert imported(Ordered(range(T)), **given).incoming("lif") == [Edge("input", "lif")]
    with pytest.raises(Unsupported, match="lif: is fed in another way in step 0"):
        imported(Ordered(range(T - 1, -1, -1)), **given)
    with pytest.raises(Unsupported, match="lif: is fed in another way"):
        imported(Ordered(range(1, T)), **given)
    for part in (range(1), range(T - 1)):
        with pytest.raises(InvalidInput, match=f"runs {len(part)} steps, not 6"):
            imported(Ordered(part), **given)


def test_errors_of_the_module_itself_are_named(snn):
    class Broken(nn.Module):
        def forward(self, x):
            raise KeyError("weights")

    with pytest.raises(InvalidInput, match=r"forward of Broken fails on zeros of shape \(2, 4\)"):
        imported(Broken())
