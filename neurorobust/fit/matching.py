"""Layers on unequal cores, one each: a maximum matching by augmenting paths."""

from collections.abc import Sequence


def match(fits: Sequence[Sequence[int]], cores: int) -> tuple[int | None, ...]:
    """A core for every layer, as far as possible.

    Args:
        fits: Per layer, the cores that are large enough.
        cores: Number of cores.

    Returns:
        Per layer, its core, or None for a layer that is left over in a largest matching.
    """
    holder: list[int | None] = [None] * cores

    def settle(layer: int, tried: set[int]) -> bool:
        for core in fits[layer]:
            if core in tried:
                continue
            tried.add(core)
            held = holder[core]
            if held is None or settle(held, tried):
                holder[core] = layer
                return True
        return False

    for layer in range(len(fits)):
        settle(layer, set())
    return tuple(
        next((core for core, held in enumerate(holder) if held == layer), None)
        for layer in range(len(fits))
    )


def rivals(
    layer: int, fits: Sequence[Sequence[int]], found: Sequence[int | None]
) -> tuple[set[int], set[int]]:
    """Layers that compete with one left over, and the cores they compete for (Hall's condition)."""
    layers, cores, ahead = {layer}, set[int](), [layer]
    while ahead:
        for core in fits[ahead.pop()]:
            cores.add(core)
            for other, held in enumerate(found):
                if held == core and other not in layers:
                    layers.add(other)
                    ahead.append(other)
    return layers, cores
