"""Float neurons against closed forms, and the comparison at the threshold."""

import numpy as np

from neurorobust.testing.networks import impulse, li, lif, neurons, stimulus, trains
from neurorobust.testing.outcome import check
from neurorobust.testing.trial import Trial

T = 24
BETAS = np.array([0.0, 0.25, 0.9, 0.999, 1.0])


@check("neuron/impulse response is beta^t", "float")
def impulse_response(trial: Trial) -> None:
    """Below threshold, one unit of input at t = 0 leaves ``h[t] = beta^t``."""
    h = BETAS ** np.arange(T)[:, None]
    drive = stimulus(*[impulse(T)] * len(BETAS))
    population = lif(beta=BETAS, threshold=2.0)
    trial.expect(
        neurons(population, T, n=len(BETAS)),
        drive,
        spikes={"neuron": np.zeros((1, T, len(BETAS)))},
        membrane={"neuron": h[None]},
    )
    integrator = neurons(li(beta=BETAS), T, n=len(BETAS), readout="last")
    with trial.optional():
        trial.expect(integrator, drive, scores=h[-1:])


@check("neuron/step response is a geometric sum", "float")
def step_response(trial: Trial) -> None:
    """Under constant input x, ``h[t] = x (1 - beta^(t+1)) / (1 - beta)``."""
    beta, x = np.array([0.25, 0.5, 0.9]), np.array([0.3, -1.0, 0.05])
    h = x * (1 - beta ** np.arange(1, T + 1)[:, None]) / (1 - beta)
    trial.expect(
        neurons(lif(beta=beta, threshold=3.0), T, n=3),
        stimulus(*np.tile(x, (T, 1)).T),
        spikes={"neuron": np.zeros((1, T, 3))},
        membrane={"neuron": h[None]},
    )


@check("neuron/leak over 1000 steps", "float")
def long_leak(trial: Trial) -> None:
    """After 1,000 steps an impulse has shrunk to ``beta^1000``; rounding has not piled up."""
    beta = np.array([0.99, 0.999, 1.0])
    h = beta ** np.arange(1001)[:, None]
    integrator = neurons(li(beta=beta), 1001, n=3, readout="last")
    trial.expect(
        integrator, stimulus(*[impulse(1001)] * 3), membrane={"neuron": h[None]}, scores=h[-1:]
    )


@check("neuron/period of an integrate-and-fire neuron", "float")
def firing_period(trial: Trial) -> None:
    """With ``beta = 1`` and constant input x, every ``floor(theta / x) + 1``-th step fires."""
    steps, x = 40, np.array([1.0, 0.5, 0.375, 0.0625])
    period = (1 / x).astype(int) + 1  # strictly above: a membrane equal to theta waits one step
    spikes = (np.arange(1, steps + 1)[:, None] % period == 0)[None]
    drive = stimulus(*np.tile(x, (steps, 1)).T)
    trial.expect(neurons(lif(beta=1.0), steps, n=4), drive, spikes={"neuron": spikes})


@check("neuron/synaptic current", "float")
def synaptic_current(trial: Trial) -> None:
    """One input: ``i = alpha^t``, ``h = (alpha^(t+1) - beta^(t+1)) / (alpha - beta)``."""
    alpha, beta = np.array([0.5, 0.9, 0.0]), np.array([0.75, 0.3, 0.5])
    t = np.arange(1, T + 1)[:, None]
    h = (alpha**t - beta**t) / (alpha - beta)
    trial.expect(
        neurons(lif(alpha=alpha, beta=beta, threshold=3.0), T, n=3),
        stimulus(*[impulse(T)] * 3),
        spikes={"neuron": np.zeros((1, T, 3))},
        membrane={"neuron": h[None]},
    )
    # The reset touches the membrane only: the current goes on and fires again (1, 1/2, 1/4, ...).
    spikes = trains([1, 1, 0, 0, 0])
    again = neurons(lif(alpha=0.5, beta=0.0, threshold=0.375), 5)
    trial.expect(again, stimulus(impulse(5)), spikes={"neuron": spikes})


@check("neuron/gains, bias and initial state", "float")
def gains_bias_start(trial: Trial) -> None:
    """``h = beta v + gain_syn i + bias`` from ``v_init``, with ``i = alpha i + gain_in x``."""
    population = lif(
        gain_in=2.0, gain_syn=0.5, bias=0.25, v_init=-1.0, i_init=4.0, alpha=0.5, threshold=8.0
    )
    # i = 4/2 + 2, then 4/2, then 2/2 + 2;   h = -1/2 + 4/2 + 1/4, then 1.75/2 + 2/2 + 1/4, ...
    trial.expect(
        neurons(population, 3),
        stimulus([1, 0, 1]),
        spikes={"neuron": trains([0, 0, 0])},
        membrane={"neuron": trains([1.75, 2.125, 2.8125])},
    )


@check("neuron/integrator gain, bias and initial state", "float")
def integrator(trial: Trial) -> None:
    """``v = beta v + gain_in x + bias`` from ``v_init``; what it emits is v."""
    node = li(beta=0.5, gain_in=2.0, bias=0.25, v_init=-1.0)
    trial.expect(  # -1/2 + 2 + 1/4, then 1.75/2 + 1/4, then 1.125/2 - 2 + 1/4
        neurons(node, 3, readout="last"),
        stimulus([1, 0, -1]),
        membrane={"neuron": trains([1.75, 1.125, -1.1875])},
        scores=np.array([[-1.1875]]),
    )


@check("neuron/the order of operations decides ties", "float")
def order_of_operations(trial: Trial) -> None:
    """``beta v + i + bias`` is evaluated from left to right, so that every bit of h is defined.

    Each neuron gets as its threshold the very number that its membrane has in the last step: any
    other order of operations moves some of them across.
    """
    rng = np.random.default_rng(11)
    n, steps = 200, 12
    beta, bias = rng.uniform(0.3, 1, n), rng.uniform(-0.1, 0.1, n)
    x = rng.uniform(-0.5, 1, (steps, n))
    h = np.zeros((steps, n))
    for t in range(steps):
        h[t] = beta * (h[t - 1] if t else 0.0) + x[t] + bias
    drive = stimulus(*x.T)
    for compare in (">", ">="):
        population = lif(beta=beta, bias=bias, threshold=h[-1], reset="none", compare=compare)
        fired = h > h[-1] if compare == ">" else h >= h[-1]
        with trial.optional():
            trial.expect(
                neurons(population, steps, n=n),
                drive,
                spikes={"neuron": fired[None]},
                membrane={"neuron": h[None]},
            )


def _equality(compare: str, spikes: tuple[int, int, int], statement: str) -> None:
    def law(trial: Trial) -> None:
        x = [[np.nextafter(1.0, 0.0)], [1.0], [np.nextafter(1.0, 2.0)]]
        trial.expect(
            neurons(lif(compare=compare), 1, n=3),
            stimulus(*x),
            spikes={"neuron": trains(*[[s] for s in spikes])},
            membrane={"neuron": trains(*x)},
        )

    law.__doc__ = f"A membrane equal to the threshold {statement}."
    check(f"neuron/threshold equality with {compare}", "float")(law)


_equality(">", (0, 0, 1), "does not fire under ``>``; the next larger number does")
_equality(">=", (0, 1, 1), "fires under ``>=``; the next smaller number does not")


@check("neuron/silence in, silence out", "float")
def silence(trial: Trial) -> None:
    """Without input, bias and initial state nothing ever fires, whatever the reset to 0."""
    nothing = stimulus(np.zeros(50))
    for compare in (">", ">="):
        with trial.optional():
            trial.expect(
                neurons(lif(compare=compare, threshold=0.001), 50),
                nothing,
                spikes={"neuron": np.zeros((1, 50, 1))},
                scores=np.zeros((1, 1)),
            )
