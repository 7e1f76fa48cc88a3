"""What netx and Lava make of dense weights, against the steps as they are written there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neurorobust.formats.netx.weights import acting, acting_recurrent, optimise, stored
from tests.support.netx_model import kept, optimised

BOUNDS = (0, 1, 3, 4, 31, 64, 127, 128, 129, 200, 254, 255, 256, 257, 300, 1000)
SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 4))


@st.composite
def matrices(draw):
    """Any signs, sizes around every limit, and steps of powers of two."""
    low, high = -draw(st.sampled_from(BOUNDS)), draw(st.sampled_from(BOUNDS))
    step = 1 << draw(st.integers(0, 4))
    entries = st.sampled_from([low, high]) | st.integers(low, high)
    return draw(arrays(np.int64, draw(SHAPES), elements=entries)) // step * step


@settings(max_examples=1500, deadline=None)
@given(matrices())
def test_equal_to_the_steps_of_lava_dl_and_lava(weight):
    if not weight.any():
        return
    made, (shifted, bits, shift) = optimise(weight), optimised(weight)
    assert np.array_equal(made.weight, shifted)
    assert (made.bits, made.shift) == (bits, shift)
    assert np.array_equal(stored(made.weight, made.bits), kept(shifted, bits))


@settings(max_examples=500, deadline=None)
@given(arrays(np.int64, (3, 4), elements=st.integers(-127, 127)))
def test_even_weights_of_both_signs_are_kept(half):
    half[0, :2] = (1, -1)
    assert np.array_equal(acting(2 * half).values, 2 * half)


@pytest.mark.parametrize(
    ("weight", "values"),
    [
        ([-128, -2], [-126, -2]),
        ([-4, -1], [-3, -1]),
        ([-4, 0], [-2, 0]),
        ([-4, -3, 0], [-3.5, -3, 0]),
        ([-4, -4], [0, 0]),
        ([-5, -1], [-5, -1]),
        ([300, 1], [0, 0]),
        ([-300, -1], [0, 0]),
        ([-200, -3, 0], [0, 0, 0]),
        ([-200, -2, 0], [-200, -2, 0]),
        ([300, -3], [254, -3]),
        ([255, 1], [255, 1]),
        ([201, -3], [201, -3]),
    ],
)
def test_what_is_lost(weight, values):
    assert np.array_equal(acting(np.array([weight])).values, [values])


def test_matrices_of_a_recurrent_layer_share_a_shift():
    weight, back = np.array([[3, 0]]), np.array([[-20]])
    feed, rec = acting_recurrent(weight, back, delayed=False)
    assert np.array_equal(feed.values, weight)
    assert np.array_equal(rec.values, back)
    feed, rec = acting_recurrent(weight, back, delayed=True)
    assert np.array_equal(feed.values, 8 * weight)
    assert np.array_equal(rec.values, 8 * back)
