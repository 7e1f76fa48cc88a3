"""What a comparison found, as data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from neurorobust.compare.causes.parameters import Unequal
from neurorobust.compare.shrink import Shrunk
from neurorobust.compare.spikes import Agreement
from neurorobust.errors import InvalidInput
from neurorobust.files import write_atomic
from neurorobust.ir import Array

_RANK: Mapping[Agreement, int] = {"identical": 0, "rounding": 1, "systematic": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer on both sides.

    Attributes:
        name: Its name; both names where they differ.
        verdict: ``identical``, ``rounding`` or ``systematic``.
        own: Whether it is here that the sides part beyond rounding; if not, it was handed on.
        differing: Outputs that differ.
        total: Outputs that were compared.
        membrane_gap: Largest difference of membranes before any output of a sample differs.
        broken: Outputs that A's law does not give for what B gave before them (or B's for A's).
        note: What else there is to say.
    """

    name: str
    verdict: Agreement
    own: bool = False
    differing: int = 0
    total: int = 0
    membrane_gap: float | None = None
    broken: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Divergence:
    """Where the sides first part.

    Attributes:
        layer: In the order of the data.
        sample: Index among all that were shown.
        kind: Of that sample: ``given``, ``random`` or ``ties``.
        step: Counted from 0.
        neuron: Its index in the layer.
        outputs: Of A and B.
        membrane: Before reset, of A and B; None where nobody tells.
        threshold: Of A's and B's neuron; None of an integrator.
        distance: Of the membranes to the threshold.
        by_law: Per side, whether its membrane was computed from its Graph, since it records none.
        traces: Membranes of the neuron over all steps, of A and B.
        excused: Whether rounding explains it.
    """

    layer: str
    sample: int
    kind: str
    step: int
    neuron: tuple[int, ...]
    outputs: tuple[float, float]
    membrane: tuple[float | None, float | None]
    threshold: tuple[float | None, float | None]
    distance: tuple[float | None, float | None]
    by_law: tuple[bool, bool] = (False, False)
    traces: tuple[Array | None, Array | None] = (None, None)
    excused: bool = False

    def as_json(self) -> dict[str, Any]:
        """Everything but the traces, as JSON values."""
        pairs = ("neuron", "outputs", "membrane", "threshold", "distance", "by_law")
        return {
            **{name: getattr(self, name) for name in ("layer", "sample", "kind", "step")},
            **{name: list(getattr(self, name)) for name in pairs},
            "rounding": self.excused,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A likely cause.

    Attributes:
        cause: Of the catalogue.
        text: What differs, in a sentence.
        layers: Where.
        bits: Outputs that break the law without it.
        explained: Of those, the ones that do not any more.
        share: The same as a share; of membranes where no output differs.
        told: Whether the parameters of both sides say so.
        rivals: Other causes that explain as much.
    """

    cause: str
    text: str
    layers: tuple[str, ...]
    bits: int
    explained: int
    share: float
    told: bool = False
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Difference:
    """Everything about two sides.

    Attributes:
        a: Label of A.
        b: Label of B.
        verdict: The worst of all layers.
        layers: In the order of the data.
        only_a: Layers without counterpart.
        only_b: Likewise.
        samples: Number of samples per kind.
        steps: T.
        first: Where they first part, if they do.
        causes: Best first.
        reproducer: The smallest input on which they part.
        decisions: Samples with another decision.
        parameters: Fields that differ, where both models can be read.
        left: Outputs that still differ when A runs with all causes applied; None if not run.
        notes: What a reader should know besides.
    """

    a: str
    b: str
    verdict: Agreement
    layers: tuple[Layer, ...]
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    samples: Mapping[str, int] = field(default_factory=dict)
    steps: int = 0
    first: Divergence | None = None
    causes: tuple[Cause, ...] = ()
    reproducer: Shrunk | None = None
    decisions: int = 0
    parameters: tuple[Unequal, ...] = ()
    left: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def agree(self) -> bool:
        """Whether nothing differs beyond rounding."""
        return self.verdict != "systematic"

    @property
    def differing(self) -> int:
        """Outputs that differ, over all layers."""
        return sum(layer.differing for layer in self.layers)

    def save_reproducer(self, path: Path | str) -> Path:
        """Write the smallest input as ``.npz``: ``samples`` (1, T, ...), which this reads again.

        Raises:
            InvalidInput: if the sides agree.
            InvalidFile: if the file cannot be written.
        """
        if self.reproducer is None:
            raise InvalidInput(f"{self.a} and {self.b} part nowhere; there is no input to save")
        buffer = BytesIO()
        np.savez_compressed(buffer, samples=self.reproducer.values[None])
        return write_atomic(path, buffer.getvalue())

    def as_json(self) -> dict[str, Any]:
        """Everything but arrays, as JSON values."""
        small = self.reproducer
        return {
            "a": self.a,
            "b": self.b,
            "agree": self.agree,
            "verdict": self.verdict,
            "differing": self.differing,
            "decisions": self.decisions,
            "samples": dict(self.samples),
            "steps": self.steps,
            "layers": [asdict(layer) for layer in self.layers],
            "only_a": list(self.only_a),
            "only_b": list(self.only_b),
            "first": None if self.first is None else self.first.as_json(),
            "causes": [asdict(cause) for cause in self.causes],
            "left": self.left,
            "reproducer": None if small is None else small.as_json(),
            "parameters": [asdict(unequal) for unequal in self.parameters],
            "notes": list(self.notes),
        }


def worst(verdicts: list[Agreement]) -> Agreement:
    """Of several."""
    return max(verdicts, key=lambda verdict: _RANK[verdict], default="identical")
