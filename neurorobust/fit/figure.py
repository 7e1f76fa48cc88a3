"""Cores and how full they are, a panel per chip."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from neurorobust.files import write_atomic
from neurorobust.fit.result import Check
from neurorobust.fit.words import cores as cores_used
from neurorobust.fit.words import verdict
from neurorobust.render.colours import INK, LAYERS, RULE, theme
from neurorobust.render.svg import WIDTH, Drawing, drawn, styled

SHOWN_UNUSED = 160
"""Chips with more cores show used ones only."""
COLUMNS = 64
_CELL = WIDTH / COLUMNS
_SIDE = 0.84
"""Side of a square, as a share of its cell."""
_LEAST = 0.06
"""Least visible filling."""
_TITLE, _APART, _LEGEND = 0.24, 0.16, 0.3


def cores_figure(checks: Sequence[Check], name: str = "cores") -> Drawing | None:
    """A panel per chip: every core, filled as far as it is used.

    Args:
        checks: Of one network on several chips. Those that it fits are drawn; if it fits none,
            those that have a place for it.
        name: Unique in a page.

    Returns:
        None if no chip has a place for it.
    """
    placed = [check for check in checks if check.placement.cores and check.placement.whole]
    shown = [check for check in placed if check.ok] or placed
    if not shown:
        return None
    layers = list(dict.fromkeys(at.layer for c in shown for at in c.placement.layers))
    colours = {layer: LAYERS[i % len(LAYERS)] for i, layer in enumerate(layers)}
    heights = [_TITLE + _CELL * ceil(_cells(check) / COLUMNS) for check in shown]
    legend = _LEGEND * ceil(len(layers) / 8)
    with styled():
        height = legend + sum(heights) + _APART * len(shown)
        figure = Figure(figsize=(WIDTH, height))
        top = height - legend
        for check, high in zip(shown, heights, strict=True):
            cells = high - _TITLE
            axes = figure.add_axes((0.0, (top - high) / height, 1.0, cells / height))
            _chip(axes, check, colours)
            top -= high + _APART
        handles = [Patch(facecolor=colour, label=layer) for layer, colour in colours.items()]
        figure.legend(
            handles=handles,
            ncols=min(len(handles), 8),
            loc="upper left",
            bbox_to_anchor=(-0.008, 1.0),
            borderaxespad=0.0,
        )
        names = ", ".join(check.chip for check in shown)
        return drawn(
            figure,
            name,
            title="Where the layers go",
            caption="Every square is a core, filled as far as its fullest resource is used; grey "
            f"squares are free cores (shown for chips of up to {SHOWN_UNUSED}).",
            alt=f"Use of every core by {checks[0].model} on {names}",
        )


def save_figure(drawing: Drawing, path: Path | str) -> Path:
    """Write a drawing as an SVG file of its own, with its colours for light and dark."""
    head, body = drawing.svg.split(">", 1)
    sans = "svg { --sans: 'Inter', 'Helvetica Neue', Arial, sans-serif; background: var(--paper) }"
    style = f"<style>{theme('svg')}\n{sans}</style>"
    whole = f'{head} xmlns="http://www.w3.org/2000/svg">{style}{body}'
    return write_atomic(path, whole + "\n")


def _cells(check: Check) -> int:
    """Squares in a chip's panel."""
    used = max(core.index for core in check.placement.cores) + 1
    chip = check.placement.cores_per_chip
    return max(used, chip) if chip <= SHOWN_UNUSED else used


def _chip(axes: Axes, check: Check, colours: dict[str, str]) -> None:
    cells = _cells(check)
    free = set(range(cells)) - {core.index for core in check.placement.cores}
    outlines = [_box(index, 0.0, 1.0, 1.0) for index in sorted(free)]
    axes.add_collection(
        PolyCollection(outlines, facecolors="none", edgecolors=RULE, linewidths=0.7)
    )
    frames, fills, edges, faces = [], [], [], []
    for core in check.placement.cores:
        frames.append(_box(core.index, 0.0, 1.0, 1.0))
        edges.append(colours[core.layers[0]])
        level = min(max(core.utilisation, _LEAST), 1.0)
        share = 1 / len(core.layers)
        for k, layer in enumerate(core.layers):  # layers that share a core stand side by side
            fills.append(_box(core.index, k * share, (k + 1) * share, level))
            faces.append(colours[layer])
    axes.add_collection(PolyCollection(fills, facecolors=faces, edgecolors="none"))
    axes.add_collection(PolyCollection(frames, facecolors="none", edgecolors=edges, linewidths=0.7))
    axes.set(xlim=(-0.08, COLUMNS - 0.08), ylim=(ceil(cells / COLUMNS), -0.08))
    axes.set_axis_off()
    mean = float(np.mean([core.utilisation for core in check.placement.cores]))
    state = cores_used(check) if check.ok else f"{cores_used(check)}, but {verdict(check)}"
    title = f"{check.chip}: {state}, {100 * mean:.0f} % full on average"
    axes.set_title(title, color=INK, pad=4)


def _box(index: int, left: float, right: float, level: float) -> list[tuple[float, float]]:
    """A core's square between two shares of its width, filled up to a level."""
    row, column = divmod(index, COLUMNS)
    x0, x1 = (column + _SIDE * edge for edge in (left, right))
    bottom, top = row + _SIDE, row + _SIDE * (1 - level)
    return [(x0, bottom), (x1, bottom), (x1, top), (x0, top)]
