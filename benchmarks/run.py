"""Ratios against peers, measured in turn in one process: ``make bench``.

Every row times two or more ways of doing the same, in one thread, and prints each as a multiple of
the first.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from neurorobust.attacks import Target
from neurorobust.backends import Executable, get_backend
from neurorobust.data import Stimulus, encode
from neurorobust.data.digits import load_digits
from neurorobust.engine.network import Network
from neurorobust.engine.surrogate import Estimator, Rga, Stbp
from neurorobust.engine.threads import one_thread
from neurorobust.ir import FixedDense, FixedInput, FixedLIF, Header, Output, Program
from neurorobust.lower import lower
from neurorobust.profiles import load_profile
from neurorobust.zoo.digits import train

ROUNDS = 5
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


def dense_program(steps: int) -> Program:
    """784-256-10 with random 8-bit weights."""
    rng = np.random.default_rng(0)

    def weights(out: int, in_: int) -> FixedDense:
        return FixedDense(weight=rng.integers(-128, 128, (out, in_)) & ~1)

    neuron = {"dv": np.array(400), "vth": np.array(200)}
    return Program.chain(
        Header(dt_s=1e-3, steps=steps, coding="events"),
        {
            "input": FixedInput(shape=(784,), scale=1.0, high=1),
            "fc1": weights(256, 784),
            "lif1": FixedLIF(**neuron),
            "fc2": weights(10, 256),
            "lif2": FixedLIF(**neuron),
            "output": Output(),
        },
    )


def lanes(model, rung: str, stimulus: Stimulus, names: tuple[str, ...]) -> list[Peer]:
    """Runs of one stimulus on several backends; a backend that is missing is left out."""
    peers: list[Peer] = []
    for name in names:
        backend = get_backend(name)
        if backend.missing() is None:
            executable: Executable = backend.compile(model, rung)  # type: ignore[arg-type]
            peers.append((name, lambda run=executable.run: run(stimulus)))
    return peers


def main() -> None:
    """Run and print all rows."""
    console = Console(highlight=False)
    training, test = load_digits()
    graph = train(training)
    program = lower(graph, load_profile("loihi2").profile)
    network = Network(graph)
    x, y = torch.tensor(test.values[:128]), torch.tensor(test.labels[:128])

    def gradient(estimator: Estimator) -> Callable[[], object]:
        return lambda: Target(network, estimator).gradient(x, y)

    stimulus = encode(graph, test.values[:128])
    events = dense_program(16)
    rng = np.random.default_rng(1)
    spikes = (rng.random((64, 16, 784)) < 0.1).astype(np.float64)
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
        "integer run, dense 784-256-10, 64 samples x 16 steps": lanes(
            events, "quantised", Stimulus(spikes, 16), ("torch", "reference", "lava")
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


if __name__ == "__main__":
    with one_thread():
        main()
