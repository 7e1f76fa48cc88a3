"""Robust accuracy and CPU time of the default attacks against peers: one process, one thread.

The built-in digits model, and a network for MNIST trained here in three epochs, if its data are in
the folder ``mnist`` of $NEUROROBUST_DATA. The samples are test images that nothing was chosen on.
Rows are printed as they are done; AutoAttack is left out where it is not installed.
"""

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from neurorobust.attacks import Linf, Pgd, Request, Target, ensemble
from neurorobust.attacks.adapters.autoattack import to_autoattack
from neurorobust.data import DIGITS, Samples, load
from neurorobust.engine.estimators import Estimator, Rga, Stbp
from neurorobust.engine.network import Network
from neurorobust.engine.threads import one_thread
from neurorobust.ir import Array, Graph
from neurorobust.zoo import digits, mnist

RADII = {"digits": (12, 16), "mnist": (16, 24)}
"""In 255ths of the input range."""
EPOCHS = 3
Attack = Callable[[Request], Array]
"""What is asked -> whether each sample withstood, bool (B,)."""


def models(folder: Path) -> Iterator[tuple[str, Graph, Samples]]:
    """Each network with samples it was not trained on."""
    graph, _ = digits.load_or_train(folder)
    yield "digits", graph, load(DIGITS, "test")
    images = Path(os.environ.get("NEUROROBUST_DATA", "data")) / "mnist"
    if images.exists():
        training, test = mnist.parts(images)
        yield "mnist", mnist.train(training, seed=0, epochs=EPOCHS), test


def withstood(request: Request, adversarial: Array) -> Array:
    """Samples decided rightly when clean and when attacked."""
    target = Target(request.network, None)
    decided = (target.decide(torch.as_tensor(x)).numpy() for x in (request.x, adversarial))
    right = [decision == request.y for decision in decided]
    return np.logical_and(*right)


def autoattack(estimator: Estimator) -> Attack:
    """AutoAttack's standard evaluation, its images once they are on the sensor's grid."""

    def run(request: Request) -> Array:
        assert isinstance(request.network, Network)
        clean = torch.as_tensor(request.x)
        attack = to_autoattack(request.network, estimator, request.threat.epsilon)
        with torch.random.fork_rng():
            found, *_ = attack.run_standard_evaluation(clean.float(), torch.as_tensor(request.y))
        return withstood(request, request.threat.legalise(found.double(), clean).numpy())

    return run


def attacks() -> Iterator[tuple[str, Attack]]:
    """All rows, the quick ones first."""

    def named(kind: str) -> Attack:
        return lambda request: ensemble(kind).judge(request).robust

    yield "fast", named("fast")
    for estimator in (Rga(), Stbp()):
        pgd = Pgd(estimator, steps=10)
        yield (
            f"pgd {estimator}",
            lambda request, pgd=pgd: withstood(request, pgd.answer(request).adversarial),
        )
    yield "standard", named("standard")
    if importlib.util.find_spec("pyautoattack"):
        for estimator in (Rga(), Stbp()):
            yield f"autoattack {estimator}", autoattack(estimator)


def main() -> None:
    """Run and print all rows."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--samples", type=int, default=96)
    arguments.add_argument("--models", type=Path, default=Path("models"))
    arguments.add_argument("--only", nargs="+", default=[*RADII])
    options = arguments.parse_args()
    console = Console(file=sys.stdout, highlight=False, width=100)
    line = "{:8} {:>7} {:22} {:>7} {:>7} {:>9}".format
    console.print(line("model", "radius", "attack", "right", "robust", "CPU s"))
    with one_thread():
        for name, graph, samples in models(options.models):
            if name not in options.only:
                continue
            network, some = Network(graph, dtype=torch.float32), samples.head(options.samples)
            for radius in RADII[name]:
                threat = Linf.of(graph.header, radius / 255)
                request = Request(network, some.values, some.labels, threat, sample=some.sample)
                right = withstood(request, request.x).mean()
                for attack, run in attacks():
                    start = time.process_time()
                    robust = run(request).mean()
                    taken = time.process_time() - start
                    numbers = f"{right:.1%}", f"{robust:.1%}", f"{taken:.1f}"
                    console.print(line(name, f"{radius}/255", attack, *numbers))


if __name__ == "__main__":
    main()
