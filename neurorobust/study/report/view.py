"""What a study ran, put in order: lanes that decide alike are one group, sets have a radius.

Everything here is derived from the tables of a folder; nothing is measured again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from neurorobust.metrics import CLEAN, Proportion
from neurorobust.render import looks
from neurorobust.study.folder import LaneInfo, Manifest, ModelInfo, Results
from neurorobust.study.tables import WHAT

RUNGS = ("float", "quantised", "device")
DONE = "done"
Row = dict[str, Any]


class Site(NamedTuple):
    """A network in one arithmetic on one set of samples: what a backend runs."""

    model: str
    data: str
    part: str
    rung: str
    execution: str
    profile: str
    weight_bits: int | None
    scaling: str
    decay_bits: int | None
    program: str
    model_hash: str

    @property
    def trained(self) -> bool:
        """Whether it is the network as it was trained, not lowered to anything."""
        return self.rung == "float" and not self.profile

    @property
    def runs(self) -> str:
        """Start of the hash of what is run."""
        return self.program or self.model_hash

    @property
    def variant(self) -> tuple[int | None, str, int | None]:
        """How it was lowered, beside the profile."""
        return self.weight_bits, self.scaling, self.decay_bits


class Lane(NamedTuple):
    """A backend on a site."""

    site: Site
    backend: str


class Shown(NamedTuple):
    """A set of inputs, in the columns of the tables."""

    set: str
    crafted_on: str
    attack: str
    gradient: str
    knowledge: str
    threat: str
    epsilon: float
    seed: int

    @property
    def radius(self) -> "Radius":
        """What the attacker may spend."""
        return Radius(self.threat, self.epsilon)

    @property
    def method(self) -> tuple[str, str]:
        """Attack and gradient."""
        return self.attack, self.gradient


class Radius(NamedTuple):
    """A budget of a threat."""

    threat: str
    epsilon: float


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """Decisions on samples, in the order of the samples."""

    sample: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    decision: npt.NDArray[np.int64]

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Where the decision is the label."""
        return np.asarray(self.decision == self.label)

    @property
    def accuracy(self) -> Proportion:
        """Share of right decisions."""
        return Proportion(int(self.right.sum()), len(self.sample))


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Backends that decide alike on the same samples of all sets; the first stands for all."""

    site: Site
    backends: tuple[str, ...]
    decided: Mapping[str, Decided]

    @property
    def lane(self) -> Lane:
        """The one that stands for all."""
        return Lane(self.site, self.backends[0])

    @property
    def n(self) -> int:
        """Clean samples, or those of the largest set where there are none."""
        own = self.decided.get(CLEAN)
        return len(own.sample) if own else max(len(d.sample) for d in self.decided.values())


@dataclass(frozen=True)
class View:
    """A folder, put in order."""

    results: Results

    @property
    def manifest(self) -> Manifest:
        """Of the folder."""
        return self.results.manifest

    @cached_property
    def models(self) -> Mapping[str, ModelInfo]:
        """By label."""
        return {model.label: model for model in self.manifest.models}

    @cached_property
    def levels(self) -> int | None:
        """Of the sensor, where all data have the same."""
        found = {data.levels for data in self.manifest.data} or {
            model.levels for model in self.manifest.models
        }
        return found.pop() if len(found) == 1 else None

    @cached_property
    def rows(self) -> Mapping[tuple[Lane, str], Row]:
        """Runs that were done, by lane and set."""
        done = self.results.rows.filter(pl.col("status") == DONE)
        return {(lane_of(row), row["set"]): row for row in done.to_dicts()}

    @cached_property
    def shut(self) -> tuple[LaneInfo, ...]:
        """Lanes that did not run for a reason of their own: not those whose lowering has it."""
        refused = {(p.model, p.profile, p.reason) for p in self.manifest.programs if p.reason}
        return tuple(
            lane
            for lane in self.manifest.lanes
            if lane.status != DONE and (lane.model, lane.profile, lane.reason) not in refused
        )

    @cached_property
    def sets(self) -> Mapping[str, Shown]:
        """All sets but the clean samples, noise first, then by attack, gradient and radius."""
        attacked = self.results.outcomes.filter(pl.col("set") != CLEAN)
        found = attacked.select(Shown._fields).unique().rows()
        shown = [
            Shown(*(_plain(v, name) for v, name in zip(row, Shown._fields, strict=True)))
            for row in found
        ]
        return {s.set: s for s in sorted(shown, key=_set_rank)}

    @cached_property
    def radii(self) -> tuple[Radius, ...]:
        """Of all sets, ascending."""
        return tuple(sorted({shown.radius for shown in self.sets.values()}))

    @cached_property
    def methods(self) -> tuple[tuple[str, str], ...]:
        """Attacks and gradients."""
        return tuple(dict.fromkeys(shown.method for shown in self.sets.values()))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """By model, then float before integers, then as lowered, then as they came."""
        lanes: dict[Lane, dict[str, Decided]] = {}
        keys = [*Site._fields, "backend", "set"]
        columns = ("sample", "label", "decision")
        parts = self.results.outcomes.partition_by(keys, as_dict=True, maintain_order=True)
        for part in parts.values():
            row = part.row(0, named=True)
            # Of several draws of one set the first is followed.
            once = part.select(columns).unique("sample", keep="first").sort("sample")
            arrays = (once[name].to_numpy() for name in columns)
            lanes.setdefault(lane_of(row), {})[row["set"]] = Decided(*arrays)
        alike: dict[Any, list[Lane]] = {}
        for lane, decided in lanes.items():
            trace = tuple(
                (name, own.sample.tobytes(), own.decision.tobytes())
                for name, own in sorted(decided.items())
            )
            alike.setdefault((lane.site, trace), []).append(lane)
        groups = [
            Group(found[0].site, tuple(lane.backend for lane in found), lanes[found[0]])
            for found in alike.values()
        ]
        return tuple(sorted(groups, key=self._rank))

    def _rank(self, group: Group) -> tuple[Any, ...]:
        site = group.site
        models, profiles = list(self.models), [profile.id for profile in self.manifest.profiles]
        return (
            models.index(site.model) if site.model in models else len(models),
            site.data,
            not site.trained,
            RUNGS.index(site.rung) if site.rung in RUNGS else len(RUNGS),
            profiles.index(site.profile) if site.profile in profiles else len(profiles),
            site.decay_bits is not None,
            -(site.decay_bits or 0),
            site.weight_bits is not None,
            -(site.weight_bits or 0),
            site.scaling,
            -group.n,
        )

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """In the order of the groups."""
        return tuple(dict.fromkeys(group.site for group in self.groups))

    @cached_property
    def main(self) -> Mapping[Site, Group]:
        """Per site the group with most samples, and of those with most backends."""
        best: dict[Site, Group] = {}
        for group in self.groups:
            held = best.get(group.site)
            size = group.n, len(group.backends)
            if held is None or size > (held.n, len(held.backends)):
                best[group.site] = group
        return best

    @cached_property
    def varied(self) -> bool:
        """Whether one network was lowered to one chip in several ways."""
        ways: dict[tuple[str, str], set[Any]] = {}
        for site in self.sites:
            if not site.trained:
                ways.setdefault((site.model, site.profile), set()).add(site.variant)
        for program in self.manifest.programs:
            way = program.weight_bits, program.scaling, program.decay_bits
            ways.setdefault((program.model, program.profile), set()).add(way)
        return any(len(found) > 1 for found in ways.values())

    @cached_property
    def several(self) -> frozenset[str]:
        """Columns of sites and sets in which anything varies."""
        found = {name for name in Site._fields if len({getattr(s, name) for s in self.sites}) > 1}
        shown = self.sets.values()
        found |= {name for name in Shown._fields if len({getattr(s, name) for s in shown}) > 1}
        return frozenset(found)

    def float_of(self, site: Site) -> Group | None:
        """The same network on the same samples in float."""
        for other, group in self.main.items():
            same = (other.model, other.data, other.part) == (site.model, site.data, site.part)
            if same and other.trained:
                return group
        return None

    def model(self, site: Site) -> str:
        """Name of the network, with its samples where there are several."""
        data = [site.data] * ("data" in self.several) + [site.part] * ("part" in self.several)
        return " on ".join(filter(None, (site.model, " ".join(filter(None, data)))))

    def profile(self, name: str) -> str:
        """Name of a chip."""
        known = {profile.id: profile.name for profile in self.manifest.profiles}
        return known.get(name) or name

    def arithmetic(self, site: Site) -> str:
        """``float``, or the chip whose integers are computed with, and how it was lowered."""
        if site.trained:
            return "float"
        own = "its integers" if site.rung == "quantised" else site.rung
        words = [self.profile(site.profile) or own]
        if self.varied:
            words.append(variant_name(*site.variant))
        if site.execution not in {"", "clocked"}:
            words.append(site.execution)
        if site.rung == "device":
            words.append("silicon")
        return ", ".join(filter(None, words))

    def crafted(self, shown: Shown) -> str:
        """In which arithmetic the attacker saw the network, and whose it was."""
        for site in self.sites:
            if site.runs and _same(site.runs, shown.crafted_on):
                whose = f"{site.model}, " if "model" in self.several else ""
                return f"{whose}{self.arithmetic(site)}"
        for made in self.manifest.sets:
            if made.set == shown.set:
                return " ".join(filter(None, (made.model, made.rung)))
        return shown.crafted_on or "–"

    def surrogate(self, site: Site, shown: Shown) -> bool:
        """Whether a set was crafted on this very site."""
        return bool(site.runs) and _same(site.runs, shown.crafted_on)

    def method(self, shown: Shown) -> str:
        """``PGD · RGA``, with the seed where only it tells sets apart."""
        key = method_name(*shown.method)
        return f"{key} · seed {shown.seed}" if "seed" in self.several else key

    def radius(self, radius: Radius) -> str:
        """``ε 8/255`` in one piece, with its norm where there are several."""
        text = looks.epsilon(radius.epsilon, self.levels)
        threats = {shown.threat for shown in self.sets.values()}
        return (
            f"{looks.proper(radius.threat)} ε\u00a0{text}" if len(threats) > 1 else f"ε\u00a0{text}"
        )

    def set_name(self, shown: Shown) -> str:
        """``PGD · RGA, ε 8/255``."""
        return f"{self.method(shown)}, {self.radius(shown.radius)}"

    def worst(self, group: Group, radius: Radius) -> Proportion | None:
        """Right when clean and under every attack of a radius; None where none was shown.

        What fools within a smaller radius fools within this one too. Sets of one attack on several
        ranges of samples count as one; samples that some attack was not made for are left out.
        """
        if CLEAN not in group.decided:
            return None
        by_attack: dict[Shown, list[Decided]] = {}
        smaller: list[Decided] = []
        for name, decided in group.decided.items():
            shown = self.sets.get(name)
            if shown and shown.radius == radius:
                by_attack.setdefault(shown._replace(set=""), []).append(decided)
            elif shown and shown.threat == radius.threat and shown.epsilon < radius.epsilon:
                smaller.append(decided)
        if not by_attack:
            return None
        parts = [[group.decided[CLEAN]], *by_attack.values()]
        samples = reduce(np.intersect1d, (_joined(d.sample for d in part) for part in parts))
        right = np.ones(len(samples), bool)
        for decided in (*smaller, *(d for part in parts for d in part)):
            right &= ~np.isin(samples, decided.sample[~decided.right])
        return Proportion(int(right.sum()), len(samples))

    def attacks(self, group: Group, radius: Radius) -> int:
        """How many sets of a radius were shown."""
        return sum(self.sets[name].radius == radius for name in group.decided if name != CLEAN)


def variant_name(bits: int | None, scaling: str, decay: int | None) -> str:
    """``6-bit weights, mse``; empty where nothing was asked."""
    words = [f"{bits}-bit weights"] if bits is not None else []
    words += [scaling.replace("_", " ")] * bool(scaling)
    words += [f"{decay}-bit decays"] * (decay is not None)
    return ", ".join(words if bits is not None or not words else ["own bits", *words])


def method_name(attack: str, gradient: str) -> str:
    """``PGD (40 steps) · RGA``."""
    if gradient in {"", "none"}:
        return looks.proper(attack)
    return f"{looks.proper(attack)} · {looks.proper(gradient)}"


def backend_names(backends: Iterable[str]) -> str:
    """Proper names, in their order."""
    return ", ".join(looks.proper(name) for name in backends)


def is_noise(attack: str) -> bool:
    """Whether nothing is optimised."""
    return attack.partition("(")[0].endswith("noise")


def _same(a: str, b: str) -> bool:
    """Whether two starts of hashes may be of one hash."""
    return bool(a) and bool(b) and (a.startswith(b) or b.startswith(a))


def _joined(parts: Iterable[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    return np.concatenate(list(parts))


def lane_of(row: Mapping[str, Any]) -> Lane:
    """The backend and what it ran, of a row of any table."""
    numbers = {"weight_bits", "decay_bits"}
    values: dict[str, Any] = {
        name: row[name] if name in numbers else row[name] or "" for name in Site._fields
    }
    return Lane(Site(**values), row["backend"] or "")


def _plain(value: Any, name: str) -> Any:
    """What a column says, or its empty value."""
    if value is not None:
        return value
    return {pl.String: "", pl.Float64: 0.0, pl.Int64: 0}[WHAT[name]]


def _set_rank(shown: Shown) -> tuple[Any, ...]:
    return (
        not is_noise(shown.attack),
        *shown[2:4],
        shown.crafted_on,
        shown.threat,
        shown.epsilon,
        shown.seed,
        shown.set,
    )
