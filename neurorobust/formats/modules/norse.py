"""Norse's cells in the law of ``neurorobust.ir.neurons``, as Norse 1.1.0 computes them.

With ``a = dt tau_mem_inv`` and ``b = dt tau_syn_inv``, each in the precision of its parameter:

================  ==================================================================================
cell              Graph
================  ==================================================================================
LIFBoxCell        LIF: beta 1-a, gain_in a, bias a v_leak; reset hard to v_reset, or soft by v_th
LIFCell           LIF: alpha 1-b, beta 1-a, gain_syn a, bias a v_leak; reset hard to v_reset
LIFRecurrentCell  the same between its input weights and a loop of one step
IAFCell           LIF: beta 1, starts at v_reset; ``dt`` is not used
LIBoxCell         LI: beta 1-a, gain_in a, bias a v_leak
LICell            LI: beta 1-b, then that
================  ==================================================================================

All fire above the threshold (``>``), reset in the same step, and start at v_leak (IAFCell aside).
LIF, LIFRecurrent, LI and IAF are these cells over all steps at once.
"""

# ruff: noqa: TID251 (imported when it is needed)

import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from torch import nn

from neurorobust.errors import InvalidInput, Unsupported
from neurorobust.formats.modules.tracing.cells import Cell, Population, per_neuron, without_law
from neurorobust.formats.modules.tracing.record import Framework
from neurorobust.ir import LI, LIF, Affine, Array, Node, Shape
from neurorobust.ir.base import ShapeError

with warnings.catch_warnings():
    # Norse 1.1.0 compiles helpers with torch.jit.script when imported; torch 2.13 deprecates that.
    warnings.filterwarnings("ignore", r".*torch\.jit\.", DeprecationWarning)
    import norse.torch as norse
    from norse.torch.functional.iaf import IAFFeedForwardState
    from norse.torch.functional.leaky_integrator import LIState
    from norse.torch.functional.leaky_integrator_box import LIBoxState
    from norse.torch.functional.lif import LIFFeedForwardState, LIFState
    from norse.torch.functional.lif_box import LIFBoxFeedForwardState
    from norse.torch.functional.reset import reset_subtract, reset_value
    from norse.torch.module import snn

METHODS = ("heaviside", "super", "triangle", "tanh", "circ", "heavi_erfc")
"""Surrogates of Norse whose spikes are those of a step function."""


class NorseCell(Cell):
    """A cell of Norse; its state is a named tuple."""

    keeps_state: ClassVar[bool] = False

    def __init__(self, path: str, module: nn.Module) -> None:
        super().__init__(path, module)
        self.sequence = isinstance(module, snn.SNN | snn.SNNRecurrent)
        self._state, self._law = KINDS[type(module)]
        self.parts = self._state._fields
        self._parameters: Any = module.p

    def population(self, features: Shape) -> Population:
        """By the law of the cell."""
        return self._law(self, features)

    def inputs(self, input_tensor: Any, state: Any = None) -> tuple[Any, tuple[Any, ...]]:
        """``(input_tensor, state)``."""
        return input_tensor, tuple(getattr(state, part, None) for part in self.parts)

    def outputs(self, fired: Any, state: Mapping[str, Any]) -> Any:
        """The output and the state."""
        if getattr(self.module, "record_states", False):
            raise Unsupported(f"{self.path}: records its states; set record_states=False")
        return fired, self._state(**state)

    def lif_box(self, features: Shape) -> Population:
        """LIF without synaptic current, with both resets that Norse offers."""
        rate, bias, leak = self._leak(features)
        reset: dict[str, Any]
        if self._parameters.reset_method is reset_value:
            reset = {"reset": "hard", "reset_value": self._array("v_reset", features)}
        elif self._parameters.reset_method is reset_subtract:
            reset = {"reset": "soft"}
        else:
            raise Unsupported(
                f"{self.path}: reset_method {self._parameters.reset_method} is a function of "
                "its own; known are reset_value and reset_subtract"
            )
        node = self._spiking(features, beta=1 - rate, gain_in=rate, bias=bias, v_init=leak, **reset)
        target = "to v_reset" if node.reset == "hard" else "by v_th"
        rule = f"LIFBoxCell: Euler step of v; reset {node.reset} {target}, same step; "
        return Population(node=node, shape=features, rule=rule + FIRES)

    def lif(self, features: Shape) -> Population:
        """The current jumps, drives the membrane, then decays."""
        rule = "LIFCell: jump, Euler step of v, decay of i; reset hard to v_reset, same step; "
        return Population(node=self._with_current(features), shape=features, rule=rule + FIRES)

    def lif_recurrent(self, features: Shape) -> Population:
        """The same with input weights before the neurons, recurrent weights around them."""
        cell: Any = self.module
        into, loop = (
            Affine(weight=weight.detach().cpu().numpy())
            for weight in (cell.input_weights, cell.recurrent_weights)
        )
        shape = into.output_shape(features)
        if loop.output_shape(shape) != shape:
            raise ShapeError(f"recurrent weights {loop.weight.shape} do not fit {shape[0]} neurons")
        rule = (
            "LIFRecurrentCell: LIFCell with input weights; recurrence one step later, without "
            "bias; reset hard to v_reset, same step; " + FIRES
        )
        before: tuple[tuple[str, Node], ...] = ((".input", into),)
        node = self._with_current(shape)
        return Population(node=node, shape=shape, rule=rule, before=before, loop=loop)

    def iaf(self, features: Shape) -> Population:
        """Integrate-and-fire: no decay and no gain."""
        target = self._array("v_reset", features)
        node = self._spiking(features, beta=1.0, reset="hard", reset_value=target, v_init=target)
        rule = "IAFCell: no decay, dt not used; reset hard to v_reset, same step; fires above v_th"
        return Population(node=node, shape=features, rule=f"{rule}; starts at v_reset")

    def li_box(self, features: Shape) -> Population:
        """Leaky integrator without synaptic current; the output is the membrane."""
        rule = "LIBoxCell: Euler step of v, which is the output; starts at v_leak"
        return Population(node=self._integrator(features), shape=features, rule=rule)

    def li(self, features: Shape) -> Population:
        """The same with synaptic current, which is an integrator of its own."""
        current = LI(beta=1 - self._rate("tau_syn_inv", features))
        return Population(
            node=self._integrator(features),
            shape=features,
            rule="LICell: current, then Euler step of v, which is the output; starts at v_leak",
            before=((".syn", current),),
        )

    def _array(self, name: str, population: Shape) -> Array:
        return per_neuron(self.path, name, getattr(self._parameters, name), population)

    def _rate(self, name: str, population: Shape) -> Array:
        """``dt * name`` as Norse rounds it, in double precision from there on."""
        cell: Any = self.module
        scaled = cell.dt * getattr(cell.p, name)
        return per_neuron(self.path, name, scaled, population).astype(np.float64)

    def _spiking(self, population: Shape, **law: Any) -> LIF:
        if self._parameters.method not in METHODS:
            raise Unsupported(
                f"{self.path}: method {self._parameters.method!r} is no step function forwards; "
                f"known are {', '.join(METHODS)}"
            )
        return LIF(threshold=self._array("v_th", population), compare=">", **law)

    def _leak(self, population: Shape) -> tuple[Array, Array, Array]:
        """The rate ``a``, the constant drive, and the membrane at the start."""
        rate = self._rate("tau_mem_inv", population)
        leak = self._array("v_leak", population)
        return rate, np.asarray(rate * leak), leak

    def _with_current(self, population: Shape) -> LIF:
        rate, bias, leak = self._leak(population)
        return self._spiking(
            population,
            alpha=1 - self._rate("tau_syn_inv", population),
            beta=1 - rate,
            gain_syn=rate,
            bias=bias,
            v_init=leak,
            reset="hard",
            reset_value=self._array("v_reset", population),
        )

    def _integrator(self, population: Shape) -> LI:
        rate, bias, leak = self._leak(population)
        return LI(beta=1 - rate, gain_in=rate, bias=bias, v_init=leak)


FIRES = "fires above v_th; starts at v_leak"
KINDS: Mapping[type, tuple[Any, Callable[[NorseCell, Shape], Population]]] = {
    norse.LIFCell: (LIFFeedForwardState, NorseCell.lif),
    norse.LIF: (LIFFeedForwardState, NorseCell.lif),
    norse.LIFBoxCell: (LIFBoxFeedForwardState, NorseCell.lif_box),
    norse.LIFRecurrentCell: (LIFState, NorseCell.lif_recurrent),
    norse.LIFRecurrent: (LIFState, NorseCell.lif_recurrent),
    norse.IAFCell: (IAFFeedForwardState, NorseCell.iaf),
    norse.IAF: (IAFFeedForwardState, NorseCell.iaf),
    norse.LICell: (LIState, NorseCell.li),
    norse.LI: (LIState, NorseCell.li),
    norse.LIBoxCell: (LIBoxState, NorseCell.li_box),
}
"""The state and the law of each module."""
WITHOUT_DT = (norse.IAFCell, norse.IAF)


def cell(path: str, module: nn.Module) -> Cell | None:
    """The cell of a module of Norse.

    Raises:
        Unsupported: for a cell of Norse, or one derived from it, without a law here.
    """
    if type(module) in KINDS:
        return NorseCell(path, module)
    if isinstance(module, snn.SNNCell | snn.SNNRecurrentCell | snn.SNN | snn.SNNRecurrent):
        raise without_law(path, module, KINDS)
    return None


def dt_of(module: nn.Module, given: float | None) -> float | None:
    """The step of the cells, which must be one and the given one.

    Raises:
        InvalidInput: if it is not.
    """
    cells = {n: m for n, m in module.named_modules() if type(m) in KINDS}
    steps = {n: float(m.dt) for n, m in cells.items() if not isinstance(m, WITHOUT_DT)}
    for name, dt in steps.items():
        wanted = given if given is not None else next(iter(steps.values()))
        if dt != wanted:
            msg = f"{name}: its dt is {dt}, not {wanted}; all cells of a Graph share one step"
            raise InvalidInput(msg)
    return given if given is not None else next(iter(steps.values()), None)


FRAMEWORK = Framework("1.1.0", cell, dt_s=dt_of)
