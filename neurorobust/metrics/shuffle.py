"""Spike shuffle: whether a network uses the order of its spikes, or only their number.

Reference: Bu, Ding, Hao, Yu, Rate gradient approximation attack threats deep spiking neural
networks, CVPR 2023: where accuracy stays, rates carry the information, and so can its gradient.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from neurorobust.data import encode
from neurorobust.engine.dynamics import Neuron, State
from neurorobust.engine.network import EXACT, Network, Spikes
from neurorobust.errors import InvalidInput, Unsupported
from neurorobust.ir import Array
from neurorobust.metrics import Proportion

BATCH = 64
"""Samples run at once."""


class Shuffled(Spikes):
    """Every neuron fires as often as by its law, in an order drawn for it and the sample.

    Args:
        generator: Of the orders, on the device of the network.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def sequence(
        self, name: str, neuron: Neuron, x: Tensor, steps: int, *, membrane: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Spikes in another order; membranes, if wanted, in their own."""
        spikes, h = EXACT.sequence(name, neuron, x, steps, membrane=membrane)
        drawn = torch.rand(spikes.shape, generator=self.generator, device=spikes.device)
        return spikes.gather(0, drawn.argsort(0)), h

    def step(self, name: str, neuron: Neuron, state: State, x: Tensor) -> tuple[Tensor, Tensor]:
        """No order is known before the last step.

        Raises:
            Unsupported: always; a network with loops goes step by step.
        """
        msg = f"{name}: in a network with loops spikes cannot be shuffled, they feed the next step"
        raise Unsupported(msg)


@dataclass(frozen=True, slots=True)
class SpikeShuffle:
    """Accuracy with and without the order of spikes.

    Attributes:
        clean: As the network is.
        shuffled: With the spikes of every neuron in random order.
    """

    clean: Proportion
    shuffled: Proportion

    @property
    def lost(self) -> float:
        """Accuracy that hangs on the order; near 0 for a rate code."""
        return self.clean.rate - self.shuffled.rate


def spike_shuffle(network: Network, x: Array, y: Array, *, seed: int = 0) -> SpikeShuffle:
    """Decide all samples twice, the second time with shuffled spikes.

    Args:
        network: Without loops.
        x: Samples, (B, ...), as ``encode`` takes them; of direct or events coding.
        y: Labels, (B,).
        seed: Of the orders.

    Raises:
        InvalidInput: for no samples, or as many labels as there are not.
        Unsupported: for a network with loops.
    """
    if not len(x) or len(x) != len(y):
        msg = f"{len(x)} samples and {len(y)} labels; give at least one of each, as many of both"
        raise InvalidInput(msg)
    law = Shuffled(torch.Generator(network.like.device).manual_seed(seed))
    right = dict.fromkeys((EXACT, law), 0)
    for start in range(0, len(x), BATCH):
        stimulus = encode(network.graph, x[start : start + BATCH])
        values = torch.from_numpy(stimulus.values).to(network.like.device)
        labels = torch.as_tensor(y[start : start + BATCH]).to(network.like.device)
        with torch.no_grad():
            for spikes in right:
                decided = network.run(values, stimulus.steps, spikes).argmax(1)
                right[spikes] += int((decided == labels).sum())
    return SpikeShuffle(Proportion(right[EXACT], len(x)), Proportion(right[law], len(x)))
