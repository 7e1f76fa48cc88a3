"""Imported networks beside their frameworks, spike by spike: ``python -m benchmarks.imports [N]``.

N random networks (100) per framework, kind of number and precision. Single precision can decide
otherwise where a membrane lies within rounding of its threshold; such samples are listed apart.
"""

import sys
import time

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from tests.support.import_cases.compare import Tally, compare, stimulus
from tests.support.import_cases.norse_networks import norse_case
from tests.support.import_cases.snntorch_networks import snntorch_case
from tests.support.import_cases.spikingjelly_networks import spikingjelly_case

FRAMEWORKS = {"snnTorch": snntorch_case, "Norse": norse_case, "SpikingJelly": spikingjelly_case}
NUMBERS = (("random", torch.float32), ("grid", torch.float32), ("random", torch.float64))


def main(networks: int) -> None:
    """Print one row per framework and kind of number."""
    columns = (
        "framework, numbers, precision, networks, decisions, spikes, ties, rounding, other, samples"
    )
    table = Table(*columns.split(", "), "s", title="differing spikes of imported networks")
    for name, make in FRAMEWORKS.items():
        for numbers, dtype in NUMBERS:
            start, tally = time.perf_counter(), Tally()
            for seed in range(networks):
                rng = np.random.default_rng([seed, numbers == "grid"])
                case = make(rng, grid=numbers == "grid", dtype=dtype)
                shape, steps = case.graph.input_shape, case.graph.header.steps
                x = stimulus(rng, shape, steps, grid=numbers == "grid", dtype=dtype)
                found = compare(case, x)
                if found.other or (found.rounding and numbers == "grid"):
                    print(f"{name} {numbers} {dtype} seed {seed}: {found.first}")
                tally += found
            counts = (tally.networks, tally.decisions, tally.spikes, tally.ties)
            wrong = (tally.rounding, tally.other, tally.samples)
            row = (name, numbers, str(dtype).removeprefix("torch."), *counts, *wrong)
            table.add_row(*map(str, row), f"{time.perf_counter() - start:.0f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
