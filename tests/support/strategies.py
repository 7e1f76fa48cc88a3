"""Hypothesis strategies on the random generators; needs ``pip install hypothesis``.

Importing ``neurorobust.testing`` does not import this module.
"""

from collections.abc import Collection

import numpy as np
from hypothesis import strategies as st

from neurorobust.data import Stimulus
from neurorobust.ir import Graph, Program
from neurorobust.testing.draws import random_stimulus
from neurorobust.testing.random_networks import random_graph
from neurorobust.testing.random_programs import random_program

SEEDS = st.integers(0, 2**32 - 1)


def graphs(
    *, avoid: Collection[str] = (), grid: bool = False, samples: int = 3
) -> st.SearchStrategy[tuple[Graph, Stimulus]]:
    """Random Graphs, each with a stimulus."""

    def build(seed: int) -> tuple[Graph, Stimulus]:
        rng = np.random.default_rng(seed)
        graph = random_graph(rng, avoid=avoid, grid=grid)
        return graph, random_stimulus(rng, graph, samples)

    return SEEDS.map(build)


def programs(
    *, avoid: Collection[str] = (), samples: int = 3
) -> st.SearchStrategy[tuple[Program, Stimulus]]:
    """Random Programs, each with a stimulus."""

    def build(seed: int) -> tuple[Program, Stimulus]:
        rng = np.random.default_rng(seed)
        program = random_program(rng, avoid=avoid)
        return program, random_stimulus(rng, program, samples)

    return SEEDS.map(build)
