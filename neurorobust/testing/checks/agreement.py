"""Random networks: spikes, membranes and scores are those of the reference."""

from neurorobust.data import Stimulus
from neurorobust.testing.outcome import check
from neurorobust.testing.trial import Trial, reference_run

NETWORKS = 40
SHORT = 4


@check("agreement/random networks", "float")
def random_networks(trial: Trial) -> None:
    """Networks with everything that the rung declares, in double precision, spike for spike."""
    for seed in range(NETWORKS):
        trial.attempt(*trial.draw(seed))


@check("agreement/random networks full of ties", "float")
def tie_heavy(trial: Trial) -> None:
    """On a grid of 1/16 many membranes equal the threshold, and the stated comparison decides."""
    ties = 0
    for seed in range(NETWORKS):
        model, stimulus = trial.draw(seed, grid=True)
        trial.attempt(model, stimulus)
        expected = reference_run(model, stimulus, trial.rung)
        ties += sum(
            int((expected.membrane[name] == model.nodes[name].arrays()["threshold"]).sum())
            for name in model.spiking
        )
    assert ties > 0, "the generator produced no tie: the check checks nothing"
    trial.notes.append(f"{ties} membranes equal to their threshold")


@check("agreement/single precision on a grid", "float")
def single_precision(trial: Trial) -> None:
    """Where every number is exact in 24 bits, single precision gives the spikes of double."""
    for seed in range(NETWORKS):
        model, stimulus = trial.draw(seed, grid=True)
        # Each decay adds two binary places; after four steps all still fit into the 24 bits.
        short = Stimulus(stimulus.values[:, :SHORT], SHORT)
        with trial.optional():
            result = trial.run(model, short, precision="single")
            trial.compare(model, reference_run(model, short, trial.rung), result)


@check("agreement/random programs", "quantised")
def random_programs(trial: Trial) -> None:
    """Programs at the extremes of every range: all spikes and membranes, to the last bit."""
    for seed in range(NETWORKS):
        trial.attempt(*trial.draw(seed))


@check("agreement/longer runs and larger batches", "float", "quantised")
def longer(trial: Trial) -> None:
    """Sixteen samples at once, as any other number of them."""
    for seed in range(900, 904):
        trial.attempt(*trial.draw(seed, samples=16))
