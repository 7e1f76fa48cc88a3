"""Files of each profile, read and run by the frameworks' own NIR readers."""

import importlib.util

import numpy as np
import pytest

from neurorobust.backends import get_backend
from neurorobust.data import Stimulus
from neurorobust.formats.load import load
from neurorobust.formats.nir import save_nir
from neurorobust.formats.nir.framework import READERS, run_nir_in
from neurorobust.ir import LIF, Affine
from tests.support import small
from tests.support.nir_networks import random_nir_graph

PAIRS = [(profile, framework) for profile, known in READERS.items() for framework in known]


def spikes(graph, values):
    executable = get_backend("reference").compile(graph, "float")
    result = executable.run(Stimulus(values, values.shape[1]), record=["spikes"])
    return result.spikes[graph.incoming(graph.output)[0].source]


def require(framework):
    if any(importlib.util.find_spec(name) is None for name in (framework, "nirtorch")):
        pytest.skip(f"{framework} with nirtorch is not installed")


@pytest.mark.parametrize(("profile", "framework"), PAIRS)
@pytest.mark.parametrize("grid", [False, True])
def test_a_framework_computes_what_the_graph_computes(tmp_path, profile, framework, grid):
    require(framework)
    fired = 0
    for seed in range(4):
        rng = np.random.default_rng([seed, grid])
        graph = random_nir_graph(rng, profile, grid=grid)
        size = (4, graph.header.steps, *graph.input_shape)
        values = rng.integers(0, 17, size) / 16 if grid else rng.random(size)
        call = save_nir(graph, tmp_path / "a.nir", profile)
        wanted = spikes(graph, values)
        found = run_nir_in(framework, tmp_path / "a.nir", call, values)
        np.testing.assert_array_equal(found, wanted)
        assert load(tmp_path / "a.nir").content_hash == graph.content_hash
        fired += wanted.sum()
    assert fired


@pytest.mark.parametrize("compare", [">", ">="])
@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 1.0])
def test_ties_fall_as_the_graph_says_in_every_reader(tmp_path, compare, beta):
    """Inputs equal to the threshold, one at a time: all fire, or none."""
    steps = 12
    lif = LIF(beta=beta, threshold=0.7, compare=compare)
    graph = small.graph(3, small.header(steps=steps), fc=Affine(weight=np.eye(3)), lif=lif)
    values = np.zeros((1, steps, 3))
    values[0, 0] = values[0, 6, 0] = 0.7
    wanted = spikes(graph, values)
    assert wanted[0, 0].all() == (compare == ">=")
    for profile, framework in PAIRS:
        require(framework)
        call = save_nir(graph, tmp_path / "a.nir", profile)
        found = run_nir_in(framework, tmp_path / "a.nir", call, values)
        np.testing.assert_array_equal(found, wanted, err_msg=f"{profile} in {framework}")
