"""Every reset against a sequence worked out by hand (``beta = 1/2``, threshold 1)."""

from typing import Any

from neurorobust.testing.networks import lif, neurons, stimulus, trains
from neurorobust.testing.outcome import check
from neurorobust.testing.trial import Trial

X = (0.75, 0.75, 0.75, 1.5, 0.0, 0.25, 2.5, 0.5)
"""Input of the table; all numbers in this module are exact in binary."""

TABLE: dict[str, tuple[dict[str, Any], tuple[int, ...], tuple[float, ...]]] = {
    "hard": (
        {"reset": "hard"},
        (0, 1, 0, 1, 0, 0, 1, 0),
        (0.75, 1.125, 0.75, 1.875, 0.0, 0.25, 2.625, 0.5),
    ),
    "hard to -1/2": (
        {"reset": "hard", "reset_value": -0.5},
        (0, 1, 0, 1, 0, 0, 1, 0),
        (0.75, 1.125, 0.5, 1.75, -0.25, 0.125, 2.5625, 0.25),
    ),
    "soft": (
        {"reset": "soft"},
        (0, 1, 0, 1, 0, 0, 1, 1),
        (0.75, 1.125, 0.8125, 1.90625, 0.453125, 0.4765625, 2.73828125, 1.369140625),
    ),
    "soft by 1/4": (
        {"reset": "soft", "reset_value": 0.25},
        (0, 1, 1, 1, 0, 0, 1, 1),
        (0.75, 1.125, 1.1875, 1.96875, 0.859375, 0.6796875, 2.83984375, 1.794921875),
    ),
    "none": (
        {"reset": "none"},
        (0, 1, 1, 1, 1, 0, 1, 1),
        (0.75, 1.125, 1.3125, 2.15625, 1.078125, 0.7890625, 2.89453125, 1.947265625),
    ),
    "hard in the next step": (
        {"reset": "hard", "reset_timing": "next"},
        (0, 1, 0, 1, 0, 0, 1, 0),
        (0.75, 1.125, 0.0, 1.5, 0.0, 0.25, 2.625, 0.0),
    ),
    "hard to -1/2 in the next step": (
        {"reset": "hard", "reset_timing": "next", "reset_value": -0.5},
        (0, 1, 0, 1, 0, 0, 1, 0),
        (0.75, 1.125, -0.5, 1.25, -0.5, 0.0, 2.5, -0.5),
    ),
    "soft in the next step": (
        {"reset": "soft", "reset_timing": "next"},
        (0, 1, 0, 1, 0, 0, 1, 0),
        (0.75, 1.125, 0.3125, 1.65625, -0.171875, 0.1640625, 2.58203125, 0.791015625),
    ),
}
"""Name -> fields of the neuron, spikes, and membrane before reset."""


def _register(name: str, fields: dict[str, Any], spikes: Any, membrane: Any) -> None:
    def law(trial: Trial) -> None:
        trial.expect(
            neurons(lif(**fields), len(X)),
            stimulus(X),
            spikes={"neuron": trains(spikes)},
            membrane={"neuron": trains(membrane)},
        )

    law.__doc__ = f"Reset {name}: spikes and membranes of eight steps, worked out by hand."
    check(f"reset/{name}", "float")(law)


for _name, (_fields, _spikes, _membrane) in TABLE.items():
    _register(_name, _fields, _spikes, _membrane)


@check("reset/refractory steps", "float")
def refractory(trial: Trial) -> None:
    """For R steps after a spike the membrane rests at its reset value; input in them is lost."""
    trial.expect(
        neurons(lif(refractory=2, reset_value=-0.5), 8),
        stimulus([2, 5, 5, 2, 0, 0, 2, 2]),
        spikes={"neuron": trains([1, 0, 0, 1, 0, 0, 1, 0])},
        membrane={"neuron": trains([2, -0.5, -0.5, 1.75, -0.5, -0.5, 1.75, -0.5])},
    )


@check("reset/the current goes on through refractory steps", "float")
def refractory_current(trial: Trial) -> None:
    """Only the membrane rests: the synaptic current decays and collects input meanwhile."""
    # i = 2, 1, 1/2 + 1, 3/4, 3/8: the input of the refractory step 2 is in the current of step 3
    trial.expect(
        neurons(lif(refractory=2, alpha=0.5), 5),
        stimulus([2, 0, 1, 0, 0]),
        spikes={"neuron": trains([1, 0, 0, 0, 0])},
        membrane={"neuron": trains([2, 0, 0, 0.75, 0.75])},
    )


@check("reset/lower bound v_min", "float")
def lower_bound(trial: Trial) -> None:
    """The membrane is bounded from below after the reset; the recorded ``h`` is not."""
    trial.expect(
        neurons(lif(v_min=-0.25), 5),
        stimulus([-1, 0.5, -2, 1.5, 0.5]),
        spikes={"neuron": trains([0, 0, 0, 1, 0])},
        membrane={"neuron": trains([-1, 0.375, -1.8125, 1.375, 0.5])},
    )


@check("reset/several spikes per step", "float")
def several_spikes(trial: Trial) -> None:
    """``s`` is the number of thresholds below ``h``, at most ``max_spikes``, each subtracted."""
    trial.expect(
        neurons(lif(reset="soft", max_spikes=3), 5),
        stimulus([2.5, 1, 0, 9, 0.5]),
        spikes={"neuron": trains([2, 1, 0, 3, 3])},
        membrane={"neuron": trains([2.5, 1.25, 0.125, 9.0625, 3.53125])},
    )


@check("reset/several spikes per step at equality", "float")
def several_spikes_at_equality(trial: Trial) -> None:
    """A membrane of exactly n thresholds gives ``n - 1`` spikes under ``>`` and n under ``>=``."""
    drive = stimulus([1], [2], [3], [-1])
    for compare, spikes in ((">", (0, 1, 2, 0)), (">=", (1, 2, 3, 0))):
        population = lif(reset="soft", max_spikes=4, compare=compare)
        with trial.optional():
            trial.expect(
                neurons(population, 1, n=4),
                drive,
                spikes={"neuron": trains(*[[s] for s in spikes])},
                membrane={"neuron": trains([1], [2], [3], [-1])},
            )
