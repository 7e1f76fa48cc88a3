"""What a file may leave open, as the caller decided it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any, Literal, get_args

from neurorobust.errors import InvalidInput
from neurorobust.ir import Header, Shape
from neurorobust.ir.neurons import Compare, ResetMode
from neurorobust.ir.ports import Readout

Kind = Literal["saved", "nir", "netx", "onnx"]
Discretisation = Literal["euler", "exponential"]
Start = Literal["zero", "leak", "reset"]
Recurrence = Literal["spikes", "currents"]
BatchAxis = Literal["none", "flatten", "all"]

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "reset": get_args(ResetMode),
    "discretisation": get_args(Discretisation),
    "compare": get_args(Compare),
    "v_init": get_args(Start),
    "recurrence": get_args(Recurrence),
    "batch_axis": get_args(BatchAxis),
}


def _of(*kinds: Kind, default: Any = None) -> Any:
    """An option of files of these kinds."""
    return field(default=default, metadata={"of": kinds})


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

    steps: int | None = _of("nir", "netx")
    dt_s: float | None = _of("nir", "netx")
    readout: Readout | None = _of("nir", "netx")
    input_shape: Shape | None = _of("nir", "netx")
    header: Header | None = _of("nir")
    reset: ResetMode | Mapping[str, ResetMode] | None = _of("nir")
    discretisation: Discretisation = _of("nir", default="euler")
    compare: Compare = _of("nir", default=">")
    v_init: Start | None = _of("nir")
    recurrence: Recurrence | None = _of("nir")
    time_unit_s: float | None = _of("nir")
    batch_axis: BatchAxis = _of("nir", default="none")
    check_shapes: bool = _of("nir", default=True)
    use_metadata: bool = _of("nir", default=True)
    num_layers: int | None = _of("netx")
    skip_layers: int = _of("netx", default=0)
    input_message_bits: int = _of("netx", default=0)
    reset_interval: int | None = _of("netx")
    reset_offset: int | None = _of("netx")

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            given = getattr(self, name)
            for value in given.values() if isinstance(given, Mapping) else (given,):
                if value is not None and value not in allowed:
                    listed = ", ".join(map(repr, allowed))
                    raise InvalidInput(f"{name} is {value!r}; known are {listed}")
        for name in ("dt_s", "time_unit_s"):
            number = getattr(self, name)
            if number is not None and not (isfinite(number) and number > 0):
                msg = f"{name} is {number}; a duration in seconds is finite and above 0"
                raise InvalidInput(msg)

    def beyond(self, kind: Kind) -> list[str]:
        """What was said although files of a kind say it themselves."""
        return [
            part.name
            for part in fields(self)
            if kind not in part.metadata["of"] and getattr(self, part.name) != part.default
        ]

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
