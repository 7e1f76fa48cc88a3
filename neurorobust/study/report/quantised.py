"""What fewer bits cost: shown where one network was lowered to one chip in several ways."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from neurorobust.metrics import CLEAN
from neurorobust.render import looks
from neurorobust.render.colours import INK, LAYERS, RULES
from neurorobust.render.numbers import Entry, entry
from neurorobust.render.svg import WIDTH, Drawing, drawn, styled
from neurorobust.study.report.view import Group, Site, View, backend_names
from neurorobust.study.report.worst import headline_radius, like_float

_DODGE = 0.07
"""Distance between the rules at the same bits, in bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRow:
    """One way of lowering.

    Attributes:
        site: What was run.
        model: Name of the network.
        chip: Its name; ``float`` for the network itself.
        bits: Of weights, or empty.
        scaling: Rule for scales.
        colour: Of the rule.
        decay: Bits of decays, or empty.
        backends: All that decide alike.
        accuracy: Of clean samples.
        points: Against float.
        points_sort: The same as a number.
        like_float: Share of equal decisions.
        worst: In the worst case at the radius of the headline.
        spikes: Share of spikes that differ from float.
        first: Where they part first.
    """

    site: Site
    model: str
    chip: str
    bits: str
    bits_sort: int
    scaling: str
    colour: str
    decay: str
    backends: str
    accuracy: Entry
    points: str
    points_sort: float
    like_float: Entry
    worst: Entry
    spikes: Entry
    first: str


def variants(view: View) -> tuple[VariantRow, ...]:
    """All ways of lowering, float before them; nothing where nothing was varied."""
    if not view.varied:
        return ()
    radius = headline_radius(view)
    found = []
    for site, group in view.main.items():
        own, row = view.float_of(site), view.rows.get((group.lane, CLEAN)) or {}
        before = own.decided.get(CLEAN) if own else None
        clean = group.decided.get(CLEAN)
        change = 0.0
        if not site.trained and before and clean:
            change = clean.accuracy.rate - before.accuracy.rate
        lowered = not site.trained
        found.append(
            VariantRow(
                site=site,
                model=view.model(site),
                chip=view.profile(site.profile) if lowered else "float",
                bits="" if site.weight_bits is None else str(site.weight_bits),
                bits_sort=99 if site.weight_bits is None else site.weight_bits,
                scaling=site.scaling,
                colour=_rule(site.scaling, [s.scaling for s in view.sites])[0],
                decay="" if site.decay_bits is None else str(site.decay_bits),
                backends=backend_names(group.backends),
                accuracy=entry(clean.accuracy if clean else None),
                points=f"{100 * change:+.1f}".replace("-", "−") if lowered and before else "",
                points_sort=change,
                like_float=entry(like_float(view, group)),
                worst=entry(view.worst(group, radius) if radius else None),
                spikes=_spikes(row) if lowered else Entry(),
                first=f"{row['first_node']}, step {row['first_step']}"
                if lowered and row.get("first_node")
                else "",
            )
        )
    return tuple(found)


def accuracy_lines(view: View) -> Drawing | None:
    """Clean accuracy over bits with intervals: a line per rule and decay, a panel per network."""
    panels_of = {
        key: groups
        for key, groups in _panels(view).items()
        if len({group.site.weight_bits for group in groups}) > 1
    }
    if not panels_of:
        return None
    ways = list(
        dict.fromkeys((g.site.scaling, g.site.decay_bits) for gs in panels_of.values() for g in gs)
    )
    rules = list(dict.fromkeys(rule for rule, _ in ways))
    with styled():
        across = min(3, len(panels_of))
        down = -(-len(panels_of) // across)
        figure = Figure(figsize=(WIDTH, 0.5 + 2.9 * down), layout="constrained")
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        for axes, ((model, profile), groups) in zip(panels.flat, panels_of.items(), strict=False):
            for place, way in enumerate(ways):
                shift = _DODGE * (place - (len(ways) - 1) / 2)
                own = [g for g in groups if (g.site.scaling, g.site.decay_bits) == way]
                _line(axes, own, shift, _style(way, ways, rules))
            float_group = view.float_of(groups[0].site)
            if float_group and CLEAN in float_group.decided:
                level = float_group.decided[CLEAN].accuracy
                low, high = level.interval
                axes.axhline(100 * level.rate, color=INK, linewidth=0.9, zorder=1)
                axes.axhspan(100 * low, 100 * high, color=INK, alpha=0.09, linewidth=0, zorder=0)
            names = [model] * ("model" in view.several) + [view.profile(profile)]
            axes.set_title(", ".join(names))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_xlabel("weight bits")
            axes.yaxis.grid(visible=True)
        for axes in list(panels.flat)[len(panels_of) :]:
            axes.set_visible(False)
        for axes in panels[:, 0]:
            axes.set_ylabel("right when clean (%)")
        handles = [Line2D([], [], **_style(way, ways, rules)) for way in ways]
        handles.append(Line2D([], [], color=INK, linewidth=0.9, label="float"))
        figure.legend(handles=handles, loc="outside upper left", ncols=min(6, len(handles)))
        return drawn(
            figure,
            "bits",
            title="Accuracy over weight bits",
            caption="Bars and the grey band are Wilson 95 % intervals; ways of lowering at the "
            "same bits stand side by side. Refused variants are listed with their reasons.",
            alt="Clean accuracy over weight bits for every way of lowering",
        )


def _panels(view: View) -> dict[tuple[str, str], list[Group]]:
    found: dict[tuple[str, str], list[Group]] = {}
    for site, group in view.main.items():
        if not site.trained and site.weight_bits is not None and CLEAN in group.decided:
            found.setdefault((view.model(site), site.profile), []).append(group)
    return found


def _line(axes: Axes, groups: Sequence[Group], shift: float, style: dict[str, Any]) -> None:
    points = sorted(
        (g.site.weight_bits, g.decided[CLEAN].accuracy)
        for g in groups
        if g.site.weight_bits is not None
    )
    x = [bits + shift for bits, _ in points]
    low, high = ([100 * p.interval[end] for _, p in points] for end in (0, 1))
    axes.vlines(x, low, high, color=style["color"], linewidth=1.0, alpha=0.55)
    axes.plot(x, [100 * p.rate for _, p in points], **style)


def _style(
    way: tuple[str, int | None], ways: Sequence[tuple[str, int | None]], rules: Sequence[str]
) -> dict[str, Any]:
    rule, decay = way
    decays = list(dict.fromkeys(bits for _, bits in ways))
    colour, marker = _rule(rule, rules)
    words = [rule.replace("_", " ") or "as the chip has it"]
    if len(decays) > 1:
        words.append("decays as they are" if decay is None else f"{decay}-bit decays")
    return {
        "color": colour,
        "marker": marker,
        "markersize": 4.2,
        "markeredgewidth": 0,
        "linestyle": ["-", (0, (4, 2)), (0, (1, 1.4))][decays.index(decay) % 3],
        "label": ", ".join(words),
    }


def _rule(name: str, names: Sequence[str]) -> tuple[str, str]:
    """Colour and mark of a rule for scales."""
    if not name:
        return INK, "o"
    spare = sorted(set(names) - set(RULES))
    return RULES.get(name) or (LAYERS[spare.index(name) % len(LAYERS)], "P")


def _spikes(row: dict[str, Any]) -> Entry:
    """A share without an interval: spikes are not independent draws."""
    if not row.get("spike_values"):
        return Entry()
    share = row["spikes_differing"] / row["spike_values"]
    counts = f"{looks.integer(row['spikes_differing'])} of {looks.integer(row['spike_values'])}"
    return Entry(looks.percent(share, 2), "", counts, share)
