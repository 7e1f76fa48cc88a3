"""Ratios against peers, measured in turn in one process: ``make bench``.

Every row times two or more ways of doing the same, in one thread, and prints each as a multiple of
the first.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks import networks
from neurorobust.attacks import Target
from neurorobust.backends import Executable, get_backend
from neurorobust.chips import load_profile
from neurorobust.data import DIGITS, Stimulus, encode, load
from neurorobust.engine.estimators import Estimator, Rga, Stbp
from neurorobust.engine.network import Network
from neurorobust.engine.threads import one_thread
from neurorobust.ir import Program
from neurorobust.lower import lower
from neurorobust.zoo.digits import train

ROUNDS = 5
STEPS = 16
BATCHES = (1, 64, 256)
FLOAT, LAVA = "float32 engine, batch 64", "real Lava, batch 64"
Peer = tuple[str, Callable[[], object]]


def medians(peers: list[Peer]) -> list[float]:
    """Median seconds of each peer over rounds in which all take turns, after one warm-up."""
    times: dict[str, list[float]] = {name: [] for name, _ in peers}
    for round_ in range(ROUNDS + 1):
        for name, work in peers:
            start = time.perf_counter()
            work()
            if round_:
                times[name].append(time.perf_counter() - start)
    return [statistics.median(times[name]) for name, _ in peers]


def lanes(model, rung: str, stimulus: Stimulus, names: tuple[str, ...]) -> list[Peer]:
    """Runs of one stimulus on several backends; a backend that is missing is left out."""
    peers: list[Peer] = []
    for name in names:
        backend = get_backend(name)
        if backend.missing() is None:
            executable: Executable = backend.compile(model, rung)  # type: ignore[arg-type]
            peers.append((name, lambda run=executable.run: run(stimulus)))
    return peers


def integer_engine(name: str, program: Program) -> Table:
    """Time per sample and step of the integer engine beside real Lava and the float32 engine."""
    runs: dict[str, tuple[int, Callable[[], object]]] = {}
    for samples in BATCHES:
        run = get_backend("torch").compile(program, "quantised").run
        shown = networks.events(program, samples)
        runs[f"integer engine, batch {samples}"] = samples, partial(run, shown)
    network = Network(networks.as_graph(program), dtype=torch.float32)
    samples, steps = BATCHES[1], program.header.steps
    floats = torch.from_numpy(networks.events(program, samples).values)

    def float_run() -> Tensor:
        with torch.no_grad():
            return network.run(floats, steps)

    runs[FLOAT] = samples, float_run
    lava = get_backend("lava")
    if lava.missing() is None:
        run = lava.compile(program, "quantised").run
        runs[LAVA] = samples, partial(run, networks.events(program, samples))
    seconds = medians([(title, function) for title, (_, function) in runs.items()])
    ms = {
        title: 1e3 * total / samples / steps
        for (title, (samples, _)), total in zip(runs.items(), seconds, strict=True)
    }
    table = Table(title=name, title_justify="left")
    for column in ("", "ms per sample-step", "Lava / this", "this / float32"):
        table.add_column(column, justify="right" if column else "left")
    for title, own in ms.items():
        ahead = f"{ms[LAVA] / own:.1f}" if LAVA in ms else "-"
        table.add_row(title, f"{own:.4f}", ahead, f"{own / ms[FLOAT]:.2f}")
    return table


def main() -> None:
    """Run and print all rows."""
    console = Console(highlight=False)
    training, test = (load(DIGITS, part) for part in ("train", "test"))
    graph = train(training)
    program = lower(graph, load_profile("loihi2").profile)
    network = Network(graph)
    x, y = torch.tensor(test.values[:128]), torch.tensor(test.labels[:128])

    def gradient(estimator: Estimator) -> Callable[[], object]:
        return lambda: Target(network, estimator).gradient(x, y)

    stimulus = encode(graph, test.values[:128])
    groups: dict[str, list[Peer]] = {
        "input gradient, digits model, 128 samples": [
            ("STBP", gradient(Stbp())),
            ("RGA, T steps", gradient(Rga(collapse=False))),
            ("RGA, one frame", gradient(Rga())),
        ],
        "float run, digits model, 128 samples": lanes(
            graph, "float", stimulus, ("torch", "snntorch", "norse", "reference")
        ),
        "integer run, digits model, 128 samples": lanes(
            program, "quantised", stimulus, ("torch", "reference", "lava")
        ),
    }
    for title, peers in groups.items():
        table = Table(title=title, title_justify="left")
        for column in ("", "median", "ratio"):
            table.add_column(column, justify="left" if not column else "right")
        found = medians(peers)
        for (name, _), seconds in zip(peers, found, strict=True):
            table.add_row(name, f"{seconds * 1e3:.1f} ms", f"{seconds / found[0]:.2f}")
        console.print(table)
    for name, program in (
        ("dense 784-256-10", networks.dense_program(STEPS)),
        ("conv 2x34x34 - 8 - sum-pool 2 - 16 - dense 10", networks.conv_program(STEPS)),
    ):
        console.print(integer_engine(f"{name}, T = {STEPS}, 10 % input spikes", program))


if __name__ == "__main__":
    with one_thread():
        main()
