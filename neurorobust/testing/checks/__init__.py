"""The checks themselves; importing this package registers them, in the order of the table."""

from neurorobust.testing.checks import (  # noqa: F401  # isort: skip  # the order of the table
    neuron,
    reset,
    fixed_neuron,
    fixed_ternary,
    fixed_synapse,
    fixed_delay,
    fixed_overflow,
    state,
    wiring,
    readout,
    features,
    agreement,
    refusal,
)
