"""Spikes of one sample, clean beside attacked, with what the attack changed in colour."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from neurorobust.render import looks
from neurorobust.render.colours import BLUE, GREY, VERMILION
from neurorobust.render.svg import WIDTH, Drawing, render, styled
from neurorobust.study.transfer.manifest import RasterInfo

Spikes = npt.NDArray[np.uint8]
# A page of 10 000 rows shows nothing; above this, evenly chosen neurons among those that fire.
MOST_NEURONS = 128
_SHARED, _REMOVED, _ADDED = GREY, BLUE, VERMILION


def raster_pair(
    rasters: Mapping[str, Spikes], info: RasterInfo | None, order: Sequence[str], name: str
) -> Drawing | None:
    """Two panels per node with shared axes; differences are coloured.

    Args:
        rasters: ``clean/<node>`` and ``adversarial/<node>``, shape (T, N).
        info: Which sample and attack.
        order: Nodes in the order of execution; others follow as stored.
        name: Unique in the page.
    """
    stored = [key.removeprefix("clean/") for key in rasters if key.startswith("clean/")]
    stored = [node for node in stored if rasters[f"clean/{node}"].size]
    nodes = [n for n in order if n in stored] + [n for n in stored if n not in order]
    if not nodes:
        return None
    with styled():
        chosen = [choose(rasters[f"clean/{n}"], rasters[f"adversarial/{n}"]) for n in nodes]
        heights = [float(np.clip(len(rows) / 60, 0.5, 1.8)) for rows in chosen]
        figure = Figure(figsize=(WIDTH, 0.9 + sum(h + 0.28 for h in heights)), layout="constrained")
        panels = figure.subplots(
            len(nodes), 2, sharex=True, sharey="row", squeeze=False, height_ratios=heights
        )
        for row, (node, rows) in enumerate(zip(nodes, chosen, strict=True)):
            clean = rasters[f"clean/{node}"][:, rows] > 0
            attacked = rasters[f"adversarial/{node}"][:, rows] > 0
            _panel(panels[row, 0], clean, attacked, _REMOVED)
            _panel(panels[row, 1], attacked, clean, _ADDED)
            whole = rasters[f"clean/{node}"].shape[1]
            part = f"{len(rows)} of {looks.integer(whole)}" if len(rows) < whole else f"{whole}"
            panels[row, 0].set_ylabel(f"{node}\n{part} neurons")
        panels[0, 0].set_title(_title("clean", info.clean_decision if info else None))
        panels[0, 1].set_title(_title("attacked", info.adversarial_decision if info else None))
        for axes in panels[-1]:
            axes.set_xlabel("step")
        handles = [
            Patch(facecolor=_SHARED, label="in both"),
            Patch(facecolor=_REMOVED, label="removed by the attack"),
            Patch(facecolor=_ADDED, label="added by the attack"),
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=3)
        svg = render(figure, name, f"Spike rasters of {', '.join(nodes)}, clean and attacked")
    return Drawing("What the attack does to the spikes", _caption(info), svg)


def choose(clean: Spikes, attacked: Spikes) -> npt.NDArray[np.intp]:
    """Indices of the neurons to draw: all, or at most ``MOST_NEURONS`` of those that fire."""
    count = clean.shape[1]
    if count <= MOST_NEURONS:
        return np.arange(count)
    active = np.flatnonzero(clean.any(axis=0) | attacked.any(axis=0))
    pool = active if len(active) else np.arange(count)
    at = np.linspace(0, len(pool) - 1, min(MOST_NEURONS, len(pool)))
    picked: npt.NDArray[np.intp] = pool[np.round(at).astype(np.intp)]
    return picked


def _panel(axes: Axes, here: npt.NDArray[np.bool_], there: npt.NDArray[np.bool_], own: str) -> None:
    image = np.zeros((*here.T.shape, 4))
    image[(here & there).T] = to_rgba(_SHARED)
    image[(here & ~there).T] = to_rgba(own)
    steps, neurons = here.shape
    axes.imshow(
        image, aspect="auto", interpolation="none", extent=(-0.5, steps - 0.5, neurons - 0.5, -0.5)
    )
    axes.set_yticks([])


def _title(kind: str, decision: int | None) -> str:
    return kind if decision is None else f"{kind}: decided as {decision}"


def _caption(info: RasterInfo | None) -> str:
    if info is None:
        return "Spikes over time of one sample."
    words = ["Spikes over time"]
    if info.sample is not None:
        words.append(f"of test sample {info.sample}")
    if info.label is not None:
        words.append(f"(label {info.label})")
    if info.attack:
        words.append(f"under {looks.proper(info.attack)}")
        if info.gradient not in {"", "none"}:
            words.append(f"with {looks.proper(info.gradient)} gradients")
        if info.epsilon is not None:
            words.append(f"at ε {looks.epsilon(info.epsilon)}")
    return " ".join(words) + "."
