"""Colours of every figure, page and table, for light and for dark paper."""

from collections.abc import Iterable

THEME = {
    "ink": ("#1a1d21", "#e6e8eb"),
    "muted": ("#6b7178", "#9aa1a9"),
    "rule": ("#d9dce0", "#343a42"),
    "paper": ("#fefefe", "#14171b"),
    "faint": ("#f5f6f8", "#1c2026"),
    "edge": ("#0000003d", "#ffffff52"),
    "accent": ("#0072b2", "#56b4e9"),
    "good": ("#00734f", "#4cc9a0"),
    "fair": ("#946200", "#e3b341"),
    "bad": ("#b3261e", "#ff8a80"),
    "a": ("#0072b2", "#56b4e9"),
    "b": ("#d55e00", "#f0925a"),
}
"""What a page names its colours by: on light paper, on dark paper."""
INK, MUTED, RULE, PAPER = (THEME[name][0] for name in ("ink", "muted", "rule", "paper"))

# Okabe & Ito 2008 (safe for the colour-blind), split so that an estimator and a backend never share
# a hue; further backends take the muted scheme of Tol 2021.
BLUE, VERMILION, GREY = "#0072b2", "#d55e00", "#8a9097"
GRADIENTS = {"stbp": BLUE, "rga": VERMILION, "none": GREY}
_BACKENDS = {
    "reference": "#5d6470",
    "torch": "#e69f00",
    "snntorch": "#56b4e9",
    "norse": "#009e73",
    "lava": "#cc79a7",
    "onnx": "#7a68c9",
}
_FURTHER = ("#882255", "#999933", "#44aa99", "#332288", "#aa4499", "#117733")
LAYERS = (BLUE, "#e69f00", "#009e73", "#cc79a7", "#56b4e9", VERMILION, GREY)
"""Of layers side by side; further ones begin anew, their neighbours still differ."""
RULES = {
    "max_abs": ("#5b6bbf", "o"),
    "percentile": ("#dd9426", "s"),
    "mse": ("#159c83", "^"),
    "spikes": ("#c8577e", "D"),
}
"""Of rules for scales, with markers: mid-tones told apart on light and dark paper."""
KEPT = "#9aa1a9"
"""Of what is kept or lost, beside the ink of what is gained."""
ON_LIGHT, ON_DARK = "#111111", "#ffffff"
"""Of text on a coloured field."""
_HEAT = (
    ("#f1f4f8", "#c9dcea", "#86b4d3", "#3f82b5", "#17497c", "#0a2447"),
    ("#1c232b", "#1d3d59", "#22628f", "#4795c9", "#95c8e8", "#e8f4fc"),
)
"""From nothing to everything on light and on dark paper: more is always further from the paper."""
HEAT_STEPS = 16


def backend_colours(backends: Iterable[str]) -> dict[str, str]:
    """One colour per backend, the same in every figure and table."""
    names = list(dict.fromkeys(backends))
    spare = [name for name in names if name not in _BACKENDS]
    extra = {name: _FURTHER[i % len(_FURTHER)] for i, name in enumerate(spare)}
    return {name: _BACKENDS.get(name) or extra[name] for name in names}


def _blend(colours: tuple[str, ...], share: float) -> str:
    """A colour between those of a scale, for a share in 0..1."""
    at = share * (len(colours) - 1)
    left = min(int(at), len(colours) - 2)
    pair = [[int(text[i : i + 2], 16) for i in (1, 3, 5)] for text in colours[left : left + 2]]
    return "#" + "".join(
        f"{round(a + (at - left) * (b - a)):02x}" for a, b in zip(*pair, strict=True)
    )


def _text_on(colour: str) -> str:
    """Black or white, whichever has the higher contrast (WCAG 2.2, relative luminance)."""
    red, green, blue = ((int(colour[i : i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5))
    return ON_LIGHT if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else ON_DARK


HEAT = tuple(
    (_blend(_HEAT[0], step / (HEAT_STEPS - 1)), _blend(_HEAT[1], step / (HEAT_STEPS - 1)))
    for step in range(HEAT_STEPS)
)
"""The steps of the scale, each on light and on dark paper."""
HEAT_TEXT = tuple((_text_on(light), _text_on(dark)) for light, dark in HEAT)
"""The colour of text on each step."""


_VARIABLES = (
    THEME
    | {f"heat-{step}": pair for step, pair in enumerate(HEAT)}
    | {f"on-{step}": pair for step, pair in enumerate(HEAT_TEXT)}
)
LIGHT = {name: light for name, (light, _) in _VARIABLES.items()}
"""What the variables of a page are on light paper, for figures that leave it."""


def theme(selector: str) -> str:
    """The colours as CSS variables of whatever is selected, light and dark."""
    light, dark = (
        " ".join(f"--{name}: {colours[paper]};" for name, colours in _VARIABLES.items())
        for paper in (0, 1)
    )
    return (
        f"{selector} {{ {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ {selector} {{ {dark} }} }}"
    )
