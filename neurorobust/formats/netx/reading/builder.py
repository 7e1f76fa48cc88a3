"""The layers of netx → nodes and edges that compute the same."""

from typing import Any

import numpy as np

from neurorobust import ir
from neurorobust.errors import InvalidFile
from neurorobust.formats.netx.call import NetxCall
from neurorobust.formats.netx.document import Document
from neurorobust.formats.netx.reading.layers import InputBlock, Plan
from neurorobust.formats.netx.reading.neurons import Population
from neurorobust.formats.netx.reading.synapses import Conv, Dense
from neurorobust.formats.netx.weights import Acting
from neurorobust.ir.ports import Readout

BIAS_EXP = 6
"""Exponent of every bias in netx."""
INT16 = np.iinfo(np.int16)


class Builder:
    """Makes the Program of a plan without refusals.

    Args:
        plan: The layers.
        call: How netx is called.
        header: Name, duration of a step, and steps.
        in_phase: Whether resets start every stimulus from rest, whatever offset is called for.
    """

    def __init__(self, plan: Plan, call: NetxCall, header: ir.Header, *, in_phase: bool) -> None:
        self._plan, self._call, self._header = plan, call, header
        self._nodes: dict[str, ir.Node] = {}
        self._edges: list[ir.Edge] = []
        block = isinstance(plan.layers[0], InputBlock)
        self._reset: dict[str, int] = {}
        if call.reset_interval is not None:
            # netx clears layer k before its own step (reset_offset + k); ours is earlier by the
            # synapses in between: k behind an input population, k + 1 otherwise.
            late = 0 if in_phase else call.reset_offset - (0 if block else 1)
            offset = late % call.reset_interval
            self._reset = {"reset_interval": call.reset_interval, "reset_offset": offset}

    def program(self, document: Document, readout: Readout | None) -> ir.Program:
        """Nodes and edges of all layers, in order."""
        shape = self._plan.input_shape
        if shape is None:
            raise InvalidFile(document.path, "does not say the shape of its input")
        last = self._add("input", self._input(shape))
        source: ir.Shape = shape
        for layer in self._plan.layers:
            if isinstance(layer, InputBlock):
                last = self._population(layer.index, layer.population, last)
            elif isinstance(layer, Conv):
                synapse = self._add(f"conv{layer.index}", layer.feed, last)
                last = self._population(layer.index, layer.population, synapse)
            else:
                last = self._dense(layer, last, source)
            source = layer.population.shape
        if len(source) > 1:
            last = self._add("flatten", ir.Flatten(), last)
        silent = self._plan.layers[-1].population.silent
        self._add("output", ir.Output(readout=readout or ("last" if silent else "count")), last)
        return ir.Program(
            header=self._described(),
            nodes=self._nodes,
            edges=tuple(self._edges),
            report=[
                {"layer": f"dense{layer.index}", "weights_changed": layer.changed}
                for layer in self._plan.layers
                if isinstance(layer, Dense) and layer.changed
            ],
        )

    def _input(self, shape: ir.Shape) -> ir.FixedInput:
        first = self._plan.layers[0]
        if isinstance(first, InputBlock):
            # The bias of the transform is a bias of the population; both together keep 16 bits.
            low, high = INT16.min - min(first.bias, 0), INT16.max - max(first.bias, 0)
            return ir.FixedInput(shape=shape, scale=float(first.weight), low=low, high=high)
        return ir.FixedInput(shape=shape, scale=1.0, high=self._top)

    @property
    def _top(self) -> int:
        return (1 << max(self._call.input_message_bits, 1)) - 1

    def _described(self) -> ir.Header:
        first = self._plan.layers[0]
        direct = isinstance(first, InputBlock)
        return ir.Header(
            name=self._header.name,
            dt_s=self._header.dt_s,
            steps=self._header.steps,
            coding="direct" if direct else "events",
            bounds=(0.0, 1.0 if direct else float(self._top)),
            provenance={"format": "netx"},
        )

    def _dense(self, layer: Dense, source: str, before: ir.Shape) -> str:
        if layer.flatten and len(before) > 1:
            source = self._add(f"flatten{layer.index}", ir.Flatten(), source)
        bits = self._call.input_message_bits if source == "input" else 0
        feed = [
            self._add(f"dense{layer.index}{tail}", node, source)
            for tail, node in _dense_nodes(layer.feed, layer.delay, bits)
        ]
        last = self._population(layer.index, layer.population, *feed)
        if layer.recurrent is not None:
            for tail, node in _dense_nodes(layer.recurrent, layer.delay, 0):
                back = self._add(f"recurrent{layer.index}{tail}", node)
                self._edges += [ir.Edge(last, back, 1), ir.Edge(back, last)]
        return last

    def _population(self, index: int, made: Population, *sources: str) -> str:
        shared: dict[str, Any] = {
            "du": _narrow(made.du),
            "dv": _narrow(made.dv),
            "bias_mant": _narrow(made.bias_mant),
            "bias_exp": np.array(BIAS_EXP, np.int32),
            **self._reset,
        }
        if isinstance(self._plan.layers[0], InputBlock) and sources == ("input",):
            # No synapse drives an input population in netx: its current is always 0, so the
            # image, which is a bias there, may enter through a current without memory here.
            shared["du"] = np.array(4095, np.int32)
        if made.silent:
            return self._add(f"li{index}", ir.FixedLI(**shared), *sources)
        return self._add(f"lif{index}", ir.FixedLIF(**shared, vth=_narrow(made.vth)), *sources)

    def _add(self, name: str, node: ir.Node, *sources: str) -> str:
        self._nodes[name] = node
        self._edges += [ir.Edge(source, name) for source in sources]
        return name


def _dense_nodes(
    made: Acting, delay: ir.Array | None, bits: int
) -> list[tuple[str, ir.FixedDense]]:
    """Nodes that together hold an integer matrix: one, or two where nine bits are needed.

    Both signs in one matrix leave even steps. Odd weights within -128..127 fit with an exponent;
    beyond, a second node adds 1 to what is odd.
    """
    weight = made.weight
    parts: list[tuple[str, dict[str, Any]]]
    if weight.min() >= 0 or weight.max() <= 0:
        mode = "exc" if weight.min() >= 0 else "inh"
        parts = [("", {"weight": weight, "sign_mode": mode, "weight_exp": -made.shift})]
    elif not (weight & 1).any():
        parts = [("", {"weight": weight})]
    elif weight.min() >= -128 and weight.max() <= 127:
        parts = [("", {"weight": 2 * weight, "weight_exp": -1})]
    else:
        parts = [
            ("", {"weight": weight & ~1}),
            ("_odd", {"weight": weight & 1, "sign_mode": "exc"}),
        ]
    nodes: list[tuple[str, ir.FixedDense]] = []
    for tail, fields in parts:
        fields |= {"weight": _narrow(fields["weight"]), "message_bits": bits}
        if delay is None:
            nodes.append((tail, ir.FixedDense(**fields)))
        else:
            nodes.append((tail, ir.FixedDelayDense(**fields, delay=delay.astype(np.int16))))
    return nodes


def _narrow(value: ir.Array) -> ir.Array:
    """All numbers here have 32 bits."""
    return value.astype(np.int32)
