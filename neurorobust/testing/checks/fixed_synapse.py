"""Integer inputs and synapses: what reaches the neuron, read through neurons without memory."""

from typing import Any

import numpy as np

from neurorobust.data import Stimulus
from neurorobust.ir import Array, FixedConv2d, FixedDense, FixedInput, Output
from neurorobust.testing.networks import convolution, fixed_li, program, stimulus, synapse
from neurorobust.testing.outcome import check
from neurorobust.testing.trial import Trial


def sums(trial: Trial, dense: FixedDense, x: Any, expected: Any) -> None:
    """Expect the sums ``expected`` of one step with inputs ``x``; the membrane is 64 times that."""
    with trial.optional():
        trial.expect(
            synapse(dense),
            stimulus(*[[value] for value in x]),
            membrane={"neuron": 64 * np.asarray(expected)[None, None]},
            scores=64.0 * np.asarray(expected)[None],
        )


def column(*weights: int) -> Array:
    """One input to many neurons."""
    return np.array(weights)[:, None]


@check("integer synapse/input rounds half to even", "quantised")
def input_rounding(trial: Trial) -> None:
    """``q = clip(round((x - offset) scale), low, high)``, a half going to the even integer."""
    x = [1.25, 1.75, 2.25, 0.75, 0.25, 99.0, -99.0]  # (x - 1) * 2 = 0.5, 1.5, 2.5, -0.5, -1.5, ...
    model = program(
        1,
        input=FixedInput(shape=(7,), offset=1.0, scale=2.0, low=-3, high=5),
        fc=FixedDense(weight=np.eye(7, dtype=np.int64), sign_mode="exc", message_bits=8),
        neuron=fixed_li(dv=4096),
        output=Output(readout="last"),
    )
    trial.expect(
        model,
        stimulus(*[[value] for value in x]),
        scores=64.0 * np.array([[0, 2, 2, 0, -2, 5, -3]]),
    )


@check("integer synapse/sign modes and clipping", "quantised")
def sign_modes(trial: Trial) -> None:
    """``mixed`` keeps even weights in -256..254, ``exc`` 0..255, ``inh`` -255..0; others clip."""
    weight = column(3, -3, 255, 300, -300, 1, -1)
    sums(trial, FixedDense(weight=weight), [1], [2, -4, 254, 254, -256, 0, -2])
    exc = FixedDense(weight=weight, sign_mode="exc")
    sums(trial, exc, [1], [3, 0, 255, 255, 0, 1, 0])
    inh = FixedDense(weight=weight, sign_mode="inh")
    sums(trial, inh, [1], [0, -3, 0, 0, -255, 0, -1])


@check("integer synapse/weight bits", "quantised")
def weight_bits(trial: Trial) -> None:
    """With b bits weights are floored to multiples of ``2^(8-b)``, mixed ones to twice that."""
    weight = column(100, -100, 255, -255, 7, -7)
    mixed = FixedDense(weight=weight, weight_bits=4)
    sums(trial, mixed, [1], [96, -128, 224, -256, 0, -32])
    exc = FixedDense(weight=weight, weight_bits=4, sign_mode="exc")
    sums(trial, exc, [1], [96, 0, 240, 0, 0, 0])
    inh = FixedDense(weight=weight, weight_bits=4, sign_mode="inh")
    sums(trial, inh, [1], [0, -96, 0, -240, 0, 0])
    one = FixedDense(weight=weight, weight_bits=1)
    sums(trial, one, [1], [0, -256, 0, -256, 0, -256])


@check("integer synapse/a negative exponent floors the sum", "quantised")
def negative_exponent(trial: Trial) -> None:
    """``weight_exp = -2`` turns -4 into -1 and -6 into -2: the sum is shifted, not each weight."""
    rows = np.array([[-2, -2, 0], [-2, -2, -2], [2, 2, 2], [-2, 0, 0], [4, 4, 6]])
    dense = FixedDense(weight=rows, weight_exp=-2)
    sums(trial, dense, [1, 1, 1], [-1, -2, 1, -1, 3])
    sums(trial, FixedDense(weight=rows, weight_exp=-8), [1, 1, 1], [-1, -1, 0, -1, 0])


@check("integer synapse/a positive exponent multiplies", "quantised")
def positive_exponent(trial: Trial) -> None:
    """``weight_exp = 7`` multiplies the sum by 128."""
    rows = np.array([[-2, -2], [2, 100]])
    sums(trial, FixedDense(weight=rows, weight_exp=3), [1, 1], [-32, 816])
    sums(trial, FixedDense(weight=rows, weight_exp=7), [1, 1], [-512, 13056])


@check("integer synapse/spikes count once, messages multiply", "quantised")
def messages(trial: Trial) -> None:
    """Without message bits 5 and -1 are one spike each; with them they are payloads."""
    rows = np.array([[10, 0, 0], [0, 10, 0], [10, 10, 10]])
    sums(trial, FixedDense(weight=rows), [5, -1, 0], [10, 10, 20])
    sums(trial, FixedDense(weight=rows, message_bits=8), [5, -1, 0], [50, -10, 40])


@check("integer synapse/sparse storage changes no sum", "quantised")
def sparse_storage(trial: Trial) -> None:
    """The same weights kept sparse: signs, bits, exponents and messages act alike, zeros too."""
    rows = np.array([[100, 0, -100], [0, 0, 255], [-7, 7, 0], [0, 0, 0]])
    sums(trial, FixedDense(weight=rows, storage="sparse"), [1, 1, 1], [0, 254, -2, 0])
    graded = FixedDense(weight=rows, storage="sparse", message_bits=8, weight_exp=-3)
    sums(trial, graded, [3, -1, 2], [12, 63, -4, 0])


@check("integer synapse/sums are 32 bits wide", "quantised")
def sum_width(trial: Trial) -> None:
    """``W x`` wraps to int32 before a negative exponent acts."""
    payload = (1 << 23) - 128
    rows = np.array([[-256, 0], [-256, -256]])
    dense = FixedDense(weight=rows, weight_exp=-8, message_bits=24)
    # One product is 2^15 - 2^31, which fits (and then saturates v); two wrap to 2^16, which is
    # shifted to 2^8. Shifted without the wrap, the second would saturate as well.
    trial.expect(
        synapse(dense),
        stimulus([payload], [payload]),
        scores=np.array([[1.0 - (1 << 23), 64.0 * 256]]),
    )


@check("integer synapse/convolution orientation", "quantised")
def convolution_orientation(trial: Trial) -> None:
    """Cross-correlation: an impulse at (1, 2) shows the kernel turned around; odd weights stay."""
    kernel = np.array([[[[1, 2], [3, 4], [5, 3001]]]])  # (1, 1, 3, 2), no symmetry to hide behind
    x = np.zeros((1, 1, 1, 4, 4))
    x[..., 1, 2] = 1
    conv = FixedConv2d(weight=kernel, padding=(1, 0))
    y = np.array([[0, 3001, 5], [0, 4, 3], [0, 2, 1], [0, 0, 0]])
    model = convolution(conv, (1, 4, 4))
    trial.expect(model, _one_step(x), scores=64.0 * y.reshape(1, -1))


@check("integer synapse/convolution wraps at 24 bits", "quantised")
def convolution_wraps(trial: Trial) -> None:
    """A sum of ``2^23`` comes out as ``-2^23``; smaller ones stay."""
    x = np.array([4096.0, 4095.0, -4096.0]).reshape(1, 1, 1, 1, 3)
    conv = FixedConv2d(weight=np.array([[[[2048]]]]))
    top = (1 << 23) - 1
    # 64 a of the second: 4095 * 2^17 = 2^29 - 2^17, far beyond one turn of the current.
    model = convolution(conv, (1, 1, 3))
    trial.expect(model, _one_step(x), scores=np.array([[-top, top, -top]], np.float64))


def _one_step(values: Array) -> Stimulus:
    return Stimulus(values, 1)
