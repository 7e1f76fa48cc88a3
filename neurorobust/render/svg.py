"""From a matplotlib figure to a drawing: SVG that lives inside a page, and PDF to take away.

The SVG has the page's fonts, its colours, light and dark, and ids that are unique there.
"""

import base64
import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from neurorobust.render.colours import HEAT, HEAT_STEPS, HEAT_TEXT, INK, MUTED, RULE, THEME

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "neurorobust",
    "pdf.fonttype": 42,
    # Names of nodes and backends are text, whatever they contain.
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 8,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": RULE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "lines.linewidth": 1.6,
    "hatch.linewidth": 0.6,
}
# The page decides what ink and paper are, so that figures follow the light and the dark theme.
_THEMED = {THEME[name][0]: f"var(--{name})" for name in ("ink", "muted", "rule", "paper")}
_THEMED |= {light: f"var(--heat-{step})" for step, (light, _) in enumerate(HEAT)}
# The text of every step is told apart by its last digits, which nobody sees.
_TEXT = tuple(
    f"{light[:5]}{abs(int(light[5:], 16) - step):02x}" for step, (light, _) in enumerate(HEAT_TEXT)
)
_THEMED |= {text: f"var(--on-{step})" for step, text in enumerate(_TEXT)}

WIDTH = 9.6
"""Of a figure that fills the page, inches."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure with its words.

    Attributes:
        name: Unique in the page; of the files that it can be saved as.
        title: Heading.
        caption: What is drawn, over which samples, how uncertain.
        svg: One ``<svg>`` element.
        pdf: The same as PDF on light paper, in base64.
    """

    name: str
    title: str
    caption: str
    svg: str
    pdf: str


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of the report, whatever the caller's matplotlib settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        settings: Any = mpl.rcParams
        settings.update(_STYLE)
        yield


def heat(share: float) -> tuple[str, str]:
    """Colours of a field that stands for a share in 0..1, and of the text on it.

    On dark paper the page has others in their place.
    """
    step = min(HEAT_STEPS - 1, int(max(0.0, share) * HEAT_STEPS))
    return HEAT[step][0], _TEXT[step]


def drawn(figure: Figure, name: str, *, title: str, caption: str, alt: str) -> Drawing:
    """The figure with its words, equal for equal figures.

    Args:
        figure: Drawn within ``styled()``.
        name: Unique in the page; prefixes every id.
        title: Heading.
        caption: What is drawn, over which samples, how uncertain.
        alt: What the figure shows, for those who do not see it.
    """
    svg = _svg(figure, name, alt)
    # What the layout has placed stays in its place.
    figure.set_layout_engine("none")
    buffer = io.BytesIO()
    nothing = dict.fromkeys(("CreationDate", "Creator", "Producer"))
    figure.savefig(buffer, format="pdf", metadata=nothing)
    return Drawing(name, title, caption, svg, base64.b64encode(buffer.getvalue()).decode())


def _svg(figure: Figure, name: str, alt: str) -> str:
    buffer = io.StringIO()
    empty = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=empty)
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    # A style element inside an SVG would rule over the whole page; the page has its own.
    text = re.sub(r"<style.*?</style>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
    text = text.replace("xlink:href", "href")
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r"(font: [^;\"]*?)'DejaVu Sans'[^;\"]*", r"\1var(--sans)", text)
    text = re.sub(r"font-family: [^;\"]*", "font-family: var(--sans)", text)
    for colour, variable in _THEMED.items():
        text = text.replace(colour, variable)
    size = re.search(r'viewBox="[^"]*"', text)
    body = text[text.index(">") + 1 :]
    label = html.escape(alt, quote=True)
    box = size[0] if size else ""
    return f'<svg {box} role="img" aria-label="{label}">{body}'
