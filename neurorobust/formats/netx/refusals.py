"""What cannot be taken over from a ``.net`` file, and why."""

from collections.abc import Iterable

from neurorobust.errors import Refusal, listed


def by_reason(refusals: Iterable[Refusal]) -> str:
    """One line per reason, with all layers that share it."""
    layers: dict[tuple[str, str], list[str]] = {}
    for refusal in refusals:
        same = layers.setdefault((refusal.why, refusal.way_out), [])
        same += [] if refusal.node is None else [str(refusal.node)]
    named = {
        reason: f"layer{'s' if len(where) > 1 else ''} {', '.join(where)}" if where else None
        for reason, where in layers.items()
    }
    return listed(Refusal(where, "", *reason) for reason, where in named.items())


class Refused(Exception):
    """Carries a refusal of a layer from where it is found to where refusals are collected."""

    def __init__(self, code: str, layer: int | None, what: str, way_out: str) -> None:
        self.refusal = Refusal(layer, code, what, way_out)
        super().__init__(f"{what}; {way_out}")
