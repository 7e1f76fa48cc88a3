"""CPU time and memory of one gradient step on VGG-11, against peers: one process, one thread.

All rows have the same weights, T = 8 steps, and no normalisation folded. The rows of the published
release need its folder in the environment variable NEUROROBUST_RGA, that of snnTorch the package;
without them they are left out.
"""

import argparse
import ctypes
import importlib
import importlib.util
import os
import statistics
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from neurorobust.engine.estimators import Estimator, Hart, Rga, Stbp
from neurorobust.engine.network import Network
from neurorobust.engine.threads import one_thread
from neurorobust.ir import LIF, Affine, BatchNorm, Conv2d, Graph, Pool2d
from neurorobust.zoo.vgg import calibrated, vgg11

STEPS = 8
Step = Callable[[Tensor, Tensor], Tensor]
"""``(x, labels) -> gradient of the cross-entropy``."""


def ours(network: Network, estimator: Estimator) -> Step:
    """Of one of our estimators."""

    def step(x: Tensor, y: Tensor) -> Tensor:
        at = x.clone().requires_grad_()
        scores = estimator.scores(network, at[:, None], STEPS)
        return torch.autograd.grad(cross_entropy(scores, y, reduction="sum"), at)[0]

    return step


def release(folder: Path, graph: Graph, mode: str) -> Step:
    """Of the authors' VGG-11 with the arrays of the Graph; ``bptt``, or ``bptr`` for RGA."""
    for name in ("kornia", "kornia.filters", "kornia.filters.median"):  # imported there, not used
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["kornia.filters.median"].MedianBlur = object
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    build = importlib.import_module("models.VGG").VGG
    decay = float(graph.nodes["lif1"].beta)
    model = build("vgg11", STEPS, len(graph.nodes["fc3"].weight), None, tau=decay).eval()
    fill(model, graph)
    model.set_simulation_time(STEPS, mode)

    def step(x: Tensor, y: Tensor) -> Tensor:
        at = x.clone().requires_grad_()
        return torch.autograd.grad(cross_entropy(model(at).mean(0), y, reduction="sum"), at)[0]

    return step


def snntorch(graph: Graph) -> Step:
    """Of snnTorch's neurons between torch's layers, step by step."""
    library = importlib.import_module("snntorch")
    layers: list[nn.Module] = []
    for node in graph.nodes.values():
        match node:
            case Conv2d():
                layers.append(nn.Conv2d(node.weight.shape[1], node.weight.shape[0], 3, padding=1))
            case BatchNorm():
                layers.append(nn.BatchNorm2d(len(node.mean)))
            case LIF():
                neuron = library.Leaky(float(node.beta), reset_mechanism="zero", init_hidden=True)
                layers.append(neuron)
            case Pool2d():
                layers.append(nn.AvgPool2d(2))
            case Affine():
                flat = [] if any(isinstance(at, nn.Linear) for at in layers) else [nn.Flatten()]
                layers += [*flat, nn.Linear(*node.weight.shape[::-1])]
    model = nn.Sequential(*layers).eval()
    fill(model, graph)
    mean, std = (torch.tensor(v)[:, None, None] for v in (graph.header.mean, graph.header.std))

    def step(x: Tensor, y: Tensor) -> Tensor:
        importlib.import_module("snntorch.utils").reset(model)
        at = x.clone().requires_grad_()
        shown = (at - mean) / std
        scores = torch.stack([model(shown) for _ in range(STEPS)]).mean(0)
        return torch.autograd.grad(cross_entropy(scores, y, reduction="sum"), at)[0]

    return step


def fill(model: nn.Module, graph: Graph) -> None:
    """Put the arrays of the Graph into the torch layers, in order."""
    for kinds, torch_kind in (
        (Conv2d, nn.Conv2d),
        (BatchNorm, nn.BatchNorm2d),
        (Affine, nn.Linear),
    ):
        layers = [layer for layer in model.modules() if isinstance(layer, torch_kind)]
        for (_, node), layer in zip(graph.of_kind(kinds), layers, strict=True):
            if isinstance(node, BatchNorm):
                arrays = (node.scale, node.shift, node.mean, node.var)
                goals = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
            else:
                arrays, goals = (node.weight, node.bias), (layer.weight, layer.bias)
            for goal, array in zip(goals, arrays, strict=True):
                goal.data.copy_(torch.tensor(array))


def peak_bytes(work: Callable[[], object]) -> int | None:
    """How far resident memory rises above its start; None where the system does not tell."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    before = _status("VmRSS")
    work()
    return _status("VmHWM") - before


def _status(field: str) -> int:
    line = next(
        text for text in Path("/proc/self/status").read_text().splitlines() if text[:5] == field
    )
    return int(line.split()[1]) * 1024


def main() -> None:
    """Run and print all rows."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--batch", type=int, nargs="+", default=[8, 16])
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    console, draw = Console(highlight=False), torch.Generator().manual_seed(1)
    with one_thread():
        graph = calibrated(vgg11(steps=STEPS), torch.rand(4, 3, 32, 32, generator=draw))
        network = Network(graph, dtype=torch.float32)
        steps = dict(peers(graph, network))
        for batch in options.batch:
            x = torch.rand(batch, 3, 32, 32, generator=draw)
            y = torch.arange(batch) % 10
            console.print(table(steps, x, y, options.rounds))


def peers(graph: Graph, network: Network) -> list[tuple[str, Step]]:
    """All rows that can run here."""
    rows: list[tuple[str, Step]] = []
    if folder := os.environ.get("NEUROROBUST_RGA"):
        rows += [
            ("release BPTT", release(Path(folder), graph, "bptt")),
            ("release RGA", release(Path(folder), graph, "bptr")),
        ]
    if importlib.util.find_spec("snntorch"):
        rows.append(("snnTorch BPTT", snntorch(graph)))
    return [
        *rows,
        ("STBP", ours(network, Stbp())),
        ("RGA, all steps", ours(network, Rga(collapse=False))),
        ("RGA", ours(network, Rga())),
        ("HART", ours(network, Hart())),
        ("RGA, bf16", ours(network, Rga(precision="bf16"))),
    ]


def table(steps: dict[str, Step], x: Tensor, y: Tensor, rounds: int) -> Table:
    """Median CPU seconds over rounds in which all take turns, after a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    memory: dict[str, int | None] = {}
    for name, step in steps.items():
        step(x, y)
        memory[name] = peak_bytes(lambda step=step: step(x, y))
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.process_time()
            step(x, y)
            times[name].append(time.process_time() - start)
    seconds = {name: statistics.median(taken) for name, taken in times.items()}
    base = "release RGA" if "release RGA" in seconds else "STBP"
    whole = memory.get("release BPTT", memory["STBP"])
    shown = Table(title=f"VGG-11, T = {STEPS}, batch {len(x)}, one thread, {torch.__version__}")
    for column in ("gradient step", "CPU s", f"times {base}", "peak MiB", "of BPTT"):
        shown.add_column(column, justify="left" if column == "gradient step" else "right")
    for name, taken in seconds.items():
        peak = memory[name]
        shown.add_row(
            name,
            f"{taken:.3f}",
            f"{seconds[base] / taken:.2f}",
            "-" if peak is None else f"{peak / 2**20:.0f}",
            "-" if peak is None or not whole else f"{peak / whole:.2f}",
        )
    return shown


if __name__ == "__main__":
    main()
