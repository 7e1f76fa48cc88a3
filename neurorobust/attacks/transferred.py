"""Black box: an attack crafted on an independently trained twin and scored on the target."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from neurorobust.attacks.base import Attack
from neurorobust.attacks.case import Case
from neurorobust.attacks.knowledge import Knowledge
from neurorobust.attacks.target import Scored, Target
from neurorobust.engine.estimators import Estimator
from neurorobust.errors import InvalidInput
from neurorobust.methods import option


@dataclass(frozen=True)
class Transferred(Attack):
    """The twin's gradients, the target's decisions; the target is asked once per sample.

    Attributes:
        attack: What is run on the twin.
        twin: Another training of the same architecture on the same data.
    """

    name: ClassVar[str] = "transferred"
    cited: ClassVar[tuple[str, ...]] = ("papernot2016transferability",)
    knowledge: ClassVar[Knowledge] = Knowledge.BLACK_BOX
    spelled_as: ClassVar[str] = "attack"

    attack: Attack = option()
    twin: Scored = option(record=lambda twin: twin.graph.content_hash)

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("threats", "targetable"):
            object.__setattr__(self, key, getattr(self.attack, key))

    @property
    def estimator(self) -> Estimator | None:
        """That of the attack on the twin."""
        return self.attack.estimator

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
            raise InvalidInput(
                f"the twin takes {twin.coding} {twin.shape} for {twin.classes} classes, "
                f"the target {aim.coding} {aim.shape} for {aim.classes}"
            )
        there = case.on(twin)
        proposed = self.attack.propose(there)
        case.log.queries += there.log.queries
        case.log.gradients += there.log.gradients
        case.wanted = there.wanted
        case.see(proposed)
        return proposed
