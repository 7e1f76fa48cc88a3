"""The worst case: right when clean and under every attack of a radius."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurorobust.metrics import CLEAN, Proportion
from neurorobust.render.colours import backend_colours
from neurorobust.render.numbers import Entry, entry
from neurorobust.study.folder import Results
from neurorobust.study.report.view import Group, Radius, View, backend_names


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstRow:
    """One group of backends: how much it decides rightly, clean and attacked.

    Attributes:
        model: Name of the network.
        arithmetic: ``float`` or the chip.
        backends: All that decide alike.
        colour: Of the first.
        n: Clean samples.
        attacks: The most attacks shown at one radius.
        clean: Accuracy.
        worst: Per radius of the study.
        like_float: Share of clean decisions that are those in float.
    """

    model: str
    arithmetic: str
    backends: str
    colour: str
    n: int
    attacks: int
    clean: Entry
    worst: tuple[Entry, ...]
    like_float: Entry


def worst_rows(view: View) -> tuple[WorstRow, ...]:
    """A row per group, in the order of the groups."""
    colours = colours_of(view)
    return tuple(
        WorstRow(
            model=view.model(group.site),
            arithmetic=view.arithmetic(group.site),
            backends=backend_names(group.backends),
            colour=colours[group.backends[0]],
            n=group.n,
            attacks=max((view.attacks(group, radius) for radius in view.radii), default=0),
            clean=entry(group.decided[CLEAN].accuracy if CLEAN in group.decided else None),
            worst=tuple(entry(view.worst(group, radius)) for radius in view.radii),
            like_float=entry(like_float(view, group)),
        )
        for group in view.groups
    )


def worst_case(results: Results) -> list[dict[str, Any]]:
    """The worst case as JSON values: a row per group of backends that decide alike.

    Args:
        results: Of a study.

    Returns:
        Model, arithmetic and backends; ``clean`` and, per radius, ``worst``: samples decided
        rightly, ``count`` of ``n``, with the Wilson 95 % interval.
    """
    view = View(results)

    def told(found: Proportion | None) -> dict[str, Any] | None:
        if found is None:
            return None
        return {"count": found.count, "n": found.n, "interval": list(found.interval)}

    return [
        {
            "model": view.model(group.site),
            "arithmetic": view.arithmetic(group.site),
            "backends": list(group.backends),
            "clean": told(group.decided[CLEAN].accuracy if CLEAN in group.decided else None),
            "worst": [
                radius._asdict() | {"right": told(view.worst(group, radius))}
                for radius in view.radii
            ],
        }
        for group in view.groups
    ]


def like_float(view: View, group: Group) -> Proportion | None:
    """Share of clean decisions that are those of the same network in float, on common samples."""
    other = view.float_of(group.site)
    if group.site.trained or other is None or CLEAN not in group.decided:
        return None
    own, float_ = group.decided[CLEAN], other.decided.get(CLEAN)
    if float_ is None:
        return None
    _, here, there = np.intersect1d(own.sample, float_.sample, return_indices=True)
    return Proportion(int((own.decision[here] == float_.decision[there]).sum()), len(here))


def headline_radius(view: View) -> Radius | None:
    """The smallest radius at which a network loses half of what it decides rightly, or the largest.

    Chosen in float where that ran, so that no chip's fate is chosen.
    """
    groups = [group for group in view.groups if group.site.trained] or list(view.groups)
    for radius in view.radii:
        for group in groups:
            clean, worst = group.decided.get(CLEAN), view.worst(group, radius)
            if clean and worst and 2 * worst.rate <= clean.accuracy.rate:
                return radius
    return view.radii[-1] if view.radii else None


def colours_of(view: View) -> dict[str, str]:
    """One colour per backend of a study."""
    named = [lane.backend for lane in view.manifest.lanes]
    return backend_colours([*named, *(name for group in view.groups for name in group.backends)])
