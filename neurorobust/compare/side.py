"""One side of a comparison: whatever runs a stimulus and tells what its layers did."""

from dataclasses import dataclass

import numpy as np

from neurorobust.backends import Executable, Precision, Record, Rung, require_backend
from neurorobust.compare.recording import Observed, Recording
from neurorobust.data import Stimulus
from neurorobust.ir import LIF, Array, FixedLIF, Graph, Model, Program


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Side:
    """A model on a backend, or anything that follows ``Executable``.

    Attributes:
        label: For people.
        executable: What runs.
        model: The Graph or Program it runs; None of a black box.
        precision: In which it computes; bounds what may count as rounding.
        records: What it can record.
    """

    label: str
    executable: Executable
    model: Model | None = None
    precision: Precision = "double"
    records: tuple[Record, ...] = ("spikes", "membrane")

    @classmethod
    def of(
        cls,
        model: Model,
        backend: str = "torch",
        rung: Rung | None = None,
        *,
        precision: Precision = "double",
        label: str = "",
    ) -> "Side":
        """A model compiled for one rung of one backend.

        Args:
            model: A Graph or Program.
            backend: Its name.
            rung: By default ``float`` for a Graph, ``quantised`` for a Program.
            precision: Of the rung ``float``.
            label: By default name of the model, backend and rung.

        Raises:
            BackendUnavailable: for a backend that is unknown or cannot run here.
            Unsupported: if the backend has no such rung, or cannot run the model exactly.
        """
        found = require_backend(backend)
        rung = rung or ("quantised" if isinstance(model, Program) else "float")
        label = label or f"{model.header.name or type(model).__name__}@{backend}:{rung}"
        executable = found.compile(model, rung, precision=precision)
        support = found.capabilities().rungs[rung]
        records: tuple[Record, ...] = ("spikes", "membrane") if support.membrane else ("spikes",)
        return cls(
            label=label, executable=executable, model=model, precision=precision, records=records
        )

    @property
    def graph(self) -> Graph | None:
        """The model where it is a Graph."""
        return self.model if isinstance(self.model, Graph) else None

    @property
    def integer(self) -> bool:
        """Whether it computes in a chip's integers."""
        return isinstance(self.model, Program)

    def run(self, stimulus: Stimulus) -> Recording:
        """One run with everything recorded."""
        result = self.executable.run(stimulus, self.records)
        return Recording.of(result, self.model.order if self.model else ())

    def layers(self, recording: Recording) -> tuple[Observed, ...]:
        """Its layers, in the order of execution."""
        if self.model is not None:
            return recording.layers(self.model.spiking)
        outputs = recording.outputs.items()
        return recording.layers([name for name, values in outputs if values.dtype.kind in "iub"])

    def threshold(self, name: str) -> Array | None:
        """Of a spiking layer, in the units of its membrane; None if it has none that is known."""
        node = self.model.nodes.get(name) if self.model else None
        if isinstance(node, FixedLIF):
            return np.asarray(node.vth.astype(np.int64) << 6)
        return node.threshold if isinstance(node, LIF) else None
