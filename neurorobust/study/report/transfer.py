"""Which attacks survive the trip: every set on every group of backends that decide alike."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from neurorobust.metrics import CLEAN, Churn, Proportion
from neurorobust.render import looks
from neurorobust.render.numbers import Entry, entry
from neurorobust.study.report.view import Group, Row, Shown, View, backend_names, is_noise
from neurorobust.study.report.worst import colours_of, headline_radius


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRow:
    """One attack set on one group.

    Attributes:
        group: What ran.
        shown: The set.
        model: Name of the network.
        arithmetic: ``float`` or the chip.
        backends: All that decide alike.
        colour: Of the first.
        attack: Its name without the radius.
        radius: With its sign.
        crafted: What the attacker saw.
        surrogate: Whether this is what the attacker saw.
        accuracy: Under attack.
        success: Fooled, of those right when clean here and on the surrogate.
        churn: What became of the surrogate's successes; None on the surrogate itself.
    """

    group: Group
    shown: Shown
    model: str
    arithmetic: str
    backends: str
    colour: str
    attack: str
    radius: str
    crafted: str
    surrogate: bool
    accuracy: Proportion
    success: Proportion | None
    churn: Churn | None

    @property
    def cells(self) -> tuple[Entry, ...]:
        """Under attack, fooled, kept, lost, gained."""
        after = self.churn
        parts = (after.kept, after.lost, after.gained) if after else (None, None, None)
        return tuple(map(entry, (self.accuracy, self.success, *parts)))

    @property
    def p_value(self) -> str:
        """Of equal success."""
        return looks.p_value(self.churn.p_value) if self.churn else ""

    @property
    def p_sort(self) -> float:
        """The same as a number; above all others where there is none."""
        return self.churn.p_value if self.churn else 2.0


def transfers(view: View) -> tuple[TransferRow, ...]:
    """By set, then by group."""
    colours = colours_of(view)
    found = []
    for shown in view.sets.values():
        for group in view.groups:
            row = view.rows.get((group.lane, shown.set))
            if row is None:
                continue
            own = view.surrogate(group.site, shown)
            found.append(
                TransferRow(
                    group=group,
                    shown=shown,
                    model=view.model(group.site),
                    arithmetic=view.arithmetic(group.site),
                    backends=backend_names(group.backends),
                    colour=colours[group.backends[0]],
                    attack=view.method(shown),
                    radius=view.radius(shown.radius),
                    crafted=view.crafted(shown),
                    surrogate=own,
                    accuracy=Proportion(row["right"], row["n"]),
                    success=_of(row, "fooled", "attackable"),
                    churn=None if own else _churn(row),
                )
            )
    return tuple(found)


def headline_set(view: View, model: str = "") -> Shown | None:
    """The set shown first: at the radius of the headline, the one that fools most where crafted.

    Noise never is, and sets crafted in float come before others: no chip's fate is chosen.

    Args:
        view: The study.
        model: Name of the network that it was crafted on; any by default.
    """
    radius = headline_radius(view)
    best: tuple[bool, float, Shown] | None = None
    for group in view.groups:
        if model and view.model(group.site) != model:
            continue
        for name in group.decided:
            shown, row = view.sets.get(name), view.rows.get((group.lane, name))
            if shown is None or row is None or is_noise(shown.attack) or shown.radius != radius:
                continue
            if not view.surrogate(group.site, shown) or not row["attackable"]:
                continue
            key = group.site.trained, row["fooled"] / row["attackable"], shown
            if best is None or key[:2] > best[:2]:
                best = key
    return best[2] if best else None


def moved(view: View, rows: Sequence[TransferRow], first: Shown | None) -> list[TransferRow]:
    """The rows of a set on other arithmetics than where it was crafted, one per site."""
    return [
        row
        for row in rows
        if row.shown == first
        and row.churn
        and row.churn.kept.n
        and not row.surrogate
        and view.main.get(row.group.site) is row.group
    ]


def survival(view: View, rows: Sequence[TransferRow], first: Shown | None) -> str:
    """What became of a set on every chip."""
    found = [(row.arithmetic, row.churn) for row in rows if row.churn]
    if first is None or not found:
        return ""
    parts = []
    for place, (where, c) in enumerate(found):
        noun = " of the samples it fools there" * (place == 0)
        sign = "" if c.p_value < looks.P_LEAST else "= "
        parts.append(
            f"on {where} {c.kept.count} of {c.kept.n}{noun} stay fooled "
            f"({looks.percent(c.kept.rate)}, {looks.interval(c.kept)}) and {c.gained.count} are "
            f"gained (McNemar p {sign}{looks.p_value(c.p_value)})"
        )
    return f"{view.set_name(first)}, crafted on {view.crafted(first)}: {'; '.join(parts)}."


def joined(names: Iterable[str]) -> str:
    """``a, b and c``."""
    listed = list(names)
    return " and ".join(filter(None, (", ".join(listed[:-1]), listed[-1] if listed else "")))


def clean_accuracy(group: Group) -> Proportion | None:
    """Of the clean samples."""
    return group.decided[CLEAN].accuracy if CLEAN in group.decided else None


def _of(row: Row, count: str, total: str) -> Proportion | None:
    if row[count] is None or row[total] is None:
        return None
    return Proportion(row[count], row[total])


def _churn(row: Row) -> Churn | None:
    counts = [row[name] for name in ("surrogate_fooled", "kept", "lost", "gained", "attackable")]
    if any(count is None for count in counts) or row["p_value"] is None:
        return None
    fooled, kept, lost, gained, attackable = counts
    return Churn(
        kept=Proportion(kept, fooled),
        lost=Proportion(lost, fooled),
        gained=Proportion(gained, attackable - fooled),
        p_value=row["p_value"],
    )
