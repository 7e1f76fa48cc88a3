"""Python names for nodes."""

import builtins
import keyword
import re
from collections.abc import Iterable

import torch

PREFIXES = ("", "spk_", "mem_", "syn_", "state_", "past_", "rest_", "held_", "in_")
SUFFIXES = (
    *("", "_synapse", "_gain_in", "_gain_syn", "_bias", "_v_init", "_i_init", "_unit", "_step"),
    *("_v_min", "_reset", "_spikes"),
)
"""What generated code derives from the name of a node."""
RESERVED = frozenset(
    {
        *keyword.kwlist,
        *dir(builtins),
        *dir(torch.nn.Module()),
        *("self", "x", "x_t", "w", "t", "batch", "steps", "arrived", "spikes", "scores", "out"),
        *("mean", "std", "torch", "np", "nn", "snn", "sys", "deque", "load", "main", "layer"),
        *("at_rest", "threshold", "reset_subtract", "codes", "total", "flat", "data", "traces"),
        *("record", "run", "cut", "encode", "read", "later", "late", "samples", "weights"),
        *("inputs", "outputs", "csr_matrix", "network"),
    }
)


def identifiers(names: Iterable[str]) -> dict[str, str]:
    """A Python name per node, unique together with all that is derived from it.

    ``conv1`` stays, ``block.0/conv`` becomes ``block_0_conv``.
    """
    taken = set(RESERVED)
    found = {}
    for name in names:
        plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or "node"
        plain = plain if plain[0].isalpha() else f"node_{plain}"
        choice, number = plain, 1
        while derived(choice) & taken:
            number += 1
            choice = f"{plain}_{number}"
        taken |= derived(choice)
        found[name] = choice
    return found


def derived(identifier: str) -> set[str]:
    """All names made from one."""
    return {f"{before}{identifier}{behind}" for before in PREFIXES for behind in SUFFIXES}
