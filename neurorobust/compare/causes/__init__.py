"""The ways in which an export goes wrong, each as a change of a Graph that can be tested."""

from collections.abc import Iterator

from neurorobust.compare.causes.base import CAUSES, Hypothesis
from neurorobust.compare.causes.fit import Family, fitted
from neurorobust.compare.causes.neuron import families, laws
from neurorobust.compare.causes.place import Place
from neurorobust.compare.causes.synapse import synapses
from neurorobust.compare.causes.wiring import wirings

__all__ = ["CAUSES", "Family", "Hypothesis", "Place", "discrete", "families", "fitted"]


def discrete(place: Place) -> Iterator[Hypothesis]:
    """Everything in the catalogue that has no number to fit."""
    yield from laws(place.law)
    yield from synapses(place)
    yield from wirings(place)
