"""The ways in which an export goes wrong, each as a change of a Graph that can be tested."""

from collections.abc import Iterator

from neurorobust.difference.catalogue.base import CAUSES, Hypothesis
from neurorobust.difference.catalogue.fit import Family, fitted
from neurorobust.difference.catalogue.neuron import families, laws
from neurorobust.difference.catalogue.place import Place
from neurorobust.difference.catalogue.synapse import synapses
from neurorobust.difference.catalogue.wiring import wirings

__all__ = ["CAUSES", "Family", "Hypothesis", "Place", "discrete", "families", "fitted"]


def discrete(place: Place) -> Iterator[Hypothesis]:
    """Everything in the catalogue that has no number to fit."""
    yield from laws(place.law)
    yield from synapses(place)
    yield from wirings(place)
