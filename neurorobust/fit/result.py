"""What a check found: one result per rule, and all of them together."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from neurorobust.chips.leaf import Leaf
from neurorobust.chips.schema import Profile
from neurorobust.fit.placement import Placement

Status = Literal["ok", "fail", "unchecked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One rule held against one thing.

    Attributes:
        constraint: Name of the rule or wall.
        kind: ``wall`` (hard), ``budget`` (time, throughput) or ``observed``.
        layer: Layer or synapse group it is about; empty for the network.
        used: What the network needs.
        limit: What the chip allows.
        sense: ``most``, ``least`` or ``one_of``.
        unit: Of both.
        headroom: ``limit - used`` (or the reverse for a least); None where there is no number.
        binding: Whether it decides how many cores the layer takes.
        status: ``ok``, ``fail``, or ``unchecked`` where something is not known.
        source: Where the limit comes from.
        confidence: In the limit: H, M, L.
        note: Condition of the limit, or why it is unchecked.
        advice: What to do about a failure.
        of: Whose limit it is, where the chip itself may do more.
    """

    constraint: str
    kind: str
    layer: str = ""
    used: float | str | None = None
    limit: float | str | tuple[float | str, ...] | None = None
    sense: str = "most"
    unit: str = "1"
    headroom: float | None = None
    binding: bool = False
    status: Status
    source: str = ""
    confidence: str = ""
    note: str = ""
    advice: str = ""
    of: str = ""


def held(
    constraint: str,
    leaf: Leaf,
    profile: Profile,
    used: float | str,
    *,
    limit: float | tuple[str, ...] | None = None,
    advice: str = "",
    **known: Any,
) -> Result:
    """A use held against a limit.

    Args:
        constraint: Name of the rule or wall.
        leaf: Of the limit: its kind, unit, source and condition.
        profile: Where it is from.
        used: What the network needs.
        limit: If it is not the leaf's value itself.
        advice: What to do about a failure.
        known: Further fields of the result, before what the leaf says.
    """
    bound = _plain(leaf.value if limit is None else limit)
    headroom: float | None = None
    if isinstance(bound, tuple):
        good = used in bound
    elif isinstance(used, str) or isinstance(bound, str) or bound is None:
        good = used == bound
    else:
        headroom = used - bound if known.get("sense") == "least" else bound - used
        good = headroom >= 0
    found: dict[str, Any] = {
        "kind": leaf.kind or "wall",
        "used": used,
        "limit": bound,
        "headroom": headroom,
        "status": "ok" if good else "fail",
        "note": leaf.condition or "",
        "advice": "" if good else advice,
    }
    return Result(constraint=constraint, **found | _origin(leaf, profile) | known)


def unchecked(
    constraint: str, leaf: Leaf, profile: Profile, *, kind: str, why: str, layer: str = ""
) -> Result:
    """A limit that nothing can be held against, and why."""
    return Result(
        constraint=constraint,
        kind=kind,
        layer=layer,
        limit=_plain(leaf.value),
        status="unchecked",
        note=why,
        **_origin(leaf, profile),
    )


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _origin(limit: Leaf, profile: Profile) -> dict[str, Any]:
    source = profile.sources[limit.source].cite if limit.source else ""
    return {
        "unit": limit.unit or "1",
        "source": source,
        "confidence": limit.confidence or "",
        "of": limit.of or "",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A quantity with its span, or why there is none.

    Attributes:
        value: In joules or seconds.
        low: Lower end over bands and sets of figures.
        high: Upper end.
        basis: Evidence, source and conditions; the band is in the span.
        why: Reason for no value.
        lack: The same in a word or two.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    basis: str = ""
    why: str = ""
    lack: Literal["no public figure", "needs samples", "no place", "–"] = "–"


NOTHING = Estimate(why="the target has no energy or time of its own")


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Energy and time of one sample.

    Attributes:
        static: Energy of the idle chips over ``duration_s``.
        dynamic: Energy beyond that.
        total: Both, where both are known.
        latency: Time of a sample, or of an event where the chip has no steps.
        latency_of: ``sample`` or ``event``.
        duration_s: Time that ``static`` is for: the latency of a sample if known, else real time.
        boundary: What the energies include.
        averages: Averages at one operating point, for the reader; in no sum.
    """

    static: Estimate = NOTHING
    dynamic: Estimate = NOTHING
    total: Estimate = NOTHING
    latency: Estimate = NOTHING
    latency_of: str = "sample"
    duration_s: float = 0.0
    boundary: str = ""
    averages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A model held against a profile.

    Attributes:
        model: Its name.
        content_hash: Of the model.
        profile: Its id.
        chip: The profile's name.
        results: Of every rule.
        placement: Where the layers go.
        neurons: Per layer.
        synapses: Per layer.
        costs: Energy and time.
        notes: What a reader should know besides.
    """

    model: str
    content_hash: str
    profile: str
    chip: str
    results: tuple[Result, ...]
    placement: Placement
    neurons: Mapping[str, int]
    synapses: Mapping[str, int]
    costs: Costs
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Result, ...]:
        """Results that fail."""
        return tuple(r for r in self.results if r.status == "fail")

    @property
    def unchecked(self) -> tuple[Result, ...]:
        """Results that nobody can tell."""
        return tuple(r for r in self.results if r.status == "unchecked")

    @property
    def ok(self) -> bool:
        """Whether no rule fails; some may be unchecked."""
        return not self.failed

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        placement = self.placement
        return {
            **_picked(self, "model", "content_hash", "profile", "chip", "ok"),
            "results": [asdict(result) for result in self.results],
            "placement": {
                "method": placement.method,
                "cores": len(placement.cores),
                **_picked(placement, "cores_per_chip", "chips", "whole", "why"),
                "layers": [
                    {
                        "layer": at.layer,
                        "neurons": self.neurons.get(at.layer),
                        "synapses": self.synapses.get(at.layer),
                        **_picked(at, "blocks", "block", "cores", "binding", "use", "limit", "why"),
                    }
                    for at in placement.layers
                ],
                "core_utilisation": [
                    {"core": core.index, **_picked(core, "layers", "binding", "utilisation")}
                    for core in placement.cores
                ],
            },
            "costs": asdict(
                self.costs, dict_factory=lambda pairs: {k: v for k, v in pairs if k != "lack"}
            ),
            "notes": list(self.notes),
        }


def _picked(of: Any, *names: str) -> dict[str, Any]:
    found = {name: getattr(of, name) for name in names}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in found.items()}
