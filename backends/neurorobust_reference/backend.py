"""The backend: step by step, node by node, exactly as the model is written down."""

import time
from collections.abc import Collection, Mapping
from math import prod

import numpy as np

from neurorobust.backends import (
    Capabilities,
    Executable,
    Overflow,
    Precision,
    Record,
    Rung,
    RunResult,
    require_support,
)
from neurorobust.backends.hosted import hosted
from neurorobust.backends.runs import read_out, require_precision, require_run
from neurorobust.data import Stimulus
from neurorobust.errors import Unsupported
from neurorobust.ir import Array, FixedTernaryLIF, Model, Output, Program
from neurorobust_reference.float_law import FLOAT_LAWS
from neurorobust_reference.gaps import CAPABILITIES
from neurorobust_reference.integer_law import INTEGER_LAWS, w32
from neurorobust_reference.unit import LawBook, Setting

WORKING_SET = 1 << 25
"""Values that one chunk of the batch may hold at a time (256 MiB in double precision)."""


class ReferenceBackend:
    """Runs everything that a Graph or a Program can state; the others are measured against it."""

    name = "reference"

    def capabilities(self) -> Capabilities:
        """Both simulated rungs without gaps."""
        return CAPABILITIES

    def missing(self) -> str | None:
        """Nothing: NumPy is a dependency of the package."""
        return None

    def versions(self) -> Mapping[str, str]:
        """The version of NumPy."""
        return {"numpy": np.__version__}

    def compile(self, model: Model, rung: Rung, *, precision: Precision = "double") -> Executable:
        """Look up the law of every node.

        Args:
            model: A Graph for ``float``, a Program for ``quantised``.
            rung: Which arithmetic.
            precision: Type of all floating-point numbers; integers are always exact.

        Raises:
            Unsupported: for another rung, the wrong kind of model, or a node without a law.
            InvalidInput: for an unknown precision.
        """
        require_support(self.name, self.capabilities(), model, rung)
        if split := hosted(model, lambda part: self.compile(part, rung, precision=precision)):
            return split
        require_precision(precision)
        laws = FLOAT_LAWS if rung == "float" else INTEGER_LAWS
        # The exact class, since the fixed nodes are subclasses of float nodes with another law.
        if strange := [f"{n}: {x.kind}" for n, x in model.nodes.items() if type(x) not in laws]:
            msg = f"backend 'reference', rung {rung!r}: no law for {'; '.join(strange)}"
            raise Unsupported(msg)
        floating = "float64" if precision == "double" else "float32"
        return ReferenceExecutable(model, laws, floating if rung == "float" else "int64")


class ReferenceExecutable:
    """A model with the law of each node. It holds no state between runs."""

    def __init__(self, model: Model, laws: LawBook, dtype: str) -> None:
        self._model = model
        self._laws = laws
        self._dtype = dtype
        self._closed = False
        self._longest_delay = max(edge.delay for edge in model.edges)

    def run(self, stimulus: Stimulus, record: Collection[Record] = ()) -> RunResult:
        """Run all samples from their initial state.

        Raises:
            InvalidInput: for a stimulus of another shape, an unknown record, or after ``close()``.
        """
        integer = isinstance(self._model, Program)
        require_run(self._model, stimulus, record, closed=self._closed, overflows=integer)
        started = time.perf_counter()
        per_sample = (stimulus.steps + 16) * sum(map(prod, self._model.shapes.values()))
        size = max(1, WORKING_SET // per_sample)
        starts = range(0, max(1, len(stimulus)), size)
        chunks = [self._run_chunk(stimulus[start : start + size], record) for start in starts]
        scores, spikes, membrane, overflows = zip(*chunks, strict=True)
        return RunResult(
            scores=np.concatenate(scores),
            spikes={name: np.concatenate([c[name] for c in spikes]) for name in spikes[0]},
            membrane={name: np.concatenate([c[name] for c in membrane]) for name in membrane[0]},
            overflows={
                name: Overflow(
                    wrapped=np.concatenate([c[name].wrapped for c in overflows]),
                    saturated=np.concatenate([c[name].saturated for c in overflows]),
                )
                for name in overflows[0]
            },
            wall_s=time.perf_counter() - started,
        )

    def close(self) -> None:
        """Refuse further runs; nothing is held outside this process."""
        self._closed = True

    def _run_chunk(
        self, stimulus: Stimulus, record: Collection[Record]
    ) -> tuple[Array, dict[str, Array], dict[str, Array], dict[str, Overflow]]:
        model, batch = self._model, len(stimulus)
        units = {
            name: self._laws[type(node)](
                node, Setting(model.header, (batch, *model.shapes[name]), self._dtype)
            )
            for name, node in model.nodes.items()
        }
        outputs: dict[tuple[str, int], Array] = {}
        arrived, spikes, membrane = [], _Tape(), _Tape()
        counted = [n for n, unit in units.items() if "overflows" in record and unit.counts]
        overflows = {
            n: Overflow(wrapped=np.zeros(batch, np.int64), saturated=np.zeros(batch, np.int64))
            for n in counted
        }
        for t in range(stimulus.steps):
            for name in model.order:
                if name == model.input:
                    x = stimulus.values[:, 0 if stimulus.static else t]
                else:
                    sums = self._arriving(name, t, outputs, batch)
                    x = w32(sums) if self._dtype == "int64" else sums  # the chip adds in 32 bits
                y = outputs[name, t] = units[name].step(x)
                if name in overflows:
                    wrapped = units[name].wrapped()
                    if model.nodes[name].population:  # what arrived is the neuron's own sum
                        wrapped = wrapped | (sums != x)
                    overflows[name].wrapped[:] += _per_sample(wrapped)
                    overflows[name].saturated[:] += _per_sample(units[name].saturated())
                if name == model.output:
                    arrived.append(y)
                if "spikes" in record and model.nodes[name].spiking:
                    ternary = isinstance(model.nodes[name], FixedTernaryLIF)
                    spikes.add(name, y.astype(np.int8 if ternary else np.uint8))
                if "membrane" in record:
                    membrane.add(name, units[name].membrane)
            for name in model.nodes:  # what no edge can reach back to
                outputs.pop((name, t - self._longest_delay), None)
        scores = self._score(np.stack(arrived, axis=1))
        return scores, spikes.stacked(), membrane.stacked(), overflows

    def _arriving(
        self, name: str, t: int, outputs: Mapping[tuple[str, int], Array], batch: int
    ) -> Array:
        """The sum over the edges of what each source gave ``delay`` steps ago; zeros before."""
        total = None
        for edge in self._model.incoming(name):
            if edge.delay <= t:
                given = outputs[edge.source, t - edge.delay]
                total = given if total is None else total + given
        if total is None:
            source = self._model.incoming(name)[0].source
            total = np.zeros((batch, *self._model.shapes[source]), self._dtype)
        return total

    def _score(self, arrived: Array) -> Array:
        model = self._model
        output = model.nodes[model.output]
        assert isinstance(output, Output)  # noqa: S101 - what ``Model.output`` promises
        unit = model.score_unit if isinstance(model, Program) else 1.0
        return read_out(output.readout, arrived) * unit


def _per_sample(counts: Array) -> Array:
    """Summed over all axes but the first."""
    return np.asarray(counts.sum(axis=tuple(range(1, counts.ndim))))


class _Tape:
    """What is recorded, step by step."""

    def __init__(self) -> None:
        self._steps: dict[str, list[Array]] = {}

    def add(self, name: str, value: Array | None) -> None:
        if value is not None:
            self._steps.setdefault(name, []).append(value)

    def stacked(self) -> dict[str, Array]:
        """Per node, shape (B, T, ...)."""
        return {name: np.stack(steps, axis=1) for name, steps in self._steps.items()}
