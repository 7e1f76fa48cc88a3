"""The evaluation card as one HTML page that needs no network."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from neurorobust.audit.card import EvaluationCard, Rung, Status
from neurorobust.files import write_atomic
from neurorobust.render.colours import GREY, INK, RULE
from neurorobust.render.pages import render_template
from neurorobust.render.svg import Drawing, drawn, styled

WIDTH = 7.2
_MARKS = {
    Status.RED: "bad",
    Status.AMBER: "fair",
    Status.GREEN: "good",
    Status.NOT_APPLICABLE: "none",
}


def page(card: EvaluationCard) -> str:
    """The page as text; an equal card gives equal text."""
    return render_template(
        "audit/card.html.j2",
        card=card,
        counts={status.value: len(card.of(status)) for status in _MARKS},
        marks={status.value: mark for status, mark in _MARKS.items()},
        drawing=success_over_radius(card.ladder, card.threat["epsilon"]) if card.ladder else None,
    )


def write_card(card: EvaluationCard, path: Path | str) -> Path:
    """Write the page; it appears whole or not at all."""
    text = page(card)
    return write_atomic(path, text)


def success_over_radius(rungs: tuple[Rung, ...], epsilon: float) -> Drawing:
    """Success of the attack under audit and of noise over the radius."""
    radii = [rung.epsilon for rung in rungs]
    attack = [100 * rung.attack.rate for rung in rungs]
    low = [100 * (r.attack.rate - r.attack.interval[0]) for r in rungs]
    high = [100 * (r.attack.interval[1] - r.attack.rate) for r in rungs]
    with styled():
        figure = Figure(figsize=(WIDTH, 2.3), layout="constrained")
        axes = figure.subplots()
        axes.axvline(epsilon, color=RULE, linewidth=6, zorder=0)
        axes.errorbar(radii, attack, (low, high), color=INK, marker="o", markersize=4, elinewidth=1)
        axes.plot(radii, [100 * r.noise for r in rungs], color=GREY, marker="s", markersize=3.5)
        axes.set_xscale("log")
        axes.set_ylim(-4, 106)
        axes.set_xlabel("ε, in units of the input")
        axes.set_ylabel("broken, percent")
        axes.xaxis.set_major_locator(FixedLocator(radii))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.2g}"))
        axes.yaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
        axes.grid(axis="y")
        return drawn(
            figure,
            "ladder",
            title="Success over the radius",
            caption="Black: the attack under audit, with Wilson 95 % intervals. Grey: the most "
            "harmful kind of noise. The band marks the radius of the card; the last radius is the "
            "whole input range.",
            alt="Success of attack and noise over the radius",
        )
