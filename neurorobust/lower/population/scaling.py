"""How the scale of a population is chosen.

===========  =======================================================================================
max_abs      the largest weight fills its bits: nothing is clipped
percentile   the percentile of ``|W|`` (zeros left out) does; larger weights are clipped
mse          least squared error of all weights as rounded and clipped, by search
spikes       smallest share of spikes that differ from the float network on calibration data, given
             the populations before as they are lowered already; a readout: least squared error;
             constant currents that hardly any input reaches may be clipped
===========  =======================================================================================

Whatever the rule, biases, thresholds and overflows bound the scale as ``population`` says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from neurorobust.asking import argument
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array, Conv2d
from neurorobust.lower.population.scaled import Population
from neurorobust.names import require_choice

Scaling = Literal["max_abs", "percentile", "mse", "spikes"]

_SPAN = (0.25, 8.0)
"""Scales that are searched, relative to that of max_abs."""
_POINTS = 160
_FACTORS = tuple(2 ** (k / 4) for k in range(-4, 13))
"""Scales that are tried on calibration data, relative to that of max_abs."""


@dataclass(frozen=True, slots=True)
class Scaled:
    """A population at one scale.

    Attributes:
        population: What is scaled.
        scale: Integers per membrane unit.
        limited_by: What decided the scale.
    """

    population: Population
    scale: float
    limited_by: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with its parameter.

    Attributes:
        scaling: Which one.
        percentile: Of ``percentile``, above 0 and up to 100.
    """

    scaling: Scaling = "max_abs"
    percentile: float = 99.9

    def __post_init__(self) -> None:
        require_choice(argument("scaling"), self.scaling, get_args(Scaling))
        if not 0 < self.percentile <= 100:
            name = argument("percentile")
            raise InvalidInput(f"{name} is {self.percentile}; it must be above 0 and at most 100")


Judge = Callable[[Scaled], float]
"""How far a scaled population is from the float one; smaller is better."""


def scaled(population: Population, rule: Rule, judge: Judge | None = None) -> Scaled:
    """A population at the scale that a rule chooses.

    Args:
        population: What to scale.
        rule: How.
        judge: Needed by ``spikes``; of equals the first is taken.
    """
    if rule.scaling == "spikes" and judge is not None:
        tried = {_form(found): found for found in _candidates(population)}
        return min(tried.values(), key=judge)
    if rule.scaling == "percentile":
        kept = _percentiles(population, rule.percentile)
        return _bounded(population, population.filling(kept), "weight percentile")
    if rule.scaling == "mse":
        return _least_error(population)
    return _plain(population)


def weight_error(population: Population, scale: float) -> float:
    """Sum of the squared errors of all weights, each at the largest message."""
    total = 0.0
    for key, integers in population.acting(scale).items():
        lost = integers / scale - population.weights[key]
        total += float((lost**2).sum()) * max(map(abs, population.payload[key])) ** 2
    return total


def _form(found: Scaled) -> tuple[float, ...]:
    """What tells a scaled population from another: the scale and the exponents."""
    exponents = (found.population.exponent(key, found.scale) for key in found.population.weights)
    return (found.scale, *exponents)


def _plain(population: Population) -> Scaled:
    return _bounded(population, population.filling(_largest(population)), "weight bits")


def _largest(population: Population) -> dict[str, float]:
    return {key: float(np.abs(w).max()) for key, w in population.weights.items()}


def _percentiles(population: Population, percentile: float) -> dict[str, float]:
    def kept(weight: Array) -> float:
        sizes = np.abs(weight[weight != 0])
        return float(np.percentile(sizes, percentile)) if sizes.size else 0.0

    return {key: kept(weight) for key, weight in population.weights.items()}


def _bounded(population: Population, fine: dict[str, float], name: str) -> Scaled:
    """The largest scale within all bounds, with exponents where it is not ``fine`` enough."""
    population = population.tuned(fine)
    *spread, by_weights = population.weight_bounds
    for scale in map(population.aligned, spread):
        if population.fits(scale):
            return Scaled(population, scale, name)
    bounds = {name: by_weights} | population.bounds
    limited_by = min(bounds, key=lambda key: bounds[key])
    if not np.isfinite(bounds[limited_by]):
        return Scaled(population, 1.0, "no weights")
    return Scaled(population, *population.settled(bounds[limited_by], limited_by))


def _least_error(population: Population) -> Scaled:
    """By search: of each dense synapse, and of all together where one is a convolution."""
    largest = population.filling(_largest(population))
    if not np.isfinite(min(largest.values(), default=np.inf)):
        return _plain(population)
    if not any(isinstance(synapse, Conv2d) for synapse in population.synapses.values()):
        fine = {key: _search(population.only(key), largest[key], np.inf) for key in largest}
        return _bounded(population, fine, "weight error")
    room = min(population.bounds.values())
    best = _search(population, min(largest.values()), room)
    name = "weight error"
    if best >= population.aligned(room):
        name = min(population.bounds, key=lambda key: population.bounds[key])
    found = population.tuned(dict.fromkeys(largest, best))
    return Scaled(found, *found.settled(best, name))


def _search(population: Population, first: float, room: float) -> float:
    """The scale of the least error around the first, without exponents."""
    if not np.isfinite(first):
        return first
    ends = [min(first * end, room) for end in _SPAN]
    best = ends[0]
    for _ in range(2):  # the whole range, then the neighbourhood of the best
        tried = {population.aligned(s) for s in np.geomspace(ends[0], ends[1], _POINTS)}
        grid = sorted(tried)
        errors = [weight_error(population, scale) for scale in grid]
        at = int(np.argmin(errors))
        best = grid[at]
        ends = [grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]]
    return best


def _candidates(population: Population) -> list[Scaled]:
    fine = population.filling(_largest(population))
    plain = _plain(population)
    if not np.isfinite(min(fine.values(), default=np.inf)):
        return [plain, *_clipped_currents(population)]
    tried = [
        _bounded(population, {key: f * factor for key, f in fine.items()}, "spikes")
        for factor in _FACTORS
    ]
    return [plain, _least_error(population), *tried]


def _clipped_currents(population: Population) -> list[Scaled]:
    """Scales at which the largest constant current, which no input may reach, is clipped."""
    bounds = dict(population.bounds)
    largest = bounds.pop("input current", None)
    if largest is None:
        return []
    room = min(bounds.values())
    tried = [min(largest * factor, room) for factor in _FACTORS if factor > 1]
    return [Scaled(population, *population.settled(scale, "spikes")) for scale in tried]
