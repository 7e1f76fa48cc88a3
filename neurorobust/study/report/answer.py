"""The answer first: what was asked, what is the answer, how sure is it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from neurorobust.metrics import CLEAN, Proportion
from neurorobust.render import looks
from neurorobust.render.numbers import Headline, Tile
from neurorobust.study.report.agree import PairRow
from neurorobust.study.report.agree import sentences as spikes_said
from neurorobust.study.report.sections import audit_rows
from neurorobust.study.report.transfer import (
    TransferRow,
    clean_accuracy,
    headline_set,
    joined,
    moved,
    survival,
)
from neurorobust.study.report.view import DONE, Group, Radius, Site, View, is_noise
from neurorobust.study.report.worst import headline_radius, like_float

TOLERATED = 0.01
"""A loss of accuracy below this is called small: one point."""
MOST_TILES = 8
"""Of more numbers the table says it better."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The top of the page.

    Attributes:
        question: What was asked, in one sentence.
        headline: Sentences and key numbers.
        warnings: What stands against the numbers: ``bad`` or ``fair``, and why.
    """

    question: str
    headline: Headline
    warnings: tuple[tuple[str, str], ...]


def answer(view: View, rows: Sequence[TransferRow], found: Sequence[PairRow]) -> Answer:
    """Say what was measured, and nothing that was not."""
    sentences: list[str] = []
    models = list(dict.fromkeys(view.model(site) for site in view.sites))
    for model in models:
        sites = [site for site in view.sites if view.model(site) == model]
        sentences += _network(view, model, sites, alone=len(models) == 1)
        first = headline_set(view, model)
        own = [row for row in moved(view, rows, first) if row.model == model]
        sentences.append(survival(view, _ends_of(view, own), first))
    sentences += [*spikes_said(view, found), *_audited(view)]
    tiles = _tiles(view, alone=len(models) == 1)
    if tiles and len(models) == 1:
        tiles += _survived(view, rows, found)
    return Answer(
        question(view),
        Headline(tuple(filter(None, sentences)), tuple(tiles)),
        (*_unlowered(view), *_by_chance(view), *_audits(view), *_lost(view)),
    )


def _ends_of(view: View, rows: Sequence[TransferRow]) -> list[TransferRow]:
    """All rows, or of several ways of lowering those at the most and at the fewest bits."""
    if not view.varied:
        return list(rows)
    ends = {id(group) for group in _ends([row.group for row in rows]).values()}
    return [row for row in rows if id(row.group) in ends]


def question(view: View) -> str:
    """What was asked."""
    models = list(dict.fromkeys(site.model for site in view.sites)) or [
        model.label for model in view.manifest.models
    ]
    # A Program that was given is lowered to nothing: no chip was asked about.
    asked_of = view.manifest.profiles if view.manifest.programs else []
    named = [profile.name or profile.id for profile in asked_of]
    ran = [view.profile(site.profile) for site in view.sites if not site.trained]
    chips = [chip for chip in dict.fromkeys([*named, *ran]) if chip]
    attacks = {s.method for s in view.sets.values() if not is_noise(s.attack)}
    verb, names = "does" if len(models) == 1 else "do", joined(models)
    asked = []
    if chips and view.varied:
        asked.append(f"what do fewer bits in {joined(chips)} arithmetic cost {names}")
    elif chips:
        asked.append(f"{verb} {names} decide on {joined(chips)} as in float")
    elif not attacks:
        asked.append(f"how well {verb} {names} decide")
    if attacks:
        many = f"{len(attacks)} attacks" if len(attacks) > 1 else "the attack"
        radii = joined(looks.epsilon(r.epsilon, view.levels) for r in view.radii)
        asked.append(
            f"{'which of' if len(attacks) > 1 else 'does'} {many} at ε {radii} survive there"
            if chips
            else f"what do {many} at ε {radii} leave of {names}"
        )
    text = ", and ".join(asked)
    return f"{text[0].upper()}{text[1:]}?" if text else ""


def _network(view: View, model: str, sites: Sequence[Site], *, alone: bool) -> list[str]:
    """The network in float, then on every chip."""
    lowered = [view.main[site] for site in sites if not site.trained]
    own = [view.main[site] for site in sites if site.trained]
    if view.varied and lowered:
        return [_said(view, group, f"{model} in float") for group in own] + _variants(view, lowered)
    if not alone:
        parts = [_short(view, group) for group in (*own, *lowered)]
        return [f"{model} decides rightly {'; '.join(filter(None, parts))}."]
    return [_said(view, group, f"{model} in float") for group in own] + [
        _said(view, group, f"{model} in {view.arithmetic(group.site)}", brief=bool(own))
        + _cost(view, group, view.float_of(group.site))
        for group in lowered
    ]


def _short(view: View, group: Group) -> str:
    """The same in few words; intervals are in the tiles and the table."""
    clean, radius = clean_accuracy(group), headline_radius(view)
    worst = view.worst(group, radius) if radius else None
    if clean is None:
        return ""
    text = f"{view.arithmetic(group.site)} {looks.percent(clean.rate)}"
    text = f"in {text} of {looks.integer(clean.n)} clean samples"
    if radius is None or worst is None:
        return text
    return f"{text} and {looks.percent(worst.rate)} in the worst case at {view.radius(radius)}"


def _said(view: View, group: Group, name: str, *, brief: bool = False) -> str:
    """Accuracy, clean and in the worst case."""
    clean = clean_accuracy(group)
    cases = [(radius, view.worst(group, radius)) for radius in view.radii]
    held = [(radius, p) for radius, p in cases if p is not None and p.n]
    parts = []
    if clean is not None:
        noun = "samples" if brief else "clean samples"
        parts.append(f"decides {_of(clean)} {noun} rightly")
    if held:
        listed = joined(f"{looks.percent(p.rate)} at {view.radius(radius)}" for radius, p in held)
        attacks = max(view.attacks(group, radius) for radius, _ in held)
        over = "" if brief else f" over {attacks} attack set{'s' * (attacks > 1)}"
        parts.append(f"in the worst case{over} {listed}")
    return f"{name} {'; '.join(parts)}."


def _cost(view: View, group: Group, own: Group | None) -> str:
    """What lowering changed, on common samples."""
    same = like_float(view, group)
    if own is None or same is None:
        return ""
    before, after = clean_accuracy(own), clean_accuracy(group)
    points = ""
    if before and after and before.n == after.n:
        points = f"Lowering {_changed(before.rate - after.rate)}; "
    return f" {points}{looks.percent(same.rate)} of its clean decisions are those in float."


def _variants(view: View, lowered: Sequence[Group]) -> list[str]:
    """The best at the most and at the fewest bits, and the fewest bits that lose little."""
    told = []
    by_chip: dict[tuple[str, str], list[Group]] = {}
    for group in lowered:
        by_chip.setdefault((view.model(group.site), group.site.profile), []).append(group)
    for (model, profile), groups in by_chip.items():
        own = view.float_of(groups[0].site)
        clean = {g.site: p for g in groups if (p := clean_accuracy(g)) is not None}
        ends = _ends([g for g in groups if g.site in clean])
        for bits, best in ends.items():
            p = clean[best.site]
            rule = f" ({best.site.scaling.replace('_', ' ')})" if best.site.scaling else ""
            text = f"{model} in {view.profile(profile)}, {_bits(bits)}{rule}: {_of(p)} rightly"
            told.append(f"{text}{_against(own, p)}{_worst_words(view, best)}.")
        if own and (few := fewest(own, groups)):
            rule = f", {few.site.scaling.replace('_', ' ')}" if few.site.scaling else ""
            told.append(
                f"The fewest bits in {view.profile(profile)} with which {model} loses less than "
                f"one point: {_bits(few.site.weight_bits)}{rule}."
            )
        elif own:
            told.append(
                f"On {view.profile(profile)} every variant of {model} loses a point or more."
            )
    return told


def fewest(own: Group, groups: Sequence[Group]) -> Group | None:
    """The variant of fewest bits that loses less than a point; the most accurate of those."""
    before = clean_accuracy(own)
    near = [
        (group.site.weight_bits, -after.rate, group)
        for group in groups
        if group.site.weight_bits is not None
        and before
        and (after := clean_accuracy(group))
        and after.rate > before.rate - TOLERATED
    ]
    return min(near, key=lambda item: item[:2])[2] if near else None


def _ends(groups: Sequence[Group]) -> dict[int | None, Group]:
    """The most accurate variant at the most and at the fewest bits."""
    asked = [g.site.weight_bits for g in groups]
    numbers = sorted({bits for bits in asked if bits is not None}, reverse=True)
    own: list[int | None] = [None] if None in asked else []
    ends = dict.fromkeys([*own, *numbers[:1], *numbers[-1:]])
    return {
        bits: max(
            (g for g in groups if g.site.weight_bits == bits),
            key=lambda g: g.decided[CLEAN].accuracy.rate,
        )
        for bits in ends
    }


def _tiles(view: View, *, alone: bool) -> list[Tile]:
    """Clean and in the worst case; of several networks the worst case alone."""
    radius = headline_radius(view)
    shown = list(view.main.values())
    if view.varied:
        lowered = [g for g in shown if not g.site.trained and CLEAN in g.decided]
        shown = [g for g in shown if g.site.trained] + list(_ends(lowered).values())
    tiles = []
    doubted = {row.model for row in audit_rows(view) if row.withheld}
    for group in shown:
        named = [view.model(group.site)] * (not alone) + [view.arithmetic(group.site)]
        where = ", ".join(named)
        clean = clean_accuracy(group)
        worst = view.worst(group, radius) if radius else None
        attacked = radius is not None and worst is not None and worst.n > 0
        if clean is not None and (alone or not attacked):
            name = f"{where}: right when clean"
            tiles.append(Tile(name, looks.percent(clean.rate), _small(clean)))
        if radius is not None and worst is not None and worst.n:
            name = f"{where}: right in the worst case at {view.radius(radius)}"
            name += ", which the audit doubts" * (group.site.model in doubted)
            tiles.append(Tile(name, looks.percent(worst.rate), _small(worst)))
    return tiles if len(tiles) <= MOST_TILES else []


def _survived(view: View, rows: Sequence[TransferRow], found: Sequence[PairRow]) -> list[Tile]:
    """The least kept of the headline set, and the spikes that differ."""
    tiles = []
    first = headline_set(view)
    after = [
        (row, row.churn)
        for row in _ends_of(view, moved(view, rows, first))
        if row.churn and not row.group.site.trained
    ]
    if after and first:
        row, least = min(after, key=lambda pair: pair[1].kept.rate)
        least_of_all = ", the least of all" if len(after) > 1 else ""
        name = f"{row.arithmetic}: kept of what {view.set_name(first)} fools{least_of_all}"
        tiles.append(Tile(name, looks.percent(least.kept.rate), _small(least.kept)))
    if found:
        differing, values, fired = (
            sum(getattr(p, name) * len(p.backends) for p in found)
            for name in ("differing", "values", "fired")
        )
        many = sum(len(p.backends) for p in found)
        detail = f"of {looks.integer(values)}; {looks.integer(fired) if fired else 'none'} fired"
        name = f"spikes differ in {many} comparison{'s' * (many > 1)} of backends"
        tiles.append(Tile(name, looks.integer(differing) if fired else "–", detail))
    return tiles


def _audits(view: View) -> list[tuple[str, str]]:
    """Networks whose number is withheld, or of which an audit leaves far less."""
    told = []
    for row in audit_rows(view):
        if row.withheld:
            told.append(f"The audit withholds the robust accuracy of {row.model}: {row.withheld}.")
            continue
        for group in view.groups:
            radius = next((r for r in view.radii if r.epsilon == row.epsilon), None)
            held = view.worst(group, radius) if radius else None
            own = group.site.model == row.model and group.site.trained
            if own and held and row.left and row.left.interval[1] < held.rate:
                told.append(
                    f"The audit of {row.model} leaves only {row.number.text} "
                    f"({row.number.interval}) at ε\u00a0{row.radius}, the attacks of this study "
                    f"{looks.percent(held.rate)}: they are too weak, and the numbers too high."
                )
                break
    return [("bad", warning) for warning in told]


def _audited(view: View) -> list[str]:
    """Networks whose number an audit gives, or that nobody asked one."""
    found = audit_rows(view)
    if not found:
        return ["No audit asked whether these numbers mean what they say."] if view.sets else []
    told = []
    for row in found:
        if not row.withheld and row.number.text:
            counts = ", ".join(f"{n} {status}" for status, n in row.counts.items())
            told.append(
                f"The audit of {row.model} at ε\u00a0{row.radius} leaves {row.number.text} "
                f"({row.number.interval}) of {row.samples} samples; its checks: {counts}."
            )
    return told


def _unlowered(view: View) -> list[tuple[str, str]]:
    """Networks without a form on a chip, and the first reason why: the question has no answer."""
    programs = view.manifest.programs
    lowered = {(p.model, p.profile) for p in programs if p.status == DONE}
    never = {(p.model, p.profile): p for p in programs if (p.model, p.profile) not in lowered}
    told = []
    for (model, profile), program in never.items():
        lines = [line.strip(" -") for line in program.reason.splitlines() if line.strip()]
        first = lines[min(1, len(lines) - 1)] if lines else program.status
        more = f" (and {len(lines) - 2} more, see below)" if len(lines) > 2 else ""
        told.append(f"{model} has no form on {view.profile(profile)}: {first}{more}.")
    return [("fair", text) for text in told]


def _by_chance(view: View) -> list[tuple[str, str]]:
    """Networks that decide no better than chance: of those, nothing else means much."""
    told = []
    for site, group in view.main.items():
        clean, model = clean_accuracy(group), view.models.get(site.model)
        if site.trained and clean and model and model.classes and clean.n:
            chance = 1 / model.classes
            if clean.interval[0] <= chance:
                told.append(
                    f"{site.model} decides {looks.percent(clean.rate)} of {clean.n} clean samples "
                    f"rightly, and {looks.percent(chance)} would be chance: look at labels, "
                    "preprocessing and steps before anything else."
                )
    return [("bad", text) for text in told]


def _lost(view: View) -> list[tuple[str, str]]:
    """What did not run."""
    lanes = Counter(lane.status for lane in view.shut)
    programs = Counter(p.status for p in view.manifest.programs if p.status != DONE)
    sets = Counter(made.status for made in view.manifest.sets if made.status != DONE)
    parts = []
    for counted, noun in ((lanes, "lane"), (programs, "lowering"), (sets, "attack set")):
        parts += [f"{n} {noun}{'s' * (n > 1)} {status}" for status, n in sorted(counted.items())]
    if failures := len(view.manifest.failures):
        parts.append(f"{failures} cell{'s' * (failures > 1)} not completed")
    wrong = failures or any(counted["failed"] for counted in (lanes, programs, sets))
    return [("bad" if wrong else "fair", f"Not everything ran: {joined(parts)}.")] if parts else []


def _worst_words(view: View, group: Group) -> str:
    radius: Radius | None = headline_radius(view)
    worst = view.worst(group, radius) if radius else None
    if radius is None or worst is None or not worst.n:
        return ""
    return f"; {looks.percent(worst.rate)} in the worst case at {view.radius(radius)}"


def _against(own: Group | None, p: Proportion) -> str:
    before = clean_accuracy(own) if own else None
    if before is None or not before.n or not p.n:
        return ""
    points = round(100 * (p.rate - before.rate), 1)
    if not points:
        return ", no point less or more than float"
    return f", {points:+.1f} points against float".replace("-", "−")


def _bits(bits: int | None) -> str:
    return "the chip’s own bits" if bits is None else f"{bits}-bit weights"


def _changed(loss: float) -> str:
    """What lowering did to the accuracy; equal accuracies may hide changed decisions."""
    points = round(100 * loss, 1)
    if not points:
        return "leaves the accuracy as it is"
    return f"{'costs' if points > 0 else 'gains'} {abs(points):.1f} points"


def _of(p: Proportion) -> str:
    return f"{looks.percent(p.rate)} ({looks.interval(p)}) of {looks.integer(p.n)}"


def _small(p: Proportion) -> str:
    return f"{looks.interval(p)} · {looks.integer(p.count)} of {looks.integer(p.n)}"
