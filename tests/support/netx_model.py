"""netx on Lava as a NumPy model: from an HDF5 file, in its layout (W, H, C), with its latency."""

import h5py
import numpy as np


def optimised(weight):
    """lava-dl's weight optimisation, step by step as it is written there."""
    low, high = weight.min(), weight.max()
    if (high > 254 and low < 0) or (low < -256 and high > 0):
        weight = np.clip(weight, -256, 254)
        low, high = weight.min(), weight.max()
    signed = 0 if high < 0 or low >= 0 else 1
    with np.errstate(divide="ignore"):
        if signed:
            scale = np.min([np.float64(127) / high, np.float64(-128) / low])
        else:
            scale = -256 / low if high < 0 else np.float64(255) / high
    scale_bits = int(np.floor(np.log2(scale)) + signed)
    n = 8
    while n > 0 and np.abs(weight / 2**n - np.round(weight / 2**n)).sum() != 0:
        n -= 1
    bits = 8 - scale_bits - (n - signed)
    return np.left_shift(weight.astype(np.int32), scale_bits), bits, scale_bits


def kept(weight, bits):
    """Lava's preparation of dense weights, the sign mode derived anew."""
    inhibitory = weight.min() < 0 and weight.max() <= 0
    mixed = weight.min() < 0 < weight.max()
    sign = -1 if inhibitory else 1
    magnitude = np.clip(sign * weight, -256 if mixed else 0, 255).astype(np.int32)
    dropped = 8 - bits + (1 if mixed else 0)
    return sign * np.left_shift(np.right_shift(magnitude, dropped), dropped)


def trunc12(x):
    return np.sign(x) * (np.abs(x) >> 12)


class Cuba:
    """A population of Lava's bit-accurate LIF or LIFReset."""

    def __init__(self, group, shape, bias, reset):
        self.u = np.zeros(shape, np.int64)
        self.v = np.zeros(shape, np.int64)
        if group is None:
            self.du, self.dv, self.vth = -1, 4096, 1 << 17
        else:
            self.du, self.dv = group["iDecay"][()] - 1, group["vDecay"][()]
            self.vth = group["vThMant"][()].astype(np.int64)
        self.bias = np.int64(0) if bias is None else bias.astype(np.int16).astype(np.int64) << 6
        self.reset = reset

    def step(self, t, a):
        """Spikes of Lava's step t, from 1 on."""
        if self.reset and t % self.reset[0] == self.reset[1] % self.reset[0]:
            self.u[:] = 0
            self.v[:] = 0
        x = trunc12(self.u * (4095 - self.du)) + (a << 6)
        self.u = np.where(x > 1 << 23, x - (1 << 24), np.where(x <= -(1 << 23), x + (1 << 24), x))
        v = trunc12(self.v * (4096 - self.dv)) + self.u + self.bias
        v = v.clip(1 - (1 << 23), (1 << 23) - 1)
        spikes = v > self.vth << 6
        self.v = np.where(spikes, 0, v)
        return spikes.astype(np.int64)


class DenseSynapse:
    def __init__(self, weight, shift, delay, message_bits):
        self.weight, self.shift, self.bits = weight, shift, message_bits
        self.delay = np.zeros(weight.shape, int) if delay is None else delay
        self.ring = np.zeros((64, len(weight)), np.int64)

    def send(self):
        return self.ring[0].copy()

    def receive(self, spikes):
        spikes = spikes if self.bits else (spikes != 0).astype(np.int64)
        self.ring = np.vstack([self.ring[1:], np.zeros_like(self.ring[:1])])
        for k in np.unique(self.delay):
            self.ring[k] += (np.where(self.delay == k, self.weight, 0) @ spikes) >> self.shift


class ConvSynapse:
    """Convolution with flipped kernels, every output by itself."""

    def __init__(self, group, shape, message_bits):
        weight = group["weight"][()].astype(int)
        weight = weight.reshape(weight.shape[:4])
        self.weight = weight[:, :, ::-1, ::-1].transpose(0, 3, 2, 1)
        pair = (np.broadcast_to(group[k][()], 2)[::-1] for k in ("stride", "padding", "dilation"))
        self.stride, self.padding, self.dilation = pair
        self.groups, self.bits = int(group["groups"][()]), message_bits
        self.buffer = np.zeros(shape, np.int64)

    def send(self):
        return self.buffer

    def receive(self, x):
        x = x if self.bits else (x != 0).astype(np.int64)
        (px, py), (sx, sy), (dx, dy) = self.padding, self.stride, self.dilation
        x = np.pad(x, ((px, px), (py, py), (0, 0)))
        outputs, kx, ky, per = self.weight.shape
        result = np.zeros_like(self.buffer)
        for i, j, k in np.ndindex(result.shape):
            first = k // (outputs // self.groups) * per
            patch = x[
                i * sx : i * sx + dx * (kx - 1) + 1 : dx,
                j * sy : j * sy + dy * (ky - 1) + 1 : dy,
                first : first + per,
            ]
            result[i, j, k] = (patch * self.weight[k, ::-1, ::-1]).sum()
        self.buffer = (result + (1 << 23)) % (1 << 24) - (1 << 23)


def _delays(group, shape):
    if "delay" not in group:
        return None
    delay = group["delay"][()]
    if delay.max() > 62:
        delay = delay.clip(0, 62)
    if delay.ndim == 1 and delay.size == shape[0]:
        delay = delay[:, None]
    return np.broadcast_to(delay, shape).astype(int)


class Netx:
    """The layers of a file; ``run`` gives the spikes and membranes of each, row t for step t + 1.

    Args:
        path: The file.
        image: Bias of an input population, in netx's layout.
        reset: (interval, offset), or None.
        num_layers: Records to read.
        message_bits: Of the input.
    """

    def __init__(self, path, *, image=None, reset=None, num_layers=None, message_bits=0):
        self.layers, self.flatten = [], []
        flatten, bits = False, message_bits
        with h5py.File(path) as file:
            count = min(len(file["layer"]), num_layers or 1 << 30)
            for group in (file["layer"][str(i)] for i in range(count)):
                kind = np.asarray(group["type"][()]).ravel()[0].decode()
                neuron = group.get("neuron")
                phase = reset and (reset[0], reset[1] + 1 + len(self.layers))
                if kind == "flatten" or (kind == "input" and neuron is None):
                    flatten |= kind == "flatten"
                    continue
                shape = tuple(int(n) for n in np.atleast_1d(group["shape"][()])[::-1])
                bias = group["bias"][()].astype(int) if "bias" in group else None
                if kind == "input":
                    self._add([], Cuba(neuron, shape, image, phase), flatten=False)
                elif kind == "conv":
                    made = ConvSynapse(group, shape, bits)
                    self._add([made], Cuba(neuron, shape, bias, phase), flatten=False)
                else:
                    made = self._dense(group, int(np.prod(shape)), bits)
                    population = Cuba(neuron, (int(np.prod(shape)),), bias, phase)
                    self._add(made, population, flatten=flatten)
                    flatten = False
                bits = 0

    def _add(self, synapses, population, *, flatten):
        self.layers.append((synapses, population))
        self.flatten.append(flatten and len(self.layers) > 1)

    @staticmethod
    def _dense(group, outputs, bits):
        weight = group["weight"][()].astype(int).reshape(outputs, -1)
        delay = _delays(group, weight.shape)
        if "weight_rec" not in group:
            made, width, shift = optimised(weight)
            return [DenseSynapse(kept(made, width), max(shift, 0), delay, bits)]
        back = group["weight_rec"][()].astype(int).reshape(outputs, -1)
        made, width, shift = optimised(np.hstack([weight, back]))
        shift = 0 if delay is not None else max(shift, 0)
        parts = np.split(made, [weight.shape[1]], axis=1)
        return [DenseSynapse(kept(part, width), shift, delay, bits) for part in parts]

    def run(self, steps, inputs=None):
        records = [([], []) for _ in self.layers]
        for t in range(1, steps + 1):
            sent = inputs[t - 1] if inputs is not None and t <= len(inputs) else None
            if sent is None and inputs is not None:
                sent = np.zeros_like(inputs[0])
            for number, (synapses, population) in enumerate(self.layers):
                a = sum((s.send() for s in synapses), np.zeros(population.u.shape, np.int64))
                spikes = population.step(t, a)
                records[number][0].append(spikes)
                records[number][1].append(population.v.copy())
                if synapses:
                    flat = sent.transpose(2, 1, 0).ravel() if self.flatten[number] else sent
                    synapses[0].receive(flat)
                if len(synapses) > 1:
                    synapses[1].receive(spikes)
                sent = spikes
        return [(np.array(s), np.array(v)) for s, v in records]
