"""What the doctor says of a ``.net`` file, as results of a check."""

from dataclasses import replace
from pathlib import Path

from neurorobust.fit.result import Check, Result
from neurorobust.formats.netx.lint import Finding, examine


def with_findings(check: Check, path: Path | str) -> Check:
    """A check with the doctor's errors as failures, and its warnings as notes.

    Args:
        check: Of the network of the file.
        path: The file.

    Raises:
        InvalidFile: if the file cannot be read.
    """
    found = examine(path)
    failed = [
        Result(
            constraint=f"netx: {finding.code}",
            kind="wall",
            layer="" if finding.layer is None else f"layer {finding.layer}",
            status="fail",
            note=_sentence(finding),
        )
        for finding in found
        if finding.severity == "error"
    ]
    notes = [
        f"netx: {finding.code}{'' if finding.layer is None else f' (layer {finding.layer})'}: "
        f"{_sentence(finding)}"
        for finding in found
        if finding.severity == "warning"
    ]
    return replace(check, results=(*check.results, *failed), notes=(*check.notes, *notes))


def _sentence(finding: Finding) -> str:
    return f"{finding.message}; {finding.avoid}"
