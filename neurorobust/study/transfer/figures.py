"""The figures of the report that show decisions; the rasters have their own file."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from neurorobust import metrics
from neurorobust.metrics import CLEAN, Column, Curve, Scope, SetKey, Transfer
from neurorobust.render import looks
from neurorobust.render.colours import (
    GRADIENTS,
    HEAT,
    INK,
    KEPT,
    MUTED,
    ON_DARK,
    ON_LIGHT,
    PAPER,
    backend_colours,
)
from neurorobust.render.svg import WIDTH, Drawing, render, styled

_HEAT = LinearSegmentedColormap.from_list("heat", HEAT)


def transfer_map(transfers: Sequence[Transfer], name: str) -> Drawing:
    """Conditional success of every attack set on every column, in percent."""
    keys = list(dict.fromkeys(t.key for t in transfers))
    columns = list(dict.fromkeys(t.column for t in transfers))
    groups = list(dict.fromkeys(looks.attack_name(k) for k in keys))
    place = {k: i + 0.35 * groups.index(looks.attack_name(k)) for i, k in enumerate(keys)}
    breaks = _gaps([c.rung for c in columns])
    found = {(t.key, t.column): t.success for t in transfers}
    with styled():
        figure = Figure(figsize=(WIDTH, 0.9 + 0.3 * len(columns)), layout="constrained")
        axes = figure.subplots()
        for key in keys:
            for row, column in enumerate(columns):
                success = found.get((key, column))
                if success is not None and success.n:
                    _cell(axes, place[key], row + breaks[row], success.rate)
        _bare(axes)
        right = max(place.values()) + 1
        axes.set(xlim=(-0.02, right + 0.02), ylim=(len(columns) + breaks[-1] + 0.02, -0.02))
        axes.set_yticks([i + gap + 0.5 for i, gap in enumerate(breaks)], [str(c) for c in columns])
        ticks, unit = looks.epsilon_axis([k.epsilon for k in keys])
        axes.set_xticks([x + 0.5 for x in place.values()], ticks)
        axes.set_xlabel(unit)
        for group in groups:
            at = [x for k, x in place.items() if looks.attack_name(k) == group]
            axes.text(at[0], -0.25, group, color=INK, va="bottom", fontsize=8)
        svg = render(figure, name, f"Attack success per backend and rung for {', '.join(groups)}")
    counts = sorted({t.success.n for t in transfers})
    return Drawing(
        "How much of each attack arrives",
        "Share of samples, in percent, that the frozen attack turns from right to wrong, of those "
        "that every row decides rightly when clean "
        f"(n = {_range(counts)}). Intervals are in the table.",
        svg,
    )


def churn_bars(
    transfers: Sequence[Transfer], surrogate: Column, radius: float, name: str
) -> Drawing | None:
    """Kept, lost and gained successes per column at one radius, a panel per attack."""
    shown = [
        t
        for t in transfers
        if t.churn and t.column != surrogate and t.key.epsilon == radius and t.key.attack != "noise"
    ]
    if not shown:
        return None
    keys = list(dict.fromkeys(t.key for t in shown))
    columns = list(dict.fromkeys(t.column for t in shown))
    colours = backend_colours(c.backend for c in columns)
    with styled():
        size = (WIDTH, 0.95 + 0.27 * len(columns))
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(1, len(keys), sharey=True, sharex=True, squeeze=False)[0]
        for axes, key in zip(panels, keys, strict=True):
            for t in (t for t in shown if t.key == key):
                _churn_bar(axes, t, columns.index(t.column), colours[t.column.backend])
            successes = next(t.churn.kept.n for t in shown if t.key == key and t.churn)
            axes.axvline(successes, color=INK, linewidth=0.9, zorder=3)
            axes.set_title(looks.attack_name(key))
            axes.set_xlabel("samples fooled")
            axes.xaxis.grid(visible=True)
            axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
            axes.spines["left"].set_visible(False)
            axes.tick_params(left=False)
        panels[0].set_yticks(range(len(columns)), [str(c) for c in columns])
        panels[0].set_ylim(len(columns) - 0.4, -0.6)
        handles = [
            Patch(facecolor=KEPT, label="kept"),
            Patch(facecolor="none", edgecolor=KEPT, hatch="//////", label="lost"),
            Patch(facecolor=INK, label="gained"),
            Line2D([], [], color=INK, linewidth=0.9, label=f"fooled on {surrogate}"),
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=4)
        svg = render(figure, name, f"Kept, lost and gained successes at ε {looks.epsilon(radius)}")
    return Drawing(
        f"Which successes survive, at ε {looks.epsilon(radius)}",
        f"The line marks the samples fooled on {surrogate}: kept and lost add up to it, gained "
        "ones are fooled only after the trip. An unchanged total can hide churn.",
        svg,
    )


def robustness_curves(outcomes: pl.DataFrame, scope: Scope, name: str) -> Drawing | None:
    """Accuracy over epsilon, a panel per group of columns that decide alike throughout."""
    groups = metrics.identical_columns(outcomes, scope.columns)
    with styled():
        across = min(3, len(groups))
        down = -(-len(groups) // across)
        size = (WIDTH, 0.5 + (2.5 if across > 1 else 3.1) * down)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        drawn: dict[str, dict[str, Any]] = {}
        for axes, group in zip(panels.flat, groups, strict=False):
            for curve in metrics.curves(outcomes, group[0], scope.columns):
                drawn |= _curve(axes, curve)
            drawn |= _curve(axes, metrics.worst_case(outcomes, group[0], scope.columns))
            axes.set_title("\n".join(looks.column_list(group).split("; ")))
            axes.yaxis.grid(visible=True)
            axes.set_ylim(-3, 103)
        for axes in list(panels.flat)[len(groups) :]:
            axes.set_visible(False)
        if len(drawn) < 2:
            return None
        radii = sorted(set(outcomes["epsilon"].to_list()))
        ticks, unit = looks.epsilon_axis(radii)
        panels[0, 0].set_xticks(radii, ticks)
        for axes in panels[:, 0]:
            axes.set_ylabel("accuracy (%)")
        for axes in panels.flat[max(0, len(groups) - across) : len(groups)]:
            axes.tick_params(labelbottom=True)
            axes.set_xlabel(unit)
        legend = [Line2D([], [], **style) for style in drawn.values()]
        figure.legend(handles=legend, loc="outside upper left", ncols=len(legend))
        svg = render(figure, name, "Accuracy over epsilon for each attack and gradient estimator")
    return Drawing(
        "Accuracy over the strength of the attack",
        "Bands are Wilson 95 % intervals. Noise of the same size is the floor that an attack has "
        "to beat; the dotted line counts a sample as lost if any attack of that size fools it. "
        "Backends that decide alike on every sample of every set share a panel.",
        svg,
    )


def agreement_matrix(
    outcomes: pl.DataFrame, sets: Sequence[SetKey], scope: Scope, name: str
) -> Drawing | None:
    """Share of equal decisions between columns, a panel per set."""
    if len(scope.columns) < 2:
        return None
    with styled():
        rows = len(scope.columns)
        figure = Figure(figsize=(WIDTH, 1.2 + 0.33 * rows), layout="constrained")
        panels = figure.subplots(1, len(sets), squeeze=False)[0]
        shown = [metrics.decision_agreement(outcomes, key.set, scope.columns) for key in sets]
        least = min(p.rate for found in shown for p in found.values())
        floor = min(0.9, np.floor(least * 20) / 20)
        for axes, key, found in zip(panels, sets, shown, strict=True):
            columns = [c for c in scope.columns if c in metrics.columns_of(outcomes, key.set)]
            for i, a in enumerate(columns):
                for j, b in enumerate(columns[: i + 1]):
                    p = found[a, b]
                    shade = (p.rate - floor) / (1 - floor)
                    _cell(axes, j, i, p.rate, shade=0.55 * shade, label=_exact(p.rate))
            _bare(axes)
            axes.set(xlim=(-0.02, len(columns) + 0.02), ylim=(len(columns) + 0.02, -0.02))
            ticks = [i + 0.5 for i in range(len(columns))]
            first = axes is panels[0] or columns != list(scope.columns)
            axes.set_yticks(ticks, [str(c) for c in columns] if first else [""] * len(ticks))
            axes.set_xticks(ticks, [str(c) for c in columns], rotation=38, ha="right")
            title = "clean" if key.set == CLEAN else looks.set_name(key)
            n = next(iter(found.values())).n
            axes.set_title(f"{title}  (n = {n})")
        svg = render(figure, name, "Share of equal decisions between all backends and rungs")
    return Drawing(
        "Do they decide alike?",
        "Equal decisions in percent, right or wrong alike; 100 stands only where every decision "
        "is equal.",
        svg,
    )


def _cell(
    axes: Axes, x: float, y: float, rate: float, *, shade: float | None = None, label: str = ""
) -> None:
    colour = _HEAT(rate if shade is None else max(0.0, shade))
    axes.fill(
        [x, x + 1, x + 1, x], [y, y, y + 1, y + 1], facecolor=colour, edgecolor=PAPER, linewidth=1.2
    )
    linear = np.array(to_rgb(colour)) ** 2.2
    # Above this luminance black has the higher contrast (WCAG 2.2, relative luminance).
    light = float(linear @ (0.2126, 0.7152, 0.0722)) > 0.179
    text = label or f"{100 * rate:.0f}"
    ink = ON_LIGHT if light else ON_DARK
    axes.text(x + 0.5, y + 0.52, text, ha="center", va="center", color=ink, fontsize=7)


def _churn_bar(axes: Axes, t: Transfer, row: int, colour: str) -> None:
    if t.churn is None:
        return
    kept, lost, gained = t.churn.kept.count, t.churn.lost.count, t.churn.gained.count
    axes.barh(row, kept, height=0.62, color=colour, linewidth=0)
    axes.barh(
        row,
        lost,
        left=kept,
        height=0.62,
        facecolor="none",
        edgecolor=colour,
        hatch="//////",
        linewidth=0.6,
    )
    axes.barh(row, gained, left=kept + lost, height=0.62, color=INK, linewidth=0)


def _curve(axes: Axes, curve: Curve) -> dict[str, dict[str, Any]]:
    style = _line_style(curve.attack, curve.gradient)
    x = [p.epsilon for p in curve.points]
    bounds = [p.accuracy.interval for p in curve.points]
    axes.fill_between(
        x,
        [100 * low for low, _ in bounds],
        [100 * high for _, high in bounds],
        color=style["color"],
        alpha=0.10,
        linewidth=0,
    )
    axes.plot(x, [100 * p.accuracy.rate for p in curve.points], **style)
    return {style["label"]: style}


def _line_style(attack: str, gradient: str) -> dict[str, Any]:
    if attack == "any":
        return {"color": INK, "linestyle": ":", "linewidth": 1.3, "label": "any attack"}
    name = looks.attack_name(SetKey("", attack, gradient, 0.0))
    dashed = attack == "fgsm"
    return {
        "color": GRADIENTS.get(gradient, MUTED),
        "linestyle": (0, (4, 2)) if dashed else "-",
        "linewidth": 1.2 if gradient == "none" else 1.6,
        "marker": "o",
        "markersize": 3.2,
        "markerfacecolor": PAPER if dashed else GRADIENTS.get(gradient, MUTED),
        "label": name,
    }


def _bare(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    axes.set_facecolor("none")


def _gaps(rungs: Sequence[str]) -> list[float]:
    """A little room wherever the rung changes."""
    gaps, gap = [0.0], 0.0
    for before, here in pairwise(rungs):
        gap += 0.3 if before != here else 0.0
        gaps.append(gap)
    return gaps


def _exact(rate: float) -> str:
    return "100" if rate == 1 else f"{min(100 * rate, 99.9):.1f}"


def _range(counts: Sequence[int]) -> str:
    if not counts:
        return "0"
    return str(counts[0]) if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
