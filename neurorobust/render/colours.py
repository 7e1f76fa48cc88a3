"""Colours of every figure, page and table, for light and for dark paper."""

from collections.abc import Iterable

THEME = {
    "ink": ("#1a1d21", "#e6e8eb"),
    "muted": ("#6b7178", "#9aa1a9"),
    "rule": ("#d9dce0", "#343a42"),
    "paper": ("#fefefe", "#14171b"),
    "faint": ("#f5f6f8", "#1c2026"),
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
HEAT = ("#f3f5f8", "#c9dcea", "#86b4d3", "#3f82b5", "#17497c", "#0a2447")
"""From nothing to everything."""


def backend_colours(backends: Iterable[str]) -> dict[str, str]:
    """One colour per backend, the same in every figure and table."""
    names = list(dict.fromkeys(backends))
    spare = [name for name in names if name not in _BACKENDS]
    extra = {name: _FURTHER[i % len(_FURTHER)] for i, name in enumerate(spare)}
    return {name: _BACKENDS.get(name) or extra[name] for name in names}


def theme(selector: str) -> str:
    """The colours as CSS variables of whatever is selected, light and dark."""
    light, dark = (
        " ".join(f"--{name}: {colours[paper]};" for name, colours in THEME.items())
        for paper in (0, 1)
    )
    return (
        f"{selector} {{ {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ {selector} {{ {dark} }} }}"
    )
