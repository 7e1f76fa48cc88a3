"""Writing a Program as a ``.net`` file that netx runs spike for spike."""

from io import BytesIO
from pathlib import Path

import numpy as np

from neurorobust.errors import Unsupported
from neurorobust.files import write_atomic
from neurorobust.formats.netx.call import NetxCall
from neurorobust.formats.netx.document import Datasets, hdf5, read_netx
from neurorobust.formats.netx.load import build
from neurorobust.formats.netx.writing.chain import Chain, NoExactForm, chain
from neurorobust.formats.netx.writing.encode import encode
from neurorobust.ir import Program


def save_netx(program: Program, path: Path | str) -> NetxCall:
    """Write a file with which lava-dl's netx computes what the Program computes.

    Before the file appears it is read back, with the changes that netx and Lava make to weights,
    and compared with the Program. What the file does not hold is in the result: pass
    ``**call.arguments()`` to ``netx.hdf5.Network``, and inputs as ``call.arrange(codes)``. The
    coding of input values as integers stays with the caller; ``netx_latency`` says how much later
    netx answers.

    Returns:
        The arguments under which netx computes the Program.

    Raises:
        Unsupported: naming what netx cannot hold exactly, and the way out.
        InvalidFile: if the folder cannot be written.
    """
    try:
        made = chain(program)
        records = encode(made)
    except NoExactForm as error:
        raise Unsupported(f"this Program has no exact form in a .net file: {error}") from error
    call = _call(made, *records[:2])
    data = hdf5(records)
    document = read_netx(path, BytesIO(data))
    _check(made, build(document, call, program.header, in_phase=False))
    write_atomic(path, data)
    return call


def _call(made: Chain, first: Datasets, second: Datasets | None = None) -> NetxCall:
    """The arguments; an image goes into an input population, or into a convolution behind it."""
    image = made.block or (second is not None and second["type"] == b"conv")
    shape = tuple(int(n) for n in first["shape"])
    interval, offset = made.reset
    return NetxCall(
        input_shape=shape if image and len(shape) == 3 else None,
        input_message_bits=made.top.bit_length() if made.graded else 0,
        reset_interval=interval or None,
        reset_offset=(offset + (0 if made.block else 1)) % interval if interval else 0,
    )


def _check(wanted: Chain, written: Program) -> None:
    """Hold what was written, as netx will use it, against what was meant."""
    found = chain(written)
    if found.reset != wanted.reset:
        msg = f"resets {wanted.reset} would become {found.reset}; this form is not supported"
        raise Unsupported(msg)
    for mine, theirs in zip(wanted.stages, found.stages, strict=True):
        pairs = zip(mine.signature(), theirs.signature(), strict=True)
        if not all(np.array_equal(a, b) for a, b in pairs):
            msg = f"{mine.name}: netx would compute something else; this form is not supported"
            raise Unsupported(msg)
