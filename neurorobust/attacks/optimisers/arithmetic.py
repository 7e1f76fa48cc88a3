"""Arithmetic attacks: inputs on which a chip's integers overflow, or round to other spikes."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.steps import settle_step, steepest, step_size
from neurorobust.attacks.threats.base import per_sample
from neurorobust.engine.integer_gradient import STRAINS, IntegerTarget, StrainedTarget
from neurorobust.engine.network import Network, Trace
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array, Graph
from neurorobust.methods import option


@dataclass(frozen=True, slots=True, eq=False)
class Provoked:
    """What a stimulus did to the integers, per sample, (B,) each.

    Attributes:
        wrapped: Sums, and steps of neurons, that lost bits, by the engine's counters.
        saturated: Steps of neurons whose membrane was clipped, by the engine's counters.
        turned: Spikes that differ from the float network, in populations of the same name; None
            without one to compare with.
    """

    wrapped: Array
    saturated: Array
    turned: Array | None

    def of(self, strain: str) -> Array | None:
        """What a strain is to provoke."""
        return {"wrap": self.wrapped, "saturation": self.saturated}.get(strain, self.turned)


def provoked(
    target: IntegerTarget, x: Tensor, steps: int, reference: Network | None = None
) -> Provoked:
    """Count overflows, and spikes that rounding turned.

    Args:
        target: The Program.
        x: Stimulus (B, T or 1, ...).
        steps: Number of steps T.
        reference: The float network that the Program was lowered from.

    Raises:
        InvalidInput: if no population of the reference has the name of one of the Program.
    """
    ran = target.integers(x, steps, ("spikes", "overflows"))
    zero = torch.zeros(len(x), dtype=torch.int64)
    counters = list(ran.overflows.values())
    turned = None if reference is None else _turned(ran.spikes, reference, x, steps)
    return Provoked(
        wrapped=sum((c.wrapped for c in counters), zero).numpy(),
        saturated=sum((c.saturated for c in counters), zero).numpy(),
        turned=turned,
    )


@dataclass(frozen=True)
class ArithmeticAttack(GradientAttack):
    """Signed steps up a strain, on an IntegerTarget; see ``engine.integer_gradient.strain``.

    A sample is returned as it was when a *legal* iterate provoked most, the strain deciding between
    equals. What the network decides is recorded as for any attack, but not aimed at.

    Attributes:
        gradient: A temporal estimator: the strain is one of membranes.
        strain: ``wrap``, ``saturation`` or ``rounding``.
        steps: Number of steps, at least 1.
        relative_step: Step size in units of epsilon, a quarter by default.
        random_start: Whether to start at a random point of the ball.
        reference: The float network; with it, ``rounding`` keeps what turned most spikes, without
            it what came closest to the thresholds.
        step: Step size in the unit of the threat instead of the relative one.
    """

    name: ClassVar[str] = "arithmetic"
    cited: ClassVar[tuple[str, ...]] = ("neurorobust",)
    family: ClassVar[str] = "integers"
    targetable: ClassVar[bool] = False

    strain: str = option("wrap", among=STRAINS)
    steps: int = option(10, low=1)
    relative_step: float | None = option(None, above=0, sparse=True)
    _: KW_ONLY
    random_start: bool = option(default=True)
    reference: Graph | None = option(None, record=lambda graph: graph and graph.content_hash)
    step: float | None = option(None, above=0, sparse=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        settle_step(self, 0.25)

    def propose(self, case: Case) -> Tensor:
        """The iterate that provokes most.

        Raises:
            InvalidInput: if the target is no IntegerTarget, or the estimator no temporal one.
        """
        network = case.target.network
        if not isinstance(network, IntegerTarget):
            msg = "integers are strained on a Program only; lower the network first"
            raise InvalidInput(msg)
        climb = _Climb(self, case, network)
        threat = case.threat
        self.estimator.reset()
        moving = threat.random(case.x, case.draws) if self.random_start else case.x
        for _ in range(self.steps):
            step = step_size(self, threat) * steepest(climb.gradient(moving), threat)
            moving = threat.project(moving + step, case.x)
            climb.keep(moving)
        return climb.best


class _Climb:
    """The best iterates so far."""

    def __init__(self, attack: ArithmeticAttack, case: Case, network: IntegerTarget) -> None:
        self.attack, self.case, self.network = attack, case, network
        device = network.like.device
        self.strained = StrainedTarget(network.program, attack.strain, device=device)
        graph = attack.reference
        self.reference = None if graph is None else Network(graph, device=device)
        self.best = case.x.clone()
        self.most = torch.full((len(case), 2), -torch.inf, dtype=torch.float64, device=device)

    def gradient(self, x: Tensor) -> Tensor:
        """Of the strain."""
        case, at = self.case, x.detach().requires_grad_()
        case.log.queries[case.rows] += 1
        case.log.gradients[case.rows] += 1
        strain = self.attack.estimator.scores(self.strained, *self._shown(at))
        (found,) = torch.autograd.grad(strain.sum(), at)
        return found

    def keep(self, x: Tensor) -> None:
        """Look at iterates once legal, and remember those that provoke more than before."""
        case = self.case
        case.see(x)
        stimulus, steps = self._shown(case.threat.legalise(x, case.x))
        count = provoked(self.network, stimulus, steps, self.reference).of(self.attack.strain)
        with torch.no_grad():
            strain = self.strained.run(stimulus, steps)[:, 0]
        counted = torch.zeros_like(strain) if count is None else torch.as_tensor(count).to(strain)
        here = torch.stack([counted, strain], 1)
        first, second = (here - self.most).unbind(1)
        better = (first > 0) | ((first == 0) & (second > 0))
        better |= torch.isneginf(self.most[:, 0])
        self.best = torch.where(per_sample(better, x), x, self.best)
        self.most = torch.where(better[:, None], here, self.most)

    def _shown(self, x: Tensor) -> tuple[Tensor, int]:
        target = self.case.target
        stimulus = target.present(x, self.case.draws)
        return stimulus, target.length(stimulus)


def _turned(integer: Mapping[str, Tensor], reference: Network, x: Tensor, steps: int) -> Array:
    trace = Trace()
    with torch.no_grad():
        reference.run(x, steps, trace=trace)
    shared = sorted(set(integer) & set(trace.spikes))
    if not shared:
        raise InvalidInput(
            f"the float network fires in {', '.join(trace.spikes) or 'nothing'}, the Program in "
            f"{', '.join(integer) or 'nothing'}; give the Graph that the Program was lowered from"
        )
    found = np.zeros(len(x), np.int64)
    for name in shared:
        exact = trace.spikes[name].transpose(0, 1).cpu() > 0
        found += (exact != (integer[name] > 0)).flatten(1).sum(1).numpy()
    return found
