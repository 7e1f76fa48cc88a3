"""SpikingJelly's neurons in the law of ``neurorobust.ir.neurons``, as 2.0.0 computes them.

With ``d = 1/tau`` (``sigmoid(w)`` in a ParametricLIFNode) and ``r = v_reset``, or 0 where that is
None::

    decay_input:  h = v + d (x - (v - r))  ->  beta 1-d, gain_in d, bias d r
    otherwise:    h = v - d (v - r) + x    ->  beta 1-d, bias d r
    IFNode:       h = v + x                ->  beta 1

They fire at the threshold (``>=``), reset in the same step (hard to ``v_reset``, or soft by the
threshold where ``v_reset`` is None), and start at ``r``.
"""

# ruff: noqa: TID251 (imported when it is needed)

from typing import Any

import numpy as np
import torch
from spikingjelly.activation_based import base, layer, neuron
from torch import nn

from neurorobust.errors import Unsupported
from neurorobust.formats.modules.tracing.cells import (
    Cell,
    Population,
    per_neuron,
    require_step,
    without_law,
)
from neurorobust.formats.modules.tracing.record import Framework
from neurorobust.ir import LIF, Shape

KINDS = (neuron.LIFNode, neuron.ParametricLIFNode, neuron.IFNode)
LAYERS = (
    layer.Linear,
    layer.Conv1d,
    layer.Conv2d,
    layer.BatchNorm1d,
    layer.BatchNorm2d,
    layer.MaxPool2d,
    layer.AvgPool2d,
)
IDENTITIES = (layer.Dropout, layer.Dropout2d)


class Neuron(Cell):
    """LIFNode, ParametricLIFNode or IFNode."""

    def __init__(self, path: str, module: nn.Module) -> None:
        super().__init__(path, module)
        self.sequence = getattr(module, "step_mode", "s") == "m"

    def population(self, features: Shape) -> Population:
        """Decay, gain, reset and leak target of the module."""
        cell: Any = self.module
        require_step(self.path, cell.surrogate_function, ">=")
        if cell._neuron_precision is not None:
            msg = f"{self.path}: computes in a reduced precision of its own; take it off"
            raise Unsupported(msg)
        rest = 0.0 if cell.v_reset is None else cell.v_reset
        soft = cell.v_reset is None
        law: dict[str, Any] = {"beta": 1.0}
        if not isinstance(cell, neuron.IFNode):
            decay = self._decay()
            law = {"beta": 1 - decay, "bias": decay * rest}
            law |= {"gain_in": decay} if cell.decay_input else {}
        node = LIF(
            **law,
            threshold=per_neuron(self.path, "v_threshold", cell.v_threshold, features),
            compare=">=",
            reset="soft" if soft else "hard",
            reset_value=None if soft or rest == 0 else np.asarray(rest),
            v_init=np.asarray(rest),
        )
        target = "by the threshold" if soft else f"to v_reset {rest}, which is the leak target"
        gain = "" if isinstance(cell, neuron.IFNode) else f"decay_input={cell.decay_input}; "
        rule = (
            f"{type(cell).__name__}: {gain}reset {node.reset} {target}, same step; fires at the "
            f"threshold (>=); starts at {rest}"
        )
        return Population(node=node, shape=features, rule=rule)

    def advanced(self) -> str | None:
        """A membrane that is not at its reset value."""
        value: Any = self.module.v
        start = 0.0 if self.module.v_reset is None else self.module.v_reset
        if not torch.as_tensor(value != start).any():
            return None
        reset = "call functional.reset_net(net) before the import"
        return f"its membrane was advanced from {start}; {reset}"

    def _decay(self) -> Any:
        cell: Any = self.module
        if isinstance(cell, neuron.ParametricLIFNode):
            return cell.w.detach().sigmoid().cpu().numpy().astype(np.float64)
        return np.asarray(1.0 / cell.tau)


def cell(path: str, module: nn.Module) -> Cell | None:
    """The cell of a module of SpikingJelly.

    Raises:
        Unsupported: for a neuron of SpikingJelly, or one derived from it, without a law here.
    """
    if type(module) in KINDS:
        return Neuron(path, module)
    if isinstance(module, base.MemoryModule) and type(module) not in IDENTITIES:
        raise without_law(path, module, KINDS)
    return None


def has_multi_step(module: nn.Module) -> bool:
    """Whether some part takes all steps at once."""
    return any(
        isinstance(part, base.MultiStepModule) or getattr(part, "_step_mode", "s") == "m"
        for part in module.modules()
    )


FRAMEWORK = Framework("2.0.0", cell, LAYERS, IDENTITIES, time_first=has_multi_step)
