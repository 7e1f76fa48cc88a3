"""The time-extended attack: craft over more steps than the model is decided on.

Reference: Bu et al., CVPR 2023.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from neurorobust.engine.estimators.base import Estimator, estimator_of
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput
from neurorobust.methods import option


@dataclass(frozen=True)
class TimeExtended(Estimator):
    """Another estimator over ``factor T`` steps; its scores are those of inference over so many.

    For a static input, or one that is drawn for so many steps. Scores that add up grow with them.

    Attributes:
        inner: The estimator.
        factor: Steps in units of T, at least 1.
    """

    name: ClassVar[str] = "time_extended"
    title: ClassVar[str] = "time-extended"
    family: ClassVar[str] = "composite"
    cited: ClassVar[tuple[str, ...]] = ("bu2023rate",)

    inner: Estimator = option(read=estimator_of)
    factor: int = option(2, low=1)

    def inference(self, network: Network, x: Tensor, steps: int) -> Tensor:
        """Inference over the extended time."""
        return self.inner.inference(network, x, self._steps(x, steps))

    def scores(self, network: Network, x: Tensor, steps: int) -> Tensor:
        """Scores of the extended time.

        Raises:
            InvalidInput: for an input with another number of steps of its own.
        """
        return self.inner.scores(network, x, self._steps(x, steps))

    def steps_drawn(self, steps: int) -> int:
        """The extended time."""
        return self.factor * self.inner.steps_drawn(steps)

    def reset(self) -> None:
        """Reset the inner estimator."""
        self.inner.reset()

    def select(self, rows: Tensor) -> None:
        """Select in the inner estimator."""
        self.inner.select(rows)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze the inner estimator."""
        with self.inner.frozen():
            yield

    def _steps(self, x: Tensor, steps: int) -> int:
        extended = self.factor * steps
        if x.shape[1] not in (1, extended):
            raise InvalidInput(
                f"the input has {x.shape[1]} steps of its own, which cannot be extended; draw "
                f"{extended}, or show it statically as (B, 1, ...)"
            )
        return extended
