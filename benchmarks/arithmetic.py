"""Overflows and turned spikes: an arithmetic attack against noise of the same budget and effort.

Run ``python -m benchmarks.arithmetic``: the digits model in fewer and fewer bits, 64 samples, the
best of as many random points as the attack has steps.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from neurorobust.attacks import Linf
from neurorobust.attacks.optimisers.arithmetic import ArithmeticAttack, provoked
from neurorobust.chips import load_profile
from neurorobust.data import DIGITS, load
from neurorobust.engine.estimators import Stbp
from neurorobust.engine.integer_gradient import IntegerTarget
from neurorobust.engine.network import Network
from neurorobust.ir import FixedDense
from neurorobust.lower import lower
from neurorobust.zoo.digits import load_or_train

STEPS = 10


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--samples", type=int, default=64)
    arguments.add_argument("--grey", type=int, nargs="+", default=[8, 32], help="radii in 1/255")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        graph, _ = load_or_train(Path(folder))
    test = load(DIGITS, limit=options.samples)
    shown = Table(title=f"digits, {len(test)} samples: attack / best of {STEPS} noise / clean")
    for name in ("bits", "radius", "wraps", "clipped membranes", "turned spikes"):
        shown.add_column(name, justify="right")
    chip = load_profile("loihi2").profile
    programs = {str(bits): lower(graph, chip, weight_bits=bits) for bits in (8, 6, 4, 3)}
    programs["8, readout x 64"] = enlarged(programs["8"], 6)
    for bits, program in programs.items():
        target = IntegerTarget(program)
        for grey in options.grey:
            threat = Linf.of(graph.header, grey / 255)
            cells = [
                cell(target, graph, test, threat, strain)
                for strain in ("wrap", "saturation", "rounding")
            ]
            shown.add_row(bits, f"{grey}/255", *cells)
    Console().print(shown)


def enlarged(program, exponent):
    """The readout 2^exponent times as large: a scale chosen without regard to its states."""
    nodes = dict(program.nodes)
    name = [name for name, _ in program.of_kind(FixedDense)][-1]
    nodes[name] = replace(nodes[name], weight_exp=nodes[name].weight_exp + exponent)
    return program.with_(nodes=nodes, score_unit=program.score_unit / 2**exponent)


def cell(target, graph, test, threat, strain):
    def count(x):
        stimulus = torch.as_tensor(x)[:, None]
        found = provoked(target, stimulus, graph.header.steps, Network(graph)).of(strain)
        return np.asarray(found)

    attack = ArithmeticAttack(Stbp("arctan", 0.5), strain, steps=STEPS, reference=graph)
    made = attack(target, test.values, test.labels, threat)
    clean, rng = torch.tensor(test.values), np.random.default_rng(1)
    noise = [
        threat.legalise(
            clean + threat.epsilon * torch.tensor(rng.uniform(-1, 1, clean.shape)), clean
        )
        for _ in range(STEPS)
    ]
    best = np.max([count(x) for x in noise], axis=0)
    return f"{count(made.adversarial).sum()} / {best.sum()} / {count(test.values).sum()}"


if __name__ == "__main__":
    main()
