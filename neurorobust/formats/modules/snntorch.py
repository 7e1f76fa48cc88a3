"""snnTorch's neurons in the law of ``neurorobust.ir.neurons``, as snnTorch 1.0.0 computes them.

================  ===============  ==========================================================
reset_mechanism   reset_delay      Graph
================  ===============  ==========================================================
zero (Leaky)      either           hard to 0, same step: the membrane is zeroed before it decays
zero (others)     True             hard to 0, next step: the input of that step is lost
zero (others)     False            hard to 0, same step
subtract          True             soft by the threshold, next step: after the decay
subtract          False            none: a spike may be withheld and the reset undone
none              either           none
================  ===============  ==========================================================

``RSynaptic`` with ``reset_delay=False`` fails or does nothing and is refused. All fire above the
threshold (``>``) and start from 0; decays are clamped to 0..1.
"""

# ruff: noqa: TID251 (imported when it is needed)

from collections.abc import Mapping
from typing import Any, ClassVar

import snntorch as snn
import torch
from torch import Tensor, nn

from neurorobust.errors import Unsupported
from neurorobust.formats.modules.layers import plain
from neurorobust.formats.modules.tracing.cells import (
    Cell,
    Population,
    factor,
    per_neuron,
    require_step,
    without_law,
)
from neurorobust.formats.modules.tracing.record import Framework
from neurorobust.ir import LI, LIF, Array, Node, Shape
from neurorobust.ir.neurons import ResetMode, ResetTiming

MODES: Mapping[str, ResetMode] = {"zero": "hard", "subtract": "soft", "none": "none"}


class Neuron(Cell):
    """One of Leaky, Synaptic, RLeaky and RSynaptic."""

    output: ClassVar[str | None] = "spk"

    def __init__(self, path: str, module: nn.Module) -> None:
        super().__init__(path, module)
        self.parts = KINDS[type(module)]
        self.recurrent = "spk" in self.parts

    def population(self, features: Shape) -> Population:
        """Decays, reset and recurrence of the module."""
        cell: Any = self.module
        label = self.path
        if cell.inhibition:
            raise Unsupported(f"{label}: inhibition lets one neuron fire per layer; switch it off")
        if cell.state_quant:
            raise Unsupported(f"{label}: state_quant rounds the state; take it off, then quantise")
        require_step(label, cell.spike_grad, ">")

        def array(name: str) -> Array:
            return per_neuron(label, name, getattr(cell, name), features)

        mode, timing = self._reset()
        threshold = array("threshold")
        if mode != "none" and (threshold < 0).any():
            raise Unsupported(
                f"{label}: threshold {threshold.min()} is below 0, where snnTorch resets before "
                "the first spike; use a threshold of at least 0"
            )
        beta = _clamped(array("beta"))
        alpha = _clamped(array("alpha")) if "syn" in self.parts else None
        graded = array("graded_spikes_factor")
        neutral = bool((graded == 1).all())
        name = "graded_spikes_factor"
        synapse = () if alpha is None else ((".syn", LI(beta=alpha)),)
        return Population(
            node=LIF(beta=beta, alpha=alpha, threshold=threshold, reset=mode, reset_timing=timing),
            shape=features,
            rule=self._rule(mode, timing, neutral=neutral),
            loop=self._loop(features) if self.recurrent else None,
            after=None if neutral else factor(label, name, graded, features),
            membrane=self._membrane(mode, (*synapse, ("", LI(beta=beta)))),
        )

    def inputs(self, x: Any, *state: Any, **named: Any) -> tuple[Any, tuple[Any, ...]]:
        """``(input_, *parts)``."""
        given = dict(zip(self.parts, state, strict=False)) | named
        return x, tuple(given.get(part) for part in self.parts)

    def outputs(self, fired: Any, state: Mapping[str, Any]) -> Any:
        """Spikes alone with ``init_hidden``, else with the state."""
        cell: Any = self.module
        if cell.init_hidden and not cell.output:
            return fired
        if self.recurrent:
            return (fired, *list(state.values())[1:])
        return (fired, *state.values())

    def advanced(self) -> str | None:
        """Hidden state that is not zero."""
        for part in self.parts:
            value: Tensor = getattr(self.module, part)
            if value.numel() and bool(value.any()):
                high = float(value.detach().abs().max())
                return (
                    f"its hidden state was advanced (|{part}| up to {high:.3g}); call "
                    "snntorch.utils.reset(net), or reset_mem() of this neuron, before the import"
                )
        return None

    def _reset(self) -> tuple[ResetMode, ResetTiming]:
        cell: Any = self.module
        # The module chose its equation from the value when it was made.
        function = cell.state_function.__name__
        name = {"_base_zero": "zero", "_base_sub": "subtract", "_base_int": "none"}[function]
        if list(snn.SpikingNeuron.reset_dict)[int(cell.reset_mechanism_val)] != name:
            raise Unsupported(
                f"{self.path}: computes reset {name!r} but reset_mechanism says "
                f"{cell.reset_mechanism!r}; make the neuron anew with the one you want"
            )
        if not cell.reset_delay and name == "subtract":
            raise Unsupported(
                f"{self.path}: reset_mechanism='subtract' with reset_delay=False tests the "
                "membrane after subtracting and loses spikes, which a Graph does not; use "
                "reset_delay=True, or 'none' and mem = mem - spk * threshold in a Graph's soft "
                "reset"
            )
        if not cell.reset_delay and isinstance(cell, snn.RSynaptic):
            raise Unsupported(
                f"{self.path}: RSynaptic with reset_delay=False fails or does not reset at all; "
                "use reset_delay=True"
            )
        same = name == "zero" and (not cell.reset_delay or type(cell) is snn.Leaky)
        return MODES[name], "same" if same or name == "none" else "next"

    def _rule(self, mode: ResetMode, timing: ResetTiming, *, neutral: bool) -> str:
        cell: Any = self.module
        by = {"hard": " to 0", "soft": " by the threshold", "none": ""}[mode]
        when = "" if mode == "none" else f", {timing} step"
        scale = "" if neutral else "; spikes times graded_spikes_factor"
        loop = "; recurrence one step later, its bias from step 0" if self.recurrent else ""
        return (
            f"{type(cell).__name__}(reset_mechanism={cell.reset_mechanism!r}, "
            f"reset_delay={cell.reset_delay}): reset {mode}{by}{when}; fires above the threshold; "
            f"starts from 0; decays clamped to 0..1{loop}{scale}"
        )

    def _loop(self, features: Shape) -> Node:
        cell: Any = self.module
        label = f"{self.path}.recurrent"
        if cell.all_to_all:
            found = plain(label, cell.recurrent)
            assert found is not None  # noqa: S101  # snnTorch makes a Linear or a Conv2d
            return found
        weight = per_neuron(self.path, "V", cell.recurrent.V, features)
        return factor(label, "V", weight, features)

    def _membrane(
        self, mode: ResetMode, chain: tuple[tuple[str, Node], ...]
    ) -> tuple[tuple[str, Node], ...] | str:
        if mode != "none":
            return f"with a reset ({mode}) it is no node; read out reset_mechanism='none'"
        if self.recurrent:
            return "in a recurrent neuron it is no node; read out a neuron behind it"
        return chain


KINDS: Mapping[type, tuple[str, ...]] = {
    snn.Leaky: ("mem",),
    snn.Synaptic: ("syn", "mem"),
    snn.RLeaky: ("spk", "mem"),
    snn.RSynaptic: ("spk", "syn", "mem"),
}
"""Neurons, and what a call returns of their state."""


def cell(path: str, module: nn.Module) -> Cell | None:
    """The cell of a module of snnTorch.

    Raises:
        Unsupported: for a neuron of snnTorch, or one derived from it, without a law here.
    """
    if type(module) in KINDS:
        return Neuron(path, module)
    if isinstance(module, snn.SpikingNeuron):
        raise without_law(path, module, KINDS)
    return None


def _clamped(value: Array) -> Array:
    array: Array = torch.as_tensor(value.copy()).clamp(0, 1).numpy()
    return array


FRAMEWORK = Framework("1.0.0", cell, outputs=("spikes", "membrane"))
