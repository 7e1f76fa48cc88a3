"""The canonical neuron in plain NumPy, and populations to try adapters on."""

import numpy as np

from neurorobust.data import Stimulus
from neurorobust.ir import LIF, Header
from tests.support import small

N, T, B = 1000, 100, 4
HEADER = Header(dt_s=1e-3, steps=T, bounds=(-100.0, 100.0))


def membranes(node, x):
    """Membranes and spikes of a LIF node on inputs (B, T, ...), by the equations it documents."""
    steps = x.shape[1]
    v = np.broadcast_to(node.v_init.astype(x.dtype), x[:, 0].shape)
    i = np.broadcast_to(node.i_init.astype(x.dtype), v.shape)
    p = {name: value.astype(x.dtype) for name, value in node.arrays().items()}
    to = node.reset_to.astype(x.dtype)
    fired, rest = np.zeros(v.shape, np.uint8), np.zeros(v.shape, int)
    seen, out = np.zeros_like(x), np.zeros(x.shape, np.uint8)
    reset = {
        "hard": lambda h, s: np.where(s, to, h),
        "soft": lambda h, s: h - to * s,
        "none": lambda h, s: h,
    }[node.reset]
    levels = [p["threshold"] * x.dtype.type(n) for n in range(1, node.max_spikes + 1)]
    for t in range(steps):
        i = p.get("alpha", 0) * i + p["gain_in"] * x[:, t]
        h = p["beta"] * v + p["gain_syn"] * i + p["bias"]
        if node.reset_timing == "next":
            h = reset(h, fired)
        h = np.where(rest > 0, to, h)
        reached = [h > level if node.compare == ">" else h >= level for level in levels]
        fired = np.sum(reached, axis=0, dtype=np.uint8) * (rest == 0)
        after = h if node.reset_timing == "next" else reset(h, fired)
        rest = np.where(fired, node.refractory, np.maximum(rest - 1, 0))
        v = np.maximum(after, p.get("v_min", -np.inf))
        seen[:, t], out[:, t] = h, fired
    return seen, out


def oracle(node, x):
    """The spikes alone."""
    return membranes(node, x)[1]


def spikes_of(backend, node, x, precision="double"):
    """What an adapter gives for one population, and what it says about it."""
    run = backend.compile(small.graph(N, HEADER, lif=node), "float", precision=precision)
    result = run.run(Stimulus(x, x.shape[1]), record={"spikes"})
    return result.spikes["lif"], result.deviations


def population(rng, **given):
    """N neurons with parameters of their own."""
    drawn = {"beta": rng.uniform(0.5, 0.95, N), "threshold": rng.uniform(0.5, 2, N)}
    return LIF(**drawn | given)


def drive(rng, strength=1.0):
    """Inputs that make about one neuron in ten fire per step, times ``strength``."""
    return rng.normal(0.15, 0.5, (B, T, N)) * strength


def on_grid(rng):
    """Inputs on multiples of 1/16, with which membranes hit thresholds exactly."""
    return rng.integers(-6, 18, (B, T, N)) / 16


def _per_neuron(low, high):
    return lambda rng: rng.uniform(low, high, N)


LAWS = {
    "hard": {},
    "hard to other": {"reset_value": _per_neuron(-0.5, 0.3)},
    "hard next": {"reset_timing": "next"},
    "hard next to other": {"reset_timing": "next", "reset_value": _per_neuron(-0.5, 3)},
    "soft": {"reset": "soft"},
    "soft by other": {"reset": "soft", "reset_value": _per_neuron(0.2, 1.0)},
    "soft next": {"reset": "soft", "reset_timing": "next"},
    "soft next by other": {
        "reset": "soft",
        "reset_timing": "next",
        "reset_value": _per_neuron(0.2, 1.0),
    },
    "none": {"reset": "none"},
    "IF hard": {"beta": 1.0},
    "IF soft": {"beta": 1.0, "reset": "soft"},
    "some IF": {"beta": lambda rng: np.where(rng.random(N) < 0.5, 1.0, 0.8)},
    "no memory": {"beta": 0.0},
    "bias": {"bias": _per_neuron(-0.1, 0.3)},
    "IF bias": {"beta": 1.0, "bias": _per_neuron(-0.1, 0.3)},
    "gains": {"gain_in": _per_neuron(0.5, 1.5), "gain_syn": _per_neuron(0.5, 1.5)},
    "initial": {"v_init": _per_neuron(-1, 3)},
    "floor": {"v_min": _per_neuron(-0.3, 0), "reset": "soft"},
    "refractory": {"refractory": 3},
    "refractory to other": {"refractory": 2, "reset_value": _per_neuron(-0.5, 0.3)},
    "threshold below 0": {"threshold": _per_neuron(-0.5, 0.1)},
}
"""Keyword arguments of a LIF by what they try; each once without and once with a current."""


def law(rng, name, *, current=False, **given):
    """A population under one of the laws."""
    chosen = {key: v(rng) if callable(v) else v for key, v in LAWS[name].items()}
    if current:
        chosen |= {"alpha": rng.uniform(0.3, 0.9, N), "i_init": rng.uniform(-0.5, 0.5, N)}
    return population(rng, **chosen | given)
