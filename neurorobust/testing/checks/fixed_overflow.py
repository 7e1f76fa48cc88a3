"""Counters of overflows against events counted by hand. Skipped where none can be recorded."""

from typing import TYPE_CHECKING

import numpy as np

from neurorobust.data import Stimulus
from neurorobust.errors import Unsupported
from neurorobust.ir import Array, FixedConv2d, FixedDelayDense, FixedDense, Program
from neurorobust.testing.networks import (
    convolution,
    fixed_li,
    fixed_lif,
    fixed_neurons,
    stimulus,
    synapse,
)
from neurorobust.testing.outcome import check
from neurorobust.testing.trial import Skipped, Trial

if TYPE_CHECKING:
    from neurorobust.backends import Record

TOP = 1 << 23
Counts = dict[str, tuple[Array, Array]]


def _counts(**events: tuple[list[int], list[int]]) -> Counts:
    return {n: (np.array(w), np.array(s)) for n, (w, s) in events.items()}


def _expect(trial: Trial, model: Program, shown: Stimulus, counts: Counts) -> None:
    if not trial.support.overflows:
        raise Skipped("it counts no overflows")
    trial.expect(model, shown, overflows=counts)


@check("overflow/a backend without counters refuses to count", "quantised")
def refused(trial: Trial) -> None:
    """``record=("overflows",)`` gives counts of every synapse and neuron, or ``Unsupported``."""
    model = fixed_neurons(fixed_lif(vth=5), 2)
    with trial.compiled(model) as executable:
        trial.run_compiled(executable, stimulus([1, 1]))
        counters: tuple[Record, ...] = ("overflows",)
        try:
            result = executable.run(stimulus([1, 1]), record=counters)
        except Unsupported:
            assert not trial.support.overflows, "refuses what the capabilities declare"
            return
        assert trial.support.overflows, "counts what the capabilities do not declare"
        assert set(result.overflows) == {"fc", "neuron"}, f"counted {sorted(result.overflows)}"


@check("overflow/the current turns", "quantised")
def current_turns(trial: Trial) -> None:
    """One step of turning each at ``2^23 + 64`` and at ``-2^23``; ``+2^23`` stays, per sample."""
    payload = np.array([TOP // 64, TOP // 64 + 1, -TOP // 64, -TOP // 64 + 1], np.float64)
    model = fixed_neurons(
        fixed_li(dv=4096), 1, weight=[1, 1], sign_mode="exc", message_bits=24, readout="last"
    )
    pairs = Stimulus(payload.reshape(2, 1, 2), 1)
    # v = ±2^23 is clipped by one; ±(2^23 - 64) is not.
    _expect(trial, model, pairs, _counts(fc=([0, 0], [0, 0]), neuron=([1, 1], [1, 1])))


@check("overflow/the membrane is clipped", "quantised")
def clipped(trial: Trial) -> None:
    """Under the largest bias the third step and every one after it are clipped."""
    model = fixed_neurons(
        fixed_li(bias_mant=np.array([32767, -32768]), bias_exp=np.array(7)),
        5,
        weight=[2, 2],
        readout="last",
    )
    # Upwards 8388352 fits in the second step; downwards -2^23 is clipped already there.
    _expect(
        trial,
        model,
        stimulus(np.zeros(5), np.zeros(5)),
        _counts(fc=([0], [0]), neuron=([0], [3 + 4])),
    )


@check("overflow/a step counts once", "quantised")
def once(trial: Trial) -> None:
    """``64 a`` beyond 32 bits and a current that turns are one event of one neuron and step."""
    model = fixed_neurons(
        fixed_li(dv=4096), 2, weight=[128], sign_mode="exc", message_bits=24, readout="last"
    )
    shown = stimulus([1 << 18, 1 << 19])  # 2^31: wraps and turns; 2^32: wraps to 0
    _expect(trial, model, shown, _counts(fc=([0], [0]), neuron=([2], [1])))


@check("overflow/sums of synapses", "quantised")
def sums(trial: Trial) -> None:
    """Sums beyond 32 bits before a negative exponent, or by a positive one, count per output."""
    payload = float((1 << 23) - 128)
    rows = np.array([[-256, 0], [-256, -256]])
    down = synapse(FixedDense(weight=rows, weight_exp=-8, message_bits=24))
    x = stimulus([payload], [payload])
    _expect(trial, down, x, _counts(fc=([1], [0])))
    up = synapse(FixedDense(weight=rows, weight_exp=1, message_bits=24))
    _expect(trial, up, x, _counts(fc=([2], [0])))


@check("overflow/sums of delayed synapses", "quantised")
def delayed_sums(trial: Trial) -> None:
    """Each delay has its sum, and the sum over delays is one more; what never arrives is none."""
    payload = float((1 << 23) - 128)
    rows = np.array([[-256, -256]])

    def model(*delay: int) -> Program:
        node = FixedDelayDense(weight=rows, delay=np.array([delay]), message_bits=24)
        return synapse(node, 2)

    x = stimulus([payload, 0], [payload, 0])
    _expect(trial, model(0, 0), x, _counts(fc=([1], [0])))
    _expect(trial, model(0, 1), x, _counts(fc=([0], [0])))
    _expect(trial, model(5, 5), x, _counts(fc=([0], [0])))
    both = stimulus([payload, 0], [0, payload])
    _expect(trial, model(1, 0), both, _counts(fc=([1], [0])))


@check("overflow/sums of convolutions", "quantised")
def convolution_sums(trial: Trial) -> None:
    """``2^23`` and ``-2^23 - 1`` leave the 24 bits, ``-2^23`` stays; a constant counts per step."""
    x = np.array([1.0, -1.0, 0.0]).reshape(1, 1, 1, 1, 3)
    conv = FixedConv2d(weight=np.array([[[[TOP]]], [[[TOP + 1]]]]))
    _expect(trial, convolution(conv, (1, 1, 3), 4), Stimulus(x, 4), _counts(conv=([4 * 3], [0])))
