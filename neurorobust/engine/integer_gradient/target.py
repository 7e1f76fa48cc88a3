"""A Program as a network that attacks can craft on: integer forward, surrogate backward."""

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from neurorobust.data import Stimulus
from neurorobust.engine.host import sent
from neurorobust.engine.integer import FixedNetwork, FixedTrace
from neurorobust.engine.integer_gradient.as_graph import Quantiser, as_graph, require_no_reset
from neurorobust.engine.integer_gradient.led import Led, drives
from neurorobust.engine.linear import Map
from neurorobust.engine.network import EXACT, Network, Spikes, Trace
from neurorobust.errors import InvalidInput
from neurorobust.ir import FixedInput, Program


class IntegerTarget(Network):
    """Scores of the integer engine to the bit, with the gradient of the Program's Graph.

    A run goes through the integer engine first; the float Graph then follows its membranes and
    spikes (``Led``), and only lends its gradient. Rounding of inputs, weights and states, clipping,
    wraps and saturation are passed straight through; neurons follow the estimator. Wherever a
    Network can be attacked white box, so can this.

    Args:
        program: The model, with or without a part on the host.
        device: Where to run.

    Raises:
        InvalidInput: for ternary neurons, or states that are reset within the run.
    """

    def __init__(self, program: Program, *, device: torch.device | str = "cpu") -> None:
        require_no_reset(program, program.header.steps)
        self.program = program
        self.of_program = as_graph(program)
        super().__init__(self.of_program, device=device, dtype=torch.float64)
        node = self.of_program.nodes[program.input]
        assert isinstance(node, Quantiser)  # noqa: S101  # as_graph puts it there
        self.maps[program.input] = _straight_through(node.input)
        self.engine = FixedNetwork(program.with_(host=None), device=device)

    @property
    def in_bf16(self) -> Network:
        """There is none.

        Raises:
            InvalidInput: always.
        """
        msg = "integers do not run in bfloat16; take the estimator without precision='bf16'"
        raise InvalidInput(msg)

    def integers(self, x: Tensor, steps: int, record: Collection[str] = ()) -> FixedTrace:
        """A run of the integer engine, the host's part before it.

        Args:
            x: Shape (B, T, ...) or (B, 1, ...).
            steps: Number of steps T.
            record: What to keep: ``spikes``, ``membrane``, ``overflows``.
        """
        stimulus = Stimulus(x.detach().cpu().double().numpy(), steps)
        if self.program.host is not None:
            shape = self.program.shapes[self.program.input]
            stimulus = sent(self.program.host, shape, stimulus)
        return self.engine.run(stimulus.values, steps, record)

    def run(
        self, x: Tensor, steps: int, spikes: Spikes = EXACT, trace: Trace | None = None
    ) -> Tensor:
        """Scores of a stimulus; see ``Network.run``."""
        if spikes is EXACT and trace is None:
            return self.integers(x, steps).scores.to(self.like)
        ran, led = self.lead(x, steps, spikes)
        path = super().run(x, steps, led, trace)
        if trace is not None:
            trace.drive |= led.drives
        return ran.scores.to(self.like) + (path - path.detach())

    def lead(self, x: Tensor, steps: int, law: Spikes) -> tuple[FixedTrace, Led]:
        """A run of the integer engine, and a law that follows it.

        Raises:
            InvalidInput: if states are reset within so many steps.
        """
        require_no_reset(self.program, steps)
        ran = self.integers(x, steps, ("spikes", "membrane"))
        return ran, Led(law, drives(self.program, ran, self.like))


def _straight_through(node: FixedInput) -> Map:
    """Integers of values, whose gradient sees neither rounding nor clipping."""

    def apply(x: Tensor) -> Tensor:
        real = (x.reshape(len(x), *node.shape) - node.offset) * node.scale
        whole = real.detach().round().clamp(node.low, node.high)
        return whole + (real - real.detach())

    def adjoint(g: Tensor, shape: Any) -> Tensor:
        return g.reshape(len(g), *shape) * node.scale

    return Map(apply, adjoint)
