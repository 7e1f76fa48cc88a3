"""What the attacker knows, recorded with every attack set."""

from enum import StrEnum


class Knowledge(StrEnum):
    """From most to least; the label belongs to the attacker's view of the *deployed* network."""

    WHITE_BOX = "white_box"
    """Weights, graph and arithmetic: gradients of the very model that is scored."""
    BACKEND_AWARE = "backend_aware"
    """Weights and graph, with the deployed arithmetic simulated in the attack."""
    GRAY_BOX = "gray_box"
    """Weights and graph in float; not the deployed arithmetic, delays or schedule."""
    BLACK_BOX = "black_box"
    """Architecture and data: crafts on an independently trained twin."""
    QUERY_ONLY = "query_only"
    """Scores of the deployed model for chosen inputs, nothing else."""
    NONE = "none"
    """Nothing: noise."""


def on_other_arithmetic(knowledge: Knowledge | str) -> Knowledge:
    """The label of a set that is replayed on another arithmetic than it was crafted on.

    Exact knowledge of the float network is a gray box there; the others know no more than before.
    """
    known = Knowledge(knowledge)
    return Knowledge.GRAY_BOX if known is Knowledge.WHITE_BOX else known
