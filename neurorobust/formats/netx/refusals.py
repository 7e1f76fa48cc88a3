"""What cannot be taken over from a ``.net`` file, and why."""

from neurorobust.errors import Refusal


class Refused(Exception):
    """Carries a refusal of a layer from where it is found to where refusals are collected."""

    def __init__(self, code: str, layer: int | None, what: str, way_out: str) -> None:
        self.refusal = Refusal(layer, code, what, way_out)
        super().__init__(f"{what}; {way_out}")
