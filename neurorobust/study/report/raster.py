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
from neurorobust.render.svg import WIDTH, Drawing, drawn, styled
from neurorobust.study.folder import PictureInfo
from neurorobust.study.report.view import View, method_name

Spikes = npt.NDArray[np.uint8]
# A page of 10 000 rows shows nothing; above this, evenly chosen neurons among those that fire.
MOST_NEURONS = 128
_SHARED, _REMOVED, _ADDED = GREY, BLUE, VERMILION


def raster_pair(view: View) -> Drawing | None:
    """Two panels per node with shared axes; differences are coloured.

    The spikes, of shape (T, N), are those of the first picture.
    """
    info = next(iter(view.manifest.pictures), None)
    rasters = {
        name.removeprefix("raster/"): spikes
        for name, spikes in view.results.pictures.items()
        if name.startswith("raster/")
    }
    model = view.models.get(info.model) if info else None
    return _drawn(rasters, info, model.spiking if model else ())


def _drawn(
    rasters: Mapping[str, Spikes], info: PictureInfo | None, order: Sequence[str]
) -> Drawing | None:
    stored = [key.removeprefix("clean/") for key in rasters if key.startswith("clean/")]
    stored = [node for node in stored if rasters[f"clean/{node}"].size]
    stored = [node for node in stored if f"adversarial/{node}" in rasters]
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
        return drawn(
            figure,
            "raster",
            title="What the attack does to the spikes",
            caption=_caption(info),
            alt=f"Spike rasters of {', '.join(nodes)}, clean and attacked",
        )


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


def _caption(info: PictureInfo | None) -> str:
    if info is None:
        return "Spikes over time of one sample."
    return (
        f"Spikes over time of sample {info.sample} (label {info.label}) in {info.model}, clean and "
        f"under {method_name(info.attack, info.gradient)} at ε {looks.epsilon(info.epsilon)}."
    )
