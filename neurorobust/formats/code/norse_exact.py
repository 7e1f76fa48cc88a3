"""Populations for Norse's ``SNNCell``: the canonical law, in its own order of operations."""

import numpy as np

from neurorobust.formats.code.piece import Piece, entering
from neurorobust.formats.modules.resets import firing_threshold
from neurorobust.ir import LI, LIF, Array

LAYER = '''\
def layer(w: dict[str, torch.Tensor], name: str) -> SimpleNamespace:
    """The parameters of one population, by field."""
    own = {key.removeprefix(f"{name}."): value for key, value in w.items()}
    return SimpleNamespace(**{key: value for key, value in own.items() if "." not in key})'''

STATE = '''\
class NeuronState(NamedTuple):
    """Membrane, synaptic current, spikes of the step before, refractory steps to come."""

    v: torch.Tensor
    i: torch.Tensor
    z: torch.Tensor
    rest: torch.Tensor


def at_rest(p: SimpleNamespace) -> Callable[[torch.Tensor], NeuronState]:
    """The state before the first step, from an input."""

    def start(x: torch.Tensor) -> NeuronState:
        zeros = torch.zeros_like(x)
        return NeuronState(p.v_init + zeros, p.i_init + zeros, zeros, zeros)

    return start'''


def exact_piece(identifier: str, node: LIF | LI, x: str) -> Piece:
    """An ``SNNCell`` with a step function that holds only what this population needs."""
    function = f"{identifier}_step"
    lines, x = entering(identifier, x)
    law = _li_lines(node) if isinstance(node, LI) else _lif_lines(node)
    source = "\n".join(
        (
            f"def {function}(",
            "    x: torch.Tensor, state: NeuronState, p: SimpleNamespace, dt: float",
            ") -> tuple[torch.Tensor, NeuronState]:",
            f'    """{_law(node)}."""',
            "    v, i, z, rest = state",
            *(f"    {line}" for line in law),
        )
    )
    tensors = {f"{identifier}.{key}": value for key, value in _values(node).items()}
    state = f"state_{identifier}"
    out = f"{'mem' if isinstance(node, LI) else 'spk'}_{identifier}"
    parameters = f'layer(w, "{identifier}")'
    return Piece(
        make=(
            f"self.{identifier} = SNNCell(",
            f"    {function}, at_rest({parameters}), {parameters}, dt=DT",
            ")",
        ),
        start=(f"{state} = None",),
        step=(*lines, f"{out}, {state} = self.{identifier}({x}, {state})"),
        out=out,
        tensors=tensors,
        imports=(
            "from collections.abc import Callable",
            "from types import SimpleNamespace",
            "from typing import NamedTuple",
            "from norse.torch.functional.threshold import threshold",
            "from norse.torch.module.snn import SNNCell",
        ),
        helpers={"layer": LAYER, "state": STATE, function: source},
    )


def _values(node: LIF | LI) -> dict[str, Array]:
    fields = {"beta": node.beta, "v_init": node.v_init, "i_init": np.zeros(())}
    if (node.gain_in != 1).any():
        fields["gain_in"] = node.gain_in
    if node.bias.any():
        fields["bias"] = node.bias
    if isinstance(node, LIF):
        fields |= {"v_th": firing_threshold(node), "i_init": node.i_init}
        if (node.gain_syn != 1).any():
            fields["gain_syn"] = node.gain_syn
        if node.alpha is not None:
            fields["alpha"] = node.alpha
        if node.reset != "none":
            fields["reset"] = node.reset_to
        if node.v_min is not None:
            fields["v_min"] = node.v_min
    return {key: value.astype(np.float32) for key, value in fields.items()}


def _li_lines(node: LI) -> list[str]:
    bias = " + p.bias" if node.bias.any() else ""
    gained = "p.gain_in * x" if (node.gain_in != 1).any() else "x"
    return [f"v = p.beta * v + {gained}{bias}", "return v, NeuronState(v, i, z, rest)"]


def _lif_lines(node: LIF) -> list[str]:
    gained = "p.gain_in * x" if (node.gain_in != 1).any() else "x"
    lines = [f"i = p.alpha * i + {gained}" if node.alpha is not None else f"i = {gained}"]
    drive = "p.gain_syn * i" if (node.gain_syn != 1).any() else "i"
    lines.append(f"h = p.beta * v + {drive}{' + p.bias' if node.bias.any() else ''}")
    reset = {"hard": "torch.where({z} > 0, p.reset, h)", "soft": "h - p.reset * {z}"}
    late = node.reset_timing == "next"
    if late and node.reset != "none":
        lines.append(f"h = {reset[node.reset].format(z='z')}")
    if node.refractory:
        lines.append("h = torch.where(rest > 0, p.reset, h)")
    at = "h - p.v_th"
    if node.compare == ">=":
        lines.append("# Fires at its threshold, too: v_th is the next float below.")
    lines.append(f'z = threshold({at}, "super", 100.0)')
    if node.refractory:
        lines.append("z = z * (rest == 0)")
        count = f"torch.full_like(rest, {node.refractory})"
        lines.append(f"rest = torch.where(z > 0, {count}, (rest - 1).clamp(min=0))")
    lines.append(
        "v = h" if late or node.reset == "none" else f"v = {reset[node.reset].format(z='z')}"
    )
    if node.v_min is not None:
        lines.append("v = torch.maximum(v, p.v_min)")
    return [*lines, "return z, NeuronState(v, i, z, rest)"]


def _law(node: LIF | LI) -> str:
    if isinstance(node, LI):
        return "A leaky integrator without threshold"
    reset = "no reset" if node.reset == "none" else f"{node.reset} reset"
    timing = " in the next step" if node.reset_timing == "next" and node.reset != "none" else ""
    current = "a synaptic current, " if node.alpha is not None else ""
    rest = f", refractory for {node.refractory} step(s)" if node.refractory else ""
    return f"Leaky integrate-and-fire with {current}{reset}{timing}{rest}"
