"""One side of a comparison: whatever runs a stimulus and tells what its layers did."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from neurorobust.backends import Executable, Precision, Record, Rung, backend_names, require_backend
from neurorobust.data import Stimulus
from neurorobust.difference.loading import Reading, read
from neurorobust.difference.recording import Observed, Recording
from neurorobust.errors import InvalidInput
from neurorobust.ir import LIF, Array, FixedLIF, Graph, Model, Program

_RUNGS: tuple[Rung, ...] = ("float", "quantised", "device")


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
        profile: str = "loihi2",
        label: str = "",
    ) -> "Side":
        """A model compiled for one rung of one backend.

        Args:
            model: A Graph or Program.
            backend: Its name.
            rung: By default ``float`` for a Graph, ``quantised`` for a Program.
            precision: Of the rung ``float``.
            profile: Target that a Graph is lowered to where the rung is ``quantised``.
            label: By default name of the model, backend and rung.

        Raises:
            BackendUnavailable: for a backend that is unknown or cannot run here.
            Unsupported: if the backend has no such rung, or cannot run the model exactly.
        """
        found = require_backend(backend)
        rung = rung or ("quantised" if isinstance(model, Program) else "float")
        label = label or f"{model.header.name or type(model).__name__}@{backend}:{rung}"
        if rung == "quantised" and isinstance(model, Graph):
            from neurorobust.lower import lower
            from neurorobust.profiles import load_profile

            model = lower(model, load_profile(profile).profile)
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


def open_side(given: Model | str | Path | Executable | Side, reading: Reading) -> Side:
    """A side from what people name.

    Args:
        given: A Side; a model; anything that follows ``Executable``; or a file, with
            ``@backend``, ``@backend:rung`` or ``@backend:rung:precision`` after it if wanted.
        reading: What files of other formats do not say.

    Raises:
        InvalidInput: for anything else, or an unknown rung or precision.
        InvalidFile: for a file that cannot be read.
    """
    if isinstance(given, Side):
        return given
    if isinstance(given, Model):
        return Side.of(given, profile=reading.profile)
    if isinstance(given, str | Path):
        return _from_text(str(given), reading)
    if callable(getattr(given, "run", None)):
        return Side(label=type(given).__name__, executable=given, precision="single")
    msg = (
        f"cannot compare a {type(given).__name__}; give a Graph, a Program, a file, "
        "file@backend:rung, an Executable or a Side"
    )
    raise InvalidInput(msg)


def _from_text(text: str, reading: Reading) -> Side:
    path, at, lane = text.rpartition("@")
    if not at or Path(text).exists():
        path, lane = text, "torch"
    backend, _, rest = lane.partition(":")
    rung, _, precision = rest.partition(":")
    if backend not in backend_names():
        known = ", ".join(backend_names())
        msg = f"{text}: no backend is named {backend!r}; known are {known}"
        raise InvalidInput(msg)
    if rung and rung not in _RUNGS:
        msg = f"{text}: no rung is named {rung!r}; known are {', '.join(_RUNGS)}"
        raise InvalidInput(msg)
    if precision not in ("", "double", "single"):
        msg = f"{text}: precision is {precision!r}; known are double, single"
        raise InvalidInput(msg)
    side = Side.of(
        read(Path(path), reading),
        backend,
        next((known for known in _RUNGS if known == rung), None),
        precision="single" if precision == "single" else "double",
        profile=reading.profile,
    )
    return replace(side, label=text)
