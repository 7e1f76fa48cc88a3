"""LIF and LI as snnTorch 1.0.0 neurons.

``Leaky`` or ``Synaptic`` with a reset of their own where that is the node's law. All other nodes
take ``reset_mechanism="none"``: the neuron integrates and fires, and the reset is a line of the
network, which makes it exact. See ``docs/exporters.md`` for the table.
"""

import numpy as np

from neurorobust.formats.code.piece import Parameters, Piece, entering, require_one_spike
from neurorobust.formats.code.text import call, literal, sizes
from neurorobust.formats.modules.resets import firing_threshold, own_mechanism
from neurorobust.ir import LI, LIF, Array, Shape

VERSION = "1.0.0"


def neuron_piece(name: str, identifier: str, node: LIF | LI, shape: Shape, x: str) -> Piece:
    """The source of one population.

    Args:
        name: Of the node, for messages.
        identifier: In the generated code.
        node: The population.
        shape: Of the population.
        x: Expression of its input.

    Raises:
        Unsupported: if it may fire several spikes in one step.
    """
    if isinstance(node, LI):
        return _integrator(identifier, node, shape, x)
    require_one_spike(name, node, "snnTorch's neurons")
    if mechanism := own_mechanism(node):
        return _stock(identifier, node, mechanism, shape, x)
    return _own(identifier, node, shape, x)


def _module(
    identifier: str, kind: str, **parameters: Array | str | bool
) -> tuple[str, dict[str, Array]]:
    """The line that makes a neuron, and its part of the state dict."""
    options, state = {}, {}
    for key, value in parameters.items():
        if isinstance(value, np.ndarray):
            single = value.astype(np.float32)
            shown = literal(single) if not single.ndim else f"torch.ones({sizes(single.shape)})"
            options[key], state[f"{identifier}.{key}"] = shown, single
        else:
            options[key] = f'"{value}"' if isinstance(value, str) else str(value)
    # snnTorch keeps these beside the decays and the threshold.
    mechanisms = ("subtract", "zero", "none")
    kept = mechanisms.index(str(parameters.get("reset_mechanism", "subtract")))
    state[f"{identifier}.reset_mechanism_val"] = np.asarray(kept, np.int64)
    state[f"{identifier}.graded_spikes_factor"] = np.asarray(1.0, np.float32)
    state.setdefault(f"{identifier}.threshold", np.asarray(1.0, np.float32))
    return f"self.{identifier} = {call(kind, **options)}", state


def _begin(own: Parameters, field: str, value: Array, shape: Shape, reset: str) -> str:
    """The line that gives a state its value before the first step."""
    variable = f"{'mem' if field == 'v_init' else 'syn'}_{own.identifier}"
    start = own.begin(field, value, shape) if value.any() else reset
    return f"{variable} = {start}{'.clone()' if '.expand(' in start else ''}"


def _stock(identifier: str, node: LIF, mechanism: str, shape: Shape, x: str) -> Piece:
    own = Parameters(identifier)
    spikes, mem, syn = f"spk_{identifier}", f"mem_{identifier}", f"syn_{identifier}"
    threshold = firing_threshold(node)
    fresh = f"self.{identifier}.reset_mem()"
    x = own.gained(x, "gain_in", node.gain_in)
    if node.alpha is None:
        lines, x = entering(identifier, own.gained(x, "gain_syn", node.gain_syn))
        law = {"beta": node.beta, "threshold": threshold}
        line, state = _module(identifier, "snn.Leaky", **law, reset_mechanism=mechanism)
        start = [_begin(own, "v_init", node.v_init, shape, fresh)]
        step = [*lines, f"{spikes}, {mem} = self.{identifier}({x}, {mem})"]
    else:
        lines, x = entering(identifier, x)
        # Only "zero" knows the same step exactly; the other two take the default.
        late = mechanism != "zero" or node.reset_timing == "next"
        delay = {} if late else {"reset_delay": False}
        line, state = _module(
            identifier,
            "snn.Synaptic",
            alpha=node.alpha,
            beta=node.beta,
            threshold=threshold,
            reset_mechanism=mechanism,
            **delay,
        )
        start = [f"{syn}, {mem} = {fresh}"]
        for field, value in (("i_init", node.i_init), ("v_init", node.v_init)):
            if value.any():
                start.append(_begin(own, field, value, shape, ""))
        if len(start) > 1:
            start[0] = f"{syn} = {mem} = x.new_zeros(batch, {sizes(shape)})"
        step = [*lines, f"{spikes}, {syn}, {mem} = self.{identifier}({x}, {syn}, {mem})"]
    return own.piece([*_notes(node), line], start, step, spikes, state)


def _own(identifier: str, node: LIF, shape: Shape, x: str) -> Piece:
    """``Leaky`` without reset, and what it lacks as lines of the network."""
    own = Parameters(identifier)
    spikes, mem, syn = f"spk_{identifier}", f"mem_{identifier}", f"syn_{identifier}"
    held, rest = f"held_{identifier}", f"rest_{identifier}"
    law = {"beta": node.beta, "threshold": firing_threshold(node)}
    made, state = _module(identifier, "snn.Leaky", **law, reset_mechanism="none")
    make = [*_notes(node), made]
    zeros = f"x.new_zeros(batch, {sizes(shape)})"
    fresh = f"self.{identifier}.reset_mem()"
    late = node.reset_timing == "next" and node.reset != "none"
    # A state that lines of ours read before the first step has its whole shape.
    start = [_begin(own, "v_init", node.v_init, shape, zeros if node.refractory else fresh)]
    step: list[str] = []
    x = own.gained(x, "gain_in", node.gain_in)
    if node.alpha is not None:
        lines, x = entering(identifier, x)
        synapse = f"{identifier}_synapse"
        line, kept = _module(synapse, "snn.Leaky", beta=node.alpha, reset_mechanism="none")
        make.append(line)
        state |= kept
        begin = f"self.{synapse}.reset_mem()"
        start.append(_begin(own, "i_init", node.i_init, shape, begin))
        step += [*lines, f"_, {syn} = self.{synapse}({x}, {syn})"]
        x = syn
    lines, x = entering(identifier, own.gained(x, "gain_syn", node.gain_syn))
    step += lines
    if node.refractory:
        start.append(f"{rest} = {zeros}")
        step.append(f"{held} = {mem}")
    if node.bias.any() or late:
        step.append(f"_, {mem} = self.{identifier}({x}, {mem})")
        if node.bias.any():
            step.append(f"{mem} = {mem} + {own('bias', node.bias)}")
        if late:
            start.append(f"{spikes} = {zeros}")
            step.append(f"{mem} = {_reset(node, own, mem, spikes)}  # by the last spikes")
        step.append(f"{spikes} = self.{identifier}.fire({mem})")
    else:
        step.append(f"{spikes}, {mem} = self.{identifier}({x}, {mem})")
    if not late and node.reset != "none":
        step.append(f"{mem} = {_reset(node, own, mem, spikes)}  # {node.reset}, same step")
    if node.v_min is not None:
        step.append(f"{mem} = {mem}.clamp(min={own('v_min', node.v_min)})")
    if node.refractory:
        pause = literal(node.refractory)
        step += [
            f"{spikes} = {spikes} * ({rest} == 0)  # refractory for {node.refractory} step(s)",
            f"{mem} = torch.where({rest} > 0, {held}, {mem})",
            f"{rest} = torch.where({spikes} > 0, {pause}, ({rest} - 1).clamp(min=0))",
        ]
    return own.piece(make, start, step, spikes, state)


def _integrator(identifier: str, node: LI, shape: Shape, x: str) -> Piece:
    own = Parameters(identifier)
    mem = f"mem_{identifier}"
    line, state = _module(identifier, "snn.Leaky", beta=node.beta, reset_mechanism="none")
    lines, x = entering(identifier, own.gained(x, "gain_in", node.gain_in))
    step = [*lines, f"_, {mem} = self.{identifier}({x}, {mem})"]
    if node.bias.any():
        step.append(f"{mem} = {mem} + {own('bias', node.bias)}")
    start = _begin(own, "v_init", node.v_init, shape, f"self.{identifier}.reset_mem()")
    return own.piece([line], [start], step, mem, state)


def _reset(node: LIF, own: Parameters, mem: str, spikes: str) -> str:
    if node.reset == "hard":
        return f"torch.where({spikes} > 0, {own('reset', node.reset_to)}, {mem})"
    same = node.compare == ">" and np.array_equal(node.reset_to, node.threshold)
    amount = f"self.{own.identifier}.threshold" if same else own("reset", node.reset_to)
    return f"{mem} - {spikes} * {amount}"


def _notes(node: LIF) -> list[str]:
    if node.compare == ">=":
        return ["# Fires at its threshold, too: snnTorch's is the next float below."]
    return []
