"""Every spike of a framework's neurons beside those of the Graph, with the reason of the first."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from neurorobust import backends
from neurorobust.data import Stimulus
from neurorobust.ir import LI, LIF, Graph

NEAR = 1e-5
"""Distance to the threshold, relative to it, below which single precision decides."""


@dataclass(frozen=True)
class Case:
    """A network of a framework.

    Attributes:
        module: It computes.
        graph: What was imported, without the module having run before.
        run: Fresh start, then all steps of (T, B, ...).
        cells: Its neurons, by name of their node.
    """

    module: nn.Module
    graph: Graph
    run: Callable[[torch.Tensor], object]
    cells: dict[str, nn.Module]


@dataclass
class Tally:
    """What a comparison found.

    Attributes:
        networks: Number of them.
        spikes: That the framework fired.
        decisions: Compared, one per neuron, step and sample.
        ties: Membranes that equal their threshold.
        rounding: Differing spikes in samples whose first lies within NEAR of its threshold.
        other: Differing spikes in other samples, and membranes of readouts beyond rounding.
        samples: In which anything differs.
        first: Where the first of ``other`` was.
    """

    networks: int = 0
    spikes: int = 0
    decisions: int = 0
    ties: int = 0
    rounding: int = 0
    other: int = 0
    samples: int = 0
    first: str = ""

    def __add__(self, more: "Tally") -> "Tally":
        names = ("networks", "spikes", "decisions", "ties", "rounding", "other", "samples")
        sums = {name: getattr(self, name) + getattr(more, name) for name in names}
        return Tally(**sums, first=self.first or more.first)


def observed(case: Case, x: torch.Tensor) -> dict[str, np.ndarray]:
    """Outputs (B, T, ...) of all cells, by node."""
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in case.cells}
    hooks = [
        cell.register_forward_hook(
            lambda _m, _i, out, name=name: seen[name].append(
                (out[0] if isinstance(out, tuple) else out).detach().clone()
            )
        )
        for name, cell in case.cells.items()
    ]
    with torch.no_grad():
        case.run(x)
    for hook in hooks:
        hook.remove()
    whole = {
        name: out[0] if len(out) == 1 and len(x) != 1 else torch.stack(out)
        for name, out in seen.items()
    }
    return {name: out.transpose(0, 1).double().numpy() for name, out in whole.items()}


def compare(case: Case, x: torch.Tensor, backend: str = "torch") -> Tally:
    """Run both in the precision of ``x``, (T, B, ...)."""
    theirs = observed(case, x)
    assert set(theirs) <= set(case.graph.nodes), "a cell has no node"
    precision = "double" if x.dtype == torch.float64 else "single"
    record = ("spikes", "membrane")
    ours = backends.run(
        case.graph,
        Stimulus(x.transpose(0, 1).numpy(), len(x)),
        backend=backend,
        precision=precision,
        record=record,
    )
    tally = Tally(networks=1)
    firsts: dict[int, tuple[int, int, str, tuple[int, ...]]] = {}
    wrong: dict[int, int] = {}
    for place, name in enumerate(case.graph.order):
        node = case.graph.nodes[name]
        if name not in theirs:
            continue
        out = theirs[name]
        if isinstance(node, LI):
            bad = ~np.isclose(ours.membrane[name], out, rtol=1e-4, atol=1e-4)
        else:
            assert isinstance(node, LIF)
            tally.spikes += int((out > 0).sum())
            tally.ties += int((ours.membrane[name] == limits(case.graph, name)).sum())
            bad = (ours.spikes[name] > 0) != (out > 0)
        tally.decisions += bad.size
        for sample, step, *neuron in np.argwhere(bad):
            wrong[sample] = wrong.get(sample, 0) + 1
            here = (int(step), place, name, tuple(int(n) for n in neuron))
            firsts[sample] = min(firsts.get(sample, here), here)
    for sample, (step, _, name, neuron) in firsts.items():
        node, h = case.graph.nodes[name], ours.membrane[name][(sample, step, *neuron)]
        near = False
        if isinstance(node, LIF):
            limit = limits(case.graph, name)[neuron]
            near = precision == "single" and abs(h - limit) <= NEAR * max(1, abs(limit))
        tally.samples += 1
        if near:
            tally.rounding += wrong[sample]
        else:
            tally.other += wrong[sample]
            tally.first = tally.first or f"{name}{neuron} at step {step}, membrane {h}"
    return tally


def limits(graph: Graph, name: str) -> np.ndarray:
    """Thresholds of a population, neuron by neuron."""
    return np.broadcast_to(graph.nodes[name].threshold, graph.shapes[name])


def stimulus(rng: np.random.Generator, shape, steps: int, *, grid: bool, dtype, samples: int = 4):
    """(T, B, ...): multiples of 1/2, or anything; half of it spikes of 0 and 1."""
    size = (steps, samples, *shape)
    values = rng.integers(-1, 5, size) / 2 if grid else rng.uniform(-0.5, 2.0, size)
    spikes = (rng.random(size) < 0.5).astype(float)
    return torch.tensor(np.where(rng.random(size) < 0.5, values, spikes)).to(dtype)
