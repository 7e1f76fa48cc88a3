"""What generated code computes, run standalone, against the reference interpreter.

For each target, random networks from what it can run exactly, half of them on a binary grid where
membranes tie with thresholds, are written as Python files, which then run many to a process in the
framework's own environment, where neurorobust cannot be imported. A spike that differs where the
reference's membrane lies within 1e-5 of its threshold, and what follows from it in that sample,
counts as rounding; anything else as wrong. Lava runs Programs, of which any difference is wrong.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from neurorobust.backends import RunResult
from neurorobust.compare.selfcheck import Verdict, probes, self_check
from neurorobust.data import Stimulus
from neurorobust.errors import Unsupported
from neurorobust.formats.code import export_code
from neurorobust.formats.code.running import interpreter_of, result_of, samples_of
from neurorobust.ir import Model
from neurorobust.testing.random_networks import random_graph
from neurorobust.testing.random_programs import random_program

FLOAT_AVOIDED = ("LIF several spikes per step",)
FIXED_AVOIDED = ("FixedTernaryLIF", "periodic reset", "host part")
DRIVER = """
import runpy, sys
sys.modules["neurorobust"] = None  # an import of it fails
for folder in sys.argv[1:]:
    code = next(name for name in __import__("os").listdir(folder) if name.endswith(".py"))
    main = runpy.run_path(f"{folder}/{code}")["main"]
    main(f"{folder}/inputs.npy", f"{folder}/outputs.npz")
"""


@dataclass(frozen=True)
class Case:
    """One network in a folder of its own."""

    model: Model
    folder: Path
    seed: int
    samples: int

    def verdict(self) -> Verdict:
        """Of what the generated file left, against the reference."""

        def ran(_: Stimulus) -> RunResult:
            return result_of(self.folder / "outputs.npz")

        return self_check(
            ran, self.model, samples=self.samples, seed=self.seed, backend="reference"
        )


def cases(target: str, count: int, samples: int, folder: Path, **options) -> Iterable[Case]:
    """Random networks, written; those without a form on the target are passed over."""
    made = seed = 0
    while made < count:
        rng, seed = np.random.default_rng(seed), seed + 1
        if target == "lava":
            model = random_program(rng, avoid=FIXED_AVOIDED)
        else:
            model = random_graph(rng, avoid=FLOAT_AVOIDED, grid=made % 2 == 1)
        own = folder / f"{target}-{seed}"
        try:
            export_code(model, own, target, check=False, **options)
        except Unsupported:
            continue
        made += 1
        shown = probes(model, np.random.default_rng(seed), samples)
        np.save(own / "inputs.npy", samples_of(model, shown))
        yield Case(model, own, seed, samples)


def run_all(target: str, made: list[Case], per_process: int = 10) -> None:
    """Run the files in the framework's environment."""
    python, reason = interpreter_of(target)
    if python is None:
        raise SystemExit(reason)
    driver = made[0].folder.parent / "driver.py"
    driver.write_text(DRIVER)
    for first in range(0, len(made), per_process):
        folders = [str(case.folder) for case in made[first : first + per_process]]
        subprocess.run([python, "-I", driver, *folders], check=True, timeout=900)  # noqa: S603


def row(name: str, verdicts: list[Verdict]) -> list[str]:
    """One line of the table."""
    rounding = [v for v in verdicts if v.agreement == "rounding"]
    wrong = [v for v in verdicts if v.agreement not in {"identical", "rounding"}]
    return [
        name,
        str(len(verdicts)),
        str(sum(v.samples for v in verdicts)),
        str(sum(v.values for v in verdicts)),
        str(sum(not v.differing and v.agrees for v in verdicts)),
        f"{sum(v.differing for v in rounding)} in {sum(v.differing > 0 for v in rounding)}",
        str(len(wrong)),
        str(sum(v.decisions_differing for v in verdicts)),
        f"{max(v.largest_score_error for v in verdicts):.1g}",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--samples", type=int, default=4, help="random, and as many tie-heavy")
    parser.add_argument("--targets", nargs="+", default=["snntorch", "norse", "exact", "lava"])
    given = parser.parse_args()
    table = Table(box=None)
    columns = ("target", "networks", "samples", "spikes compared", "all spikes equal")
    for column in (*columns, "rounding: spikes", "wrong: networks", "decisions", "score error"):
        table.add_column(column, justify="left" if column == "target" else "right")
    for target in given.targets:
        framework = "norse" if target == "exact" else target
        options = {"exact": True} if target == "exact" else {}
        with tempfile.TemporaryDirectory(prefix="neurorobust-exports-") as folder:
            made = list(cases(framework, given.networks, given.samples, Path(folder), **options))
            run_all(framework, made)
            verdicts = [case.verdict() for case in made]
            for case, verdict in zip(made, verdicts, strict=True):
                if verdict.differing or not verdict.agrees:
                    print(target, case.seed, verdict)
        label = "norse, exact" if target == "exact" else target
        table.add_row(*row(label, verdicts))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
