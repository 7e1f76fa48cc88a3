"""What an attack does to samples: clean, attacked, and the difference, amplified and signed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from neurorobust.render import looks
from neurorobust.render.colours import BLUE, INK, VERMILION
from neurorobust.render.svg import WIDTH, Drawing, drawn, styled
from neurorobust.study.folder import PictureInfo
from neurorobust.study.report.view import View, method_name

Image = npt.NDArray[np.float64]
_MOST = 8
_FRAMES = 6


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """A sample before and after.

    Attributes:
        info: Which.
        clean: (F, C, H, W): frames of grey (C 1) or RGB (C 3).
        attacked: Likewise.
        bounds: Of the values.
        events: Whether the values are counts of events.
    """

    info: PictureInfo
    clean: Image
    attacked: Image
    bounds: tuple[float, float]
    events: bool

    @property
    def scale(self) -> float:
        """The change that is drawn in full colour: the largest there is."""
        return float(np.abs(self.attacked - self.clean).max())


def pictures(view: View) -> tuple[Drawing, ...]:
    """A figure of still images, and one per recording of events."""
    found = [
        pair for i, info in enumerate(view.manifest.pictures) if (pair := _pair(view, i, info))
    ]
    still = [pair for pair in found if len(pair.clean) == 1][:_MOST]
    moving = [pair for pair in found if len(pair.clean) > 1][:2]
    drawings = [_still(view, still)] if still else []
    return (*drawings, *(_moving(view, pair, i) for i, pair in enumerate(moving)))


def _still(view: View, pairs: Sequence[_Pair]) -> Drawing:
    names = ("clean", "attacked", "difference")
    with styled():
        columns = max(6, len(pairs))
        figure = Figure(figsize=(WIDTH, 0.55 + 3 * (WIDTH - 0.7) / columns), layout="constrained")
        panels = figure.subplots(3, columns, squeeze=False)
        for column, axes in enumerate(panels.T):
            if column >= len(pairs):
                for empty in axes:
                    empty.set_visible(False)
                continue
            pair = pairs[column]
            _show(axes[0], pair.clean[0], pair.bounds)
            _show(axes[1], pair.attacked[0], pair.bounds)
            _difference(axes[2], pair.attacked[0] - pair.clean[0], pair.scale)
            info = pair.info
            axes[0].set_title(f"label {info.label}", fontsize=7.5, loc="center", pad=4)
            for place, decided in ((0, info.clean_decision), (1, info.adversarial_decision)):
                axes[place].set_xlabel(f"decided {decided}", color=INK, fontsize=7.5, labelpad=2)
            change = looks.epsilon(pair.scale / (pair.bounds[1] - pair.bounds[0]), view.levels)
            axes[2].set_xlabel(f"full colour ±{change}", fontsize=7, labelpad=2)
        for name, axes in zip(names, panels[:, 0], strict=True):
            axes.set_ylabel(name, color=INK)
        coloured = any(pair.clean.shape[1] == 3 for pair in pairs)
        return drawn(
            figure,
            "pictures",
            title="What the attack changes",
            caption=f"{_under(view, pairs)} The difference is amplified to the change stated "
            "below it: " + (_IN_COLOUR if coloured else _IN_GREY),
            alt="Clean samples, attacked samples and the amplified difference",
        )


_IN_GREY = "blue is darker, orange is brighter, blank is unchanged."
_IN_COLOUR = "mid-grey is unchanged, each colour channel is brighter or darker for itself."


def _moving(view: View, pair: _Pair, number: int) -> Drawing:
    frames = len(pair.clean)
    with styled():
        size = (WIDTH, 0.55 + 3 * (WIDTH - 0.7) / frames)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(3, frames, squeeze=False)
        top = float(max(pair.clean.max(), pair.attacked.max(), 1e-12))
        for frame, axes in enumerate(panels.T):
            for own, images in zip(axes, (pair.clean, pair.attacked), strict=False):
                shade = images[frame].mean(axis=0) / top
                _rgba(own, np.broadcast_to(to_rgb(INK), (*shade.shape, 3)), shade)
            _difference(axes[2], pair.attacked[frame] - pair.clean[frame], pair.scale)
            axes[0].set_title(f"{frame + 1} of {frames}", fontsize=7.5, loc="center", pad=4)
        info = pair.info
        words = (
            f"clean\ndecided {info.clean_decision}",
            f"attacked\ndecided {info.adversarial_decision}",
            f"difference\nfull colour ±{pair.scale:.3g}",
        )
        for name, axes in zip(words, panels[:, 0], strict=True):
            axes.set_ylabel(name, color=INK)
        return drawn(
            figure,
            f"events-{number}",
            title=f"What the attack changes in sample {info.sample}",
            caption=f"{_under(view, [pair])} Time runs to the right in {frames} equal parts; "
            "darker is more. Difference: blue is removed, orange is added.",
            alt="Frames of a recording, clean and attacked, and the difference",
        )


def _under(view: View, pairs: Sequence[_Pair]) -> str:
    """Which samples, under what."""
    by_attack: dict[str, list[str]] = {}
    for pair in pairs:
        info = pair.info
        name = f"{method_name(info.attack, info.gradient)} at ε "
        name += looks.epsilon(info.epsilon, view.levels)
        by_attack.setdefault(f"{info.model} under {name}", []).append(str(info.sample))
    listed = "; ".join(
        f"sample{'s' * (len(samples) > 1)} {', '.join(samples)} of {name}"
        if len(by_attack) > 1
        else f"{name}, sample{'s' * (len(samples) > 1)} {', '.join(samples)}"
        for name, samples in by_attack.items()
    )
    return f"{listed}."


def _pair(view: View, place: int, info: PictureInfo) -> _Pair | None:
    arrays = view.results.pictures
    names = f"clean/{place}", f"adversarial/{place}"
    if any(name not in arrays or not arrays[name].size for name in names):
        return None
    clean, attacked = (_frames(np.asarray(arrays[name], np.float64)) for name in names)
    if clean is None or attacked is None or clean.shape != attacked.shape:
        return None
    model = view.models.get(info.model)
    bounds = model.bounds if model else (float(clean.min()), float(clean.max()))
    return _Pair(info, clean, attacked, bounds, events=len(clean) > 1)


def _frames(values: Image) -> Image | None:
    """A sample as (F, C, H, W); None for what is no picture."""
    if values.ndim == 1:
        return values[None, None, None]
    if values.ndim == 2:
        return values[None, None]
    if values.ndim == 3 and values.shape[0] in {1, 3}:
        return values[None]
    if values.ndim == 3:
        values = values[:, None]
    if values.ndim != 4:
        return None
    parts = np.array_split(values, min(_FRAMES, len(values)))
    summed = np.stack([part.sum(axis=0) for part in parts])
    return summed if summed.shape[1] in {1, 3} else summed.sum(axis=1, keepdims=True)


def _show(axes: Axes, image: Image, bounds: tuple[float, float]) -> None:
    shade = np.clip((image - bounds[0]) / (bounds[1] - bounds[0]), 0, 1)
    whole = np.moveaxis(np.repeat(shade, 3 // len(shade), axis=0), 0, -1)
    _rgba(axes, whole, np.ones(whole.shape[:2]))


def _difference(axes: Axes, change: Image, scale: float) -> None:
    share = change / (scale or 1.0)
    if len(share) == 3:
        _rgba(axes, np.moveaxis(0.5 + share / 2, 0, -1), np.ones(share.shape[1:]))
        return
    signed = share[0]
    colour = np.where(signed[..., None] > 0, to_rgb(VERMILION), to_rgb(BLUE))
    _rgba(axes, colour, np.abs(signed))


def _rgba(axes: Axes, colour: Image, alpha: Image) -> None:
    image = np.concatenate([colour, alpha[..., None]], axis=-1)
    wide = image.shape[0] == 1
    # Rounded here: a value of the sensor is drawn as that value, not as the one below it.
    pixels = np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)
    axes.imshow(pixels, interpolation="none", aspect="auto" if wide else "equal")
    axes.set_xticks([])
    axes.set_yticks([])
