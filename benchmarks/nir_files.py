"""NIR files against what others make of them: ``python -m benchmarks.nir_files [--data FOLDER]``.

1. Published traces of one LIF neuron (NIR repository, ``paper/01_lif``), by platform.
2. Files of each profile, read and run by the frameworks themselves, against the Graph.
3. Random Graphs written with profile ``strict`` and read again: how many come back identical.
"""

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from neurorobust import ir
from neurorobust.backends import get_backend
from neurorobust.data import Stimulus
from neurorobust.formats.load import Reading, load
from neurorobust.formats.nir import save_nir
from neurorobust.formats.nir.framework import READERS, run_nir_in
from neurorobust.testing.random_networks import random_graph
from tests.support.nir_networks import random_nir_graph

DT_S = 1e-4
EULER = {"discretisation": "euler", "reset": "hard"}
SAMPLES = 8
ROUNDING = 2.0**-19
"""Relative distance from the threshold within which single precision may decide otherwise."""


@dataclass(frozen=True)
class Platform:
    """One published trace: how its platform computes, and what makes its volts ours."""

    file: str
    rules: dict[str, Any]
    latency: int = 0
    volts: float = 1.0
    reset_next: bool = False
    """Whether the reset acts in the next step, and spikes are seen there, too."""


PLATFORMS = (
    Platform("norse", EULER),
    Platform("snntorch", EULER, volts=0.04),
    Platform("nengo", EULER, volts=0.1),
    Platform("exact", EULER),
    Platform("spyx", EULER | {"reset": "soft"}, reset_next=True),
    Platform("lava_cpu_float", EULER, latency=1),
    Platform("sinabs", {"discretisation": "exponential", "reset": "soft"}),
    Platform("rockpool", {"discretisation": "exponential", "reset": "soft"}),
)


def traces(folder: Path) -> Table:
    """Spike steps of every platform, ours under the same declared semantics, and membranes."""
    table = Table("platform", "declared semantics", "its spikes", "ours", "largest |dv|")
    for platform in PLATFORMS:
        graph = load(folder / "lif_norse.nir", Reading(dt_s=DT_S, steps=1000, **platform.rules))
        inputs, v, spikes = _trace(folder, platform.file)
        if platform.latency:
            graph = _later(graph, platform.latency)
        if platform.reset_next:
            graph = _reset_next(graph)
        ours_v, ours = _run(graph, inputs > 0)
        ours = np.roll(ours, platform.reset_next)
        words = ", ".join(platform.rules.values()) + f", latency {platform.latency}"
        words += ", next step" * platform.reset_next
        distance = np.abs(ours_v - v * platform.volts).max()
        table.add_row(platform.file, words, _steps(spikes), _steps(ours), f"{distance:.1e}")
    for name in ("lava_cpu_fixed", "lava_loihi_fixed"):
        inputs, v, spikes = _trace(folder, name)
        ours_v, ours = _run(loihi(), inputs)
        equal = f"{int((ours_v == v).sum())} of {v.size} equal"
        table.add_row(name, "integers, latency 1", _steps(spikes), _steps(ours), equal)
    return table


def loihi() -> ir.Program:
    """The neuron of the published trace in Loihi's integers; Lava's synapse takes one step."""
    nodes = {
        "input": ir.FixedInput(shape=(1,), scale=1.0, high=1),
        "fc": ir.FixedDense(weight=np.array([[10]])),
        "lif": ir.FixedLIF(du=np.array(4095), dv=np.array(163), vth=np.array(25)),
        "output": ir.Output(),
    }
    edges = (ir.Edge("input", "fc", 1), ir.Edge("fc", "lif"), ir.Edge("lif", "output"))
    header = ir.Header(dt_s=DT_S, steps=1000, coding="events")
    return ir.Program(header=header, nodes=nodes, edges=edges, score_unit=1.0)


def readers(count: int) -> Table:
    """Differing output spikes of random networks, half of them on a grid where ties abound."""
    table = Table(
        "profile", "reader", "networks", "inputs", "spikes", "output bits", "differ", "rounding"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.nir"
        for profile, frameworks in READERS.items():
            for grid in (False, True):
                tally = {framework: np.zeros(4, int) for framework in frameworks}
                for seed in range(count):
                    graph, values = network(profile, seed, grid=grid)
                    call = save_nir(graph, path, profile)
                    for framework in frameworks:
                        got = run_nir_in(framework, path, call, values)
                        tally[framework] += compare(graph, values, got)
                kind = "tie-heavy" if grid else "random"
                for framework, counts in tally.items():
                    table.add_row(profile, framework, str(count), kind, *map(str, counts))
    return table


def round_trips(count: int) -> str:
    """How many random Graphs, with all that NIR has nodes for, come back with the same hash."""
    same = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.nir"
        for seed in range(count):
            rng = np.random.default_rng(seed)
            graph = random_graph(rng, avoid=("BatchNorm", "Pool2d max"), grid=bool(seed % 2))
            save_nir(graph, path)
            same += load(path).content_hash == graph.content_hash
    return f"strict, written and read again: {same} of {count} Graphs have the same content hash"


def network(profile: str, seed: int, *, grid: bool) -> tuple[ir.Graph, ir.Array]:
    """A random network of a profile and input for it, in sixteenths where ties are wanted."""
    rng = np.random.default_rng([seed, grid])
    graph = random_nir_graph(rng, profile, grid=grid)
    size = (SAMPLES, graph.header.steps, *graph.input_shape)
    return graph, rng.integers(0, 17, size) / 16 if grid else rng.random(size)


def compare(graph: ir.Graph, values: ir.Array, got: ir.Array) -> tuple[int, int, int, int]:
    """Spikes and bits of the Graph's output, bits that differ, and those of them by rounding.

    A sample counts as rounding if some membrane of the Graph comes closer to its threshold than
    ``ROUNDING`` without being equal to it.
    """
    wanted = output_spikes(graph, values)
    differs = got != wanted
    samples = differs.reshape(len(differs), -1).any(1)
    close = np.zeros(len(values), bool)
    if samples.any():
        for side in (-1, 1):
            runs = [_all_spikes(graph, values, 1 + side * e) for e in (2.0**-24, ROUNDING)]
            pairs = ((runs[0][name], runs[1][name]) for name in graph.spiking)
            for near, far in pairs:
                close |= (near != far).reshape(len(values), -1).any(1)
    return int(wanted.sum()), wanted.size, int(differs.sum()), int(differs[close].sum())


def output_spikes(graph: ir.Graph, values: ir.Array) -> ir.Array:
    """Spikes that arrive at the Output, in double precision."""
    return _all_spikes(graph, values, 1.0)[graph.incoming(graph.output)[0].source]


def _all_spikes(graph: ir.Graph, values: ir.Array, factor: float) -> Any:
    nodes = {
        name: replace(node, threshold=node.threshold * factor, reset_value=node.reset_to)
        if isinstance(node, ir.LIF)
        else node
        for name, node in graph.nodes.items()
    }
    executable = get_backend("reference").compile(graph.with_(nodes=nodes), "float")
    return executable.run(Stimulus(values, values.shape[1]), record=["spikes"]).spikes


def _trace(folder: Path, name: str) -> tuple[ir.Array, ir.Array, ir.Array]:
    inputs, v, spikes = np.loadtxt(folder / f"lif_{name}.csv", delimiter=",").T
    return inputs, v, spikes


def _later(graph: ir.Graph, steps: int) -> ir.Graph:
    """The Graph with input that arrives later."""
    edges = [replace(e, delay=steps) if e.source == graph.input else e for e in graph.edges]
    return graph.with_(edges=tuple(edges))


def _reset_next(graph: ir.Graph) -> ir.Graph:
    """The Graph with a reset that acts in the next step."""
    resets = {name: replace(n, reset_timing="next") for name, n in graph.of_kind(ir.LIF)}
    return graph.with_(nodes={**graph.nodes, **resets})


def _run(model: ir.Model, inputs: ir.Array) -> tuple[ir.Array, ir.Array]:
    """Membrane after the reset of its step, and spikes, of the one neuron, shape (T,)."""
    rung = "float" if isinstance(model, ir.Graph) else "quantised"
    executable = get_backend("reference").compile(model, rung)
    values = inputs.astype(np.float64)[None, :, None]
    result = executable.run(Stimulus(values, len(inputs)), record=["spikes", "membrane"])
    (name,) = model.spiking
    h, s = result.membrane[name].ravel(), result.spikes[name].ravel()
    node = model.nodes[name]
    if isinstance(node, ir.LIF) and node.reset == "soft":
        return (h if node.reset_timing == "next" else h - s * node.reset_to.item()), s
    return np.where(s > 0, 0, h), s


def _steps(spikes: ir.Array) -> str:
    return " ".join(map(str, np.flatnonzero(spikes)))


def main() -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parents[2] / "shared" / "data" / "nir_01_lif"
    parser.add_argument("--data", type=Path, default=default, help="folder of the traces")
    parser.add_argument("--networks", type=int, default=100, help="per reader, profile and input")
    given = parser.parse_args()
    console = Console(width=120)
    if given.data.exists():
        console.print(traces(given.data))
    if given.networks:
        console.print(round_trips(given.networks))
        console.print(readers(given.networks))


if __name__ == "__main__":
    main()
