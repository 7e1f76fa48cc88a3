"""What the tests of lowering share: small networks, running them, and comparing two."""

from dataclasses import replace

import numpy as np

from neurorobust import backends
from neurorobust.backends import get_backend
from neurorobust.chips import load_profile
from neurorobust.data import Stimulus
from neurorobust.ir import LIF, Affine, Header
from neurorobust.lower import Limits
from tests.support.networks import stack

LOIHI = Limits.of(load_profile("loihi2").profile.arithmetic)
ROOM = (1 << 23) - 1
"""Largest magnitude of current and membrane that neither wraps nor saturates."""
reference = get_backend("reference")


def run(model, values, steps=None):
    stimulus = Stimulus(values, steps or model.header.steps)
    return backends.run(model, stimulus, backend=reference, record=("spikes", "membrane"))


def assert_equivalent(before, after, values, names, tolerance=1e-12):
    first, second = run(before, values), run(after, values)
    for name in names:
        assert np.abs(first.membrane[name] - second.membrane[name]).max() <= tolerance
        assert np.array_equal(first.spikes.get(name), second.spikes.get(name))
    assert first.membrane[names[0]].std() > 0.01
    assert np.allclose(first.scores, second.scores, rtol=0, atol=tolerance * 10)


def dense(weight, **options):
    """One layer; ``lif`` and ``li`` give its neuron."""
    steps = options.pop("steps", 4)
    header = replace(Header(dt_s=1e-3, steps=steps, levels=256), **options.pop("header", {}))
    weight = np.asarray(weight, float)
    neuron = options.pop("neuron", None) or LIF(**{"beta": 1.0, "threshold": 1.0} | options)
    return stack(weight.shape[1:], header, fc=Affine(weight=weight), n=neuron)
