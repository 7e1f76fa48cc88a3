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


def put(path, place, value=None, **options):
    """Replace what a file holds at a place: by a value, a data set of ``options``, or nothing."""
    with h5py.File(path, "a") as file:
        if place in file:
            del file[place]
        if options:
            file.create_dataset(place, **options)
        elif value is not None:
            file[place] = value
    return path


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


def _no(*layers, says: str, takes: int | tuple[int, ...] = 4, netx_fails: bool = True) -> tuple:
    return list(layers), says, takes, netx_fails


def _no_conv(says: str, shape=(1, 2, 2), **more) -> tuple:
    return _no(source(2, 3, 3), conv(_K, shape, **more), says=says, takes=(3, 3, 2))


REFUSED = {
    "no layer of netx": _no(dense(_W), {"type": b"pool"}, says="'pool'.*one group per channel"),
    "average": _no(dense(_W), {"type": b"average"}, says="'average'.*num_layers"),
    "complex layer": _no({"type": b"dense_comp"}, says="'dense_comp', which netx does not build"),
    "unknown, first": _no({"type": b"xyz"}, dense(_W), says="cannot start with"),
    "unknown, later": _no(
        dense(_W), {"type": b"xyz"}, says="skips without a word", netx_fails=False
    ),
    "float decay": _no(_with(iDecay=2048.0), says="iDecay has dtype float64.*store it as int64"),
    "threshold of 16 bits": _no(
        _with(vThMant=np.array([600], np.int16)),
        says="600 is stored as int16, in which Lava overflows",
        netx_fails=False,
    ),
    "message bits": _no(_with(messageBits=0), says="messageBits.*TypeError"),
    "adaptive neurons": _no(_with(type=b"ALIF"), says="type 'ALIF'.*AttributeError"),
    "threshold per two": _no(_with(vThMant=np.array([6, 7])), says=r"vThMant has shape \(2,\)"),
    "flatten of a flat layer": _no(dense(_W), FLATTEN, dense(_W.T), says="flatten follows"),
    "missing flatten": _no(
        source(2, 3, 3), conv(_K, (1, 2, 2)), dense(_W), says="without a flatten", takes=(3, 3, 2)
    ),
    "convolution after dense": _no(
        dense(_W), conv(_K, (1, 2, 2)), says="put convolutions before dense layers"
    ),
    "stride of one entry": _no_conv("stride has 1 entries", stride=np.array([1])),
    "groups as array": _no_conv("groups has shape", groups=np.array([1])),
    "convolution without neurons": _no_conv("without a neuron group", neuron=None),
    "bias of one number for a convolution": _no_conv(r"bias has shape \(\)", bias=3),
    "wrong shape": _no_conv(r"the convolution gives \(1, 2, 2\)", (1, 3, 2)),
    "wrong channels": _no(
        source(3, 3, 3), conv(_K, (1, 2, 2)), says="for 3 channels", takes=(3, 3, 3)
    ),
    "no input shape": _no(
        conv(_K, (1, 2, 2)), says=r"give input_shape=\(1, 28, 28\)", takes=(3, 3, 2)
    ),
    "128 groups": _no(
        source(128, 3, 3),
        conv(np.ones((128, 1, 2, 2)), (128, 2, 2), groups=128),
        says="reach 128; in 8 bits all outputs are 0",
        takes=(3, 3, 128),
        netx_fails=False,
    ),
    "all zero": _no(dense(_W * 0), says="all weights are 0.*OverflowError"),
    "negative delay": _no(dense(_W, delay=np.array([-1, 0, 1])), says="delay reaches -1"),
    "delay of three axes": _no(dense(_W, delay=np.zeros((3, 4, 1))), says="delay has shape"),
    "bias of two": _no(dense(_W, bias=np.zeros(2)), says=r"bias has shape \(2,\)"),
    "delays of another shape on recurrence": _no(
        dense(_W, type=b"dense_rec", weight_rec=np.eye(3) * 2, delay=np.ones((3, 4))),
        says="for weight_rec",
    ),
    "second input": _no(
        dense(_W), source(3, neuron=CUBA), says="input after other layers", netx_fails=False
    ),
    "nothing fires": _no(
        _with(vThMant=1 << 18), dense(_W.T), says="layer 0 can never fire", netx_fails=False
    ),
}
"""Files that are refused: layers, what the message says, shape of the input, whether netx fails."""
