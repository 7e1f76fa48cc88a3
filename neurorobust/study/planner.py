"""The cells of a study: the product of its axes, each cell after those that it needs."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from neurorobust.attacks import THREATS, Threat
from neurorobust.attacks.sets import AttackSet
from neurorobust.backends import require_lane, rung_of
from neurorobust.chips import LoadedProfile, load_profile
from neurorobust.chips.arithmetic import FloatArithmetic, WeightArithmetic
from neurorobust.errors import BackendUnavailable, InvalidInput, Unsupported
from neurorobust.ir import Graph, Model, Program
from neurorobust.methods import spelled
from neurorobust.metrics import CLEAN
from neurorobust.names import known_name
from neurorobust.study.cells import Cell
from neurorobust.study.costs import Costs
from neurorobust.study.crafters import crafters, takes_gradient
from neurorobust.study.given import Given, Named
from neurorobust.study.inputs import GIVEN, Inputs
from neurorobust.study.spec import Lane, Spec, excluded
from neurorobust.study.work import REFERENCE


class Target(NamedTuple):
    """A model that runs: its Graph, or a Program by its hash or the cell that lowers it."""

    named: str
    rung: str
    row: dict[str, Any]
    needs: tuple[str, ...] = ()


class Shown(NamedTuple):
    """What is replayed: clean samples, or the set of a cell or of a file."""

    row: dict[str, Any]
    set: str | None = None
    size: int = 0
    first: int = 0
    needs: tuple[str, ...] = ()


class Beside(NamedTuple):
    """What a run is compared with: cells that kept spikes, on this rung and on the rung float.

    ``base`` is the backend of the one on this rung, and ``keep`` whether others need its own.
    """

    against: str | None
    float: str | None
    base: str
    keep: bool


class Planner:
    """Lists the cells of a study."""

    def __init__(self, spec: Spec, given: Given, inputs: Inputs) -> None:
        self.spec, self.given, self.inputs = spec, given, inputs
        self.profiles = [load_profile(name) for name in spec.lower.profile]
        self.data = inputs.add_samples(given.samples)
        self.calibration = given.calibration and inputs.add_samples(given.calibration)
        self.twin = given.twin and inputs.add_model(given.twin)
        self.excluded = 0
        size = spec.data.chunk or len(given.samples)
        self.ranges = [
            (start, min(size, len(given.samples) - start))
            for start in range(0, len(given.samples), size)
        ]
        for profile in self.profiles:
            inputs.add_profile(profile)
        for made in given.sets:
            inputs.add_set(made)

    def cells(self) -> Iterator[Cell]:
        """All of them, each after those that it needs."""
        for one in self.given.models:
            self.inputs.add_model(one.model)
            yield from self._of_model(one, Costs(one.model, self.given.samples))

    def _of_model(self, one: Named, costs: Costs) -> Iterator[Cell]:
        where = {"model": one.label, "model_hash": one.model.content_hash[:12]}
        own = Target(one.model.content_hash, rung_of(one.model), where | _as_given(one.model))
        targets = [own]
        if self.spec.fit.check:
            yield from self._fits(one, costs)
        if isinstance(one.model, Graph):
            for profile, cell in self._lowered(one, costs):
                yield cell
                row = where | {k: cell.row[k] for k in ("profile", *_LOWERING)}
                targets.append(Target(cell.key, _rung_on(profile), row, (cell.key,)))
        crafted: list[tuple[Target, Cell]] = []
        for target in targets:
            seen = "float" if target is own and isinstance(one.model, Graph) else "quantised"
            if seen in self.spec.craft.on or (target is own and isinstance(one.model, Program)):
                for cell in self._crafted(one, target, costs):
                    yield cell
                    crafted.append((target, cell))
        first = [(target, cell) for target, cell in crafted if cell.decided["first"] == 0]
        if self.spec.audit.samples and (sets := [c for t, c in first if t is own]):
            yield self._audited(one, own, sets, costs)
        shown = [
            Shown(_CLEAN_ROW | self._data_row(one), None, count, start)
            for start, count in self.ranges
        ]
        for target, cell in crafted:
            row = {**cell.row, "set": cell.key, "crafted_on": target.named}
            start, count = cell.decided["first"], cell.decided["count"]
            shown.append(Shown(row, cell.key, count, start, (cell.key,)))
        shown += [_of_set(made, self._data_row(one)) for made in self.given.sets]
        yield from self._replayed(one, targets, shown, costs)

    def _fits(self, one: Named, costs: Costs) -> Iterator[Cell]:
        count = min(self.spec.fit.samples, len(self.given.samples))
        for profile in self.profiles:
            yield Cell(
                "fit",
                {
                    "model": one.model.content_hash,
                    "profile": profile.sha256,
                    "data": self.data,
                    "samples": count,
                    "seed": 0,
                },
                row={"model": one.label, "profile": profile.profile.id},
                what=f"check {one.label} against {profile.profile.id}",
                group=f"lower {one.label}",
                estimate_s=costs.fit(count),
            )

    def _lowered(self, one: Named, costs: Costs) -> Iterator[tuple[LoadedProfile, Cell]]:
        low = self.spec.lower
        for profile, decay, scaling, bits in product(
            self.profiles, low.decay_bits, low.scaling, low.weight_bits
        ):
            axes = {
                "model": one.label,
                "profile": profile.profile.id,
                "weight_bits": bits,
                "scaling": scaling,
                "decay_bits": decay,
            }
            if self._left_out(axes):
                continue
            yield (
                profile,
                Cell(
                    "lower",
                    {
                        "model": one.model.content_hash,
                        "profile": profile.sha256,
                        "calibration": self.calibration,
                        "options": {
                            "scaling": scaling,
                            "percentile": low.percentile,
                            "weight_bits": bits,
                            "decay_bits": decay,
                            "input_coding": low.input_coding,
                        },
                    },
                    row=axes,
                    what=f"lower {_told(axes)}",
                    group=f"lower {one.label}",
                    estimate_s=costs.lower(scaling),
                ),
            )

    def _crafted(self, one: Named, target: Target, costs: Costs) -> Iterator[Cell]:
        craft = self.spec.craft
        for box, attack, seed, epsilon in product(
            craft.box, craft.attack, craft.seed, craft.epsilon
        ):
            takes = takes_gradient(attack)
            if box == "twin" and not takes:
                continue  # from the twin come attacks with gradients; the others are as they were
            for gradient in craft.gradient if takes else ("",):
                axes = target.row | {
                    "attack": attack,
                    "gradient": gradient or "none",
                    "box": box,
                    "epsilon": epsilon,
                    "seed": seed,
                    "rung": target.rung,
                }
                if self._left_out(axes):
                    continue
                for range_ in self._attacked():
                    yield self._craft(one, target, axes, range_, costs)

    def _attacked(self) -> list[tuple[int, int]]:
        """The ranges of samples that are attacked."""
        most = self.spec.craft.samples or sum(self.ranges[-1])
        return [(start, min(count, most - start)) for start, count in self.ranges if start < most]

    def _craft(
        self,
        one: Named,
        target: Target,
        axes: Mapping[str, Any],
        range_: tuple[int, int],
        costs: Costs,
    ) -> Cell:
        craft = self.spec.craft
        attack, gradient = axes["attack"], "" if axes["gradient"] == "none" else axes["gradient"]
        twin = self.twin if axes["box"] == "twin" else None
        crafter = crafters(attack, gradient or "rga")[-1]
        threat = _threat(craft.threat, axes["epsilon"], one.model)
        start, count = range_
        about = f"{crafter} {gradient} {threat.epsilon:.4g}".replace("  ", " ")
        return Cell(
            "craft",
            {
                "model": target.named,
                "data": self.data,
                "first": start,
                "count": count,
                "attack": crafter.describe(),
                "gradient": crafter.gradient_record() if gradient else None,
                "threat": threat.parameters(),
                "twin": twin,
                "seed": axes["seed"],
                "eot": craft.eot,
                "votes": craft.votes,
                "dtype": {"single": "float32", "double": "float64"}[craft.precision],
            },
            needs=target.needs,
            using={"attack": attack, "gradient": gradient},
            row=self._data_row(one)
            | {
                "attack": str(crafter),
                "gradient": _gradient(crafter, gradient),
                "knowledge": "black_box" if twin else str(crafter.knowledge),
                "threat": threat.name,
                "epsilon": threat.epsilon,
                "seed": axes["seed"],
            }
            | {"model": one.label},
            what=f"craft {about} on {_told(target.row)}{_range(range_, self.ranges)}",
            group=f"craft {target.named}",
            estimate_s=costs.craft(crafter, count, target.rung),
        )

    def _audited(self, one: Named, target: Target, sets: list[Cell], costs: Costs) -> Cell:
        count = min(self.spec.audit.samples, self._attacked()[0][1])
        keys = tuple(cell.key for cell in sets)
        first = sets[0].decided
        return Cell(
            "audit",
            {
                "model": target.named,
                "data": self.data,
                "samples": count,
                "sets": list(keys),
                "twin": self.twin,
                "seed": first["seed"],
                "dtype": first["dtype"],
            },
            after=keys,
            row={"model": one.label},
            what=f"audit {one.label}",
            group=f"craft {target.named}",
            estimate_s=costs.audit(count),
        )

    def _replayed(
        self, one: Named, targets: Sequence[Target], shown: Sequence[Shown], costs: Costs
    ) -> Iterator[Cell]:
        graph = one.model.content_hash
        kept: dict[tuple[str, Any, int], str] = {}  # spikes of the first lane, by target and set
        for target in targets:
            lanes = [lane for lane in self.spec.replay.lanes if lane.rung == target.rung]
            lanes.sort(key=lambda lane: lane.backend != REFERENCE)
            for number, lane in enumerate(lanes):
                axes = target.row | {"backend": lane.backend, "rung": lane.rung}
                # One refusal says it all: of a closed lane only the clean samples are asked for.
                for what in shown[: len(self.ranges)] if _closed(lane, one.model) else shown:
                    # Clean samples are of no attack: only a lane as a whole is left out.
                    crafted = {} if what.set is None else what.row
                    if _elsewhere(target, targets, what) or _not_on(lane, what):
                        continue
                    if self._left_out(axes | crafted):
                        continue
                    at = target.named, what.set, what.first
                    against = kept.get(at) if number else None
                    drift = None if number or target is targets[0] else kept.get((graph, *at[1:]))
                    used = len(lanes) > 1 or (target is targets[0] and len(targets) > 1)
                    beside = Beside(against, drift, lanes[0].backend, used and not number)
                    cell = self._replay((one, costs), target, lane, what, beside)
                    if not number:
                        kept[at] = cell.key
                    yield cell

    def _replay(
        self,
        of: tuple[Named, Costs],
        target: Target,
        lane: Lane,
        what: Shown,
        beside: "Beside",
    ) -> Cell:
        (one, costs), (against, drift, base, keep) = of, beside
        count = what.size
        if lane.samples is not None:
            count = min(count, lane.samples - what.first)
        compare = min(self.spec.replay.compare, count)
        if not compare:  # then it is the same cell whatever runs beside it
            against, drift, base = None, None, ""
        where = {"backend": lane.backend, "rung": lane.rung}
        about = what.row.get("attack") or CLEAN
        return Cell(
            "replay",
            where
            | {
                "execution": "clocked",
                "model": target.named,
                "graph": one.model.content_hash,
                "set": what.set,
                "data": self.data if what.set is None else None,
                "first": what.first if what.set is None else 0,
                "count": count,
                "seed": what.row["seed"],
                "compare": compare,
                "keep": keep and bool(compare),
                "against": against,
                "float": drift,
                "base": base,
            },
            needs=(*target.needs, *what.needs),
            after=tuple(key for key in (against, drift) if key),
            row=target.row | where | {"execution": "clocked"} | what.row,
            what=f"replay {about} of {_told(target.row)} on {lane.backend} {lane.rung}",
            group=f"replay {target.named} {lane.backend}",
            wants=(f"backend-{lane.backend}",) if lane.backend in ALONE else (),
            estimate_s=costs.replay(lane.backend, lane.rung, count),
        )

    def _data_row(self, one: Named) -> dict[str, Any]:
        spec = self.spec.data
        name = self.given.samples.name
        return {"data": name, "part": spec.part or "", "coding": one.model.header.coding}

    def _left_out(self, axes: Mapping[str, Any]) -> bool:
        if excluded(self.spec, axes):
            self.excluded += 1
            return True
        return False


ALONE = ("lava",)
"""Backends that run outside of this process, and take a core and more: one at a time."""
_LOWERING = ("weight_bits", "scaling", "decay_bits")
_CLEAN_ROW = {
    "set": CLEAN,
    "crafted_on": "",
    "attack": "none",
    "gradient": "none",
    "knowledge": "none",
    "threat": "none",
    "epsilon": 0.0,
    "seed": 0,
}


def _rung_on(profile: LoadedProfile) -> str:
    """Where a network runs once it is lowered: a chip without integers has it in floats."""
    in_floats = isinstance(profile.profile.arithmetic, FloatArithmetic | WeightArithmetic)
    return "float" if in_floats else "quantised"


def _as_given(model: Model) -> dict[str, Any]:
    """What rows say of the lowering of a model that was given as it is."""
    if isinstance(model, Program):
        hash_ = model.content_hash[:12]
        return {"profile": model.profile, "program": hash_, "scaling": ""}
    return {"profile": "", "program": "", "scaling": ""}


def _of_set(made: AttackSet, data: Mapping[str, Any]) -> Shown:
    from neurorobust.methods import spelling

    row = {
        **data,
        "set": made.content_hash[:12],
        "crafted_on": made.request["model"],
        "attack": spelling(made.request["attack"]),
        "gradient": spelling(made.request["gradient"]),
        "knowledge": str(made.knowledge),
        "threat": made.threat.name,
        "epsilon": made.epsilon,
        "seed": made.request["seed"],
    }
    return Shown(row, f"{GIVEN}{made.content_hash}", len(made.label))


def _elsewhere(target: Target, targets: Sequence[Target], what: Shown) -> bool:
    """Whether a set was crafted on another lowering: it is shown to its own, and as trained."""
    others = [one.named for one in targets[1:] if one is not target]
    return target is not targets[0] and what.row["crafted_on"] in others


def _not_on(lane: Lane, what: Shown) -> bool:
    """Whether a lane leaves a set out, by its radius or since its first samples lie before it."""
    if lane.samples is not None and what.first >= lane.samples:
        return True
    if lane.epsilon is None or what.row["set"] == CLEAN:
        return False
    return all(abs(what.row["epsilon"] - one) > 1e-12 for one in lane.epsilon)


def _closed(lane: Lane, model: Model) -> bool:
    """Whether a backend does not offer a rung, or cannot run the model on it, or not here."""
    try:
        require_lane(lane.backend, lane.rung, model if lane.rung == rung_of(model) else None)
    except (BackendUnavailable, Unsupported):
        return True
    return False


def _gradient(crafter: Any, gradient: str) -> str:
    from neurorobust.methods import spelling

    return spelling(crafter.gradient_record()) if gradient else "none"


def _threat(spelling: str, epsilon: float, model: Model) -> Threat:
    named = spelled(spelling)
    if len(named) != 1:
        raise InvalidInput(f"craft.threat is {spelling!r}; it names one threat, as linf")
    ((name, budgets),) = named
    threat = THREATS[known_name(name, THREATS, "threat model")]
    try:
        return threat.of(model.header, epsilon, **budgets)
    except TypeError as error:
        raise InvalidInput(f"threat {spelling!r}: {error}") from error


def _told(row: Mapping[str, Any]) -> str:
    parts = [row["model"], row.get("profile")]
    parts += [f"{row['weight_bits']} bits" if row.get("weight_bits") is not None else ""]
    parts += [f"decay {row['decay_bits']} bits" if row.get("decay_bits") is not None else ""]
    if row.get("weight_bits") is not None:
        parts.append(row.get("scaling"))
    return " ".join(filter(None, parts))


def _range(own: tuple[int, int], every: Sequence[tuple[int, int]]) -> str:
    return "" if len(every) == 1 else f", samples {own[0]}..{own[0] + own[1] - 1}"
