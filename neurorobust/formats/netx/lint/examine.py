"""All rules on one file."""

from pathlib import Path

from neurorobust.errors import InvalidInput
from neurorobust.formats.netx.call import NetxCall
from neurorobust.formats.netx.document import read_netx
from neurorobust.formats.netx.lint.case import FIXED, Case
from neurorobust.formats.netx.lint.finding import Finding
from neurorobust.formats.netx.lint.rules import RULES
from neurorobust.formats.netx.reading.layers import interpret

_RANK = {"error": 0, "warning": 1, "note": 2}


def examine(
    path: Path | str,
    call: NetxCall | None = None,
    *,
    select_tag: str | None = FIXED,
    input_range: tuple[int, int] | None = None,
) -> tuple[Finding, ...]:
    """What goes wrong when netx runs a file, the worst first.

    Args:
        path: The file.
        call: Arguments of ``netx.hdf5.Network``; None takes its defaults.
        select_tag: Tag given to the run configuration, None for none.
        input_range: Smallest and largest integer that will be sent, where known.

    Raises:
        InvalidFile: if the file cannot be read.
        InvalidInput: for an empty input range.
    """
    if input_range is not None and input_range[0] > input_range[1]:
        low, high = input_range
        raise InvalidInput(f"input_range is {low}..{high}; give the smallest integer first")
    document = read_netx(path)
    call = call or NetxCall()
    case = Case(document, call, interpret(document, call), select_tag, input_range)
    found = [finding for rule in RULES for finding in rule.findings(case)]
    return tuple(sorted(found, key=lambda f: (_RANK[f.severity], f.layer or 0, f.code)))
