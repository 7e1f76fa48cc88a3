"""The times of many samples in one run."""

import numpy as np
import pytest

from neurorobust.errors import InvalidInput
from neurorobust.formats.lava.schedule import Schedule


@pytest.mark.parametrize("gap", [0, 3])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_pure_delay_line_is_cut_exactly(gap, layer):
    schedule = Schedule(samples=4, steps=5, depth=2, gap=gap)
    samples = np.arange(4 * 5 * 3).reshape(4, 5, 3) + 1
    packed = schedule.pack(samples)
    assert packed.shape == (4 * schedule.period, 3)
    record = np.zeros((schedule.total, 3), int)
    record[layer : layer + len(packed)] = packed
    assert (schedule.unpack(record, layer) == samples).all()


def test_resets_follow_the_front_of_a_sample():
    schedule = Schedule(samples=3, steps=4, depth=2)
    for layer in range(3):
        first_steps = [sample * 4 + 1 + layer for sample in range(3)]
        offset = schedule.reset_offset(layer)
        assert all(step % schedule.period == offset for step in first_steps)
        assert schedule.last_steps(layer) == tuple(step + 3 for step in first_steps)
    assert schedule.last_steps(2)[-1] == schedule.total


def test_wrong_values_are_refused():
    with pytest.raises(InvalidInput, match="samples is 0; it must be at least 1"):
        Schedule(samples=0, steps=1, depth=0)
    schedule = Schedule(samples=2, steps=3, depth=1)
    with pytest.raises(InvalidInput, match="samples have shape"):
        schedule.pack(np.zeros((2, 4, 1)))
    with pytest.raises(InvalidInput, match="record has 3 steps"):
        schedule.unpack(np.zeros((3, 1)), 1)
