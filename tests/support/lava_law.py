"""Lava's fixed-point arithmetic in NumPy, sample by sample and step by step; written from its law.

Kept apart from the package's own engine on purpose: this one checks the worker.
"""

import numpy as np

LIMIT = 2**23


def toward_zero(product):
    return np.sign(product) * (np.abs(product) >> 12)


class LifLaw:
    """u and v of a population, as the bit-accurate model computes them."""

    def __init__(self, lif):
        self.lif = lif
        self.u = np.zeros(lif.shape, np.int64)
        self.v = np.zeros(lif.shape, np.int64)

    def step(self, a):
        lif = self.lif
        bias = np.asarray(lif.bias_mant, np.int64)
        exponent = np.asarray(lif.bias_exp)
        bias = np.where(
            exponent >= 0, bias << np.maximum(exponent, 0), bias >> np.maximum(-exponent, 0)
        )
        x = toward_zero(self.u * (4095 - lif.du)) + (np.asarray(a, np.int64) << 6)
        x = np.where(x > LIMIT, x - 2 * LIMIT, np.where(x <= -LIMIT, x + 2 * LIMIT, x))
        self.u = x
        v = toward_zero(self.v * (4096 - lif.dv)) + x + bias
        v = np.clip(v, -LIMIT + 1, LIMIT - 1)
        spikes = v > np.asarray(lif.vth) * 64
        self.v = np.where(spikes, 0, v)
        return spikes.astype(np.int64)


def dense_law(dense, spikes):
    """Weighted sum of one step; with mixed signs the lowest bit of a weight is lost."""
    weights = np.asarray(dense.weights, np.int64)
    if weights.min() < 0 < weights.max():
        weights = (weights >> 1) << 1
    total = weights @ (np.ravel(spikes) != 0)
    return total << dense.weight_exp if dense.weight_exp > 0 else total >> -dense.weight_exp


def conv_law(conv, spikes):
    """True convolution: the kernel is flipped along both axes."""
    kernels, width, height, per_group = conv.weight.shape
    px, py = conv.padding
    padded = np.pad(np.asarray(spikes != 0, np.int64), ((px, px), (py, py), (0, 0)))
    sizes = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(
            conv.input_shape[:2],
            conv.padding,
            conv.dilation,
            (width, height),
            conv.stride,
            strict=True,
        )
    ]
    out = np.zeros((*sizes, kernels), np.int64)
    for k in range(kernels):
        group = k // (kernels // conv.groups)
        channels = slice(group * per_group, (group + 1) * per_group)
        for i in range(width):
            for j in range(height):
                x0, y0 = i * conv.dilation[0], j * conv.dilation[1]
                seen = padded[
                    x0 : x0 + sizes[0] * conv.stride[0] : conv.stride[0],
                    y0 : y0 + sizes[1] * conv.stride[1] : conv.stride[1],
                    channels,
                ]
                out[:, :, k] += (
                    seen[: sizes[0], : sizes[1]] @ conv.weight[k, width - 1 - i, height - 1 - j]
                )
    return (out + LIMIT) % (2 * LIMIT) - LIMIT


def feed_forward(layers, samples):
    """Spikes of every population for samples (B, T, ...); delays of the synapses left out."""
    every = [[] for _ in layers]
    for sample in samples:
        laws = [LifLaw(lif) for _, lif in layers]
        recorded = [[] for _ in layers]
        for row in sample:
            spikes = row
            for number, (synapse, lif) in enumerate(layers):
                law = conv_law if synapse.kind == "conv" else dense_law
                spikes = laws[number].step(law(synapse, spikes).reshape(lif.shape))
                recorded[number].append(spikes)
        for number, rows in enumerate(recorded):
            every[number].append(rows)
    return [np.array(rows) for rows in every]
