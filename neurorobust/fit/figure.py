"""Cores that are used and how full they are, a panel per chip."""

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
from neurorobust.fit.words import share, verdict
from neurorobust.render.colours import INK, LAYERS, theme
from neurorobust.render.looks import integer
from neurorobust.render.svg import WIDTH, Drawing, drawn, styled

COLUMNS = 48
_CELL = WIDTH / COLUMNS
_SIDE = 0.84
"""Side of a square, as a share of its cell."""
_LEAST = 0.06
"""Least visible filling."""
_TITLE, _APART, _LEGEND = 0.24, 0.16, 0.3


def cores_figure(checks: Sequence[Check], name: str = "cores") -> Drawing | None:
    """A panel per chip: every core that is used, filled as far as it is; free ones are counted.

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
    heights = [_TITLE + _CELL * ceil(len(check.placement.cores) / COLUMNS) for check in shown]
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
            caption="Every square is a core that is used, filled as far as its fullest resource "
            "is; layers that share a core stand side by side.",
            alt=f"Use of every core by {checks[0].model} on {names}",
        )


def save_figure(drawing: Drawing, path: Path | str) -> Path:
    """Write a drawing as an SVG file of its own, with its colours for light and dark."""
    head, body = drawing.svg.split(">", 1)
    sans = "svg { --sans: 'Inter', 'Helvetica Neue', Arial, sans-serif; background: var(--paper) }"
    style = f"<style>{theme('svg')}\n{sans}</style>"
    whole = f'{head} xmlns="http://www.w3.org/2000/svg">{style}{body}'
    return write_atomic(path, whole + "\n")


def _chip(axes: Axes, check: Check, colours: dict[str, str]) -> None:
    frames, fills, edges, faces = [], [], [], []
    for place, core in enumerate(check.placement.cores):
        frames.append(_box(place, 0.0, 1.0, 1.0))
        edges.append(colours[core.layers[0]])
        level = min(max(core.utilisation, _LEAST), 1.0)
        part = 1 / len(core.layers)
        for k, layer in enumerate(core.layers):  # layers that share a core stand side by side
            fills.append(_box(place, k * part, (k + 1) * part, level))
            faces.append(colours[layer])
    axes.add_collection(PolyCollection(fills, facecolors=faces, edgecolors="none"))
    axes.add_collection(PolyCollection(frames, facecolors="none", edgecolors=edges, linewidths=0.7))
    axes.set(xlim=(-0.08, COLUMNS - 0.08), ylim=(ceil(len(frames) / COLUMNS), -0.08))
    axes.set_axis_off()
    mean = float(np.mean([core.utilisation for core in check.placement.cores]))
    free = max(check.placement.cores_per_chip * check.placement.chips - len(frames), 0)
    state = (
        f"{cores_used(check)}, {integer(free)} free; those used are {share(mean)} full on average"
    )
    title = f"{check.chip}: {state}{'' if check.ok else f'; but it {verdict(check)}'}"
    axes.set_title(title, color=INK, pad=4)


def _box(place: int, left: float, right: float, level: float) -> list[tuple[float, float]]:
    """The square of a place between two shares of its width, filled up to a level."""
    row, column = divmod(place, COLUMNS)
    x0, x1 = (column + _SIDE * edge for edge in (left, right))
    bottom, top = row + _SIDE, row + _SIDE * (1 - level)
    return [(x0, bottom), (x1, bottom), (x1, top), (x0, top)]
