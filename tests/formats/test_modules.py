"""Random networks of snnTorch, Norse and SpikingJelly do what their Graphs do, spike for spike."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch

from neurorobust.errors import InvalidInput, Unsupported
from neurorobust.formats.modules import from_module
from neurorobust.ir import LIF, Graph, load_model, save_model
from tests.support.helpers import require_backend
from tests.support.import_cases.compare import Case, Tally, compare, stimulus


@pytest.fixture(params=["snntorch", "norse", "spikingjelly"])
def make(request):
    if request.param == "spikingjelly":  # no backend
        pytest.importorskip("spikingjelly")
    else:
        require_backend(request, request.param)
    networks = import_module(f"tests.support.import_cases.{request.param}_networks")
    return getattr(networks, f"{request.param}_case")


def tally(make, seeds, *, grid, dtype, backend="torch") -> Tally:
    total = Tally()
    for seed in seeds:
        rng = np.random.default_rng([seed, grid])
        case = make(rng, grid=grid, dtype=dtype)
        shape, steps = case.graph.input_shape, case.graph.header.steps
        total += compare(case, stimulus(rng, shape, steps, grid=grid, dtype=dtype), backend)
    return total


def test_single_precision_on_the_grid_where_nothing_is_rounded(make):
    found = tally(make, range(1000, 1004), grid=True, dtype=torch.float32)
    assert found.spikes > 100
    assert found.ties > 20
    assert (found.rounding, found.other) == (0, 0), found.first


def test_double_precision(make):
    found = tally(make, range(2000, 2004), grid=False, dtype=torch.float64)
    assert found.spikes > 100
    assert found.other == 0, found.first


def test_single_precision_differs_only_within_rounding_of_the_threshold(make):
    found = tally(make, range(3000, 3004), grid=False, dtype=torch.float32)
    assert found.spikes > 100
    assert found.other == 0, found.first


def test_the_reference_interpreter_agrees(make):
    found = tally(make, range(4000, 4002), grid=True, dtype=torch.float64, backend="reference")
    assert found.spikes > 20
    assert found.other == 0, found.first


def test_the_comparison_sees_a_wrong_rule(make):
    """Each rule of the law matters for some of these networks, and ties are among them."""
    seen = set()
    for seed in range(1000, 1004):
        rng = np.random.default_rng([seed, True])
        case = make(rng, grid=True, dtype=torch.float32)
        graph = case.graph
        x = stimulus(rng, graph.input_shape, graph.header.steps, grid=True, dtype=torch.float32)
        for rule, changed in WRONG.items():
            nodes = {n: changed(v) if isinstance(v, LIF) else v for n, v in graph.nodes.items()}
            wrong = Case(case.module, graph.with_(nodes=nodes), case.run, case.cells)
            found = compare(wrong, x)
            if found.rounding + found.other:
                seen.add(rule)
    assert seen == set(WRONG)


def flipped(node: LIF) -> LIF:
    return replace(node, compare=">" if node.compare == ">=" else ">=")


def retimed(node: LIF) -> LIF:
    if node.reset == "none":
        return node
    return replace(node, reset_timing="same" if node.reset_timing == "next" else "next")


def other_reset(node: LIF) -> LIF:
    return replace(node, reset="none" if node.reset != "none" else "hard", reset_value=None)


WRONG = {"compare": flipped, "timing": retimed, "reset": other_reset}


def test_importing_leaves_the_module_as_it_was(make):
    rng = np.random.default_rng(5)
    case = make(rng, grid=True)
    x = stimulus(
        rng, case.graph.input_shape, case.graph.header.steps, grid=True, dtype=torch.float32
    )
    again = compare(case, x)
    assert all("forward" not in part.__dict__ for part in case.module.modules())
    assert again.other == 0


def test_graphs_are_saved_and_say_which_rules_were_taken(make, tmp_path):
    case = make(np.random.default_rng(6), grid=False)
    graph = case.graph
    save_model(graph, tmp_path / "model")
    again = load_model(tmp_path / "model", Graph)
    assert again.content_hash == graph.content_hash
    assert again.header.provenance == graph.header.provenance
    assert graph.header.provenance["source"].split()[0] in ("snntorch", "norse", "spikingjelly")
    rules = [text for key, text in graph.header.provenance.items() if key != "source"]
    assert len(rules) >= len(case.cells)


def test_the_framework_is_found_from_the_classes_in_the_module(request):
    require_backend(request, "snntorch")
    require_backend(request, "norse")
    import norse.torch as norse  # noqa: TID251
    import snntorch  # noqa: TID251

    class Own(snntorch.Leaky):
        """Of a class of its own, too."""

    def imported(module, **given):
        given = {"input_shape": (4,), "readout": "count", "dt_s": 1e-3, "steps": 3} | given
        return from_module(module, **given)

    leaky = snntorch.Leaky(beta=0.5, init_hidden=True)
    assert imported(leaky).header.provenance["source"].startswith("snntorch")
    assert imported(norse.LIFBoxCell()).header.provenance["source"].startswith("norse")
    with pytest.raises(Unsupported, match="a Own has no law in a Graph; known are Leaky"):
        imported(Own(beta=0.5, init_hidden=True))
    mixed = torch.nn.Sequential(leaky, norse.LIFBoxCell())
    for module, given, message in (
        (torch.nn.Linear(4, 3), {}, "has no class of snntorch, norse, spikingjelly; say whose"),
        (mixed, {}, "has classes of snntorch and norse; say whose module it is with framework"),
        (leaky, {"framework": "sinabs"}, "framework is 'sinabs'; known are snntorch, norse"),
        (norse.LIFBoxCell(), {"output": "membrane"}, "output is 'membrane'; of Norse it can be"),
    ):
        with pytest.raises(InvalidInput, match=message):
            imported(module, **given)
