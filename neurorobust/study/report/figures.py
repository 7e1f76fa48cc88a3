"""The figures that show decisions: how much is left, and how much of each attack arrives."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from neurorobust.metrics import CLEAN, Proportion
from neurorobust.render import looks
from neurorobust.render.colours import GRADIENTS, INK, KEPT, LAYERS, PAPER
from neurorobust.render.svg import WIDTH, Drawing, drawn, heat, styled
from neurorobust.study.report.transfer import TransferRow
from neurorobust.study.report.view import Group, Shown, Site, View, is_noise, method_name

_MOST_CURVES = 6
_MOST_ROWS = 40
_MARKERS = "osD^vP"


def worst_curves(view: View) -> Drawing | None:
    """Worst-case accuracy over the radius, a line per network and arithmetic."""
    threats = {radius.threat for radius in view.radii}
    sites = [site for site in view.sites if CLEAN in view.main[site].decided]
    if len(threats) != 1 or not sites or view.varied:
        return None
    lines = {site: _worst_points(view, view.main[site]) for site in sites}
    lines = {site: points for site, points in lines.items() if len(points) > 1}
    if not lines or len(lines) > 2 * _MOST_CURVES:
        return None
    with styled():
        figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
        axes = figure.subplots()
        models = list(dict.fromkeys(view.model(site) for site in lines))
        arithmetics = list(dict.fromkeys(view.arithmetic(site) for site in lines))
        for site, points in lines.items():
            model, arithmetic = view.model(site), view.arithmetic(site)
            place = arithmetics.index(arithmetic)
            style = {
                "color": INK if arithmetic == "float" else LAYERS[(place - 1) % len(LAYERS)],
                "linestyle": ["-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1, 1, 1))][
                    models.index(model) % 4
                ],
                "marker": _MARKERS[place % len(_MARKERS)],
                "label": f"{model}, {arithmetic}" if len(models) > 1 else arithmetic,
            }
            _curve(axes, points, style)
        _radius_axis(axes, view, [0.0, *(radius.epsilon for radius in view.radii)])
        axes.set_ylabel("right in the worst case (%)")
        axes.set_ylim(-3, 103)
        axes.yaxis.grid(visible=True)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), borderaxespad=0.0)
        return drawn(
            figure,
            "worst-case",
            title="What is left in the worst case",
            caption="Right when clean and under every attack of that radius; bands are Wilson 95 % "
            "intervals. Each line is the group of backends with most samples.",
            alt="Worst-case accuracy over the radius per network and arithmetic",
        )


def attack_curves(view: View) -> Drawing | None:
    """Accuracy over the radius per attack, a panel per site."""
    sites = [site for site in view.sites if CLEAN in view.main[site].decided]
    if len(view.radii) < 2 or not sites or view.varied or len(sites) > _MOST_CURVES:
        return None
    with styled():
        across = min(3, len(sites))
        down = -(-len(sites) // across)
        size = (WIDTH, 0.6 + (2.5 if across > 1 else 3.1) * down)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        styles = _styles(view)
        for axes, site in zip(panels.flat, sites, strict=False):
            group = view.main[site]
            for key, points in _attack_points(view, group).items():
                _curve(axes, points, styles[key])
            _curve(axes, _worst_points(view, group), styles["worst"], band=False)
            several = "model" in view.several
            named = [view.model(site)] * several + [view.arithmetic(site)]
            axes.set_title(f"{', '.join(named)}  (n = {group.n})")
            axes.yaxis.grid(visible=True)
            axes.set_ylim(-3, 103)
        for axes in list(panels.flat)[len(sites) :]:
            axes.set_visible(False)
        for axes in panels.flat[max(0, len(sites) - across) : len(sites)]:
            axes.tick_params(labelbottom=True)
            _radius_axis(axes, view, [0.0, *(radius.epsilon for radius in view.radii)])
        for axes in panels[:, 0]:
            axes.set_ylabel("right (%)")
        handles = [Line2D([], [], **style) for style in styles.values()]
        figure.legend(handles=handles, loc="outside upper left", ncols=min(4, len(handles)))
        return drawn(
            figure,
            "attacks",
            title="Accuracy under each attack",
            caption="Bands are Wilson 95 % intervals. Noise of the same size is the floor that an "
            "attack has to beat; the dotted line counts a sample as lost if any attack of that "
            "radius fools it.",
            alt="Accuracy over the radius for each attack and gradient estimator",
        )


def transfer_map(view: View, rows: Sequence[TransferRow]) -> Drawing | None:
    """Success of every set on every group, in percent; of several variants one group each."""
    groups = [g for g in view.groups if any(row.group is g for row in rows)]
    if view.varied:
        groups = [g for g in groups if view.main[g.site] is g]
    if not rows or len(groups) > _MOST_ROWS:
        return None
    columns = list(dict.fromkeys((row.attack, row.crafted) for row in rows))
    keys = sorted(
        dict.fromkeys(row.shown for row in rows),
        key=lambda s: (columns.index((view.method(s), view.crafted(s))), s.radius, s.set),
    )
    place = {
        s.set: i + 0.35 * columns.index((view.method(s), view.crafted(s)))
        for i, s in enumerate(keys)
    }
    cells = {(row.shown.set, id(row.group)): row.success for row in rows}
    breaks = _gaps([(g.site.model, g.site.rung, g.site.profile) for g in groups])
    tall = 0.3 if len(groups) < 12 else 0.23
    with styled():
        width = max(WIDTH, 2.4 + 0.3 * (max(place.values()) + 1))
        figure = Figure(figsize=(width, 1.2 + tall * len(groups)), layout="constrained")
        axes = figure.subplots()
        for shown in keys:
            for row, group in enumerate(groups):
                success = cells.get((shown.set, id(group)))
                if success is not None and success.n:
                    _heat_cell(axes, place[shown.set], row + breaks[row], success.rate)
        _bare(axes)
        right = max(place.values()) + 1
        axes.set(xlim=(-0.02, right + 0.02), ylim=(len(groups) + breaks[-1] + 0.02, -0.02))
        names = [_row_name(view, group) for group in groups]
        axes.set_yticks([i + gap + 0.5 for i, gap in enumerate(breaks)], names)
        ticks, unit = looks.epsilon_axis([s.epsilon for s in keys], view.levels)
        axes.set_xticks([place[s.set] + 0.5 for s in keys], ticks)
        axes.set_xlabel(unit)
        several = len({crafted for _, crafted in columns}) > 1
        for column in columns:
            at = [place[s.set] for s in keys if (view.method(s), view.crafted(s)) == column]
            lines = [*column[0].split(" · "), *([_on(column[1])] if several else [])]
            axes.text(at[0], -0.25, "\n".join(lines), color=INK, va="bottom", fontsize=7.5)
        return drawn(
            figure,
            "transfer",
            title="How much of each attack arrives",
            caption="Share of samples, in percent, that the frozen attack turns from right to "
            "wrong, of those right when clean both there and where it was crafted. Intervals are "
            "in the table.",
            alt="Attack success per arithmetic and backends for every attack set",
        )


def _on(crafted: str) -> str:
    """Where a set was crafted, in lines that fit above a column."""
    return "on " + crafted.replace(", ", ",\n")


def churn_bars(view: View, rows: Sequence[TransferRow], first: Shown | None) -> Drawing | None:
    """Kept, lost and gained successes per group at the radius of the headline, a panel per set."""
    if first is None or view.varied:
        return None
    same = [row for row in rows if row.shown.radius == first.radius]
    same = [
        row for row in same if row.churn and row.churn.kept.n and not is_noise(row.shown.attack)
    ]
    sets = list(dict.fromkeys(row.shown for row in same))
    # At most four panels can be read side by side; the ones that fool most where crafted.
    fooled = {s: max(r.churn.kept.n for r in same if r.shown == s and r.churn) for s in sets}
    sets = sorted(sorted(sets, key=lambda s: -fooled[s])[:4], key=sets.index)
    groups = [g for g in view.groups if any(row.group is g and row.shown in sets for row in same)]
    if not sets or len(groups) > _MOST_ROWS:
        return None
    with styled():
        size = (WIDTH, 1.15 + 0.27 * len(groups))
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(1, len(sets), sharey=True, sharex=True, squeeze=False)[0]
        for axes, shown in zip(panels, sets, strict=True):
            for row in (row for row in same if row.shown == shown):
                _churn_bar(axes, row, next(i for i, g in enumerate(groups) if g is row.group))
            axes.set_title(f"{view.method(shown)}\n{_on(view.crafted(shown))}")
            axes.set_xlabel("samples fooled")
            axes.xaxis.grid(visible=True)
            axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
            axes.margins(x=0.02)
            axes.spines["left"].set_visible(False)
            axes.tick_params(left=False)
        panels[0].set_yticks(range(len(groups)), [_row_name(view, g) for g in groups])
        panels[0].set_ylim(len(groups) - 0.4, -0.6)
        handles = [
            Patch(facecolor=KEPT, label="kept"),
            Patch(facecolor="none", edgecolor=KEPT, hatch="//////", label="lost"),
            Patch(facecolor=INK, label="gained"),
            Line2D([], [], color=INK, linewidth=0.9, label="fooled where crafted"),
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=4)
        radius = view.radius(first.radius)
        return drawn(
            figure,
            "churn",
            title=f"Which successes survive, at {radius}",
            caption="Kept and lost are the samples fooled where the attack was crafted, up to the "
            "stroke; gained ones are fooled only after the trip. An equal total can hide churn.",
            alt=f"Kept, lost and gained successes at {radius}",
        )


def _heat_cell(axes: Axes, x: float, y: float, rate: float) -> None:
    """A field of size one with its share in percent."""
    colour, ink = heat(rate)
    axes.fill(
        [x, x + 1, x + 1, x], [y, y, y + 1, y + 1], facecolor=colour, edgecolor=PAPER, linewidth=1.2
    )
    text = f"{100 * rate:.0f}"
    axes.text(x + 0.5, y + 0.52, text, ha="center", va="center", color=ink, fontsize=7)


def _row_name(view: View, group: Group) -> str:
    site: Site = group.site
    named = [view.model(site)] if "model" in view.several else []
    if view.varied:
        return " · ".join([*named, view.arithmetic(site)])
    backends = [looks.proper(name) for name in group.backends]
    if len(backends) > 3:
        backends = [*backends[:2], f"{len(backends) - 2} more"]
    return " · ".join([*named, ", ".join(backends), view.arithmetic(site)])


def _worst_points(view: View, group: Group) -> list[tuple[float, Proportion]]:
    points = [(radius.epsilon, view.worst(group, radius)) for radius in view.radii]
    start = [(0.0, group.decided[CLEAN].accuracy)] if CLEAN in group.decided else []
    return start + [(epsilon, p) for epsilon, p in points if p is not None and p.n]


def _attack_points(view: View, group: Group) -> Mapping[Any, list[tuple[float, Proportion]]]:
    """Per attack and what it was crafted on; of several sets the most harmful counts."""
    found: dict[Any, dict[float, Proportion]] = {}
    for name, decided in group.decided.items():
        if shown := view.sets.get(name):
            at = found.setdefault((*shown.method, view.crafted(shown)), {})
            reached = decided.accuracy
            at[shown.epsilon] = min(at.get(shown.epsilon, reached), reached, key=lambda p: p.rate)
    start = [(0.0, group.decided[CLEAN].accuracy)] if CLEAN in group.decided else []
    return {key: start + sorted(at.items(), key=lambda item: item[0]) for key, at in found.items()}


def _styles(view: View) -> dict[Any, dict[str, Any]]:
    """One look per attack: colour by gradient, dashes by attack, marks by where crafted."""
    attacks = list(dict.fromkeys(attack for attack, _ in view.methods))
    gradients = list(dict.fromkeys(gradient for _, gradient in view.methods))
    crafted = list(dict.fromkeys(view.crafted(shown) for shown in view.sets.values()))
    spare = [colour for colour in LAYERS if colour not in GRADIENTS.values()]
    colours = {
        name: (name != "none" and GRADIENTS.get(name)) or spare[i % len(spare)]
        for i, name in enumerate(gradients)
    }
    dashes = ["-", (0, (4, 2)), (0, (1, 1.4)), (0, (5, 1.5, 1, 1.5))]
    styles: dict[Any, dict[str, Any]] = {}
    for shown in view.sets.values():
        attack, gradient = shown.method
        where = view.crafted(shown)
        name = method_name(attack, gradient)
        styles[attack, gradient, where] = {
            "color": GRADIENTS["none"] if is_noise(attack) else colours[gradient],
            "linestyle": dashes[attacks.index(attack) % len(dashes)],
            "marker": _MARKERS[crafted.index(where) % len(_MARKERS)],
            "label": f"{name}, on {where}" if len(crafted) > 1 else name,
        }
    styles["worst"] = {"color": INK, "linestyle": ":", "label": "worst case", "linewidth": 1.3}
    return styles


def _curve(
    axes: Axes,
    points: Iterable[tuple[float, Proportion]],
    style: Mapping[str, Any],
    *,
    band: bool = True,
) -> None:
    found = list(points)
    x = [epsilon for epsilon, _ in found]
    low, high = ([100 * p.interval[end] for _, p in found] for end in (0, 1))
    if band:
        axes.fill_between(x, low, high, color=style["color"], alpha=0.10, linewidth=0)
    axes.plot(x, [100 * p.rate for _, p in found], **{"markersize": 3.2} | dict(style))


def _radius_axis(axes: Axes, view: View, radii: Sequence[float]) -> None:
    ticks, unit = looks.epsilon_axis(radii, view.levels)
    axes.set_xticks(radii, ticks)
    axes.set_xlabel(unit)


def _churn_bar(axes: Axes, found: TransferRow, row: int) -> None:
    if found.churn is None:
        return
    kept, lost, gained = (getattr(found.churn, n).count for n in ("kept", "lost", "gained"))
    axes.barh(row, kept, height=0.62, color=KEPT, linewidth=0)
    axes.barh(
        row,
        lost,
        left=kept,
        height=0.62,
        facecolor="none",
        edgecolor=KEPT,
        hatch="//////",
        linewidth=0.6,
    )
    axes.barh(row, gained, left=kept + lost, height=0.62, color=INK, linewidth=0)
    axes.vlines(kept + lost, row - 0.42, row + 0.42, color=INK, linewidth=0.9)


def _bare(axes: Axes) -> None:
    """Without lines of its own."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    axes.set_facecolor("none")


def _gaps(keys: Sequence[Any]) -> list[float]:
    """A little room wherever the key changes."""
    gaps, gap = [0.0], 0.0
    for before, here in pairwise(keys):
        gap += 0.3 if before != here else 0.0
        gaps.append(gap)
    return gaps
