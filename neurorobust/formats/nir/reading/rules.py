"""What a NIR file leaves open, as the caller decided it; and how a fault is said."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Literal, get_args

from neurorobust.errors import InvalidInput
from neurorobust.ir.neurons import Compare, ResetMode

Discretisation = Literal["euler", "exponential"]
Start = Literal["zero", "leak", "reset"]
Recurrence = Literal["spikes", "currents"]
BatchAxis = Literal["none", "flatten", "all"]


class Fault(Exception):
    """Something in a file that has no exact form; carries the node, the reason and the way out."""

    def __init__(self, node: str, what: str, way_out: str) -> None:
        super().__init__(f"node {node!r}: {what}; {way_out}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the continuous neurons of NIR become discrete ones.

    Attributes:
        dt_s: Duration of a step in seconds.
        reset: ``hard`` (to ``v_reset``), ``soft`` (by the threshold) or ``none``; one for all, or
            by node name.
        discretisation: ``euler``: ``beta = 1 - dt/tau``; ``exponential``: ``beta = exp(-dt/tau)``.
            Inputs enter with ``R dt/tau`` in both.
        compare: ``>`` is NIR's.
        v_init: Where membranes start: ``zero``, ``leak`` or ``reset``.
        recurrence: What waits one step in a cycle without a Delay: the ``spikes`` on their way to
            the recurrent weights, or the ``currents`` on their way back to the neurons.
        time_unit_s: Unit of all times in the file; None takes seconds if they are plausible.
        batch_axis: Where the file counts a batch axis: ``none``, in ``flatten`` only, or ``all``.
        check_shapes: Whether declared shapes must be those that the weights give.
    """

    dt_s: float
    reset: ResetMode | Mapping[str, ResetMode] | None = None
    discretisation: Discretisation = "euler"
    compare: Compare = ">"
    v_init: Start | None = None
    recurrence: Recurrence | None = None
    time_unit_s: float | None = None
    batch_axis: BatchAxis = "none"
    check_shapes: bool = True

    def __post_init__(self) -> None:
        modes = list(self.reset.values()) if isinstance(self.reset, Mapping) else [self.reset]
        for name, value, allowed in (
            *(("reset", mode, (None, *get_args(ResetMode))) for mode in modes),
            ("discretisation", self.discretisation, get_args(Discretisation)),
            ("compare", self.compare, get_args(Compare)),
            ("v_init", self.v_init, (None, *get_args(Start))),
            ("recurrence", self.recurrence, (None, *get_args(Recurrence))),
            ("batch_axis", self.batch_axis, get_args(BatchAxis)),
        ):
            if value not in allowed:
                listed = ", ".join(repr(choice) for choice in allowed if choice)
                msg = f"{name} is {value!r}; known are {listed}"
                raise InvalidInput(msg)
        for name, number in (("dt_s", self.dt_s), ("time_unit_s", self.time_unit_s)):
            if number is not None and not (isfinite(number) and number > 0):
                msg = f"{name} is {number}; a duration in seconds is finite and above 0"
                raise InvalidInput(msg)

    @property
    def unit_s(self) -> float:
        """Seconds per unit of time in the file."""
        return 1.0 if self.time_unit_s is None else self.time_unit_s

    def described(self) -> dict[str, Any]:
        """As JSON values."""
        given = asdict(self)
        return given | {"reset": dict(self.reset)} if isinstance(self.reset, Mapping) else given
