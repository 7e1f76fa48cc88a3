"""Fixed networks of every kind of node: all numbers are small fractions of powers of two.

So every sum is exact, in any order and on any machine.
"""

import numpy as np

from neurorobust import ir
from tests.support.networks import edges_of, stack

LEVELS = 17
"""Grey values of the images: steps of one sixteenth."""


def drawn(seed, *shape, high=8, over=8):
    """Whole numbers in -high..high over a power of two."""
    return np.random.default_rng(seed).integers(-high, high + 1, shape) / over


def images(seed, count, *shape):
    """Values on the grid of ``LEVELS``."""
    return np.random.default_rng(seed).integers(0, LEVELS, (count, *shape)) / (LEVELS - 1)


def header(steps=6, **changes):
    return ir.Header(**{"name": "fixed", "dt_s": 1e-3, "steps": steps, "levels": LEVELS} | changes)


def lif(**changes):
    return ir.LIF(**{"beta": 0.5, "threshold": 1.0} | changes)


def dense(seed=0, *, inputs=6, hidden=10, classes=3, given=None, last=None, readout="last", **own):
    """One hidden layer of LIF neurons, and a readout."""
    fc1 = ir.Affine(weight=drawn(seed, hidden, inputs), bias=drawn(seed + 1, hidden, over=32))
    fc2 = ir.Affine(weight=drawn(seed + 2, classes, hidden))
    nodes = {"fc1": fc1, "lif1": lif(**own), "fc2": fc2, "last": last or ir.LI(beta=1.0)}
    return stack((inputs,), given or header(), readout=readout, **nodes)


def conv(op="avg", given=None, *, hidden=None, norm=True):
    """A convolution with batch norm and pooling, and a dense layer."""
    weight, bias = drawn(20, 4, 1, 3, 3), drawn(21, 4)
    nodes = {
        "conv": ir.Conv2d(weight=weight, bias=bias, padding=(1, 1), groups=2),
        "norm": ir.BatchNorm(
            mean=drawn(22, 4), var=np.array([0.75, 1.0, 2.0, 3.75]), scale=drawn(23, 4) + 1.5,
            shift=drawn(24, 4), eps=0.25,
        ),
        "lif": hidden or lif(threshold=np.full((4, 1, 1), 0.75)),
        "pool": ir.Pool2d(op=op, kernel=(2, 2), stride=(2, 2)),
        "flat": ir.Flatten(),
        "fc": ir.Affine(weight=drawn(25, 3, 36, over=16)),
        "out": lif(beta=0.75),
    }  # fmt: skip
    chosen = {name: node for name, node in nodes.items() if norm or name != "norm"}
    return stack((2, 6, 6), given or header(), **chosen)


def wired(**own):
    """A layer with a loop, a delayed edge, and a connection past it."""
    made = dense(30, **own)
    back = ir.Affine(weight=drawn(33, 10, 10, over=16))
    skip = ir.Affine(weight=drawn(34, 3, 6))
    kept = tuple(e for e in made.edges if e != ir.Edge("lif1", "fc2"))
    more = edges_of(["lif1>2 fc2", "lif1>1 back lif1", "input skip>1 last"])
    return made.with_(nodes={**made.nodes, "back": back, "skip": skip}, edges=(*kept, *more))


def events(*, levels=2, **own):
    """Event frames of two polarities, a strided convolution, and spikes to be counted."""
    weight, bounds = drawn(40, 4, 2, 3, 3).astype(np.float32), (0.0, float(levels - 1))
    return stack(
        (2, 6, 6),
        header(8, coding="events", levels=levels, bounds=bounds, classes=("left", "up", "off")),
        conv=ir.Conv2d(weight=weight, stride=(2, 2), dilation=(1, 1)),
        lif=lif(beta=0.75, **own),
        flat=ir.Flatten(),
        fc=ir.Affine(weight=drawn(41, 3, 16)),
        out=lif(),
    )


def one_dimension():
    """A convolution over time-like samples."""
    return stack(
        (2, 9),
        header(bounds=(-1.0, 1.0), mean=(0.25, -0.5), std=(0.5, 2.0)),
        readout="mean",
        conv=ir.Conv1d(weight=drawn(50, 4, 2, 3), bias=drawn(51, 4), stride=(2,), dilation=(2,)),
        lif=lif(reset="soft"),
        flat=ir.Flatten(),
        fc=ir.Affine(weight=drawn(52, 3, 12)),
        out=ir.LI(beta=0.75, gain_in=0.5, bias=0.125, v_init=drawn(53, 3)),
    )


NEURONS = {
    "hard, >=": {"compare": ">="},
    "hard to a value": {"reset_value": -0.25},
    "hard, next": {"reset_timing": "next"},
    "soft": {"reset": "soft"},
    "soft, next, amount": {"reset": "soft", "reset_timing": "next", "reset_value": 0.75},
    "none": {"reset": "none"},
    "alpha": {"alpha": 0.25, "gain_in": 0.5, "gain_syn": 2.0, "i_init": 0.125},
    "per neuron": {"beta": np.arange(10) / 16, "threshold": 1 - np.arange(10) / 32},
    "bias, lower bound": {"bias": 0.125, "v_init": -0.5, "v_min": -0.25},
    "several spikes": {"reset": "soft", "max_spikes": 3, "threshold": 0.5},
    "refractory": {"refractory": 2},
    "IF": {"beta": 1, "threshold": 1},
}


def graphs():
    """Every Graph by its name."""
    return {
        **{f"LIF {name}": dense(k, **own) for k, (name, own) in enumerate(NEURONS.items())},
        **{f"pool {op}": conv(op) for op in ("avg", "sum", "max")},
        **{
            f"readout {readout}": dense(70, last=lif(beta=0.75), readout=readout)
            for readout in ("count", "mean", "max", "first")
        },
        "bernoulli": dense(80, given=header(coding="bernoulli", levels=None)),
        "events": events(),
        "counted events": events(levels=4, reset="soft"),
        "Conv1d, preprocessing": one_dimension(),
        "mean and std": conv(given=header(mean=(0.25, 0.5), std=(0.5, 2.0))),
        "loop and delays": wired(),
    }


def program(readout="count", given=None, **nodes):
    """A chain of fixed nodes."""
    own = given or ir.Header(dt_s=1e-3, steps=9, coding="events", bounds=(0.0, 255.0))
    return ir.Program.chain(own, {**nodes, "output": ir.Output(readout=readout)}, score_unit=0.5)


def whole(seed, *shape, high=100):
    return np.random.default_rng(seed).integers(-high, high + 1, shape)


def programs():
    """Every Program that is written by hand, by its name."""
    source = ir.FixedInput(shape=(5,), scale=1.0, high=255)
    graded = ir.FixedDense(weight=whole(1, 4, 5), message_bits=8, weight_exp=-2)
    spiking = ir.FixedLIF(du=2000, dv=500, vth=60)
    return {
        "dense": program(
            input=source, fc1=graded, lif1=spiking,
            fc2=ir.FixedDense(weight=whole(2, 3, 4), weight_bits=4, weight_exp=2),
            lif2=ir.FixedLIF(du=4095, dv=np.array([0, 100, 4096]), vth=90, bias_mant=7, bias_exp=5),
        ),
        "signs, storage": program(
            "last", input=source,
            fc1=ir.FixedDense(weight=np.abs(whole(3, 4, 5)), sign_mode="exc", storage="sparse"),
            lif1=spiking,
            fc2=ir.FixedDense(weight=-np.abs(whole(4, 3, 4)), sign_mode="inh"),
            li=ir.FixedLI(du=100, dv=200, bias_mant=whole(5, 3), reset_interval=4, reset_offset=1),
        ),
        "delays": program(
            input=source,
            fc1=ir.FixedDelayDense(weight=whole(6, 4, 5), delay=np.abs(whole(7, 4, 5, high=6))),
            lif1=ir.FixedLIF(vth=20, du=4000, dv=100, reset_interval=5),
        ),
        "ternary": program(
            input=source, fc1=graded,
            lif1=ir.FixedTernaryLIF(vth_high=40, vth_low=-30, du=1000, dv=300),
            fc2=ir.FixedDense(weight=whole(8, 3, 4), message_bits=2),
            lif2=ir.FixedLIF(vth=10),
        ),
        "conv": program(
            "max", ir.Header(dt_s=1e-3, steps=5, bounds=(-2.0, 2.0), coding="direct"),
            input=ir.FixedInput(shape=(2, 5, 5), scale=16.0, offset=0.5, low=-32, high=24),
            conv=ir.FixedConv2d(weight=whole(9, 3, 2, 2, 2), stride=(2, 1), padding=(1, 0)),
            lif1=ir.FixedLIF(vth=np.full((3, 1, 1), 300), du=3000, dv=200),
            flat=ir.Flatten(), fc=ir.FixedDense(weight=whole(10, 3, 36, high=30)),
            li=ir.FixedLI(du=4095, dv=0),
        ),
    }  # fmt: skip
