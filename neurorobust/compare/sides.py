"""The sides of a comparison: what runs, what it gave layer by layer, and which layers are one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from neurorobust import backends
from neurorobust.data import Stimulus
from neurorobust.ir import Array, Graph, Model, Node, Program, Shape


@dataclass(frozen=True, slots=True)
class Observed:
    """A layer that was recorded.

    Attributes:
        name: Of the node.
        shape: Of its population.
        spiking: Whether its output is spikes; else its membrane.
    """

    name: str
    shape: Shape
    spiking: bool


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Recording:
    """One run; arrays are (B, T, ...).

    Attributes:
        outputs: Per layer what it gives: spikes, or the membrane of an integrator.
        membrane: Per spiking layer the membrane before reset, where it was recorded.
        scores: Shape (B, classes).
        deviations: How the run may differ from the exact law, as its backend says.
    """

    outputs: Mapping[str, Array]
    membrane: Mapping[str, Array] = field(default_factory=dict)
    scores: Array
    deviations: tuple[backends.Deviation, ...] = ()

    @classmethod
    def of(cls, result: backends.RunResult, order: Sequence[str] = ()) -> "Recording":
        """From a run's result, layers in the order given, then in that of the result."""
        values = {n: h for n, h in result.membrane.items() if n not in result.spikes}
        found = dict(result.spikes) | values
        names = [*(name for name in order if name in found), *found]
        membrane = {n: h for n, h in result.membrane.items() if n in result.spikes}
        outputs = {name: found[name] for name in dict.fromkeys(names)}
        return cls(
            outputs=outputs, membrane=membrane, scores=result.scores, deviations=result.deviations
        )

    def layers(self, spiking: Iterable[str]) -> tuple[Observed, ...]:
        """All layers in order; those named fire."""
        fire = set(spiking)
        return tuple(Observed(n, v.shape[2:], n in fire) for n, v in self.outputs.items())


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
    executable: backends.Executable
    model: Model | None = None
    precision: backends.Precision = "double"
    records: tuple[backends.Record, ...] = ("spikes", "membrane")

    @classmethod
    def of(
        cls,
        model: Model,
        backend: str = "torch",
        rung: backends.Rung | None = None,
        *,
        precision: backends.Precision = "double",
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
        found = backends.require_backend(backend)
        rung = rung or backends.rung_of(model)
        label = label or f"{model.header.name or type(model).__name__}@{backend}:{rung}"
        executable = found.compile(model, rung, precision=precision)
        support = found.capabilities().rungs[rung]
        records: tuple[backends.Record, ...] = (
            ("spikes", "membrane") if support.membrane else ("spikes",)
        )
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

    def node(self, name: str) -> Node | None:
        """The law of a layer, where it is known."""
        return self.model.nodes.get(name) if self.model else None


@dataclass(frozen=True, slots=True)
class Pair:
    """The same layer on both sides."""

    a: Observed
    b: Observed

    @property
    def comparable(self) -> bool:
        """Whether the populations have one shape."""
        return self.a.shape == self.b.shape

    @property
    def name(self) -> str:
        """Its name; both where they differ."""
        return self.a.name if self.a.name == self.b.name else f"{self.a.name} = {self.b.name}"


@dataclass(frozen=True, slots=True)
class Matching:
    """Which layer is which: pairs in the order of A, and what has no counterpart."""

    pairs: tuple[Pair, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]


def match(a: Sequence[Observed], b: Sequence[Observed]) -> Matching:
    """By name, else by order and shape.

    Same name and shape come first; the rest is aligned in order where kind and shape agree; what is
    left is paired by name alone, or in order if equally many are left. Such pairs differ in shape.
    """
    found: dict[Observed, Observed] = {}

    def rest() -> tuple[list[Observed], list[Observed]]:
        taken = set(found.values())
        return [x for x in a if x not in found], [y for y in b if y not in taken]

    found |= {x: y for x in a for y in b if x == y}
    left, right = rest()
    kinds = [(x.shape, x.spiking) for x in left], [(y.shape, y.spiking) for y in right]
    for block in SequenceMatcher(None, *kinds, autojunk=False).get_matching_blocks():
        for k in range(block.size):
            found[left[block.a + k]] = right[block.b + k]
    left, right = rest()
    found |= {x: y for x in left for y in right if (x.name, x.spiking) == (y.name, y.spiking)}
    left, right = rest()
    if [x.spiking for x in left] == [y.spiking for y in right]:
        found |= dict(zip(left, right, strict=True))
    left, right = rest()
    pairs = tuple(Pair(x, found[x]) for x in a if x in found)
    return Matching(pairs, tuple(x.name for x in left), tuple(y.name for y in right))
