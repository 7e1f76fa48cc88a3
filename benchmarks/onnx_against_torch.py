"""The digits model as ONNX files: what differs over 1,000 samples, and time beside torch's.

``python -m benchmarks.onnx_against_torch``: every row is measured in one thread of one process, in
turn with its peer.
"""

import numpy as np
from rich.console import Console
from rich.table import Table
from run import medians

from neurorobust import backends
from neurorobust.backends import Precision, Rung, get_backend
from neurorobust.chips import load_profile
from neurorobust.data import DIGITS, Stimulus, encode, load
from neurorobust.engine.threads import one_thread
from neurorobust.ir import Model
from neurorobust.lower import lower
from neurorobust.zoo.digits import train

SAMPLES = 1000
BATCHES = (1, 64)
Lane = tuple[str, Model, Rung, Precision]


def differences(lane: Lane, peer: str, values: np.ndarray) -> list[str]:
    """Spikes, membranes, scores and decisions in which onnxruntime differs from a peer."""
    _, model, rung, precision = lane
    runs = [
        backends.run(
            model,
            encode(model, values),
            backend=name,
            rung=rung,
            precision=precision,
            record=("spikes", "membrane"),
        )
        for name in ("onnx", peer)
    ]
    mine, theirs = runs
    spikes = sum(int((mine.spikes[n] != s).sum()) for n, s in theirs.spikes.items())
    compared = sum(s.size for s in theirs.spikes.values())
    furthest = max(
        float(np.abs(mine.membrane[n].astype(float) - h).max()) for n, h in theirs.membrane.items()
    )
    samples = np.zeros(len(values), bool)
    for name, other in theirs.spikes.items():
        samples |= (mine.spikes[name] != other).reshape(len(values), -1).any(axis=1)
    decisions = int((mine.decisions != theirs.decisions).sum())
    counts = [f"{spikes} of {compared}", str(int(samples.sum())), f"{furthest:.3g}"]
    return [*counts, str(decisions)]


def times(lane: Lane, values: np.ndarray, samples: int) -> tuple[float, float]:
    """Milliseconds per sample in onnxruntime and in torch."""
    _, model, rung, precision = lane
    shown: Stimulus = encode(model, values[:samples])

    def work(name: str):
        run = get_backend(name).compile(model, rung, precision=precision).run
        return lambda: [run(shown) for _ in range(max(1, 64 // samples))]

    found = medians([(name, work(name)) for name in ("onnx", "torch")])
    own, other = (1e3 * s / samples / max(1, 64 // samples) for s in found)
    return own, other


def main() -> None:
    """Run and print both tables."""
    console = Console(highlight=False)
    training, test = (load(DIGITS, part) for part in ("train", "test"))
    graph = train(training)
    program = lower(graph, load_profile("loihi2").profile)
    values = np.concatenate([test.values, training.values])[:SAMPLES]
    lanes: list[Lane] = [
        ("float64", graph, "float", "double"),
        ("float32", graph, "float", "single"),
        ("integers", program, "quantised", "double"),
    ]
    table = Table(title=f"digits model, {SAMPLES} samples", title_justify="left")
    for column in (
        "",
        "against",
        "differing spikes",
        "samples",
        "membranes differ by",
        "decisions",
    ):
        table.add_column(column, justify="right" if column else "left")
    for lane in lanes:
        for peer in ("reference", "torch"):
            if (lane[0], peer) != ("float32", "reference"):
                table.add_row(lane[0], peer, *differences(lane, peer, values))
    console.print(table)
    table = Table(title="ms per sample", title_justify="left")
    for column in ("", "batch", "onnxruntime", "torch", "torch / onnxruntime"):
        table.add_column(column, justify="right" if column else "left")
    for lane in lanes:
        for samples in BATCHES:
            own, other = times(lane, values, samples)
            row = [f"{own:.3f}", f"{other:.3f}", f"{other / own:.2f}"]
            table.add_row(lane[0], str(samples), *row)
    console.print(table)


if __name__ == "__main__":
    with one_thread():
        main()
