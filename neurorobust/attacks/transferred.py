"""Black box: an attack crafted on an independently trained twin and scored on the target."""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from neurorobust.attacks.base import Attack, record
from neurorobust.attacks.case import Case
from neurorobust.attacks.knowledge import Knowledge
from neurorobust.attacks.target import Scored, Target
from neurorobust.engine.estimators import Estimator
from neurorobust.errors import InvalidInput


class Transferred(Attack):
    """The twin's gradients, the target's decisions; the target is asked once per sample.

    Args:
        attack: What is run on the twin.
        twin: Another training of the same architecture on the same data.
    """

    name: ClassVar[str] = "transferred"
    knowledge: Knowledge = Knowledge.BLACK_BOX

    def __init__(self, attack: Attack, twin: Scored) -> None:
        self.attack, self.twin = attack, twin
        self.threats, self.targetable = attack.threats, attack.targetable

    @property
    def estimator(self) -> Estimator | None:
        """That of the attack on the twin."""
        return self.attack.estimator

    def parameters(self) -> Mapping[str, Any]:
        """Attack and twin."""
        return {"attack": record(self.attack), "twin": self.twin.graph.content_hash}

    def propose(self, case: Case) -> Tensor:
        """What fools the twin.

        Raises:
            InvalidInput: if the twin is the target itself or takes other samples.
        """
        own, other = case.target.network.graph, self.twin.graph
        if own.content_hash == other.content_hash:
            msg = f"the twin is the target itself ({own.content_hash[:12]}); train it from a seed"
            raise InvalidInput(msg)
        aim = case.target
        twin = Target(self.twin, self.attack.estimator, eot=aim.eot, votes=aim.votes)
        if (twin.shape, twin.classes, twin.coding) != (aim.shape, aim.classes, aim.coding):
            msg = (
                f"the twin takes {twin.coding} {twin.shape} for {twin.classes} classes, "
                f"the target {aim.coding} {aim.shape} for {aim.classes}"
            )
            raise InvalidInput(msg)
        there = case.on(twin)
        proposed = self.attack.propose(there)
        case.log.queries += there.log.queries
        case.log.gradients += there.log.gradients
        case.wanted = there.wanted
        case.see(proposed)
        return proposed
