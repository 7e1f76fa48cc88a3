"""A chain of populations → the datasets of a ``.net`` file.

A matrix that netx would change (see ``neurorobust.formats.netx.weights``) is written as a
convolution that covers its whole input, whose weights act as they are; every layer before it must
then be one, too, because netx has no way from a flat layer back to a convolution.
"""

import numpy as np

from neurorobust.formats.netx.document import Datasets
from neurorobust.formats.netx.weights import INT8_MAX, acting, acting_recurrent, optimise
from neurorobust.formats.netx.writing.chain import Chain, Matrix, NoExactForm, Stage
from neurorobust.ir import Array, FixedConv2d, Shape
from neurorobust.ir.fixed import STATE_LIMIT


def encode(chain: Chain) -> list[Datasets]:
    """All layers of the file.

    Raises:
        NoExactForm: naming the first population that netx cannot hold.
    """
    covering = _covering(chain)
    first = chain.stages[0]
    shape = _image(first.before) if covering[0] or isinstance(first.feed, FixedConv2d) else None
    records = [_input(chain, shape or first.before, block_image=covering[0] and chain.block)]
    flat = chain.block and len(first.shape) == 1 and not covering[0]
    flat |= not chain.block and shape is None
    for stage, cover in zip(chain.stages, covering, strict=True):
        if stage.feed is None:
            continue
        top = chain.top if stage is first else 1
        if isinstance(stage.feed, FixedConv2d):
            records.append(_conv(stage, stage.feed))
            flat = False
        elif cover:
            records.append(_cover(stage, stage.feed, top))
            flat = False
        else:
            if not flat or len(stage.before) > 1:
                records.append(
                    {"type": np.bytes_("flatten"), "shape": np.array(stage.feed.weight.shape[1:])}
                )
            records.append(_dense(stage, stage.feed, top))
            flat = True
    return records


def _covering(chain: Chain) -> list[bool]:
    """Which stages are written as a convolution over their whole input (or feed one that is)."""
    flags = [False] * (len(chain.stages) + 1)
    for k, stage in reversed(list(enumerate(chain.stages))):
        reason = ""
        if isinstance(stage.feed, Matrix):
            reason = _changed(stage)
            if not reason and flags[k + 1]:
                reason = f"{chain.stages[k + 1].name} behind it must be written as a convolution"
            if reason and (stage.feed.delayed or stage.recurrent is not None):
                msg = f"{stage.name}: {reason}, and delays or recurrence allow no such form"
                raise NoExactForm(msg)
        flags[k] = bool(reason) or (stage.feed is None and flags[k + 1])
    return flags[:-1]


def _changed(stage: Stage) -> str:
    """How netx would change the matrices of a dense stage; empty if it would not."""
    feed, back = stage.feed, stage.recurrent
    assert isinstance(feed, Matrix)  # noqa: S101  # the caller's case
    if not feed.weight.any() and (back is None or not back.weight.any()):
        return "all weights are 0, which netx cannot load"
    if back is None:
        same = np.array_equal(acting(feed.weight).values, feed.weight)
    else:
        made, other = acting_recurrent(feed.weight, back.weight, delayed=False)
        same = np.array_equal(made.values, feed.weight)
        same &= np.array_equal(other.values, back.weight)
    if same:
        return ""
    low, high = int(feed.weight.min()), int(feed.weight.max())
    return f"netx would change its weights of {low}..{high}"


def _image(shape: Shape) -> Shape:
    return shape if len(shape) == 3 else (*shape, 1, 1)


def _input(chain: Chain, shape: Shape, *, block_image: bool) -> Datasets:
    """The input: a shape alone, or a population that takes the input as bias."""
    record: Datasets = {"type": np.bytes_("input"), "shape": np.array(shape)}
    if not chain.block:
        return record
    stage, source = chain.stages[0], chain.source
    bias = np.unique(stage.bias_mant)
    wide = np.iinfo(np.int16)
    if (stage.du != 4095).any():
        msg = f"{stage.name}: the current keeps the input (du {stage.du.min()}), netx has a bias"
        raise NoExactForm(msg + " there; use du = 4095")
    if source.offset or source.scale != int(source.scale) or len(bias) > 1:
        raise NoExactForm(
            f"{stage.name}: netx takes an input as x weight + bias with two integers; here it is "
            f"(x - {source.offset}) {source.scale} and {len(bias)} bias(es)"
        )
    if source.low + bias[0] < wide.min or source.high + bias[0] > wide.max:
        msg = f"{stage.name}: input {source.low}..{source.high} and bias {bias[0]} exceed 16 bits"
        raise NoExactForm(msg)
    if block_image:
        record["shape"] = np.array(_image(stage.shape))
    transform = {"weight": np.array(int(source.scale)), "bias": bias[0]}
    return record | transform | {"neuron": _neuron(stage)}


def _dense(stage: Stage, feed: Matrix, top: int) -> Datasets:
    shift = max(optimise(feed.weight).shift, 0) if stage.recurrent is None else 8
    _within(stage, feed.weight << shift, top, 1 << 31)
    record: Datasets = {
        "type": np.bytes_("dense" if stage.recurrent is None else "dense_rec"),
        "shape": np.array(stage.shape),
        "inFeatures": np.array(feed.weight.shape[1]),
        "outFeatures": np.array(feed.weight.shape[0]),
        "weight": feed.weight.astype(np.int32),
        "neuron": _neuron(stage),
    }
    if stage.recurrent is not None:
        record["weight_rec"] = stage.recurrent.weight.astype(np.int32)
    if feed.delayed:
        record["delay"] = feed.delay.astype(np.int32)
    return record | _bias(stage)


def _conv(stage: Stage, feed: FixedConv2d) -> Datasets:
    return {
        "type": np.bytes_("conv"),
        "shape": np.array(stage.shape),
        "inChannels": np.array(feed.weight.shape[1] * feed.groups),
        "outChannels": np.array(feed.weight.shape[0]),
        "kernelSize": np.array(feed.weight.shape[2:]),
        "stride": np.array(feed.stride),
        "padding": np.array(feed.padding),
        "dilation": np.array(feed.dilation),
        "groups": np.array(feed.groups),
        "weight": feed.weight.astype(np.int32),
        "neuron": _neuron(stage),
    } | _bias(stage)


def _cover(stage: Stage, feed: Matrix, top: int) -> Datasets:
    """A matrix as a convolution with one position."""
    before = _image(stage.before)
    if max(before[1:]) > INT8_MAX:
        msg = f"{stage.name}: {_changed(stage)}, and a kernel of {before[1:]} exceeds {INT8_MAX}"
        raise NoExactForm(msg)
    _within(stage, feed.weight, top, STATE_LIMIT)
    weight = feed.weight.reshape(-1, *before).astype(np.int32)
    return _conv(stage, FixedConv2d(weight=weight)) | {"shape": np.array(_image(stage.shape))}


def _within(stage: Stage, weight: Array, top: int, limit: int) -> None:
    """Refuse sums that netx could wrap where the Program does not."""
    reach = int(np.abs(weight).sum(axis=1).max()) * top
    if reach >= limit:
        msg = f"{stage.name}: sums reach {reach}, netx wraps at {limit}; lower the payloads"
        raise NoExactForm(msg)


def _neuron(stage: Stage) -> Datasets:
    return {
        "type": np.bytes_("CUBA"),
        "iDecay": _netx_layout(stage.du.astype(np.int64) + 1, stage.shape),
        "vDecay": _netx_layout(stage.dv.astype(np.int64), stage.shape),
        "vThMant": _netx_layout(stage.vth.astype(np.int64), stage.shape),
        "refDelay": np.array(1),
        "gradedSpike": np.array(False),  # noqa: FBT003  # a dataset of type bool
    }


def _bias(stage: Stage) -> Datasets:
    if not stage.bias_mant.any():
        return {}
    value = _netx_layout(stage.bias_mant, stage.shape)
    if not value.ndim:
        value = np.broadcast_to(value, stage.shape[:1])
    return {"bias": value.astype(np.int32)}


def _netx_layout(value: Array, shape: Shape) -> Array:
    """From (C, H, W) to one value, one per channel, or (W, H, C)."""
    if value.size == 1:
        return value.reshape(())
    if len(shape) == 1:
        return np.broadcast_to(value, shape)
    if value.shape == (shape[0], 1, 1):
        return value.reshape(-1)
    return np.broadcast_to(value, shape).transpose(2, 1, 0)
