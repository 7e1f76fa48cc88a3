"""Random networks in SLAYER's terms, and what they are on the chip.

``python -m tests.support.slayer_networks --count 1000`` compares SLAYER's forward pass with our
integer engine and counts.
"""

import argparse
import sys
import time
from dataclasses import dataclass

import numpy as np

from neurorobust import ir
from neurorobust.backends import get_backend
from neurorobust.data import Stimulus
from neurorobust_lava.lava_dl import LAVA_DL, SlayerBlock, slayer_forward
from neurorobust_lava.process import LavaWorker

SORTS = ("dense", "conv", "recurrent", "delays")


def random_blocks(rng, sort):
    """One to three blocks behind a vector or an image, and the input's shape."""

    def settings():
        return {
            "threshold": float(rng.choice([0.5, 1.0, 1.25, 3.1])),
            "current_decay": float(rng.choice([0.0, 0.25, 0.3, 1.0, rng.random()])),
            "voltage_decay": float(rng.choice([0.0, 0.1, 1.0, rng.random()])),
            "scale": int(rng.choice([32, 64, 64, 128])),
        }

    def weight(*shape):
        # Now and then on the ties of the rounding, and beyond the range of eight bits.
        drawn = rng.normal(0.15, 1.5 / np.sqrt(np.prod(shape[1:])), shape)
        drawn = np.round(drawn * 64) / 64 if rng.random() < 0.3 else drawn
        return (drawn * (4.0 if rng.random() < 0.1 else 1.0)).astype(np.float32)

    blocks, shape = [], (int(rng.integers(3, 12)),)
    if sort == "conv":
        shape = (int(rng.integers(1, 3)) * 2, *(int(n) for n in rng.integers(4, 8, 2)))
        given, (channels, height, width) = shape, shape
        for _ in range(int(rng.integers(1, 3))):
            groups = int(rng.choice([1, 2]))
            kernel = tuple(int(k) for k in rng.integers(1, 4, 2))
            stride, padding = ((int(a), int(b)) for a, b in rng.integers(1, 3, (2, 2)))
            outputs = 2 * int(rng.integers(1, 4))
            drawn = weight(outputs, channels // groups, *kernel)
            geometry = {"stride": stride, "padding": padding, "groups": groups}
            blocks.append(SlayerBlock("conv", drawn, **geometry, **settings()))
            height, width = (
                (n + 2 * p - k) // s + 1
                for n, p, k, s in zip((height, width), padding, kernel, stride, strict=True)
            )
            channels = outputs
        blocks.append(SlayerBlock("flatten"))
        inputs = channels * height * width
    else:
        given, inputs = shape, shape[0]
    for _ in range(int(rng.integers(1, 4))):
        outputs = int(rng.integers(2, 12))
        recurrent = sort == "recurrent" and rng.random() < 0.7
        delayed = sort == "delays" and rng.random() < 0.8
        blocks.append(
            SlayerBlock(
                "recurrent" if recurrent else "dense",
                weight(outputs, inputs),
                weight(outputs, outputs) if recurrent else None,
                delay=rng.choice([0, 1, 3, 17], outputs) if delayed else None,
                **settings(),
            )
        )
        inputs = outputs
    return blocks, given


def as_program(blocks, shape, steps):
    """The integers that SLAYER computes with, by its own rounding, and the populations' names."""
    nodes = {"input": ir.FixedInput(shape=shape, scale=1.0, high=1)}
    edges, names, last = [], [], "input"

    def add(name, node, *sources):
        nodes[name] = node
        edges.extend(ir.Edge(source, name) for source in sources)
        return name

    for number, block in enumerate(blocks):
        if block.kind == "flatten":
            last = add(f"flatten{number}", ir.Flatten(), last)
            names.append(names[-1])
            continue
        decays = np.float32(4096) * np.float32([block.current_decay, block.voltage_decay])
        du, dv = np.rint(decays).astype(np.int64)
        vth = np.array(int(block.threshold * block.scale))
        lif = ir.FixedLIF(du=du - 1, dv=dv, vth=vth)
        if block.kind == "conv":
            geometry = {k: getattr(block, k) for k in ("stride", "padding", "dilation", "groups")}
            synapse = ir.FixedConv2d(weight=_integers(block.weight, block.scale), **geometry)
        elif block.delay is None:
            synapse = ir.FixedDense(weight=_integers(block.weight, block.scale))
        else:
            # Spikes held back behind a neuron are spikes of a neuron with its inputs held back.
            delay = np.broadcast_to(np.asarray(block.delay)[:, None], block.weight.shape)
            weights = _integers(block.weight, block.scale)
            synapse = ir.FixedDelayDense(weight=weights, delay=delay.astype(np.int64))
        last = add(f"lif{number}", lif, add(f"synapse{number}", synapse, last))
        if block.kind == "recurrent":
            back = ir.FixedDense(weight=_integers(block.recurrent_weight, block.scale))
            nodes[f"back{number}"] = back
            edges += [ir.Edge(last, f"back{number}", 1), ir.Edge(f"back{number}", last)]
        names.append(last)
    add("output", ir.Output(), last)
    header = ir.Header(dt_s=1e-3, steps=steps, coding="events", bounds=(0.0, 1.0))
    return ir.Program(header=header, nodes=nodes, edges=tuple(edges)), names


def _integers(weight, scale):
    """Even integers of nine bits, halves to even."""
    return (2 * np.rint(np.float32(weight) * scale / 2)).clip(-256, 254).astype(np.int64)


@dataclass
class Count:
    """What was compared over all blocks, and what of it fired."""

    networks: int = 0
    values: int = 0
    spikes: int = 0
    differing: int = 0


def compare(count, sort, seed, worker, *, steps=40, samples=2, engine="torch", export=None):
    """One random network: every output of every block, each one step later than the last."""
    rng = np.random.default_rng([SORTS.index(sort), seed])
    blocks, shape = random_blocks(rng, sort)
    spikes = (rng.random((samples, steps, *shape)) < rng.choice([0.1, 0.3, 0.6])).astype(np.uint8)
    theirs = slayer_forward(blocks, spikes, export=export, worker=worker)
    program, names = as_program(blocks, shape, steps)
    executable = get_backend(engine).compile(program, "quantised")
    ours = executable.run(Stimulus(spikes.astype(np.float64), steps), record=("spikes",)).spikes
    executable.close()
    late = 0
    for block, name, found in zip(blocks, names, theirs, strict=True):
        if block.kind == "flatten":
            continue
        late += 1
        count.values += found[:, late:].size
        count.spikes += int(found.sum())
        count.differing += int((found[:, late:] != ours[name][:, : steps - late]).sum())
        count.differing += int(found[:, :late].sum())
    count.networks += 1
    return blocks, spikes, program, names


def main():
    """Compare and count; 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="networks of each sort")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    bad = 0
    with LavaWorker(tier=LAVA_DL) as worker:
        for sort in SORTS:
            start, count = time.perf_counter(), Count()
            for seed in range(options.seed, options.seed + options.count):
                compare(count, sort, seed, worker)
            sys.stdout.write(f"{sort}: {count}, {time.perf_counter() - start:.1f} s\n")
            bad += count.differing
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
