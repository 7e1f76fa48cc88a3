"""LIF and LI as Norse 1.1.0 cells.

Norse integrates ``v + dt tau_mem_inv (x + v_leak - v)``. With time counted in steps (dt = 1),
``tau_mem_inv = 1 - beta`` and thresholds in units of ``1 - beta``, this is the law of
``neurorobust.ir.neurons`` up to rounding, with weights as they are. What its cells have no exact
form for runs in Norse's ``SNNCell`` with a step function of its own, in the canonical order.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurorobust.formats.code.norse_exact import exact_piece
from neurorobust.formats.code.piece import Parameters, Piece, entering, require_one_spike
from neurorobust.formats.code.text import call, literal
from neurorobust.ir import LI, LIF, Array, Shape

VERSION = "1.1.0"


def neuron_piece(
    name: str, identifier: str, node: LIF | LI, shape: Shape, x: str, *, exact: bool
) -> Piece:
    """The source of one population.

    Args:
        name: Of the node, for messages.
        identifier: In the generated code.
        node: The population.
        shape: Of the population.
        x: Expression of its input.
        exact: Take ``SNNCell`` for every population: nothing is rounded otherwise than here.

    Raises:
        Unsupported: if it may fire several spikes in one step.
    """
    require_one_spike(name, node, "Norse's cells")
    kind = None if exact else cell_of(node)
    if kind is None:
        return exact_piece(identifier, node, x)
    cell = _Cell(identifier, node, shape)
    if isinstance(node, LI):
        return cell.integrator(x)
    return {"LIFCell": cell.current, "LIFBoxCell": cell.box, "IAFCell": cell.perfect}[kind](x)


def cell_of(node: LIF | LI) -> str | None:
    """Norse's cell with this node's law, or None."""
    leak = _leak(node)
    if isinstance(node, LI):
        return "LIBoxCell" if leak.all() else None
    same = node.reset_timing == "same" and node.reset != "none"
    if not same or node.v_min is not None or node.refractory:
        return None
    if node.alpha is not None:
        return "LIFCell" if node.reset == "hard" and leak.all() else None
    if not leak.any():
        return "IAFCell" if node.reset == "hard" else None
    by_threshold = node.compare == ">" and bool((node.reset_to == node.threshold).all())
    return "LIFBoxCell" if leak.all() and (node.reset == "hard" or by_threshold) else None


def _leak(node: LIF | LI) -> Array:
    leak: Array = np.float32(1) - node.beta.astype(np.float32)
    return leak


class _Cell:
    """One population in Norse's units."""

    def __init__(self, identifier: str, node: LIF | LI, shape: Shape) -> None:
        self.identifier, self.node, self.shape = identifier, node, shape
        self.own = Parameters(identifier)
        self.leak = _leak(node)
        self.unit = np.where(self.leak > 0, self.leak, np.float32(1)).astype(np.float32)
        self.tensors: dict[str, Array] = {}

    def box(self, x: str) -> Piece:
        """``LIFBoxCell``."""
        node = self.lif
        soft = node.reset == "soft"
        values = {"tau_mem_inv": self.leak, "v_leak": node.bias} | self.thresholds()
        extra = {"reset_method": "reset_subtract"} if soft else {}
        if soft:
            del values["v_reset"]
        return self.piece(
            "LIFBox",
            values,
            extra=extra,
            state={"v": self.scaled(node.v_init)},
            x=self.gained_twice(x, node),
            imports=("from norse.torch.functional.reset import reset_subtract",) if soft else (),
        )

    def current(self, x: str) -> Piece:
        """``LIFCell``."""
        node = self.lif
        assert node.alpha is not None  # noqa: S101  # cell_of saw to it
        alpha, gain = node.alpha.astype(np.float32), node.gain_syn.astype(np.float32)
        values = {"tau_syn_inv": np.float32(1) - alpha, "tau_mem_inv": self.leak}
        values |= {"v_leak": node.bias} | self.thresholds()
        return self.piece(
            "LIF",
            values,
            # Norse keeps the current after its decay, in the units of the membrane's input.
            state={
                "v": self.scaled(node.v_init),
                "i": alpha * node.i_init.astype(np.float32) * gain,
            },
            x=self.own.gained(x, "gain_in", np.asarray(node.gain_in.astype(np.float32) * gain)),
        )

    def perfect(self, x: str) -> Piece:
        """``IAFCell``."""
        node = self.lif
        x = self.gained_twice(x, node)
        if node.bias.any():
            x = f"{x} + {self.own('bias', node.bias)}"
        return self.piece("IAF", self.thresholds(), state={"v": node.v_init}, x=x)

    def integrator(self, x: str) -> Piece:
        """``LIBoxCell``; its membrane leaves Norse's units again."""
        node = self.node
        unit = self.own("unit", self.unit)
        return self.piece(
            "LIBox",
            {"tau_mem_inv": self.leak, "v_leak": node.bias},
            state={"v": self.scaled(node.v_init)},
            x=self.own.gained(x, "gain_in", node.gain_in),
            readout=f"mem_{self.identifier} / {unit}",
        )

    def gained_twice(self, x: str, node: LIF) -> str:
        """The input times both gains."""
        return self.own.gained(
            self.own.gained(x, "gain_in", node.gain_in), "gain_syn", node.gain_syn
        )

    @property
    def lif(self) -> LIF:
        """The node, which fires."""
        assert isinstance(self.node, LIF)  # noqa: S101  # only LI goes to ``integrator``
        return self.node

    def thresholds(self) -> dict[str, Array]:
        """Threshold and hard target in Norse's units."""
        threshold = self.scaled(self.lif.threshold)
        if self.lif.compare == ">=":
            # Norse tests for above; above the next lower number is the same test.
            threshold = np.asarray(np.nextafter(threshold, np.float32(-np.inf)))
        return {"v_th": threshold, "v_reset": self.scaled(self.lif.reset_to)}

    def scaled(self, value: Array) -> Array:
        """A membrane in Norse's units."""
        return np.asarray(value.astype(np.float32) * self.unit)

    def piece(
        self,
        kind: str,
        values: Mapping[str, Array],
        *,
        state: Mapping[str, Array],
        x: str,
        extra: Mapping[str, str] | None = None,
        readout: str = "",
        imports: tuple[str, ...] = (),
    ) -> Piece:
        """A cell of Norse with its parameters."""
        name, node = self.identifier, self.node
        cell, parameters = f"{kind}Cell", f"{kind}Parameters"
        state_kind = f"{kind}{'FeedForward' if isinstance(node, LIF) else ''}State"
        shown: dict[str, Any] = {}
        for key, value in values.items():
            if key in {"v_leak", "v_reset"} and not value.any():
                continue
            single = value.astype(np.float32)
            if single.ndim:
                self.tensors[f"{name}.{key}"] = single
                shown[key] = f'w["{name}.{key}"]'
            else:
                shown[key] = f"torch.tensor({literal(single)})"
        made = call(cell, call(parameters, **shown, **(extra or {})), dt="DT")
        begin = {k: self.own.begin(f"{k}_init", v, self.shape) for k, v in state.items()}
        held, out = f"state_{name}", f"{'spk' if isinstance(node, LIF) else 'mem'}_{name}"
        lines, x = entering(name, x)
        step = [*lines, f"{out}, {held} = self.{name}({x}, {held})"]
        if readout:
            step.append(f"{out} = {readout}")
        make = [f"self.{name} = {made}"]
        if isinstance(node, LIF) and node.compare == ">=":
            make.insert(0, "# Fires at its threshold, too: Norse's is the next float below.")
        start = [f"{held} = {call(state_kind, **begin)}"]
        imported = f"from norse.torch import {cell}, {state_kind}, {parameters}"
        return self.own.piece(make, start, step, out, self.tensors, imports=[imported, *imports])
