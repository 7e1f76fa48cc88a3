"""What a file may leave open, as the caller decided it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, get_args

from neurorobust import asking
from neurorobust.asking import in_range, numbers, option, questions, sizes
from neurorobust.data.source import checked_bounds
from neurorobust.errors import InvalidInput
from neurorobust.names import known_are

if TYPE_CHECKING:
    from neurorobust.ir import Header, Shape
    from neurorobust.ir.header import Coding
    from neurorobust.ir.neurons import Compare, ResetMode
    from neurorobust.ir.ports import Readout

Kind = Literal["saved", "nir", "netx", "onnx", "script"]
Discretisation = Literal["euler", "exponential"]
Start = Literal["zero", "leak", "reset"]
Recurrence = Literal["spikes", "currents"]
BatchAxis = Literal["none", "flatten", "all"]
OutputKind = Literal["spikes", "membrane"]


@cache
def _choices() -> Mapping[str, tuple[str, ...]]:
    """Of the fields that take one of some words."""
    from neurorobust.ir.header import Coding
    from neurorobust.ir.neurons import Compare, ResetMode
    from neurorobust.ir.ports import Readout

    known = {
        "reset": ResetMode,
        "discretisation": Discretisation,
        "compare": Compare,
        "v_init": Start,
        "recurrence": Recurrence,
        "batch_axis": BatchAxis,
        "readout": Readout,
        "coding": Coding,
        "output": OutputKind,
    }
    return {name: get_args(words) for name, words in known.items()}


def _by_name(text: str) -> Any:
    """One word for all, or one by name."""
    if "=" not in text:
        return text
    parts = [part.partition("=") for part in text.split(",")]
    return {name.strip(): word.strip() for name, _, word in parts}


def _of(*kinds: Kind, help: str = "", **declared: Any) -> Any:  # noqa: A002
    """An option of files of these kinds."""
    return option(help, of=kinds, **declared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is said of a file that does not say it itself: nothing of this is guessed.

    Attributes:
        steps: Time steps of a sample; NIR takes 100 where nothing is said.
        dt_s: Duration of a step in seconds; netx takes 1e-3 where nothing is said.
        readout: None counts spikes, or takes the last value where the last layer has none.
        input_shape: Of NIR: replaces the shape that the file's Input declares. Of netx: (C, H, W),
            where a first convolution lacks it in the file.
        header: Replaces ``dt_s`` and ``steps`` and says more: coding, bounds, classes.
        reset: ``hard`` (to ``v_reset``), ``soft`` (by the threshold) or ``none``; one for all
            neurons, or by node name.
        discretisation: ``euler``: ``beta = 1 - dt/tau``; ``exponential``: ``beta = exp(-dt/tau)``.
            Inputs enter with ``R dt/tau`` in both.
        compare: NIR fires where ``v > v_threshold``.
        v_init: Where membranes start: ``zero``, ``leak`` or ``reset``; needed where these are not
            all 0.
        recurrence: What waits one step in a cycle without a Delay: the ``spikes`` on their way to
            the recurrent weights (a recurrent bias acts from step 0), or the ``currents`` on their
            way back to the neurons (nothing comes back in step 0, as in Norse).
        time_unit_s: Unit of all times in the file; None takes seconds if they are plausible.
        batch_axis: Where the file counts a batch axis: ``none``, ``flatten`` (only in the dims of
            Flatten nodes) or ``all`` (in shapes, too).
        check_shapes: Whether declared shapes must be those that the weights give. Without, one
            value stands for all neurons.
        use_metadata: Whether what ``save_nir`` wrote beside NIR is used.
        num_layers: Records of the file to read; None reads all.
        skip_layers: Records at the start that are left out.
        input_message_bits: 0 takes any non-zero input as one spike; above 0 inputs are payloads of
            so many bits.
        reset_interval: Steps between two resets of all neurons; None for none.
        reset_offset: Phase of the reset as netx counts it; None takes the one that starts every
            stimulus from rest (0 after an input population, 1 otherwise).
    """

    steps: int | None = _of("nir", "netx", "script", help="Time steps of a sample.", least=1)
    dt_s: float | None = _of(
        "nir", "netx", "script", help="Duration of a step in seconds.", name="dt"
    )
    readout: "Readout | None" = _of(
        "nir", "netx", "script", help="How outputs become scores: count, mean, last, max or first."
    )
    input_shape: "Shape | None" = _of(
        "nir",
        "netx",
        "script",
        help="Shape of a sample at one step, as 3,32,32.",
        read=sizes,
    )
    header: "Header | None" = _of("nir")
    coding: "Coding | None" = _of(
        "nir", "script", help="What the input means: direct, bernoulli or events."
    )
    bounds: tuple[float, float] | None = _of(
        "nir", "script", help="Smallest and largest input value, as 0,1.", read=numbers
    )
    levels: int | None = _of(
        "nir", "script", help="Values that the sensor can give between the bounds.", least=2
    )
    reset: "ResetMode | Mapping[str, ResetMode] | None" = _of(
        "nir", help="hard, soft or none; also by neuron, as lif1=hard,lif2=soft.", read=_by_name
    )
    discretisation: Discretisation = _of(
        "nir", default="euler", help="Decays of a step: euler or exponential."
    )
    compare: "Compare" = _of("nir", default=">", help="When neurons fire: > or >= the threshold.")
    v_init: Start | None = _of(
        "nir", name="start", help="Where membranes start: zero, leak or reset."
    )
    recurrence: Recurrence | None = _of(
        "nir", help="What waits a step in a cycle without a Delay: spikes or currents."
    )
    time_unit_s: float | None = _of(
        "nir", name="time-unit", help="Unit of all times in the file, in seconds."
    )
    batch_axis: BatchAxis = _of(
        "nir", default="none", help="Where the file counts a batch axis: none, flatten or all."
    )
    check_shapes: bool = _of(
        "nir", default=True, off="trust-shapes", help="Hold declared shapes against the weights'."
    )
    use_metadata: bool = _of(
        "nir",
        default=True,
        name="metadata",
        off="no-metadata",
        help="Use what neurorobust wrote into the file beside NIR.",
    )
    num_layers: int | None = _of("netx", help="Records of the file to read.")
    skip_layers: int = _of("netx", default=0, help="Records at the start to leave out.")
    input_message_bits: int = _of(
        "netx", default=0, help="Bits of an input's payload; 0 takes inputs as spikes."
    )
    reset_interval: int | None = _of("netx", help="Steps between two resets of all neurons.")
    reset_offset: int | None = _of("netx", help="Phase of that reset, as netx counts it.")
    framework: str | None = _of("script", help="snntorch, norse or spikingjelly.")
    output: OutputKind = _of(
        "script", default="spikes", help="Of snnTorch, what is the output: spikes or membrane."
    )
    time_first: bool | None = _of(
        "script", off="step-wise", help="Whether forward takes all steps at once, (T, B, ...)."
    )

    def __post_init__(self) -> None:
        for name, allowed in _choices().items():
            given = getattr(self, name)
            for value in given.values() if isinstance(given, Mapping) else (given,):
                if value is not None and value not in allowed:
                    raise InvalidInput(f"{give(name)} is {value!r}; {known_are(value, allowed)}")
        for name in ("dt_s", "time_unit_s"):
            number = getattr(self, name)
            if number is not None and not (isfinite(number) and number > 0):
                msg = f"{give(name)} is {number}; a duration in seconds is finite and above 0"
                raise InvalidInput(msg)
        in_range(Reading, self)
        if self.bounds is not None:
            checked_bounds(self.bounds, give("bounds"))

    def beyond(self, kind: Kind) -> list[str]:
        """What was said although files of a kind say it themselves."""
        return [name for name in self.said if kind not in questions(Reading)[name].of]

    @property
    def said(self) -> dict[str, Any]:
        """What differs from saying nothing."""
        values = {name: getattr(self, name) for name in questions(Reading)}
        return {n: v for n, v in values.items() if v != questions(Reading)[n].default}

    @property
    def step_s(self) -> float:
        """Seconds per step, which must have been said."""
        found = self.dt_s if self.header is None else self.header.dt_s
        assert found is not None  # noqa: S101  # the reader of NIR asks for it
        return found

    @property
    def unit_s(self) -> float:
        """Seconds per unit of time in the file."""
        return 1.0 if self.time_unit_s is None else self.time_unit_s


give = partial(asking.give, Reading)
"""How something that a file leaves open is said."""


def off(name: str) -> str:
    """How no is said to something that is on by default."""
    return questions(Reading)[name].said(value=False)
