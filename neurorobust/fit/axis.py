"""One spatial axis of a synapse: which outputs an input reaches, and through which taps.

Kernels, strides, padding and pooling are all separable, so a map of synapses is the product of its
axes; composing a pooling with the convolution behind it is composing axes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

Tap = tuple[int, ...]


@dataclass(frozen=True)
class Axis:
    """Links from inputs to outputs along one axis.

    Attributes:
        size_in: Inputs.
        size_out: Outputs.
        links: Per input, the outputs it reaches with the taps that lead there.
    """

    size_in: int
    size_out: int
    links: tuple[Mapping[int, tuple[Tap, ...]], ...]

    @classmethod
    def window(
        cls, size_in: int, size_out: int, *, kernel: int, stride: int, padding: int, dilation: int
    ) -> "Axis":
        """Output o reads input ``o stride - padding + dilation k`` through tap k."""
        links: list[dict[int, tuple[Tap, ...]]] = [{} for _ in range(size_in)]
        for o in range(size_out):
            for k in range(kernel):
                i = o * stride - padding + dilation * k
                if 0 <= i < size_in:
                    links[i][o] = (*links[i].get(o, ()), (k,))
        return cls(size_in, size_out, tuple(links))

    @classmethod
    def dense(cls, size_in: int) -> "Axis":
        """Every input reaches the one output through a tap of its own."""
        return cls(size_in, 1, tuple({0: ((i,),)} for i in range(size_in)))

    def then(self, other: "Axis") -> "Axis":
        """This axis followed by another."""
        links: list[dict[int, tuple[Tap, ...]]] = []
        for reached in self.links:
            through: dict[int, tuple[Tap, ...]] = {}
            for middle, first in reached.items():
                for o, second in other.links[middle].items():
                    joined = tuple(a + b for a in first for b in second)
                    through[o] = (*through.get(o, ()), *joined)
            links.append(through)
        return Axis(self.size_in, other.size_out, tuple(links))

    @cached_property
    def fan_out(self) -> tuple[int, ...]:
        """Outputs that each input reaches."""
        return tuple(len(reached) for reached in self.links)

    @cached_property
    def fan_in(self) -> int:
        """Most inputs that one output reads."""
        reads = [0] * self.size_out
        for reached in self.links:
            for o in reached:
                reads[o] += 1
        return max(reads)

    @property
    def pairs(self) -> int:
        """Pairs of input and output that are linked."""
        return sum(self.fan_out)

    def block(self, first: int, count: int) -> "Section":
        """What reaches the outputs ``first`` to ``first + count``."""
        patterns: dict[tuple[tuple[int, tuple[Tap, ...]], ...], int] = {}
        inputs = pairs = 0
        for reached in self.links:
            inside = tuple(
                (o, taps) for o, taps in sorted(reached.items()) if first <= o < first + count
            )
            if inside:
                inputs += 1
                pairs += len(inside)
                start = inside[0][0]
                key = tuple((o - start, taps) for o, taps in inside)
                patterns[key] = len(inside)
        return Section(inputs, pairs, tuple(patterns.values()))


@dataclass(frozen=True, slots=True)
class Section:
    """What a block of outputs takes from an axis.

    Attributes:
        inputs: Inputs that reach it.
        pairs: Links into it.
        patterns: Lengths of the different lists of links that inputs have.
    """

    inputs: int
    pairs: int
    patterns: tuple[int, ...]
