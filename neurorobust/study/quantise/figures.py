"""The figures of a study: what is left of the network, and of the attacks, over weight bits."""

from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, StrMethodFormatter

from neurorobust.metrics import CLEAN, SetKey
from neurorobust.render import looks
from neurorobust.render.colours import INK, RULES
from neurorobust.render.svg import WIDTH, Drawing, render, styled
from neurorobust.study.quantise.rows import RAN, REFUSED

_DODGE = 0.07
"""Distance between the rules at the same bits, in bits."""
_ACROSS = 3


def accuracy_lines(rows: pl.DataFrame) -> Drawing:
    """Accuracy and changed decisions over bits, a line per rule, a column per decay."""
    clean = rows.filter(pl.col("set") == CLEAN)
    reference = clean.filter(pl.col("weight_bits").is_null()).row(0, named=True)
    variants = clean.filter(pl.col("weight_bits").is_not_null()).with_columns(
        changed=1 - pl.col("agreement"),
        changed_low=1 - pl.col("agreement_high"),
        changed_high=1 - pl.col("agreement_low"),
    )
    decays = variants["decay_bits"].unique(maintain_order=True).to_list()
    names = {"accuracy": "accuracy", "changed": "changed decisions"}
    down, across = (2, len(decays)) if len(decays) > 1 else (1, 2)
    with styled():
        figure = Figure(figsize=(WIDTH, 0.5 + 2.7 * down), layout="constrained")
        panels = figure.subplots(down, across, sharex=True, squeeze=False)
        for i, decay in enumerate(decays):
            for j, (measure, name) in enumerate(names.items()):
                axes = panels[j, i] if len(decays) > 1 else panels[0, j]
                part = variants.filter(pl.col("decay_bits").eq_missing(decay))
                _lines(axes, part, measure, variants)
                axes.set_title(name if decay is None else f"{name}, decays of {decay} bits")
                if measure == "accuracy":
                    band = reference["accuracy_low"], reference["accuracy_high"]
                    _level(axes, reference["accuracy"], band)
                else:
                    # Linear below one percent, so that no change has a place too.
                    axes.set_yscale("symlog", linthresh=1, linscale=0.4)
                    axes.set_ylim(-0.05, 120)
                    axes.yaxis.set_major_locator(FixedLocator([0, 1, 2, 5, 10, 20, 50, 100]))
                    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
                    axes.yaxis.set_minor_locator(NullLocator())
        _legend(figure, variants)
        svg = render(figure, "accuracy", "Accuracy and changed decisions over weight bits")
    refused = variants.filter(pl.col("status") == REFUSED).height
    crosses = f" Crosses mark the {refused} variant(s) that lowering refused." if refused else ""
    return Drawing(
        "What is left over bits",
        f"Percent of n = {reference['n']} test images; bars and the grey band are Wilson 95 % "
        "intervals. Rules at the same bits stand side by side. Changed decisions, from right or "
        f"wrong alike, are on a logarithmic scale above one percent.{crosses}",
        svg,
    )


def success_lines(rows: pl.DataFrame) -> Drawing | None:
    """Attack success over bits, a panel per frozen set, at the first decay."""
    sets = rows.filter((pl.col("set") != CLEAN) & pl.col("weight_bits").is_not_null())
    if sets.is_empty():
        return None
    decay = sets["decay_bits"][0]
    sets = sets.filter(pl.col("decay_bits").eq_missing(decay))
    keys = list(dict.fromkeys(SetKey(*row) for row in sets.select(SetKey._fields).rows()))
    across = 2 if len(keys) == 4 else min(_ACROSS, len(keys))
    down = -(-len(keys) // across)
    with styled():
        figure = Figure(figsize=(WIDTH, 0.5 + 2.5 * down), layout="constrained")
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        for axes, key in zip(panels.flat, keys, strict=False):
            part = sets.filter(pl.col("set") == key.set)
            _lines(axes, part, "success", sets)
            axes.set_title(looks.set_name(key))
            float_row = rows.filter((pl.col("set") == key.set) & pl.col("weight_bits").is_null())
            _level(axes, float_row["success"][0], None)
            axes.label_outer()
        for axes in list(panels.flat)[len(keys) :]:
            axes.set_visible(False)
        _legend(figure, sets)
        svg = render(figure, "success", "Attack success over weight bits for each frozen attack")
    at = "" if decay is None else f" Decays have {decay} bits."
    return Drawing(
        "How much of each attack arrives",
        "Samples fooled, in percent of those that the float model and the variant both decide "
        "rightly when clean; bars are Wilson 95 % intervals. The line is the float model, on all "
        f"that it decides rightly.{at}",
        svg,
    )


def _lines(axes: Axes, part: pl.DataFrame, measure: str, everything: pl.DataFrame) -> None:
    rules = everything["scaling"].unique(maintain_order=True).to_list()
    for place, rule in enumerate(rules):
        shift = _DODGE * (place - (len(rules) - 1) / 2)
        own = part.filter(pl.col("scaling") == rule).sort("weight_bits")
        ran = own.filter((pl.col("status") == RAN) & pl.col(measure).is_not_nan())
        colour, marker = RULES[rule]
        x = [bits + shift for bits in ran["weight_bits"]]
        low, middle, high = (
            (100 * ran[name]).to_list() for name in (f"{measure}_low", measure, f"{measure}_high")
        )
        axes.vlines(x, low, high, color=colour, linewidth=1.0, alpha=0.55)
        axes.plot(x, middle, color=colour, marker=marker, markersize=4.2, markeredgewidth=0)
        refused = own.filter(pl.col("status") == REFUSED)["weight_bits"]
        axes.plot(
            [bits + shift for bits in refused],
            [0.03] * len(refused),
            transform=axes.get_xaxis_transform(),
            color=colour,
            marker="x",
            linestyle="none",
            markersize=4.5,
        )
    axes.set_xlabel("weight bits")
    axes.set_ylabel("%")
    axes.yaxis.grid(visible=True)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    bits = everything["weight_bits"]
    axes.set_xlim(float(bits.min()) - 0.4, float(bits.max()) + 0.4)  # type: ignore[arg-type]


def _level(axes: Axes, rate: float, band: tuple[float, float] | None) -> None:
    axes.axhline(100 * rate, color=INK, linewidth=0.9, zorder=1)
    if band:
        axes.axhspan(100 * band[0], 100 * band[1], color=INK, alpha=0.09, linewidth=0, zorder=0)


def _legend(figure: Figure, variants: pl.DataFrame) -> None:
    rules = variants["scaling"].unique(maintain_order=True).to_list()
    handles: list[Any] = [
        Line2D([], [], color=RULES[r][0], marker=RULES[r][1], markersize=4.2, label=r)
        for r in rules
    ]
    handles.append(Line2D([], [], color=INK, linewidth=0.9, label="float model"))
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))
