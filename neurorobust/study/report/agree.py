"""Do they compute the same: spikes of one run against those of another, value by value."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from neurorobust.render import looks
from neurorobust.study.report.view import Lane, Site, View, backend_names, lane_of

_COUNTED = "values", "fired"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """Backends on one site whose spikes differ alike from those of another run.

    Attributes:
        site: What was run.
        backends: Those that were compared.
        against: What they were compared with.
        samples: Inputs over all sets.
        nodes: Spiking nodes.
        values: Spike values compared, of each backend.
        fired: Of these, spikes.
        differing: Of these, how many differ.
        share: The same in words.
        sites: How many ways of lowering are in the row; the first stands for all.
        first: Where they part first.
    """

    site: Site
    backends: tuple[str, ...]
    against: str
    samples: int
    nodes: int
    values: int
    fired: int
    differing: int
    share: str
    first: str
    sites: int = 1

    @property
    def verdict(self) -> str:
        """``same``, ``differ``, or ``nothing`` where nothing fired and so nothing is shown."""
        if self.differing:
            return "differ"
        return "same" if self.fired else "nothing"


def pairs(view: View) -> tuple[PairRow, ...]:
    """What was compared, those without a difference together."""
    found: dict[tuple[object, ...], list[tuple[Lane, PairRow]]] = {}
    order = {lane: place for place, lane in enumerate(_lanes(view))}
    keys = [*Site._fields, "backend", "against"]
    parts = view.results.agreement.partition_by(keys, as_dict=True, maintain_order=True)
    for part in parts.values():
        row = part.row(0, named=True)
        lane, against = lane_of(row), str(row["against"] or "")
        differing = int(part["differing"].sum())
        values = int(part["values"].sum())
        pair = PairRow(
            site=lane.site,
            backends=(lane.backend,),
            against=against,
            samples=int(part.group_by("set").agg(pl.col("samples").max())["samples"].sum()),
            nodes=part["node"].n_unique(),
            values=values,
            fired=int(part["fired"].sum()),
            differing=differing,
            share=_share(differing, values),
            first=_first(part),
        )
        told = (pair.samples, pair.nodes, pair.values, pair.fired, differing, pair.first)
        found.setdefault((lane.site, against, *told), []).append((lane, pair))
    joined = [
        (order.get(same[0][0], len(order)), _named(same[0][1], [lane.backend for lane, _ in same]))
        for same in found.values()
    ]
    ordered = [pair for _, pair in sorted(joined, key=lambda item: item[0])]
    return tuple(_folded(ordered) if view.varied else ordered)


def _folded(found: Sequence[PairRow]) -> Iterable[PairRow]:
    """Of several ways of lowering, those without a difference are one row."""
    alike: dict[object, list[PairRow]] = {}
    for pair in found:
        own = pair.site if pair.verdict == "differ" or pair.site.trained else None
        chip = pair.site.model, pair.site.data, pair.site.part, pair.site.profile
        alike.setdefault((own, chip, pair.backends, pair.against, pair.verdict), []).append(pair)
    for pairs_ in alike.values():
        summed = {n: sum(getattr(p, n) for p in pairs_) for n in ("samples", "values", "fired")}
        yield replace(pairs_[0], sites=len(pairs_), **summed)


def where(view: View, pair: PairRow) -> str:
    """The arithmetic, or of how many ways of lowering there is nothing else to say."""
    if pair.sites > 1:
        return f"{view.profile(pair.site.profile)}, {pair.sites} variants"
    return view.arithmetic(pair.site)


def against(pair: PairRow) -> str:
    """The other run, in proper words."""
    return " ".join(looks.proper(word) for word in pair.against.split())


def sentences(view: View, found: Sequence[PairRow]) -> list[str]:
    """Who fired the same spikes, who did not, and where nothing fired at all."""
    told = []
    same = [pair for pair in found if pair.verdict == "same"]
    if same:
        names = dict.fromkeys(name for pair in same for name in pair.backends)
        others = dict.fromkeys(_the(pair) for pair in same)
        values, fired = (sum(getattr(p, n) * len(p.backends) for p in same) for n in _COUNTED)
        everywhere = len(same) == len(found)
        verb = "fire" if len(names) > 1 else "fires"
        told.append(
            f"{backend_names(names)} {verb} exactly the spikes of {', '.join(others)}"
            f"{'' if everywhere else f' on {_places(view, same)}'}: 0 of {looks.integer(values)} "
            f"values differ, {looks.integer(fired)} spikes fired."
        )
    by_backend: dict[tuple[str, str], list[PairRow]] = {}
    for pair in found:
        if pair.verdict == "differ":
            key = backend_names(pair.backends), _the(pair)
            by_backend.setdefault(key, []).append(pair)
    for (names_, other), own in by_backend.items():
        differing = sum(pair.differing for pair in own)
        values = sum(pair.values for pair in own)
        told.append(
            f"{names_} does not fire the spikes of {other} on {_places(view, own)}: "
            f"{looks.integer(differing)} of {looks.integer(values)} values differ."
        )
    silent = [pair for pair in found if pair.verdict == "nothing"]
    if silent:
        told.append(
            f"Nothing fired on {_places(view, silent)}, so comparing spikes there shows nothing."
        )
    return told


def _the(pair: PairRow) -> str:
    """The other run in a sentence."""
    return "the reference" if pair.against == "reference" else against(pair)


def _places(view: View, found: Sequence[PairRow]) -> str:
    """The arithmetics, with the networks where there are several."""
    places: dict[str, dict[str, None]] = {}
    for pair in found:
        places.setdefault(where(view, pair), {})[view.model(pair.site)] = None
    models = {view.model(site) for site in view.sites}
    if len(places) > 4:
        return f"{len(places)} arithmetics"
    return "; ".join(
        place if len(own) == len(models) else f"{place} ({', '.join(own)})"
        for place, own in places.items()
    )


def _lanes(view: View) -> list[Lane]:
    return [Lane(group.site, backend) for group in view.groups for backend in group.backends]


def _named(pair: PairRow, backends: list[str]) -> PairRow:
    return replace(pair, backends=tuple(backends))


def _share(differing: int, values: int) -> str:
    if not values:
        return "–"
    if not differing:
        return "none"
    share = differing / values
    return looks.percent(share, 3) if share >= 1e-5 else f"{1e6 * share:.2g} per million"


def _first(part: pl.DataFrame) -> str:
    parted = part.filter(pl.col("first_step").is_not_null()).sort("first_step", "depth")
    if parted.is_empty():
        return ""
    row = parted.row(0, named=True)
    text = f"step {row['first_step']} in {row['node']}"
    if row["first_neuron"] is not None and row["first_sample"] is not None:
        text += f", neuron {row['first_neuron']} of sample {row['first_sample']}"
    if row["distance"] is not None:
        text += f"; membrane {row['distance']:+.1e} from its threshold"
    return text
