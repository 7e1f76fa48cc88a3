"""What both sides are shown: random values, values that make ties, and given ones; all per step."""

from dataclasses import dataclass

import numpy as np

from neurorobust.compare.sides import Side
from neurorobust.data import Stimulus, encode
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array, FixedInput, Model, Shape

LEAST_STEPS = 16
"""Networks of fewer steps are shown more: a late divergence is one, too."""
WIDEST = 4.0
"""Bounds further out than this are not exhausted."""
_DENSITIES = (0.05, 0.2, 0.5, 1.0)
_GRIDS = (16, 4, 1)
"""Steps per unit of input."""
_IMPULSES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Battery:
    """Samples with their kind.

    Attributes:
        values: Shape (B, T, ...).
        kinds: Per sample ``given``, ``random`` or ``ties``.
    """

    values: Array
    kinds: tuple[str, ...]

    @property
    def stimulus(self) -> Stimulus:
        """All samples."""
        return Stimulus(self.values, self.values.shape[1])


def battery(
    a: Side,
    b: Side,
    given: Array | Stimulus | None = None,
    *,
    samples: int = 32,
    steps: int | None = None,
    seed: int = 0,
) -> Battery:
    """Given samples first, then as many random ones and as many that make ties.

    Args:
        a: Its header states bounds and coding; if it has no model, that of ``b`` does.
        b: The other side.
        given: As ``encode`` takes them, or per step as (B, T, ...).
        samples: Number of random samples, and of those with ties; 0 shows the given ones alone.
        steps: T; by default that of the given samples if they have one, else that of the model,
            at least 16.
        seed: Of all draws.

    Raises:
        InvalidInput: if neither side says what it takes and nothing is given, or shapes differ.
    """
    model = a.model if a.model is not None else b.model
    rng = np.random.default_rng(seed)
    if model is None:
        if not isinstance(given, Stimulus):
            msg = "neither side has a model that says what it takes; give inputs as a Stimulus"
            raise InvalidInput(msg)
        return Battery(_timed(given), ("given",) * len(given))
    for side in (a, b):
        if side.model is not None and side.model.input_shape != model.input_shape:
            raise InvalidInput(
                f"{a.label} takes inputs {model.input_shape}, {side.label} takes "
                f"{side.model.input_shape}; they cannot be shown the same"
            )
    parts: dict[str, Array] = {}
    if given is not None:
        shown = _given(model, given, steps, rng)
        parts["given"], steps = shown, shown.shape[1]
    steps = steps or max(model.header.steps, LEAST_STEPS)
    if samples:
        size = (samples, steps, *model.input_shape)
        parts["random"] = _drawn(model, size, rng, coarse=False)
        impulses = _impulses(a, steps, rng)
        parts["ties"] = np.concatenate([_drawn(model, size, rng, coarse=True), *impulses])
    if not parts:
        raise InvalidInput("there is nothing to show: give inputs, or samples above 0")
    kinds = tuple(kind for kind, values in parts.items() for _ in values)
    return Battery(np.concatenate(list(parts.values())), kinds)


def _timed(stimulus: Stimulus) -> Array:
    values = stimulus.values
    return np.broadcast_to(values, (len(values), stimulus.steps, *values.shape[2:])).copy()


def _given(
    model: Model, given: Array | Stimulus, steps: int | None, rng: np.random.Generator
) -> Array:
    if isinstance(given, Stimulus):
        return _timed(given)
    values = np.asarray(given)
    if values.ndim == len(model.input_shape) + 2 and values.shape[2:] == model.input_shape:
        return values.astype(np.float64)
    return _timed(encode(model, values, steps=steps, rng=rng)).astype(np.float64)


def _bounds(model: Model) -> tuple[float, float]:
    low, high = model.header.bounds
    return max(low, -WIDEST), min(high, WIDEST)


def _sparse(values: Array, rng: np.random.Generator) -> Array:
    """Samples of every density, zeros between."""
    density = np.resize(_DENSITIES, len(values)).reshape(-1, *[1] * (values.ndim - 1))
    return np.where(rng.random(values.shape) < density, values, 0.0)


def _drawn(model: Model, size: Shape, rng: np.random.Generator, *, coarse: bool) -> Array:
    """Values within the bounds, if coarse multiples of 1/16, 1/4 and 1: sums of few repeat."""
    node, (low, high) = model.nodes[model.input], _bounds(model)
    if isinstance(node, FixedInput):
        reach = 2 if coarse else 64
        whole = rng.integers(max(node.low, -reach), min(node.high, reach) + 1, size)
        return _sparse(node.offset + whole / node.scale, rng)
    if model.header.coding == "bernoulli":
        return _sparse(np.full(size, high), rng)
    values = rng.uniform(low, high, size)
    if coarse:
        per_unit = np.resize(_GRIDS, size[0]).reshape(-1, *[1] * (len(size) - 1))
        values = np.clip(np.round(values * per_unit) / per_unit, low, high)
    return _sparse(values, rng)


def _impulses(side: Side, steps: int, rng: np.random.Generator) -> list[Array]:
    """Single values in the first step that bring a membrane of the first layer to its threshold.

    The membrane is affine in the value: two runs give the line, a third tests the numbers next to
    its root. Only exact hits are shown.
    """
    graph = side.graph
    if graph is None or not graph.spiking or "membrane" not in side.records:
        return []
    first, (low, high) = graph.spiking[0], _bounds(graph)
    size = (_IMPULSES, 1, *graph.input_shape)
    places = rng.integers(np.prod(graph.input_shape), size=_IMPULSES)
    rows = np.arange(_IMPULSES)

    def heights(values: Array) -> Array:
        shown = np.zeros((_IMPULSES, int(np.prod(graph.input_shape))))
        shown[rows, places] = values
        h = side.run(Stimulus(shown.reshape(size), 1)).membrane[first]
        return h.reshape(_IMPULSES, -1)

    rest, slope = (h := heights(np.zeros(_IMPULSES))), heights(np.ones(_IMPULSES)) - h
    threshold = np.broadcast_to(graph.nodes[first].arrays()["threshold"], graph.shapes[first])
    neuron = np.abs(slope).argmax(axis=1)
    goal = threshold.ravel()[neuron]
    with np.errstate(divide="ignore", invalid="ignore"):
        root = (goal - rest[rows, neuron]) / slope[rows, neuron]
    hits: dict[int, float] = {}
    for value in (root, np.nextafter(root, np.inf), np.nextafter(root, -np.inf)):
        usable = np.isfinite(value) & (value >= low) & (value <= high)
        reached = heights(np.where(usable, value, 0.0))[rows, neuron] == goal
        hits |= {int(k): float(value[k]) for k in np.flatnonzero(reached & usable)}
    found = []
    for row, value in hits.items():
        shown = np.zeros((1, steps, int(np.prod(graph.input_shape))))
        shown[0, 0, places[row]] = value
        found.append(shown.reshape(1, steps, *graph.input_shape))
    return found
