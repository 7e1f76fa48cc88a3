"""A Program sample by sample and step by step in NumPy; written from the law of its nodes.

Kept apart from every backend on purpose: this one checks the adapter to Lava.
"""

import numpy as np

from neurorobust import ir

LIMIT = 2**23


def wrapped(values, bits):
    return (np.asarray(values, np.int64) + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


def decayed(state, kept):
    product = state * kept
    return np.sign(product) * (np.abs(product) >> 12)


class NeuronLaw:
    def __init__(self, node, shape):
        self.node = node
        self.u = np.zeros(shape, np.int64)
        self.v = np.zeros(shape, np.int64)

    def step(self, t, a):
        node = self.node
        if node.reset_interval and t % node.reset_interval == node.reset_offset:
            self.u[:] = self.v[:] = 0
        du, dv, mantissa, exponent = (
            getattr(node, key).astype(np.int64) for key in ("du", "dv", "bias_mant", "bias_exp")
        )
        bias = np.where(
            exponent >= 0, mantissa << exponent.clip(0), mantissa >> -exponent.clip(-8, 0)
        )
        x = wrapped(decayed(self.u, 4095 - du) + wrapped(64 * np.asarray(a, np.int64), 32), 32)
        self.u = np.where(x > LIMIT, x - 2 * LIMIT, np.where(x <= -LIMIT, x + 2 * LIMIT, x))
        v = wrapped(decayed(self.v, 4096 - dv) + self.u + bias, 32)
        v = v.clip(1 - LIMIT, LIMIT - 1)
        if isinstance(node, ir.FixedLI):
            self.v = v
            return v
        if isinstance(node, ir.FixedLIF):
            spikes = (v > 64 * node.vth.astype(np.int64)).astype(np.int64)
        else:
            assert isinstance(node, ir.FixedTernaryLIF)
            above = v > 64 * node.vth_high.astype(np.int64)
            spikes = above.astype(np.int64) - (v < 64 * node.vth_low.astype(np.int64))
        self.v = np.where(spikes != 0, 0, v)
        return spikes


def matrix_law(node, history, t):
    """``history[k]`` is the input of step k."""
    weight = node.effective_weight.astype(np.int64)
    delay = node.delay if isinstance(node, ir.FixedDelayDense) else np.zeros(weight.shape, np.int64)
    total = np.zeros(len(weight), np.int64)
    for k in range(min(int(delay.max()), t) + 1):
        x = history[t - k] if node.message_bits else history[t - k] != 0
        sums = wrapped(np.where(delay == k, weight, 0) @ x.astype(np.int64), 32)
        exponent = node.weight_exp
        total += wrapped(sums << exponent, 32) if exponent > 0 else sums >> -exponent
    return wrapped(total, 32)


def conv_law(node, x, shape):
    weight = node.weight.astype(np.int64)
    (sy, sx), (py, px), (dy, dx) = node.stride, node.padding, node.dilation
    padded = np.pad(x, ((0, 0), (py, py), (px, px)))
    out = np.zeros(shape, np.int64)
    per_group, per_input = len(weight) // node.groups, weight.shape[1]
    for k, row, column in np.ndindex(shape):
        first = k // per_group * per_input
        rows = row * sy + dy * np.arange(weight.shape[2])
        columns = column * sx + dx * np.arange(weight.shape[3])
        seen = padded[first : first + per_input][:, rows][:, :, columns]
        out[k, row, column] = (seen * weight[k]).sum()
    return wrapped(out, 24)


def run_law(program, codes):
    """Outputs of every node for integer inputs (B, T, ...), each (B, T, ...)."""
    found = {name: [] for name in program.nodes}
    for sample in codes:
        outputs = {name: [] for name in program.nodes}
        inputs = {name: [] for name in program.nodes}
        laws = {
            name: NeuronLaw(node, program.shapes[name])
            for name, node in program.of_kind(ir.FixedNeuron)
        }
        for t, row in enumerate(sample):
            for name in program.order:
                node = program.nodes[name]
                x = sum(
                    outputs[e.source][t - e.delay] if t >= e.delay else 0
                    for e in program.incoming(name)
                )
                inputs[name].append(np.asarray(x))
                if name == program.input:
                    y = row.astype(np.int64)
                elif isinstance(node, ir.FixedNeuron):
                    y = laws[name].step(t, x)
                elif isinstance(node, ir.FixedConv2d):
                    y = conv_law(node, x, program.shapes[name])
                elif isinstance(node, ir.FixedDense):
                    shape = program.shapes[program.incoming(name)[0].source]
                    history = [np.broadcast_to(past, shape) for past in inputs[name]]
                    y = matrix_law(node, history, t)
                elif isinstance(node, ir.Flatten):
                    y = np.broadcast_to(
                        x, program.shapes[program.incoming(name)[0].source]
                    ).reshape(-1)
                else:
                    assert isinstance(node, ir.Output)
                    y = x
                outputs[name].append(y)
        for name, rows in outputs.items():
            found[name].append(np.array(rows))
    return {name: np.array(rows) for name, rows in found.items()}
