"""Whether ``neurorobust diff`` finds planted causes, and stays silent where nothing differs.

Faults of every kind of the catalogue are planted into random networks. B is a black box: it shows
spikes and, unless ``--spikes``, membranes; with ``--readable`` its parameters, too.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

from neurorobust.api import diff
from neurorobust.backends import get_backend
from neurorobust.compare.sides import Side
from neurorobust.engine.threads import one_thread
from neurorobust.ir import Graph
from neurorobust.lower.passes import fold_batch_norm
from neurorobust.testing import random_graph, random_stimulus
from tests.support.planted_faults import (
    FAULTS,
    apart,
    box,
    conv_network,
    network,
    plant,
    renamed,
)

SPIKES, RECORDS = ("spikes",), ("spikes", "membrane")


def matters(a: Graph, b: Graph, rng: np.random.Generator) -> bool:
    """Whether two Graphs give other spikes on inputs that ``diff`` does not draw."""
    shown = replace(random_stimulus(rng, a, 16), steps=24)
    if not shown.static:
        shown = replace(shown, values=np.resize(shown.values, (16, 24, *shown.values.shape[2:])))
    return apart(a, b, shown)


def faults(count: int, seed: int) -> Iterator[tuple[str, Graph, Graph]]:
    """Pairs with one fault each that shows, the kinds in turn."""
    rng = np.random.default_rng(seed)
    kinds = list(FAULTS)
    for number in range(count):
        cause = kinds[number % len(kinds)]
        while True:
            graph = network(rng)
            planted = plant(rng, graph, cause)
            if planted is not None and matters(graph, planted, rng):
                yield cause, graph, planted
                break


def equals(count: int, seed: int) -> Iterator[tuple[str, object, object]]:
    """Pairs that are the same network in other clothes."""
    rng = np.random.default_rng(seed)
    frameworks = [n for n in ("snntorch", "norse") if get_backend(n).missing() is None]
    kinds = [
        "torch and reference",
        "renamed",
        "folded batch norm",
        "double and single",
        *frameworks,
    ]
    for number in range(count):
        kind = kinds[number % len(kinds)]
        if kind == "folded batch norm":
            graph = conv_network(rng, grid=True)
            yield kind, graph, fold_batch_norm(graph)
        elif kind == "double and single":
            graph = network(rng)
            yield kind, graph, Side.of(graph, "torch", precision="single")
        elif kind == "renamed":
            graph = network(rng)
            yield kind, graph, box(renamed(graph), SPIKES if rng.random() < 0.5 else RECORDS)
        else:
            backend = get_backend("reference" if kind.startswith("torch") else kind)
            gaps = backend.capabilities().rungs["float"].gaps
            graph = random_graph(rng, avoid=tuple(gaps), grid=bool(rng.random() < 0.5))
            yield kind, graph, Side.of(graph, backend.name)


def planted_causes(
    console: Console, count: int, seed: int, *, spikes: bool, readable: bool
) -> None:
    """Plant, seek, count."""
    tried, found, among, shares, missed = Counter(), Counter(), Counter(), [], []
    unseen = 0
    start = time.perf_counter()
    for number, (cause, a, b) in enumerate(faults(count, seed)):
        side = b if readable else box(b, SPIKES if spikes else RECORDS)
        result = diff(a, side, seed=number)
        named = [c.cause for c in result.causes[:1]]
        tried[cause] += 1
        found[cause] += named == [cause]
        among[cause] += cause in [*named, *(r for c in result.causes[:1] for r in c.rivals)]
        unseen += result.agree
        if result.reproducer is not None:
            shares.append(result.reproducer.share)
        if named != [cause]:
            best = [(c.cause, round(c.share, 3), c.text, c.rivals) for c in result.causes[:2]]
            missed.append(f"{number} {cause}: {result.verdict}, {best}")
    table = Table(title=f"{count} planted faults", title_justify="left")
    for column in ("planted", "tried", "named first", "named"):
        table.add_column(column, justify="left" if column == "planted" else "right")
    for cause in tried:
        table.add_row(cause, str(tried[cause]), str(found[cause]), str(among[cause]))
    total = sum(tried.values()), sum(found.values()), sum(among.values())
    table.add_row("all", *map(str, total), style="bold")
    console.print(table)
    for line in missed:
        console.print(line, markup=False, soft_wrap=True)
    large = sum(share > 0.1 for share in shares)
    console.print(
        f"found first {found.total() / count:.1%}, among equals {among.total() / count:.1%}, "
        f"difference not seen {unseen}; reproducers: median {np.median(shares):.2%}, "
        f"worst {max(shares):.1%} of the original, above 10 %: {large} of {len(shares)}; "
        f"{(time.perf_counter() - start) / count:.2f} s each"
    )


def false_alarms(console: Console, count: int, seed: int) -> None:
    """Compare what is equal."""
    verdicts: dict[str, Counter[str]] = {}
    for number, (kind, a, b) in enumerate(equals(count, seed)):
        result = diff(a, b, seed=number)  # type: ignore[arg-type]
        verdicts.setdefault(kind, Counter())[result.verdict] += 1
        if not result.agree:
            console.print(f"false alarm {number}: {kind}, {result.first}", markup=False)
    table = Table(title=f"{count} equal pairs", title_justify="left")
    for column in ("pair", "identical", "rounding", "systematic"):
        table.add_column(column, justify="left" if column == "pair" else "right")
    for kind, found in verdicts.items():
        table.add_row(kind, *(str(found[v]) for v in ("identical", "rounding", "systematic")))
    console.print(table)


def main() -> None:
    """Both, as asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=228)
    parser.add_argument("--equal", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spikes", action="store_true", help="B shows no membranes")
    parser.add_argument("--readable", action="store_true", help="B shows its parameters")
    options = parser.parse_args()
    console = Console(highlight=False, width=110)
    if options.faults:
        planted_causes(
            console,
            options.faults,
            options.seed,
            spikes=options.spikes,
            readable=options.readable,
        )
    if options.equal:
        false_alarms(console, options.equal, options.seed)


if __name__ == "__main__":
    with one_thread():
        main()
