"""Draws ``pipeline.svg`` and ``pipeline-dark.svg``: run it with any Python after changing it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

WIDTH, HEIGHT = 1000, 590
SANS = "Inter, 'Helvetica Neue', 'Segoe UI', system-ui, 'Liberation Sans', Arial, sans-serif"
MONO = "ui-monospace, 'SF Mono', 'Cascadia Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace"

BACKENDS = (
    ("reference", True),
    ("torch", True),
    ("snnTorch", False),
    ("Norse", False),
    ("Lava", True),
)
"""Names as people write them, and whether the backend has the rung ``quantised``."""


@dataclass(frozen=True)
class Palette:
    """Colours of one picture; hues after Okabe & Ito, safe for the colour-blind."""

    paper: str
    box: str
    rule: str
    ink: str
    muted: str
    float_: str
    quantised: str
    attack: str


LIGHT = Palette(
    paper="#fefefe",
    box="#f5f6f8",
    rule="#d3d7dc",
    ink="#1a1d21",
    muted="#5b626a",
    float_="#0072b2",
    quantised="#b26b00",
    attack="#c0392b",
)
DARK = Palette(
    paper="#14171b",
    box="#1f242a",
    rule="#3a414a",
    ink="#eceef0",
    muted="#a7afb8",
    float_="#56b4e9",
    quantised="#e69f00",
    attack="#f0806c",
)


def label(x: float, y: float, words: str, style: str, fill: str, *, anchor: str = "start") -> str:
    """One line of text; ``style`` is a class."""
    return (
        f'<text x="{x}" y="{y}" class="{style}" fill="{fill}" text-anchor="{anchor}">{words}</text>'
    )


def box(x: float, y: float, w: float, h: float, p: Palette) -> str:
    """A rounded rectangle."""
    rest = f'rx="10" fill="{p.box}" stroke="{p.rule}" stroke-width="1.5"'
    return f'<rect x="{x}" y="{y}" width="{w}" height="{h}" {rest}/>'


def dot(x: float, y: float, colour: str) -> str:
    """The backend has the rung."""
    return f'<circle cx="{x}" cy="{y}" r="7" fill="{colour}"/>'


def rule(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    """A thin straight line."""
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="1.5"/>'


def arrow(points: Iterable[tuple[float, float]], colour: str) -> str:
    """A line through points with a head at its last one; segments are horizontal or vertical."""
    path = list(points)
    (x0, y0), (x1, y1) = path[-2:]
    dx, dy = (x1 > x0) - (x1 < x0), (y1 > y0) - (y1 < y0)
    base_x, base_y = x1 - 10 * dx, y1 - 10 * dy
    line = " ".join(f"{x},{y}" for x, y in [*path[:-1], (base_x, base_y)])
    head = f"{x1},{y1} {base_x - 5 * dy},{base_y - 5 * dx} {base_x + 5 * dy},{base_y + 5 * dx}"
    return (
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"'
        f' stroke-linejoin="round"/><polygon points="{head}" fill="{colour}"/>'
    )


def stage(
    place: tuple[float, float, float], title: str, lines: Iterable[str], colour: str, p: Palette
) -> list[str]:
    """A named box of height 96 with small print and a coloured edge."""
    x, y, w = place
    drawn = [
        box(x, y, w, 96, p),
        f'<rect x="{x}" y="{y + 14}" width="4" height="68" rx="2" fill="{colour}"/>',
        label(x + 18, y + 33, title, "title", p.ink),
    ]
    drawn += [label(x + 18, y + 57 + 20 * n, t, "small", p.muted) for n, t in enumerate(lines)]
    return drawn


def matrix(p: Palette) -> list[str]:
    """Backends by rungs."""
    x, y, w, h = 724, 40, 240, 376
    float_x, quantised_x = x + 121, x + 187
    drawn = [
        box(x, y, w, h, p),
        label(x + 18, y + 33, "Backends × rungs", "title", p.ink),
        label(float_x, y + 76, "float", "small strong", p.float_, anchor="middle"),
        label(quantised_x, y + 76, "quantised", "small strong", p.quantised, anchor="middle"),
    ]
    for row, (name, quantised) in enumerate(BACKENDS):
        level = y + 120 + 46 * row
        drawn += [
            rule(x + 18, level - 28, x + w - 18, level - 28, p.rule),
            label(x + 18, level, name, "name", p.ink),
            dot(float_x, level - 5, p.float_),
            dot(quantised_x, level - 5, p.quantised)
            if quantised
            else rule(quantised_x - 6, level - 5, quantised_x + 6, level - 5, p.muted),
        ]
    drawn.append(label(x + 18, y + h - 18, "one contract, one test suite", "small", p.muted))
    return drawn


def answers(p: Palette) -> list[str]:
    """The report with the three questions it answers."""
    x, y, w, h = 36, 466, 928, 92
    cells = (
        ("Same spikes?", "spike by spike, to the reference"),
        ("Same decisions?", "accuracy per backend and rung"),
    )
    drawn = [box(x, y, w, h, p), label(x + 18, y + 38, "Report", "title", p.ink)]
    drawn.append(label(x + 18, y + 63, "one HTML file", "small", p.muted))
    for column, (question, answer) in enumerate(cells):
        left = x + 150 + 264 * column
        drawn += [
            rule(left, y + 16, left, y + h - 16, p.rule),
            label(left + 18, y + 38, question, "name strong", p.ink),
            label(left + 18, y + 63, answer, "small", p.muted),
        ]
    left = x + 150 + 264 * 2
    drawn.append(rule(left, y + 16, left, y + h - 16, p.rule))
    drawn.append(label(left + 18, y + 38, "Which attacks survive?", "name strong", p.ink))
    for offset, word, colour in (
        (18, "kept", p.attack),
        (88, "lost", p.muted),
        (154, "gained", p.quantised),
    ):
        drawn.append(dot(left + offset + 6, y + 58, colour))
        drawn.append(label(left + offset + 18, y + 63, word, "small", p.muted))
    return drawn


def draw(p: Palette) -> str:
    """The picture as SVG text."""
    top, low = 40, 320
    card = f'rx="16" fill="{p.paper}" stroke="{p.rule}" stroke-width="1.5"'
    parts = [
        f'<rect x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}" {card}/>',
        *stage(
            (36, top, 156), "Trained SNN", ("torch layers, .net", "or built-in models"), p.muted, p
        ),
        *stage((232, top, 176), "Graph", ("floats, explicit dt,", "one exact law"), p.float_, p),
        *stage((538, top, 150), "Program", ("integers, cores,", "error per layer"), p.quantised, p),
        *stage(
            (36, low, 156), "Test samples", ("with the sensor’s", "bounds and grid"), p.muted, p
        ),
        *stage(
            (232, low, 176), "Surrogate", ("exact forward pass,", "STBP/RGA gradient"), p.float_, p
        ),
        *stage((538, low, 150), "AttackSet", ("frozen, named", "by its content"), p.attack, p),
        *matrix(p),
        *answers(p),
        arrow([(192, top + 48), (232, top + 48)], p.muted),
        arrow([(408, top + 48), (538, top + 48)], p.quantised),
        label(470, top + 36, "lower(profile)", "code", p.quantised, anchor="middle"),
        arrow([(688, top + 48), (724, top + 48)], p.quantised),
        arrow([(290, top + 96), (290, low)], p.float_),
        arrow([(350, top + 96), (350, 228), (724, 228)], p.float_),
        label(537, 216, "the network as trained", "small", p.muted, anchor="middle"),
        arrow([(192, low + 48), (232, low + 48)], p.muted),
        arrow([(408, low + 48), (538, low + 48)], p.attack),
        label(470, low + 36, "craft(attack)", "code", p.attack, anchor="middle"),
        arrow([(688, low + 48), (724, low + 48)], p.attack),
        arrow([(844, 416), (844, 466)], p.muted),
        label(832, 447, "replay", "code", p.ink, anchor="end"),
    ]
    style = (
        f"text{{font-family:{SANS}}}.title{{font-size:19px;font-weight:650}}"
        f".name{{font-size:16.5px}}.small{{font-size:15px}}.strong{{font-weight:650}}"
        f".code{{font-family:{MONO};font-size:13px}}"
    )
    said = "From a trained spiking network to a transfer matrix over backends and rungs"
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        f' height="{HEIGHT}" role="img" aria-label="{said}">\n'
        f"<style>{style}</style>\n{body}\n</svg>\n"
    )


PICTURES = {"pipeline.svg": LIGHT, "pipeline-dark.svg": DARK}

if __name__ == "__main__":
    for file, palette in PICTURES.items():
        Path(__file__).with_name(file).write_text(draw(palette), encoding="utf-8")
