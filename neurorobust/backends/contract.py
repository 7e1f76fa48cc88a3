"""The whole contract between this package and anything that runs a network."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args, runtime_checkable

from neurorobust.backends.capabilities import Capabilities, Deviation
from neurorobust.data.stimulus import Stimulus
from neurorobust.ir import Array, Model

Rung = Literal["float", "quantised", "device"]
RUNGS: tuple[Rung, ...] = get_args(Rung)
SIMULATED: tuple[Rung, ...] = ("float", "quantised")
"""Rungs that run without a chip."""
Record = Literal["spikes", "membrane", "overflows"]
Precision = Literal["double", "single"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Overflow:
    """How often the integers of one node ran over, per sample; int64 of shape (B,) each.

    Attributes:
        wrapped: Synapse: sums that lost bits to 32 bits (24 in a convolution), where every output
            of every step is a sum, and with delays also the sum over the synapses of each delay.
            Neuron: steps in which the current wrapped by 2^24, or what arrived, 64 times that, or
            the current by 2^32.
        saturated: Neuron: steps in which the membrane was clipped to its 24 bits. Synapse: 0.
    """

    wrapped: Array
    saturated: Array


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RunResult:
    """What came out of a run.

    Attributes:
        scores: Shape (B, classes), float64; the decision is the first largest.
        spikes: Per spiking node, shape (B, T, ...), uint8 (int8 of ternary neurons); if ``spikes``
            was recorded.
        membrane: Per neuron node, shape (B, T, ...): ``h``, the membrane before reset; if recorded.
        overflows: Per synapse and neuron of a Program; if recorded.
        deviations: Every way in which this run may differ from the model's exact semantics.
        wall_s: Seconds the run took, without compilation.
    """

    scores: Array
    spikes: Mapping[str, Array] = field(default_factory=dict)
    membrane: Mapping[str, Array] = field(default_factory=dict)
    overflows: Mapping[str, Overflow] = field(default_factory=dict)
    deviations: tuple[Deviation, ...] = ()
    wall_s: float = 0.0

    @property
    def decisions(self) -> Array:
        """Index of the first largest score, shape (B,)."""
        decided: Array = self.scores.argmax(axis=1)
        return decided


class Executable(Protocol):
    """A compiled network."""

    def run(self, stimulus: Stimulus, record: Collection[Record] = ()) -> RunResult:
        """Run all samples from their initial state; two equal calls give equal results."""
        ...

    def close(self) -> None:
        """Free what is held outside this process; further runs are an error."""
        ...


@runtime_checkable
class Backend(Protocol):
    """Runs networks; registered in the entry-point group ``neurorobust.backends``."""

    name: str

    def capabilities(self) -> Capabilities:
        """What runs exactly, and the reason for everything that does not."""
        ...

    def missing(self) -> str | None:
        """Why the backend cannot run here and the command that adds it, or None."""
        ...

    def versions(self) -> Mapping[str, str]:
        """Versions of the libraries that do the work."""
        ...

    def compile(self, model: Model, rung: Rung, *, precision: Precision = "double") -> Executable:
        """Prepare a Graph (rung ``float``) or a Program (rung ``quantised``).

        In double precision the order of summation does not move spikes, so that backends can be
        compared spike for spike; ``single`` is what GPUs and training use.

        Raises:
            Unsupported: if the model uses what the backend cannot run exactly.
            BackendUnavailable: if ``missing()`` gives a reason.
        """
        ...
