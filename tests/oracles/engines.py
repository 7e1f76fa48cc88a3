"""Running a Program on our own integer engines and comparing with arrays from elsewhere."""

import numpy as np

from neurorobust.backends import get_backend
from neurorobust.data import Stimulus
from neurorobust.ir import FixedInput, FixedLI, Flatten, Header, Output, Program

ENGINES = ("torch", "reference")


def chain(steps, shape, nodes):
    """Spikes of a shape into a chain of nodes, the last of which is a population."""
    header = Header(dt_s=1e-3, steps=steps, coding="events", bounds=(0.0, 1.0))
    spikes = FixedInput(shape=shape, scale=1.0, high=1)
    model = {"input": spikes, **nodes}
    # An Output takes one axis.
    return Program.chain(header, {**model, "flatten": Flatten(), "output": Output()})


def current_of(lif):
    """An integrator without memory of its own, whose membrane is the current of this population."""
    return FixedLI(
        du=lif.du,
        dv=np.array(4096),
        reset_interval=lif.reset_interval,
        reset_offset=lif.reset_offset,
    )


def run(engine, program, values, steps=None):
    """Spikes and membranes (before reset) of one sample (T, ...) per population."""
    executable = get_backend(engine).compile(program, "quantised")
    try:
        stimulus = Stimulus(values[None], len(values) if steps is None else steps)
        result = executable.run(stimulus, record=("spikes", "membrane"))
    finally:
        executable.close()
    spikes = {name: rows[0] for name, rows in result.spikes.items()}
    return spikes, {name: rows[0] for name, rows in result.membrane.items()}


def differing(found, published):
    """How many values differ; the shapes must be the same."""
    assert found.shape == published.shape
    return int((found != published).sum())
