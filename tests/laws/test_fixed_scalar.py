"""The integer law once more, one neuron and one synapse at a time in Python's own integers."""

import numpy as np
import pytest

from neurorobust import backends, ir
from neurorobust.backends import get_backend
from neurorobust.data import Stimulus
from neurorobust.testing.networks import program as chain
from neurorobust.testing.networks import spike_input
from tests.support.networks import edges_of

reference = get_backend("reference")
EVERYTHING = ("spikes", "membrane", "overflows")
M = 2**23


def w32(x):
    return (x + 2**31) % 2**32 - 2**31


def w24(x):
    return (x + 2**23) % 2**24 - 2**23


def trunc0(x, bits):
    return x >> bits if x >= 0 else -(-x >> bits)


class Neuron:
    """One neuron: ``u``, ``v``, its events."""

    def __init__(self, *, du, dv, mant=0, exp=0, high=None, low=None, interval=0, offset=0):
        self.du, self.dv, self.high, self.low = du, dv, high, low
        self.bias = w32(mant << exp) if exp >= 0 else mant >> -exp
        self.interval, self.offset, self.t = interval, offset, 0
        self.u = self.v = self.wrapped = self.saturated = 0

    def step(self, parts):
        """Output and membrane of a step in which ``parts`` arrive."""
        if self.interval and self.t % self.interval == self.offset:
            self.u = self.v = 0
        self.t += 1
        total = sum(parts)
        a = w32(total)
        shifted = w32(a * 64)
        exact = trunc0(self.u * (4095 - self.du), 12) + shifted
        x = w32(exact)
        lost = total != a or shifted != a * 64 or exact != x
        if x > M:
            x, lost = x - 2 * M, True
        elif x <= -M:
            x, lost = x + 2 * M, True
        self.u = x
        h = w32(trunc0(self.v * (4096 - self.dv), 12) + self.u + self.bias)
        clipped = max(-(M - 1), min(M - 1, h))
        self.wrapped += lost
        self.saturated += clipped != h
        s = 0
        if self.high is not None and clipped > self.high * 64:
            s = 1
        elif self.low is not None and clipped < self.low * 64:
            s = -1
        self.v = 0 if s else clipped
        return s, clipped


def effective(weight, bits, mode):
    """A weight as it is stored."""
    sign = -1 if mode == "inh" else 1
    size = max(-256 if mode == "mixed" else 0, min(255, sign * weight))
    dropped = 8 - bits + (mode == "mixed")
    return sign * ((size >> dropped) << dropped)


def shift(total, exp):
    """The shifted sum, and whether it lost bits."""
    cut = w32(total)
    if exp <= 0:
        return cut >> -exp, cut != total
    return w32(cut << exp), w32(cut << exp) != total << exp


def synapses(node, sent):
    """Sums (T, out) of what was sent (T, in), and how many sums lost bits."""
    steps, outputs = len(sent), len(node.weight)
    delays = node.delay if isinstance(node, ir.FixedDelayDense) else np.zeros_like(node.weight)
    found, lost = np.zeros((steps, outputs), object), 0
    for t in range(steps):
        for i in range(outputs):
            total = 0
            slots = sorted(set(delays.ravel().tolist()))
            for k in slots:
                acc = 0
                for j, (weight, delay) in enumerate(zip(node.weight[i], delays[i], strict=True)):
                    if delay == k and t - k >= 0:
                        x = int(sent[t - k][j])
                        message = x if node.message_bits else int(x != 0)
                        acc += effective(int(weight), node.weight_bits, node.sign_mode) * message
                part, cut = shift(acc, node.weight_exp)
                total += part
                lost += cut
            found[t, i] = w32(total)
            lost += w32(total) != total
    return found, lost


def run(program, x):
    values = np.asarray(x, np.float64)[None]
    return backends.run(program, Stimulus(values, len(x)), backend=reference, record=EVERYTHING)


@pytest.mark.parametrize("seed", range(60))
def test_neurons(seed):
    """All decays, biases, thresholds and resets, at drives that end exactly at ±2^23."""
    rng = np.random.default_rng(seed)
    n, steps = 5, 25

    def draw(ends, low, high):
        return int(rng.choice(ends)) if rng.random() < 0.5 else int(rng.integers(low, high + 1))

    du, dv = draw([-1, 0, 2047, 4095], -1, 4095), draw([0, 128, 2048, 4096], 0, 4096)
    mant, exp = draw([-32768, 32767, 0], -300, 300), draw([-8, 0, 7], -8, 7)
    interval = draw([0, 1], 0, 6)
    offset = draw([0], 0, max(interval - 1, 0))
    high = draw([2**17 - 1, 0, 1], -100, 4000)
    low = min(high, draw([1 - 2**17, 0, high], -4000, 100))
    ends = [0, 1, -1, M // 64, -M // 64, M // 64 + 1, M // 128, 2**25 // 8, M - 1, 1 - M]
    x = np.where(
        rng.random((steps, n)) < 0.5, rng.choice(ends, (steps, n)), rng.integers(-9, 10, (steps, n))
    )
    shared = {
        "du": np.array(du),
        "dv": np.array(dv),
        "bias_mant": np.array(mant),
        "bias_exp": np.array(exp),
        "reset_interval": interval,
        "reset_offset": offset,
    }
    law = {"du": du, "dv": dv, "mant": mant, "exp": exp, "interval": interval, "offset": offset}
    for node, thresholds in (
        (ir.FixedTernaryLIF(vth_high=np.array(high), vth_low=np.array(low), **shared), (high, low)),
        (ir.FixedLIF(vth=np.array(abs(high)), **shared), (abs(high), None)),
        (ir.FixedLI(**shared), (None, None)),
    ):
        result = run(chain(steps, input=spike_input(n), neuron=node, output=ir.Output()), x)
        neurons = [Neuron(high=thresholds[0], low=thresholds[1], **law) for _ in range(n)]
        for t in range(steps):
            for i, neuron in enumerate(neurons):
                s, h = neuron.step([int(x[t, i])])
                assert result.membrane["neuron"][0, t, i] == h
                if node.spiking:
                    assert result.spikes["neuron"][0, t, i] == s
        counted = result.overflows["neuron"]
        assert counted.wrapped.tolist() == [sum(neuron.wrapped for neuron in neurons)]
        assert counted.saturated.tolist() == [sum(neuron.saturated for neuron in neurons)]


def test_the_ends_of_the_current_are_met():
    """±2^23 exactly, once from below and once from above."""
    x = np.array([[M // 64], [-M // 64], [0]])
    node = ir.FixedLI(du=np.array(-1), dv=np.array(4096))
    result = run(chain(3, input=spike_input(1), neuron=node, output=ir.Output()), x)
    neuron = Neuron(du=-1, dv=4096)
    seen = []
    for row in x:
        neuron.step([int(row[0])])
        seen.append(neuron.u)
    assert seen == [M, 0, 0]
    assert result.membrane["neuron"].ravel().tolist() == [M - 1, 0, 0]
    down = Neuron(du=-1, dv=4096)
    down.step([-M // 64])
    assert (down.u, down.wrapped) == (M, 1)


@pytest.mark.parametrize("seed", range(60))
def test_synapses(seed):
    """Delays, sign modes, bits, exponents, spikes and payloads; sums beyond 32 bits."""
    rng = np.random.default_rng(seed)
    n_in, n_out, steps = int(rng.integers(1, 6)), int(rng.integers(1, 5)), 8
    fields = {
        "weight": rng.integers(-400, 400, (n_out, n_in)),
        "weight_exp": int(rng.integers(-8, 8)),
        "weight_bits": int(rng.integers(1, 9)),
        "sign_mode": str(rng.choice(["mixed", "exc", "inh"])),
        "message_bits": int(rng.choice([0, 24])),
    }
    if seed % 2:
        node = ir.FixedDelayDense(
            delay=rng.integers(0, rng.choice([1, 4, 63]), (n_out, n_in)), **fields
        )
    else:
        node = ir.FixedDense(**fields)
    x = np.where(
        rng.random((steps, n_in)) < 0.5,
        rng.choice([0, 1, -1, M - 1, 1 - M], (steps, n_in)),
        rng.integers(-M + 1, M, (steps, n_in)),
    )
    nodes = {"input": spike_input(n_in), "fc": node, "probe": ir.FixedLI(dv=np.array(4096))}
    result = run(chain(steps, **nodes, output=ir.Output(readout="last")), x)
    sums, lost = synapses(node, x.tolist())
    assert result.overflows["fc"].wrapped.tolist() == [lost]
    assert result.overflows["fc"].saturated.tolist() == [0]
    for i in range(n_out):
        probe = Neuron(du=4095, dv=4096)
        for t in range(steps):
            assert result.membrane["probe"][0, t, i] == probe.step([sums[t, i]])[1]


def test_several_sums_into_one_population():
    """They add up in 32 bits before anything else happens."""
    synapse, probe = (
        ir.FixedDense(weight=np.array([[254]]), message_bits=24),
        ir.FixedLI(dv=np.array(4096)),
    )
    nodes = {"input": spike_input(1), "up": synapse, "down": synapse, "probe": probe}
    program = ir.Program(
        header=ir.Header(dt_s=1e-3, steps=2, coding="events"),
        nodes=nodes | {"output": ir.Output(readout="last")},
        edges=edges_of(["input up probe output", "input down probe"]),
    )
    x = np.array([[M - 1], [3]])
    result = run(program, x)
    neuron = Neuron(du=4095, dv=4096)
    expected = [neuron.step([254 * int(q)] * 2)[1] for q in x.ravel()]
    assert result.membrane["probe"].ravel().tolist() == expected
    assert result.overflows["probe"].wrapped.tolist() == [neuron.wrapped] == [1]


@pytest.mark.parametrize("seed", range(10))
def test_convolutions(seed):
    """Windows written out; 24 bits of every sum."""
    rng = np.random.default_rng(seed)
    stride, padding, dilation = (tuple(rng.integers(low, 3, 2).tolist()) for low in (1, 0, 1))
    groups = int(rng.choice([1, 2]))
    node = ir.FixedConv2d(
        weight=rng.integers(-(1 << 20), 1 << 20, (4, 2 // groups, 2, 1)),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
    x = rng.integers(-60, 60, (1, 2, 4, 3))
    entry = ir.FixedInput(shape=(2, 4, 3), scale=1.0, low=-100, high=100)
    probe = ir.FixedLI(dv=np.array(4096))
    nodes = {
        "input": entry,
        "conv": node,
        "probe": probe,
        "flat": ir.Flatten(),
        "output": ir.Output(),
    }
    result = run(chain(1, **nodes), x)
    lost = 0
    for k, i, j in np.ndindex(result.membrane["probe"].shape[2:]):
        total = 0
        for c in range(2 // groups):
            for tap in range(2):
                row = i * stride[0] + tap * dilation[0] - padding[0]
                column = j * stride[1] - padding[1]
                if 0 <= row < 4 and 0 <= column < 3:
                    channel = k // (4 // groups) * (2 // groups) + c
                    total += int(node.weight[k, c, tap, 0]) * int(x[0, channel, row, column])
        lost += w24(total) != total
        expected = Neuron(du=4095, dv=4096).step([w24(total)])[1]
        assert result.membrane["probe"][0, 0, k, i, j] == expected
    assert result.overflows["conv"].wrapped.tolist() == [lost]
    assert lost
