"""``.net`` files written entry by entry, as older and newer exporters write them."""

from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np

CUBA = {"type": b"CUBA", "iDecay": 2048, "vDecay": 512, "vThMant": 40}


def write_net(path: Path, layers) -> Path:
    """Layers as dictionaries; a dictionary within is a group."""
    with h5py.File(path, "w") as file:
        root = file.create_group("layer")
        for index, layer in enumerate(layers):
            _fill(root.create_group(str(index)), layer)
    return path


def _fill(group, values) -> None:
    for name, value in values.items():
        if isinstance(value, dict):
            _fill(group.create_group(name), value)
        elif isinstance(value, bytes):
            group[name] = np.array([value], dtype="S10")
        else:
            group[name] = value


def dense(weight, **more) -> dict:
    weight = np.asarray(weight)
    base = {"type": b"dense", "shape": np.array([len(weight)]), "weight": weight, "neuron": CUBA}
    return {k: v for k, v in (base | more).items() if v is not None}


def conv(weight, shape, **more) -> dict:
    base = {
        "type": b"conv",
        "shape": np.array(shape),
        "weight": np.asarray(weight),
        "stride": np.array([1, 1]),
        "padding": np.array([0, 0]),
        "dilation": np.array([1, 1]),
        "groups": 1,
        "neuron": CUBA,
    }
    return {k: v for k, v in (base | more).items() if v is not None}


def source(*shape, **more) -> dict:
    return {"type": b"input", "shape": np.array(shape)} | more


FLATTEN = {"type": b"flatten", "shape": np.array([1])}


def neuron(rng, size, *, array) -> dict:
    """Scalars, one-element arrays or one value per channel, of kind LOIHI or CUBA."""
    one = () if rng.integers(2) else (1,)
    shape = (size,) if array else one
    return {
        "type": bytes(rng.choice([b"LOIHI", b"CUBA"])),
        "iDecay": rng.integers(500, 4097, shape),
        "vDecay": rng.integers(0, 2000, shape).astype(np.int32),
        "vThMant": rng.integers(5, 90, shape),
        "refDelay": 1,
        "wgtExp": 0,
    }


def odd_weights(rng, shape, high):
    """Whatever a file may hold: odd, of one sign, too large, as floats."""
    kind = rng.integers(5)
    if kind == 0:
        value = rng.integers(0, high + 1, shape)
    elif kind == 1:
        value = -rng.integers(0, high + 1, shape)
    elif kind == 2:
        value = rng.integers(-high, high + 1, shape) * 3
    else:
        value = rng.integers(-high, high + 1, shape)
    value.flat[0] = 5
    if kind == 1:
        value.flat[0] = -int(rng.choice([5, 8, 64, 128, 256]))
    return value.astype(rng.choice([np.float32, np.int64, np.int16]))


def dense_file(path, seed) -> tuple[Path, tuple[int, ...]]:
    """Two dense layers in old and new forms; and the shape of the input."""
    rng = np.random.default_rng([1, seed])
    sizes = [int(n) for n in rng.integers(3, 10, 3)]
    if rng.integers(3) == 0:
        sizes[1] = sizes[0]
    layers = []
    for before, after in pairwise(sizes):
        weight = odd_weights(rng, (after, before), int(rng.choice([20, 120, 250, 300])))
        more = {"neuron": neuron(rng, after, array=rng.integers(2))}
        form = rng.integers(4)
        if form == 0:
            more["shape"] = np.array([after, 1, 1])
        waits = rng.integers(6)
        if waits < 4:
            shape = [(), (after,), (before,), (after, before)][waits]
            more["delay"] = rng.integers(0, 70, shape).astype(rng.choice([np.float32, np.int64]))
        elif rng.integers(2):
            back = odd_weights(rng, (after, after), 40)
            more |= {"type": b"dense_rec", "weight_rec": back.ravel() if form == 1 else back}
            if before == after and rng.integers(2):
                more["delay"] = rng.integers(0, 5, (after, after))
        layer = dense(weight, **more)
        if form == 1:
            layer["weight"] = weight.ravel()
        layers.append(layer)
    if rng.integers(2):
        layers = [source(1, 1, sizes[0]), {**FLATTEN, "shape": np.array([sizes[0], 1, 1])}, *layers]
    return write_net(path, layers), (sizes[0],)


def image_file(path, seed) -> tuple[Path, tuple[int, ...]]:
    """An input population, convolutions in old and new forms, a dense layer; and the shape."""
    rng = np.random.default_rng([2, seed])
    shape = (int(rng.integers(1, 4)), *(int(n) for n in rng.integers(6, 9, 2)))
    first = source(*shape, neuron=neuron(rng, shape[0], array=rng.integers(2)))
    first |= {"weight": np.array([30.0], np.float32), "bias": np.float32(rng.integers(-9, 9))}
    weight = rng.integers(-40, 41, (4, shape[0], 3, 2))
    size = ((shape[1] + 2 - 3) // 2 + 1, shape[2] - 1)
    form = {"padding": np.array([1, 0]), "stride": np.array([2, 1])}
    layers = [first]
    bias = rng.integers(-3, 9, (4,))
    if rng.integers(2):
        bias = rng.integers(-3, 9, (size[1], size[0], 4))
    if rng.integers(2):
        weight = weight[..., None]
    layers.append(
        conv(
            weight.astype(np.float32),
            (4, *size),
            bias=bias.astype(np.float32),
            neuron=neuron(rng, 4, array=rng.integers(2)),
            **form,
        )
    )
    final = (4, size[0] - 1, size[1] - 1)
    layers.append(
        conv(
            rng.integers(-60, 61, (4, 2, 2, 2)),
            final,
            stride=1,
            padding=0,
            dilation=1,
            groups=2,
            neuron=neuron(rng, 4, array=rng.integers(2)),
        )
    )
    weight = odd_weights(rng, (5, int(np.prod(final))), 60)
    last = dense(weight, bias=rng.integers(-9, 40, (5,) if rng.integers(2) else (1,)))
    if rng.integers(2):
        del last["neuron"]
    return write_net(path, [*layers, FLATTEN, last]), shape


_W = np.arange(-6, 6).reshape(3, 4) * 2
_K = np.arange(-4, 4).reshape(1, 2, 2, 2)


def _with(**more):
    return dense(_W, neuron=CUBA | more)


REFUSED = {
    "no layer of netx": ([dense(_W), {"type": b"pool"}], "'pool'.*one group per channel", 4, True),
    "average": ([dense(_W), {"type": b"average"}], "'average'.*num_layers", 4, True),
    "complex layer": (
        [{"type": b"dense_comp"}],
        "'dense_comp', which netx does not build",
        4,
        True,
    ),
    "unknown, first": ([{"type": b"xyz"}, dense(_W)], "cannot start with", 4, True),
    "unknown, later": ([dense(_W), {"type": b"xyz"}], "skips without a word", 4, False),
    "float decay": ([_with(iDecay=2048.0)], "iDecay has dtype float64.*store it as int64", 4, True),
    "threshold of 16 bits": (
        [_with(vThMant=np.array([600], np.int16))],
        "600 is stored as int16, in which Lava overflows",
        4,
        False,
    ),
    "message bits": ([_with(messageBits=0)], "messageBits.*TypeError", 4, True),
    "adaptive neurons": ([_with(type=b"ALIF")], "type 'ALIF'.*AttributeError", 4, True),
    "threshold per two": ([_with(vThMant=np.array([6, 7]))], r"vThMant has shape \(2,\)", 4, True),
    "flatten of a flat layer": ([dense(_W), FLATTEN, dense(_W.T)], "flatten follows", 4, True),
    "missing flatten": (
        [source(2, 3, 3), conv(_K, (1, 2, 2)), dense(_W)],
        "without a flatten",
        (3, 3, 2),
        True,
    ),
    "convolution after dense": (
        [dense(_W), conv(_K, (1, 2, 2))],
        "put convolutions before dense layers",
        4,
        True,
    ),
    "stride of one entry": (
        [source(2, 3, 3), conv(_K, (1, 2, 2), stride=np.array([1]))],
        "stride has 1 entries",
        (3, 3, 2),
        True,
    ),
    "groups as array": (
        [source(2, 3, 3), conv(_K, (1, 2, 2), groups=np.array([1]))],
        "groups has shape",
        (3, 3, 2),
        True,
    ),
    "convolution without neurons": (
        [source(2, 3, 3), conv(_K, (1, 2, 2), neuron=None)],
        "without a neuron group",
        (3, 3, 2),
        True,
    ),
    "bias of one number for a convolution": (
        [source(2, 3, 3), conv(_K, (1, 2, 2), bias=3)],
        r"bias has shape \(\)",
        (3, 3, 2),
        True,
    ),
    "wrong shape": (
        [source(2, 3, 3), conv(_K, (1, 3, 2))],
        r"the convolution gives \(1, 2, 2\)",
        (3, 3, 2),
        True,
    ),
    "wrong channels": ([source(3, 3, 3), conv(_K, (1, 2, 2))], "for 3 channels", (3, 3, 3), True),
    "no input shape": ([conv(_K, (1, 2, 2))], r"give input_shape=\(C, H, W\)", (3, 3, 2), True),
    "128 groups": (
        [source(128, 3, 3), conv(np.ones((128, 1, 2, 2)), (128, 2, 2), groups=128)],
        "reach 128; in 8 bits all outputs are 0",
        (3, 3, 128),
        False,
    ),
    "all zero": ([dense(_W * 0)], "all weights are 0.*OverflowError", 4, True),
    "negative delay": ([dense(_W, delay=np.array([-1, 0, 1]))], "delay reaches -1", 4, True),
    "delay of three axes": ([dense(_W, delay=np.zeros((3, 4, 1)))], "delay has shape", 4, True),
    "bias of two": ([dense(_W, bias=np.zeros(2))], r"bias has shape \(2,\)", 4, True),
    "delays of another shape on recurrence": (
        [dense(_W, type=b"dense_rec", weight_rec=np.eye(3) * 2, delay=np.ones((3, 4)))],
        "for weight_rec",
        4,
        True,
    ),
    "second input": ([dense(_W), source(3, neuron=CUBA)], "input after other layers", 4, False),
    "nothing fires": (
        [_with(vThMant=1 << 18), dense(_W.T)],
        "layer 0 can never fire",
        4,
        False,
    ),
}
"""Files that are refused: layers, what the message says, shape of the input, whether netx fails."""
