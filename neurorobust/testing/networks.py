"""The small networks in which single laws are checked."""

from typing import Any

import numpy as np

from neurorobust import ir
from neurorobust.data import Stimulus
from neurorobust.ir.fixed import SignMode
from neurorobust.ir.ports import Readout

WIDEST = (1 << 23) - 1
"""Largest payload that an input can carry."""


def header(steps: int, **changes: Any) -> ir.Header:
    """Values given per step, in bounds wide enough for every check."""
    return ir.Header(dt_s=1e-3, steps=steps, coding="events", bounds=(-1e9, 1e9), **changes)


def lif(**fields: Any) -> ir.LIF:
    """A LIF from plain numbers: ``beta=0.5, threshold=1`` unless given."""
    return ir.LIF(**{"beta": 0.5, "threshold": 1.0} | fields)


def li(**fields: Any) -> ir.LI:
    """An LI from plain numbers."""
    return ir.LI(**fields)


def fixed_lif(**fields: Any) -> ir.FixedLIF:
    """A FixedLIF from plain integers; without memory of the current unless ``du`` is given."""
    return ir.FixedLIF(**fields)


def fixed_li(**fields: Any) -> ir.FixedLI:
    """A FixedLI from plain integers."""
    return ir.FixedLI(**fields)


def stimulus(*rows: Any) -> Stimulus:
    """One sample from one row of T values per input neuron: shape (1, T, n)."""
    values = np.asarray(rows, np.float64).T[None]
    return Stimulus(values, values.shape[1])


def trains(*rows: Any) -> ir.Array:
    """What was expected of one sample, one row of T values per neuron: shape (1, T, n)."""
    return np.asarray(rows).T[None]


def impulse(steps: int, size: float = 1.0, at: int = 0) -> ir.Array:
    """``size`` at one step, zeros elsewhere; shape (steps,)."""
    values = np.zeros(steps)
    values[at] = size
    return values


def neurons(
    neuron: ir.LIF | ir.LI, steps: int, *, n: int = 1, readout: Readout = "count"
) -> ir.Graph:
    """``n`` independent neurons, each driven by one input through a weight of one."""
    return ir.Graph.chain(
        header(steps),
        input=ir.Input(shape=(n,)),
        fc=ir.Affine(weight=np.eye(n)),
        neuron=neuron,
        output=ir.Output(readout=readout),
    )


def program(steps: int, score_unit: float = 1.0, /, **nodes: ir.Node) -> ir.Program:
    """A chain of fixed nodes."""
    return ir.Program.chain(header(steps), nodes, score_unit=score_unit)


def spike_input(n: int) -> ir.FixedInput:
    """Integer inputs that are passed on as they are, up to the full width of a payload."""
    return ir.FixedInput(shape=(n,), scale=1.0, low=-WIDEST, high=WIDEST)


def fixed_neurons(
    neuron: ir.FixedNeuron,
    steps: int,
    *,
    weight: Any = 10,
    message_bits: int = 0,
    sign_mode: SignMode = "mixed",
    readout: Readout = "count",
) -> ir.Program:
    """Independent integer neurons, each driven by one input through one weight.

    Args:
        neuron: The population.
        steps: T.
        weight: One weight per neuron; a number for a single neuron.
        message_bits: 0 for spikes, above 0 for payloads.
        sign_mode: Of the weights.
        readout: Of the output.
    """
    weights = np.atleast_1d(np.asarray(weight, np.int64))
    return program(
        steps,
        input=spike_input(len(weights)),
        fc=ir.FixedDense(weight=np.diag(weights), message_bits=message_bits, sign_mode=sign_mode),
        neuron=neuron,
        output=ir.Output(readout=readout),
    )


def synapse(dense: ir.FixedDense, steps: int = 1) -> ir.Program:
    """A dense layer whose sums show, times 64, in the membranes of neurons without memory."""
    return program(
        steps,
        input=spike_input(dense.weight.shape[1]),
        fc=dense,
        neuron=fixed_li(du=4095, dv=4096),
        output=ir.Output(readout="last"),
    )


def convolution(conv: ir.FixedConv2d, shape: tuple[int, int, int], steps: int = 1) -> ir.Program:
    """The same for a convolution."""
    return program(
        steps,
        input=ir.FixedInput(shape=shape, scale=1.0, low=-WIDEST, high=WIDEST),
        conv=conv,
        neuron=fixed_li(du=4095, dv=4096),
        flat=ir.Flatten(),
        output=ir.Output(readout="last"),
    )
