"""LIF and LI as the passes change them: one gain on what arrives, one bias behind it."""

from dataclasses import replace
from typing import Any

import numpy as np

from neurorobust.ir import LI, LIF, Array, Edge, Node

ONE = np.ones(())


def gain_of(neuron: LIF | LI) -> Array:
    """From what arrives to the membrane."""
    gain: Array = neuron.gain_in * (neuron.gain_syn if isinstance(neuron, LIF) else 1.0)
    return gain


def without_gain(neuron: LIF | LI, bias: Array, **changes: Any) -> Node:
    """The same neurons on what arrives times their gain."""
    gains: dict[str, Any] = {"gain_in": ONE} | (
        {"gain_syn": ONE} if isinstance(neuron, LIF) else {}
    )
    return replace(neuron, bias=bias, **gains, **changes)


def shifted(target: Node, arriving: Edge, offset: Array) -> Node | None:
    """Neurons that are given a constant as part of their bias; None where it acts otherwise."""
    filtered = isinstance(target, LIF) and target.alpha is not None
    if not isinstance(target, LIF | LI) or filtered or arriving.delay:
        return None
    return replace(target, bias=target.bias + gain_of(target) * offset)
