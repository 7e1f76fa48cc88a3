"""Holding a model against a chip: every rule, every wall, the placement, the costs."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from neurorobust.chips.formula import parse
from neurorobust.chips.leaf import Leaf
from neurorobust.chips.rules import Rule
from neurorobust.chips.schema import Profile
from neurorobust.fit.activity import Activity, run_facts
from neurorobust.fit.costs import GIVE_SAMPLES, costs
from neurorobust.fit.extract import extract
from neurorobust.fit.layers import Network, Synapse, synapse_facts
from neurorobust.fit.on_chip import OnChip, on_chip
from neurorobust.fit.placement import LayerPlacement, Placement, place_network, weight_bits
from neurorobust.fit.result import Check, Result, origin
from neurorobust.fit.widths import widths
from neurorobust.ir import Model

Facts = Mapping[str, float | str]


_SAME = {
    "reset": ("reset", "reset timing"),
    "spikes per step": ("spikes per step",),
    "refractory": ("refractory",),
    "pooling": ("pooling",),
    "delay": ("delay",),
}
"""Codes of what lowering refuses, and the rules of chips that say the same."""


def check(
    model: Model | Network,
    profile: Profile,
    activity: Activity | None = None,
    *,
    extracted: Network | None = None,
) -> Check:
    """Hold a model against every rule of a chip.

    For a chip of the integer law, a Graph is lowered with default options, and what comes of that
    is placed and checked; what lowering refuses fails the constraint ``lowering``.

    Args:
        model: A Graph or Program; or what ``extract`` made of it, which is checked without its
            numbers: neither lowered nor held against widths.
        profile: The chip.
        activity: From ``measure``; without it what needs activity is ``unchecked``.
        extracted: What ``extract`` made of the model, where that is known.
    """
    if isinstance(model, Model):
        seen = on_chip(model, profile, activity, extracted or extract(model))
    else:
        seen = OnChip(network=model, activity=activity)
    network = seen.network
    placement = place_network(network, profile)
    run = run_facts(network, placement, seen.activity) if seen.activity else None
    results = [
        Result(constraint="structure", kind="wall", layer=node, status="fail", note=why)
        for node, why in network.faults
    ]
    if not network.layers and profile.placement is not None:
        why = "has no neurons: nothing would be on the chip"
        results.append(Result(constraint="structure", kind="wall", status="fail", note=why))
    for rule in profile.rules:
        results += _apply(rule, network, profile, run)
    if seen.program is not None:
        results += widths(seen.program, profile)
    results += _placed(placement, profile)
    results = [*_lowering(seen, model, results), *results]
    notes = [*seen.notes, *(f"{part}: computed on the host" for part in network.host)]
    if any(_on_no_grid(s) for layer in network.layers for s in layer.synapses):
        notes.append(f"float weights are counted with {weight_bits(profile)} bits")
    if any(result.status == "fail" for result in results):
        notes.append("rules fail: costs are those of a network like this one that would pass")
    return Check(
        model=network.name,
        content_hash=network.content_hash,
        profile=profile.id,
        chip=profile.name,
        results=tuple(results),
        placement=placement,
        neurons={layer.name: layer.size for layer in network.layers},
        synapses={n.name: sum(s.synapses for s in n.synapses) for n in network.layers},
        costs=costs(network, profile, placement, run),
        notes=tuple(notes),
    )


def _lowering(seen: OnChip, model: Model | Network, results: list[Result]) -> Iterator[Result]:
    """What lowering found, less what a rule that fails says already."""
    failed = {result.constraint for result in results if result.status == "fail"}
    places = {*model.nodes, "header"} if isinstance(model, Model) else set[str]()
    named: dict[str, Any] = {"constraint": "lowering", "kind": "wall"}
    if seen.unknown:
        yield Result(**named, status="unchecked", note=seen.unknown)
    for refusal in seen.refusals:
        if failed.isdisjoint(_SAME.get(refusal.code, ())):
            known = refusal.node in places
            note = str(replace(refusal, node=None) if known else refusal)
            layer = str(refusal.node) if known else ""
            yield Result(**named, layer=layer, status="fail", note=note)


def _apply(
    rule: Rule, network: Network, profile: Profile, run: Mapping[str, float] | None
) -> Iterator[Result]:
    match rule.scope:
        case "network":
            yield from _held(rule, network.facts(), "", profile)
        case "layer":
            for layer in network.layers:
                yield from _held(rule, layer.facts(), layer.name, profile)
        case "synapse":
            asked = {*rule.where, *([rule.use] if rule.textual else parse(rule.use).names)}
            for layer in network.layers:
                for synapse in layer.synapses:
                    facts = synapse_facts(synapse, weight_bits(profile), asked)
                    if not (_on_no_grid(synapse) and rule.use == "weight_bits"):
                        yield from _held(rule, facts, synapse.name, profile)
                    elif _applies(rule, facts):
                        why = "weights are floats; lowering rounds them"
                        yield _open(rule, synapse.name, profile, why)
        case "run":
            counts = network.facts() | dict(run or {})
            if rule.limit.value is None or parse(rule.use).names <= counts.keys():
                yield from _held(rule, counts, "", profile)
            else:
                missing = GIVE_SAMPLES if run is None else "the network has no place on the chip"
                yield _open(rule, "", profile, missing)


def _on_no_grid(synapse: Synapse) -> bool:
    return synapse.weights is not None and synapse.weights.bits is None


def _applies(rule: Rule, facts: Facts) -> bool:
    return all(
        facts[name] in (wanted if isinstance(wanted, list) else [wanted])
        for name, wanted in rule.where.items()
    )


def _held(rule: Rule, facts: Facts, label: str, profile: Profile) -> Iterator[Result]:
    """The result of a rule on one set of facts; nothing where the rule does not apply."""
    if not _applies(rule, facts):
        return
    if rule.limit.value is None:
        yield _open(rule, label, profile, rule.limit.why or "")
        return
    used: float | str = facts[rule.use] if rule.textual else _number(rule.use, facts)
    limit = rule.limit.value
    headroom: float | None = None
    if isinstance(limit, list):
        good = used in limit
    elif isinstance(used, str) or isinstance(limit, str):
        good = used == limit
    else:
        headroom = limit - used if rule.sense == "most" else used - limit
        good = headroom >= 0
    yield Result(
        constraint=rule.constraint,
        kind=rule.limit.kind or "wall",
        layer=label,
        used=used,
        limit=tuple(limit) if isinstance(limit, list) else limit,
        sense=rule.sense,
        headroom=headroom,
        status="ok" if good else "fail",
        note=rule.limit.condition or "",
        advice="" if good else rule.advice,
        **origin(rule.limit, profile),
    )


def _number(use: str, facts: Facts) -> float:
    numbers = {name: value for name, value in facts.items() if not isinstance(value, str)}
    return parse(use)(numbers)


def _open(rule: Rule, label: str, profile: Profile, why: str) -> Result:
    limit = rule.limit.value
    return Result(
        constraint=rule.constraint,
        kind=rule.limit.kind or "budget",
        layer=label,
        limit=tuple(limit) if isinstance(limit, list) else limit,
        status="unchecked",
        note=why,
        **origin(rule.limit, profile),
    )


def _placed(placement: Placement, profile: Profile) -> Iterator[Result]:
    """Results of the walls of cores and of the number of cores."""
    method = profile.placement
    if method is None:
        return
    of_cores = origin(method.cores, profile)
    if placement.method == "closed":
        yield Result(
            constraint="cores", kind="wall", status="unchecked", note=placement.why, **of_cores
        )
        return
    limits = {wall.constraint: wall.limit for wall in method.walls}
    for name, leaf in limits.items():
        if leaf.value is None:
            yield Result(constraint=name, kind="wall", status="unchecked", note=leaf.why or "")
    if placement.method == "whole":
        core = placement.cores[0]
        for name, used in core.use.items():
            yield _wall(
                limits[name],
                profile,
                constraint=name,
                used=used,
                limit=core.limit[name],
                binding=name == core.binding,
            )
        return
    for at in placement.layers:
        yield from _layer_walls(at, limits, profile)
    per_chip, chips = placement.cores_per_chip, method.chips.value if method.chips else 1
    most = per_chip * (chips if isinstance(chips, int) else 1)
    used = len(placement.cores)
    if placement.whole:
        yield Result(
            constraint="cores",
            kind="wall",
            used=used,
            limit=most,
            headroom=most - used,
            status="ok" if used <= most else "fail",
            note=f"{placement.chips} chips of {per_chip}" if placement.chips > 1 else "",
            **of_cores,
        )


def _layer_walls(
    at: LayerPlacement, limits: Mapping[str, Leaf], profile: Profile
) -> Iterator[Result]:
    exceeded = False
    for name, used in at.use.items():
        found = _wall(
            limits[name],
            profile,
            constraint=name,
            layer=at.layer,
            used=used,
            limit=at.limit[name],
            binding=name == at.binding,
        )
        exceeded = exceeded or found.status == "fail"
        yield found
    if at.why and not exceeded:
        yield Result(constraint="place", kind="wall", layer=at.layer, status="fail", note=at.why)


def _wall(leaf: Leaf, profile: Profile, **found: Any) -> Result:
    used, limit = found["used"], found["limit"]
    return Result(
        kind=leaf.kind or "wall",
        headroom=limit - used,
        status="ok" if used <= limit else "fail",
        note=leaf.condition or "",
        **found,
        **origin(leaf, profile),
    )
