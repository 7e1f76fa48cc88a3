"""What cannot be taken over from a ``.net`` file, and why."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """One layer that has no exact form in a Program, or that netx itself cannot run.

    Attributes:
        code: Short name of the reason.
        layer: Number of the layer, or None for the file.
        what: What is found there, and what netx does with it.
        way_out: How to avoid it.
    """

    code: str
    layer: int | None
    what: str
    way_out: str


def listed(refusals: Iterable[Refusal]) -> str:
    """One line per reason, with all layers that share it."""
    layers: dict[tuple[str, str], list[str]] = {}
    for refusal in refusals:
        same = layers.setdefault((refusal.what, refusal.way_out), [])
        same += [] if refusal.layer is None else [str(refusal.layer)]
    lines = []
    for (what, way_out), where in layers.items():
        label = f"layer{'s' if len(where) > 1 else ''} {', '.join(where)}: " if where else ""
        lines.append(f"  - {label}{what}; {way_out}")
    return "\n".join(lines)


class Refused(Exception):
    """Carries a refusal from where it is found to where refusals are collected."""

    def __init__(self, code: str, layer: int | None, what: str, way_out: str) -> None:
        self.refusal = Refusal(code, layer, what, way_out)
        super().__init__(f"{what}; {way_out}")
