"""The integer neuron against numbers worked out from its law, at its extremes above all."""

import numpy as np

from neurorobust.ir import Array, Output
from neurorobust.testing.networks import (
    fixed_li,
    fixed_lif,
    fixed_neurons,
    impulse,
    program,
    spike_input,
    stimulus,
    trains,
)
from neurorobust.testing.outcome import check
from neurorobust.testing.trial import Trial

T = 14
TOP = 1 << 23


def halved(value: int, steps: int = T) -> Array:
    """``value`` halved again and again, towards zero: the closed form of a decay of 2048 / 4096."""
    sign = 1 if value > 0 else -1
    return np.asarray([sign * (abs(value) >> t) for t in range(steps)])


def last(*rows: object) -> Array:
    """Final membranes, as the scores of the readout ``last``."""
    return np.asarray([[row[-1] for row in rows]], np.float64)  # type: ignore[index]


@check("integer neuron/silence in, silence out", "quantised")
def silence(trial: Trial) -> None:
    """Without input and bias nothing fires, even at threshold 0: the comparison is strict."""
    trial.expect(
        fixed_neurons(fixed_lif(vth=0, du=0, dv=10), 20),
        stimulus(np.zeros(20)),
        spikes={"neuron": np.zeros((1, 20, 1))},
        scores=np.zeros((1, 1)),
    )


@check("integer neuron/membrane decay truncates towards zero", "quantised")
def membrane_decay(trial: Trial) -> None:
    """One spike of weight ±10 gives ``v = ±640``; at ``dv = 2048`` it halves towards zero."""
    drive = stimulus(impulse(T), impulse(T))
    expected = trains(halved(640), halved(-640))
    spiking = fixed_neurons(fixed_lif(dv=2048, vth=100), T, weight=[10, -10])
    trial.expect(
        spiking, drive, spikes={"neuron": np.zeros((1, T, 2))}, membrane={"neuron": expected}
    )
    for steps in (1, 2, 9, 11, T):  # through the scores, for backends that record no membrane
        readout = fixed_neurons(fixed_li(dv=2048), steps, weight=[10, -10], readout="last")
        with trial.optional():
            trial.expect(
                readout,
                stimulus(impulse(steps), impulse(steps)),
                scores=last(halved(640, steps), halved(-640, steps)),
            )


@check("integer neuron/current decay truncates towards zero", "quantised")
def current_decay(trial: Trial) -> None:
    """At ``du = 2047`` the current halves (``(4095 - du) / 4096``); with ``dv = 4096``, v = u."""
    expected = trains(halved(640), halved(-640))
    trial.expect(
        fixed_neurons(fixed_li(du=2047, dv=4096), T, weight=[10, -10], readout="last"),
        stimulus(impulse(T), impulse(T)),
        membrane={"neuron": expected},
        scores=expected[:, -1],
    )
    summed = np.cumsum(halved(640))
    trial.expect(
        fixed_neurons(fixed_li(du=2047, dv=0), T, readout="last"),
        stimulus(impulse(T)),
        membrane={"neuron": trains(summed)},
        scores=last(summed),
    )


@check("integer neuron/leak over 1000 steps", "quantised")
def long_leak(trial: Trial) -> None:
    """``v = trunc0(v (4096 - dv) / 4096)`` a thousand times; small values leak to 0 from above."""
    steps, dv, size = 1000, 5, 254 * 64 * 64
    values = [size]
    for _ in range(steps - 1):
        values.append(values[-1] * (4096 - dv) // 4096)
    trial.expect(
        fixed_neurons(fixed_li(dv=dv), steps, weight=[254, -254], message_bits=8, readout="last"),
        stimulus(impulse(steps, 64), impulse(steps, 64)),
        membrane={"neuron": trains(values, [-v for v in values])},
        scores=last(values, [-v for v in values]),
    )


@check("integer neuron/extremes of the decays", "quantised")
def decay_extremes(trial: Trial) -> None:
    """``du = -1`` keeps all current, 4095 none; ``dv = 0`` keeps the whole membrane, 4096 none."""
    trial.expect(
        fixed_neurons(
            fixed_li(du=np.array([-1, -1, 4095, 4095]), dv=np.array([0, 4096, 0, 4096])),
            4,
            weight=[10, 10, 10, 10],
            readout="last",
        ),
        stimulus(*[[1, 0, 1, 0]] * 4),
        membrane={
            "neuron": trains(
                [640, 1280, 2560, 3840],
                [640, 640, 1280, 1280],
                [640, 640, 1280, 1280],
                [640, 0, 640, 0],
            )
        },
        scores=np.array([[3840, 1280, 1280, 0]]),
    )


@check("integer neuron/fires strictly above 64 vth", "quantised")
def strictly_above(trial: Trial) -> None:
    """``v = 64 vth`` does not fire; 64 more does, and the membrane starts again from zero."""
    neuron = fixed_lif(vth=np.array([10, 9, 11, 0]))
    trial.expect(
        fixed_neurons(neuron, 4, weight=[10, 10, 10, 10]),
        stimulus([1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 0, 1]),
        spikes={"neuron": trains([0, 1, 0, 1], [1, 1, 1, 1], [0, 1, 0, 1], [0, 1, 0, 1])},
        membrane={
            "neuron": trains(
                [640, 1280, 640, 1280], [640] * 4, [640, 1280, 640, 1280], [0, 640, 0, 640]
            )
        },
    )


@check("integer neuron/reset keeps the current", "quantised")
def reset_keeps_current(trial: Trial) -> None:
    """A spike sets v to 0 and leaves u: with ``du = -1`` one input fires for ever."""
    trial.expect(
        fixed_neurons(fixed_lif(du=-1, vth=5), 5),
        stimulus(impulse(5)),
        spikes={"neuron": trains([1, 1, 1, 1, 1])},
        membrane={"neuron": trains([640] * 5)},
    )


@check("integer neuron/bias and its exponent", "quantised")
def bias(trial: Trial) -> None:
    """``B = bias_mant 2^bias_exp``, floored for a negative exponent: -5 / 4 is -2, 5 / 4 is 1."""
    trial.expect(
        fixed_neurons(
            fixed_li(bias_mant=np.array([-5, 5, -5, 7]), bias_exp=np.array([-2, -2, 3, 0])),
            3,
            weight=[10] * 4,
            readout="last",
        ),
        stimulus(*[np.zeros(3)] * 4),
        membrane={"neuron": trains([-2, -4, -6], [1, 2, 3], [-40, -80, -120], [7, 14, 21])},
        scores=np.array([[-6, 3, -120, 21]]),
    )


@check("integer neuron/membrane saturates", "quantised")
def saturation(trial: Trial) -> None:
    """The membrane stops at ``±(2^23 - 1)``, under the largest biases there are."""
    extremes = {"bias_mant": np.array([32767, -32768]), "bias_exp": np.array(7)}
    up = [4194176, 8388352, TOP - 1, TOP - 1]
    down = [-4194304, -(TOP - 1), -(TOP - 1), -(TOP - 1)]
    drive = stimulus(*[np.zeros(4)] * 2)
    trial.expect(
        fixed_neurons(fixed_li(**extremes), 4, weight=[2, 2], readout="last"),
        drive,
        membrane={"neuron": trains(up, down)},
        scores=last(up, down),
    )
    # The highest threshold, 64 (2^17 - 1) = 8388544, lies between the second and the third step.
    trial.expect(
        fixed_neurons(fixed_lif(vth=(1 << 17) - 1, **extremes), 4, weight=[2, 2]),
        drive,
        spikes={"neuron": trains([0, 0, 1, 0], [0, 0, 0, 0])},
    )


@check("integer neuron/current wraps", "quantised")
def current_wraps(trial: Trial) -> None:
    """At 24 bits ``+2^23`` stays, one unit more turns negative, ``-2^23`` positive."""
    payload = np.array([TOP // 64, TOP // 64 + 1, -TOP // 64, -TOP // 64 + 1])
    u = np.array([TOP, -TOP + 64, TOP, -TOP + 64])
    v = np.clip(u, -(TOP - 1), TOP - 1)
    model = fixed_neurons(
        fixed_li(du=-1, dv=4096),
        2,
        weight=[1, 1, 1, 1],
        sign_mode="exc",
        message_bits=24,
        readout="last",
    )
    trial.expect(
        model,
        stimulus(*[[p, 0] for p in payload]),
        membrane={"neuron": np.stack([v, v])[None]},
        scores=v[None],
    )
    firing = fixed_neurons(
        fixed_lif(vth=(1 << 17) - 1), 1, weight=[1, 1, 1, 1], sign_mode="exc", message_bits=24
    )
    trial.expect(
        firing,
        stimulus(*[[p] for p in payload]),
        spikes={"neuron": trains([1], [0], [1], [0])},
        membrane={"neuron": v[None, None]},
    )


@check("integer neuron/synaptic sum wraps at 32 bits", "quantised")
def sum_wraps(trial: Trial) -> None:
    """``64 a`` is an int32: at ``a = 2^25`` it turns negative, at ``2^26`` it is gone."""
    payload, weight = 1 << 18, np.array([127, 128, 200, 1])
    # 64 * 2^18 * 128 = 2^31 wraps to -2^31; u turns once by 2^24; v saturates.
    trial.expect(
        fixed_neurons(
            fixed_li(dv=4096), 2, weight=weight, sign_mode="exc", message_bits=24, readout="last"
        ),
        stimulus(*[[0, payload]] * 3, [0, 4 * payload]),
        membrane={"neuron": trains([0, TOP - 1], [0, -(TOP - 1)], [0, -(TOP - 1)], [0, TOP - 1])},
        scores=np.array([[TOP - 1, -(TOP - 1), -(TOP - 1), TOP - 1]]),
    )
    trial.expect(
        fixed_neurons(
            fixed_li(dv=4096), 1, weight=[128], sign_mode="exc", message_bits=24, readout="last"
        ),
        stimulus([1 << 19]),
        membrane={"neuron": trains([0])},
        scores=np.array([[0]]),
    )


@check("integer neuron/periodic reset", "quantised")
def periodic_reset(trial: Trial) -> None:
    """Before every step ``t % R == reset_offset`` current and membrane are 0, spikes or not."""
    growing = {"du": -1, "dv": 0}  # u counts the inputs, v sums u
    free = np.array([640, 1920, 3840, 6400, 9600, 13440])
    drive = stimulus(np.ones(6))
    for interval, offset, membrane in (
        (0, 0, free),
        (3, 0, [*free[:3], *free[:3]]),
        (3, 1, [free[0], *free[:3], *free[:2]]),
        (1, 0, [640] * 6),
        (100, 0, free),
        (100, 5, [*free[:5], 640]),
    ):
        node = fixed_li(reset_interval=interval, reset_offset=offset, **growing)
        model = fixed_neurons(node, 6, readout="last")
        with trial.optional():
            trial.expect(model, drive, membrane={"neuron": trains(membrane)}, scores=last(membrane))
    firing = fixed_lif(vth=20, reset_interval=2, **growing)
    # u = 640, 1280 in turn: 640 + 1280 exceeds 64 * 20 in every second step.
    with trial.optional():
        trial.expect(fixed_neurons(firing, 6), drive, spikes={"neuron": trains([0, 1, 0, 1, 0, 1])})


@check("integer neuron/input straight to a population", "quantised")
def straight(trial: Trial) -> None:
    """An Input may drive neurons without a synapse: ``a`` is its integer, of either sign."""
    model = program(
        4, input=spike_input(2), neuron=fixed_lif(vth=10, dv=0), output=Output(readout="count")
    )
    trial.expect(
        model,
        stimulus([10, 1, 11, 10], [-3, 5, 9, TOP // 64]),
        spikes={"neuron": trains([0, 1, 1, 0], [0, 0, 1, 1])},
        membrane={"neuron": trains([640, 704, 704, 640], [-192, 128, 704, TOP - 1])},
        scores=np.array([[2.0, 2.0]]),
    )
