"""From a Graph or Program to the layers that chips see."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

import numpy as np

from neurorobust import ir
from neurorobust.fit.axis import Axis
from neurorobust.fit.layers import Layer, Map, Network, Pool, Synapse
from neurorobust.fit.weights import Weights
from neurorobust.ir.fixed import DECAY_ONE, FixedDelayDense
from neurorobust.lower.passes.fold_batch_norm import fold_batch_norm


def extract(model: ir.Model) -> Network:
    """The layers of a model; a batch norm right behind a linear map is folded first."""
    if isinstance(model, ir.Graph):
        model = fold_batch_norm(model)
    walk = _Walk(model)
    groups = {name: tuple(walk.groups(name)) for name in model.order if _is_neuron(model, name)}
    read, host = _readout(model)
    layers = []
    for name, synapses in groups.items():
        leaving = [g for own in groups.values() for g in own if g.source == name]
        layers.append(
            Layer(
                name=name,
                shape=_maps(model.shapes[name]),
                role="output" if name in read else "hidden",
                synapses=synapses,
                targets=len(leaving),
                fan_out=sum(group.fan_out for group in leaving),
                **_neuron(model, name),
            )
        )
    if isinstance(model, ir.Program) and model.host is not None:
        host.append("the part before the chip")
    return Network(
        name=model.header.name,
        content_hash=model.content_hash,
        input=model.input,
        input_shape=model.shapes[model.input],
        coding=_coding(model),
        dt_s=model.header.dt_s,
        steps=model.header.steps,
        layers=tuple(layers),
        faults=tuple(dict.fromkeys(walk.faults)),
        host=tuple(host),
    )


@dataclass(slots=True)
class _Path:
    """What lies between two populations, from the source on."""

    shape: ir.Shape
    rows: Axis
    columns: Axis
    map: Map = "one-to-one"
    fields: dict[str, Any] = field(default_factory=dict)


class _Walk:
    """Walks from neurons back to the populations that feed them."""

    def __init__(self, model: ir.Model) -> None:
        self.model = model
        self.faults: list[tuple[str, str]] = []

    def groups(self, name: str) -> Iterator[Synapse]:
        """Groups of synapses that feed a node."""
        for source, delay, path in self._back(name, 0, ()):
            if not path and source in bias_coded(self.model):
                continue
            if group := self._group(name, source, delay, path):
                yield group

    def _back(
        self, name: str, delay: int, path: tuple[str, ...]
    ) -> Iterator[tuple[str, int, tuple[str, ...]]]:
        for edge in self.model.incoming(name):
            waited = delay + edge.delay
            if isinstance(self.model.nodes[edge.source], ir.Input) or _is_neuron(
                self.model, edge.source
            ):
                yield edge.source, waited, path
            elif edge.source in path:
                self.faults.append((edge.source, "is in a loop without neurons"))
            else:
                yield from self._back(edge.source, waited, (edge.source, *path))

    def _group(self, name: str, source: str, delay: int, path: tuple[str, ...]) -> Synapse | None:
        shape = _maps(self.model.shapes[source])
        found = _Path(shape, _same(shape[1]), _same(shape[2]))
        found.fields = {"groups": shape[0], "delay": delay}
        for step in path:
            if fault := _pass(found, step, self.model.nodes[step], self.model.shapes[step]):
                self.faults.append((step, fault))
                return None
        reads: Literal["input", "layer"] = "input" if source == self.model.input else "layer"
        named: dict[str, Any] = {"name": source, **found.fields}
        return Synapse(
            source=source,
            reads=reads,
            map=found.map,
            shape_in=shape,
            shape_out=_maps(self.model.shapes[name]),
            rows=found.rows,
            columns=found.columns,
            **named,
        )


def _pass(path: _Path, name: str, node: ir.Node, shape: ir.Shape) -> str | None:
    """Extend a path by a node; the reason if that is not possible."""
    match node:
        case ir.Flatten():
            return None
        case ir.Pool2d():
            _pool(path, node, shape)
            return None
        case ir.Affine() | ir.FixedDense() | ir.Conv1d() | ir.Conv2d() if "weights" in path.fields:
            return f"follows {path.fields['name']!r} without neurons between; merge the two"
        case ir.Affine() | ir.FixedDense():
            path.fields |= {"kernel": (path.rows.size_out, path.columns.size_out), "groups": 1}
            path.rows = path.rows.then(Axis.dense(path.rows.size_out))
            path.columns = path.columns.then(Axis.dense(path.columns.size_out))
            path.map = "dense"
            bits = node.weight_bits if isinstance(node, ir.FixedDense) else None
            path.fields |= {"name": name, "weights": Weights.of(node.weight, bits)}
            if isinstance(node, FixedDelayDense):
                path.fields["delay"] += int(node.delay.max())
            return None
        case ir.Conv1d() | ir.Conv2d():
            _convolve(path, name, node, shape)
            return None
        case ir.BatchNorm():
            return "is a BatchNorm that cannot be folded; put it right behind a linear layer"
        case _:
            return f"is a {node.kind}, which no chip here has as a synapse"


def _pool(path: _Path, node: ir.Pool2d, shape: ir.Shape) -> None:
    window = {"kernel": node.kernel, "stride": node.stride, "padding": node.padding}
    _window(path, shape, **window, dilation=(1, 1))
    fields = path.fields
    kinds: list[Pool] = [fields.get("pool", "none"), node.op]
    fields["pool"] = "max" if "max" in kinds else node.op
    if "weights" in fields:
        fields["pool_after"] = fields.get("pool_after", 0) + 1
        return
    before, strides = fields.get("pool_kernel", (1, 1)), fields.get("pool_stride", (1, 1))
    fields["pool_kernel"] = tuple(
        (k - 1) * s + b for k, s, b in zip(node.kernel, strides, before, strict=True)
    )
    fields["pool_stride"] = tuple(a * b for a, b in zip(strides, node.stride, strict=True))
    path.map = "conv"


def _convolve(path: _Path, name: str, node: ir.Conv1d | ir.Conv2d, shape: ir.Shape) -> None:
    flat = isinstance(node, ir.Conv1d)
    window = {
        "kernel": (1, *node.weight.shape[2:]) if flat else node.weight.shape[2:],
        "stride": (1, *node.stride) if flat else node.stride,
        "padding": (0, *node.padding) if flat else node.padding,
        "dilation": (1, *node.dilation) if flat else node.dilation,
    }
    _window(path, shape, **window)
    path.map = "conv"
    path.fields |= {"name": name, "weights": Weights.of(node.weight), "groups": node.groups}
    path.fields |= window


def _window(
    path: _Path,
    shape: ir.Shape,
    *,
    kernel: ir.Shape,
    stride: ir.Shape,
    padding: ir.Shape,
    dilation: ir.Shape,
) -> None:
    """Extend both axes by windows that give a shape."""
    path.rows, path.columns = (
        axis.then(Axis.window(axis.size_out, size, kernel=k, stride=s, padding=p, dilation=d))
        for axis, size, k, s, p, d in zip(
            (path.rows, path.columns),
            _maps(shape)[1:],
            kernel,
            stride,
            padding,
            dilation,
            strict=True,
        )
    )


def _same(size: int) -> Axis:
    return Axis.window(size, size, kernel=1, stride=1, padding=0, dilation=1)


def _maps(shape: ir.Shape) -> ir.Shape:
    """Channels, height, width of any shape."""
    if len(shape) == 1:
        return (shape[0], 1, 1)
    if len(shape) == 2:
        return (shape[0], 1, shape[1])
    return (shape[0], shape[1], prod(shape[2:]))


def _is_neuron(model: ir.Model, name: str) -> bool:
    node = model.nodes[name]
    return node.population and node.stateful


def _neuron(model: ir.Model, name: str) -> dict[str, Any]:
    """What the fields of a layer say of its neurons."""
    node = model.nodes[name]
    biases = [getattr(model.nodes[edge.source], "bias", None) for edge in model.incoming(name)]
    given = any(bias is not None and bool(np.any(bias)) for bias in biases)
    known: dict[str, Any] = {"neuron": node.kind, "biased": given, "memory": True}
    match node:
        case ir.LIF():
            leaky, kept = bool((node.beta < 1).any()), bool((node.beta > 0).any())
            filtered = node.alpha is not None and bool((node.alpha > 0).any())
            later = node.reset_timing == "next" and node.reset != "none"
            known |= {
                "neuron": "LIF" if leaky or filtered else "IF",
                "reset": node.reset,
                "reset_timing": node.reset_timing,
                "compare": node.compare,
                "leaky": leaky,
                "filtered": filtered,
                "biased": given or bool(node.bias.any()),
                "bounded": node.v_min is not None,
                "refractory": node.refractory,
                "max_spikes": node.max_spikes,
                "memory": kept or filtered or later or node.refractory > 0,
            }
        case ir.LI():
            leaky = bool((node.beta < 1).any())
            known |= {
                "neuron": "LI" if leaky else "I",
                "leaky": leaky,
                "biased": given or bool(node.bias.any()),
                "memory": bool((node.beta > 0).any()),
            }
        case ir.FixedNeuron():
            known |= _fixed_neuron(node)
    known["memory"] = known["memory"] and model.header.steps > 1
    known["biased"] |= any(edge.source in bias_coded(model) for edge in model.incoming(name))
    return known


def _fixed_neuron(node: ir.FixedNeuron) -> dict[str, Any]:
    leaky, filtered = bool((node.dv > 0).any()), bool((node.du < DECAY_ONE - 1).any())
    fires = not isinstance(node, ir.FixedLI)
    kind = ("LIF" if fires else "LI") if leaky or filtered else ("IF" if fires else "I")
    return {
        "neuron": "TernaryLIF" if isinstance(node, ir.FixedTernaryLIF) else kind,
        "reset": "hard" if fires else "none",
        "compare": ">" if fires else "none",
        "leaky": leaky,
        "filtered": filtered,
        "biased": bool(node.bias_mant.any()),
        "memory": bool((node.dv < DECAY_ONE).any()) or filtered,
    }


def _readout(model: ir.Model) -> tuple[set[str], list[str]]:
    """Layers that feed the output, and the nodes between that the host computes."""
    read: set[str] = set()
    host: list[str] = []
    ahead = [edge.source for edge in model.incoming(model.output)]
    while ahead:
        name = ahead.pop()
        if _is_neuron(model, name):
            read.add(name)
        elif not isinstance(model.nodes[name], ir.Input) and name not in host:
            if not isinstance(model.nodes[name], ir.Flatten | ir.Output):
                host.append(name)
            ahead += [edge.source for edge in model.incoming(name)]
    return read, host


def _coding(model: ir.Model) -> str:
    """The header's coding, unless the chip's input is spikes whatever the stimulus is."""
    source = model.nodes[model.input]
    binary = isinstance(source, ir.FixedInput) and (source.low, source.high) == (0, 1)
    return "events" if binary else model.header.coding


def bias_coded(model: ir.Model) -> set[str]:
    """The input of a Program, if it sets biases: it then reaches neurons without any synapse."""
    direct = any(_is_neuron(model, edge.target) for edge in model.outgoing(model.input))
    return {model.input} if isinstance(model, ir.Program) and direct else set()
