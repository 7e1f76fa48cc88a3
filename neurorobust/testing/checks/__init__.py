"""The checks themselves; importing this package registers them, in the order of the table."""

from neurorobust.testing.checks import (  # isort: skip  # the order of the table
    neuron,
    reset,
    fixed_neuron,
    fixed_synapse,
    state,
    wiring,
    readout,
    features,
    agreement,
    refusal,
)

__all__ = [
    "agreement",
    "features",
    "fixed_neuron",
    "fixed_synapse",
    "neuron",
    "readout",
    "refusal",
    "reset",
    "state",
    "wiring",
]
