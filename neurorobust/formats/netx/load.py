"""A ``.net`` file → Program."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from neurorobust.errors import InvalidFile, InvalidInput, Refusal, grouped
from neurorobust.formats.netx.call import NetxCall
from neurorobust.formats.netx.document import Document, read_netx
from neurorobust.formats.netx.reading.builder import Builder
from neurorobust.formats.netx.reading.layers import InputBlock, Plan, interpret
from neurorobust.formats.netx.reading.synapses import Conv
from neurorobust.formats.reading import Reading, give
from neurorobust.ir import Header, Program
from neurorobust.ir.ports import Readout


def load_netx(path: Path, reading: Reading) -> Program:
    """Read a network that lava-dl's netx runs, with the weights that Lava uses in effect.

    The nodes carry the number of their layer: ``dense3``, ``lif3``. The input takes the integers
    that netx is given: spikes (0 or 1) or payloads per step (coding ``events``), or, where the file
    starts with an input population, an image x that acts in every step as ``bias_mant = x weight +
    bias`` of the file (coding ``direct``). Latency is taken out, see ``netx_latency``. The
    Program's report counts the weights that do not act as the file says; ``formats.netx.lint``
    explains them.

    Raises:
        InvalidFile: naming every layer that has no exact form in a Program, the reason, and the
            way out.
        InvalidInput: if the steps are not said, or something is out of range.
    """
    if reading.steps is None:
        ask = give("steps", 16)
        msg = f"{path}: a netx file does not say how many steps a sample lasts; give it, as {ask}"
        raise InvalidInput(msg)
    dt_s = 1e-3 if reading.dt_s is None else reading.dt_s
    header = Header(name=path.stem, dt_s=dt_s, steps=reading.steps)
    in_phase = reading.reset_offset is None
    call = NetxCall.of(reading)
    return build(read_netx(path), call, header, readout=reading.readout, in_phase=in_phase)


def build(
    document: Document,
    call: NetxCall,
    header: Header,
    *,
    readout: Readout | None = None,
    in_phase: bool = True,
) -> Program:
    """The Program of a file that was read; ``in_phase`` starts every stimulus from rest."""
    plan = interpret(document, call)
    if refusals := plan.refusals or tuple(_too_wide(plan, call)):
        raise InvalidFile(
            document.path, f"cannot be taken over exactly:\n{grouped(refusals, 'layer')}"
        )
    return Builder(plan, call, header, in_phase=in_phase).program(document, readout)


def _too_wide(plan: Plan, call: NetxCall) -> Iterator[Refusal]:
    """The first layer whose sums could pass 32 bits, where Lava's arithmetic is another."""
    top = (1 << max(call.input_message_bits, 1)) - 1
    for layer in plan.layers:
        if isinstance(layer, InputBlock):
            continue
        if isinstance(layer, Conv):
            rows = np.abs(layer.feed.weight.astype(np.int64)).sum(axis=(1, 2, 3))
            reach = top * int(rows.max())
        else:
            reach = top * layer.feed.weight.shape[1] << 8
        if reach >= 1 << 31:
            what = f"inputs of up to {top} make sums of up to {reach}, beyond 32 bits"
            yield Refusal(layer.index, "range", what, f"use fewer {give('input_message_bits')}")
            return
        top = 1
