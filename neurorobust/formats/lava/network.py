"""A network as Lava sees it: processes and connections, in plain arrays and integers.

Every class here is one Lava process of the same name, with Lava's own parameters and nothing
derived. The equations are those of lava-nc 0.10.0. In ``fixed_pt``, with ``trunc`` towards zero:

    synapse   sends in step t what it computed from the spikes of step t - 1
    u         wrap24(trunc(u · (4095 - du) / 4096) + 64 · a)
    v         clip24(trunc(v · (4096 - dv) / 4096) + u + bias_mant · 2^bias_exp)
    spike     v > 64 · vth, then v = 0

In ``floating_pt``: ``u = u·(1 - du) + a``, ``v = v·(1 - dv) + u + bias_mant``, ``v > vth``.

A population and a flat port are joined in C order, so (X, Y, C) feeds a Dense as is.
"""

import re
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Tag = Literal["fixed_pt", "floating_pt"]
SignMode = Literal["mixed", "excitatory", "inhibitory"]
Array = npt.NDArray[Any]
Parameter = int | float | Array
"""A number for the whole population, or an array that broadcasts against its shape."""


@dataclass(frozen=True, slots=True, eq=False)
class _Named:
    """A process by its name, which is unique."""

    name: str

    @property
    def kind(self) -> str:
        """What the worker calls a process of this class: ``lif_reset`` for a ``LifReset``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()


@dataclass(frozen=True, slots=True, eq=False)
class Source(_Named):
    """RingBuffer source: sends row t - 1 of its input in step t, and zeros after the last one."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Sink(_Named):
    """Keeps what arrives in step t as row t - 1 of its record."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Dense(_Named):
    """Fully connected synapses.

    In ``fixed_pt`` a matrix of mixed signs holds 8-bit weights in steps of 2: Lava clears the
    lowest bit (3 becomes 2, -3 becomes -4). Without ``sign_mode`` the signs in the matrix decide.

    Args:
        weights: Shape (out, in). ``fixed_pt``: integers in -256..255 (mixed), 0..255
            (excitatory) or -255..0 (inhibitory).
        weight_exp: The sum is shifted left by it, -8..7; ``fixed_pt`` only.
        num_weight_bits: 1..8; ``fixed_pt`` only.
        sign_mode: How signs are stored; ``fixed_pt`` only.
        num_message_bits: 0: any input that is not zero counts as one spike; else its value counts.
    """

    weights: Array
    weight_exp: int = 0
    num_weight_bits: int = 8
    sign_mode: SignMode | None = None
    num_message_bits: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class DelayDense(Dense):
    """A :class:`Dense` with a delay per synapse: a spike of step t arrives in t + 1 + delay.

    Each delay's sum is shifted by ``weight_exp`` by itself.

    Args:
        delays: Shape (out, in), integers in 0..63, steps.
        max_delay: Length of the delay line, steps; 0 takes the largest delay.
    """

    delays: Array = field(kw_only=True)
    max_delay: int = field(default=0, kw_only=True)


@dataclass(frozen=True, slots=True, eq=False)
class Sparse(Dense):
    """A :class:`Dense` that keeps its weights that are not zero; the sums are the same."""


@dataclass(frozen=True, slots=True, eq=False)
class DelaySparse(DelayDense):
    """A :class:`DelayDense` that keeps the weights that are not zero, with their delays.

    Sums of payloads beyond 32 bits differ: here each delay's sum wraps before it is shifted, as
    that of a :class:`Dense` does; DelayDense wraps each product and shifts a wider sum.
    """


@dataclass(frozen=True, slots=True, eq=False)
class Conv(_Named):
    """Convolution, kernel flipped, channels last, x before y.

    From PyTorch: ``weight[:, :, ::-1, ::-1].transpose(0, 3, 2, 1)``, images
    ``(C, H, W).transpose(2, 1, 0)`` and every pair (h, w) as (w, h). ``fixed_pt`` takes weights
    as they are (no 8-bit range) and wraps the sum at 24 bits.

    Args:
        weight: Shape (K, KX, KY, C / groups).
        input_shape: (X, Y, C).
        stride: Along x and y, 1..127.
        padding: Zeros on both sides along x and y, 0..127.
        dilation: Along x and y, 1..127.
        groups: 1..127; Lava keeps it in int8 and computes zeros from 128 on.
        num_message_bits: As for :class:`Dense`.
    """

    weight: Array
    input_shape: tuple[int, int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    num_message_bits: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Lif(_Named):
    """Leaky integrate-and-fire population.

    Args:
        shape: Shape of the population.
        du: Current decay. ``fixed_pt``: -1..4095.
        dv: Voltage decay. ``fixed_pt``: 0..4096.
        vth: Threshold, exceeded strictly. ``fixed_pt``: 0..2^25 - 1; v saturates below 2^17,
            so a threshold from there on never fires.
        bias_mant: Added to v in every step. ``fixed_pt``: int16.
        bias_exp: Shift of the bias, -15..15; ``floating_pt`` ignores it.
        u: Current before the first step.
        v: Voltage before the first step.
    """

    shape: tuple[int, ...]
    du: Parameter = 0
    dv: Parameter = 0
    vth: Parameter = 10
    bias_mant: Parameter = 0
    bias_exp: Parameter = 0
    u: Parameter = 0
    v: Parameter = 0


@dataclass(frozen=True, slots=True, eq=False)
class LifReset(Lif):
    """A :class:`Lif` that is set to u = v = 0 at the start of some steps.

    These are the steps t, counted from 1, with ``t % reset_interval`` equal to
    ``reset_offset % reset_interval``.

    Args:
        reset_interval: Steps between two resets, ≥ 1.
        reset_offset: Phase, ≥ 0; see :class:`neurorobust.formats.lava.schedule.Schedule`.
    """

    reset_interval: int = field(kw_only=True)
    reset_offset: int = field(kw_only=True)


@dataclass(frozen=True, slots=True, eq=False)
class TernaryLif(_Named):
    """A :class:`Lif` with two thresholds: it sends 1 above ``vth_hi`` and -1 below ``vth_lo``.

    Args:
        shape: Shape of the population.
        vth_hi: Upper threshold. ``fixed_pt``: magnitude below 2^25.
        vth_lo: Lower threshold, not above the upper one.
        du, dv, bias_mant, bias_exp, u, v: As for :class:`Lif`.
    """

    shape: tuple[int, ...]
    vth_hi: Parameter = 10
    vth_lo: Parameter = -10
    du: Parameter = 0
    dv: Parameter = 0
    bias_mant: Parameter = 0
    bias_exp: Parameter = 0
    u: Parameter = 0
    v: Parameter = 0


@dataclass(frozen=True, slots=True)
class Reset(_Named):
    """Sets u = v = 0 in a population after the steps t with ``(t - 1) % interval == offset``.

    Args:
        target: The population.
        interval: Steps between two resets, ≥ 1.
        offset: Phase, 0..interval - 1.
    """

    target: str
    interval: int
    offset: int


Synapse = Dense | Conv
Process = Source | Sink | Synapse | Lif | TernaryLif | Reset


@dataclass(frozen=True, slots=True)
class Connection:
    """From the output of one process to the input of another; several into one input add up."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class LavaNetwork:
    """A whole network, in one arithmetic.

    Args:
        tag: ``fixed_pt`` for the chip's integers, ``floating_pt`` for floats.
        processes: All processes; their names are unique.
        connections: Between them, loops included as long as a synapse is on each.
    """

    tag: Tag
    processes: tuple[Process, ...]
    connections: tuple[Connection, ...]

    def serialise(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Split into a JSON description and the arrays it refers to.

        Returns:
            The description, in which ``{"array": key}`` stands for an array, and the arrays.
        """
        arrays: dict[str, Array] = {}
        processes = [{"kind": p.kind} | described(p, arrays) for p in self.processes]
        connections = [[link.source, link.target] for link in self.connections]
        return {"tag": self.tag, "processes": processes, "connections": connections}, arrays


def chain(*names: str) -> tuple[Connection, ...]:
    """Connections from each process to the next: ``chain("in", "fc1", "lif1", "out")``."""
    return tuple(map(Connection, names, names[1:]))


def described(part: Any, arrays: dict[str, Array]) -> dict[str, Any]:
    """The fields of a part of a network as JSON values; its arrays are moved to ``arrays``."""
    record: dict[str, Any] = {}
    for own in fields(part):
        value = getattr(part, own.name)
        if isinstance(value, np.ndarray) and value.ndim:
            key = f"a{len(arrays)}"
            arrays[key] = value
            value = {"array": key}
        elif isinstance(value, np.ndarray | np.generic):
            value = value.item()
        elif isinstance(value, tuple):
            value = [int(size) for size in value]
        record[own.name] = value
    return record
