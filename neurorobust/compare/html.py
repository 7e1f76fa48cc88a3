"""A comparison on one HTML page that needs no network connection."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from neurorobust.compare.result import Difference, Divergence
from neurorobust.compare.text import fact_lines, number, sentence, where
from neurorobust.files import write_atomic
from neurorobust.ir import Array
from neurorobust.render.colours import BLUE, INK, MUTED, RULE, VERMILION
from neurorobust.render.pages import render_template
from neurorobust.render.svg import Drawing, drawn, styled

WIDTH = 8.4
_UNITS_APART = 30
"""Thresholds so far apart are in different units: floats, and a chip's integers."""
_SHOWN = 600
"""Values of the smallest input that are drawn; larger ones are told in numbers only."""


def page(found: Difference) -> str:
    """The page as text; an equal comparison gives equal text."""
    return render_template(
        "compare/page.html.j2",
        found=found,
        sentence=sentence(found),
        facts=fact_lines,
        number=number,
        where=where,
        marks={"identical": "good", "rounding": "fair", "systematic": "bad"},
        membranes=None if found.first is None else _membranes(found.first),
        input=_smallest(found),
    )


def write_page(found: Difference, path: Path | str) -> Path:
    """Write the page; it appears whole or not at all."""
    text = page(found)
    return write_atomic(path, text)


def _membranes(first: Divergence) -> Drawing | None:
    """Membranes of the neuron that parts first, on both sides, with the threshold."""
    shown = [
        (trace, threshold, colour, side)
        for trace, threshold, colour, side in zip(
            first.traces, first.threshold, (BLUE, VERMILION), ("A", "B"), strict=True
        )
        if trace is not None
    ]
    if not shown:
        return None
    levels = [t for _, t, _, _ in shown if t]
    own_units = len(levels) == 2 and max(levels) > _UNITS_APART * min(levels) > 0
    if own_units:
        shown = [(trace / t, 1.0, colour, side) for trace, t, colour, side in shown if t]
    with styled():
        figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
        axes = figure.subplots()
        axes.axvline(first.step, color=RULE, linewidth=7, zorder=0)
        for place, (trace, threshold, colour, side) in enumerate(shown):
            _trace(axes, trace, colour, side, dashed=place > 0)
            if threshold is not None:
                axes.axhline(threshold, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
        threshold = next((t for _, t, _, _ in shown if t is not None), None)
        if threshold is not None:
            end = len(shown[0][0]) - 0.6
            axes.text(end, threshold, "threshold", color=MUTED, va="bottom", ha="right", fontsize=7)
        axes.set_xlabel("step")
        axes.set_ylabel("membrane, in thresholds" if own_units else "membrane before reset")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="upper left", ncols=2, bbox_to_anchor=(0.0, 1.12), borderaxespad=0.0)
        return drawn(
            figure,
            "membranes",
            title="Membranes where they part",
            caption=f"{where(first)}. The band marks the step.",
            alt=f"Membranes of both sides at {where(first)}",
        )


def _trace(axes: Axes, trace: Array, colour: str, side: str, *, dashed: bool) -> None:
    style = (0, (4, 2)) if dashed else "-"
    axes.plot(trace, color=colour, linestyle=style, marker="o", markersize=3, label=side)


def _smallest(found: Difference) -> Drawing | None:
    """The smallest input: steps across, inputs down."""
    small = found.reproducer
    if small is None or not 0 < small.nonzero <= _SHOWN:
        return None
    flat = small.values.reshape(small.steps, -1)
    used = np.flatnonzero(flat.any(axis=0))
    with styled():
        figure = Figure(figsize=(WIDTH, 0.7 + 0.2 * len(used)), layout="constrained")
        axes = figure.subplots()
        for row, place in enumerate(used):
            for step in np.flatnonzero(flat[:, place]):
                axes.plot(step, row, marker="s", markersize=6, color=INK)
                text = f"{flat[step, place]:.4g}"
                axes.annotate(
                    text, (step, row), xytext=(7, 0), textcoords="offset points", va="center"
                )
        axes.set_yticks(range(len(used)), [_index(found, int(place)) for place in used])
        axes.set(xlim=(-0.5, max(small.steps, 8) - 0.5), ylim=(len(used) - 0.4, -0.6))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("step")
        return drawn(
            figure,
            "smallest",
            title="Smallest input",
            caption="All other values are zero.",
            alt="The smallest input on which both sides part",
        )


def _index(found: Difference, place: int) -> str:
    assert found.reproducer is not None  # noqa: S101  # the caller has one
    shape = found.reproducer.values.shape[1:]
    return str(tuple(int(i) for i in np.unravel_index(place, shape))).replace(",)", ")")
