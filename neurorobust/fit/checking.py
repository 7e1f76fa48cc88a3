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
from neurorobust.fit.placement import Core, LayerPlacement, Placement, place_network, weight_bits
from neurorobust.fit.result import Check, Result, held, unchecked
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
            where = "" if known or refusal.node is None else f"{refusal.node}: "
            layer = str(refusal.node) if known else ""
            note, way_out = f"{where}{refusal.why}", refusal.way_out
            yield Result(**named, layer=layer, status="fail", note=note, advice=way_out)


def _apply(
    rule: Rule, network: Network, profile: Profile, run: Mapping[str, float] | None
) -> Iterator[Result]:
    match rule.scope:
        case "network":
            yield from _rule(rule, network.facts(), "", profile)
        case "layer":
            for layer in network.layers:
                yield from _rule(rule, layer.facts(), layer.name, profile)
        case "synapse":
            asked = {*rule.where, *([rule.use] if rule.textual else parse(rule.use).names)}
            for layer in network.layers:
                for synapse in layer.synapses:
                    facts = synapse_facts(synapse, weight_bits(profile), asked)
                    if not (_on_no_grid(synapse) and rule.use == "weight_bits"):
                        yield from _rule(rule, facts, synapse.name, profile)
                    elif _applies(rule, facts):
                        why = "weights are floats; lowering rounds them"
                        yield _open(rule, profile, why, synapse.name)
        case "run":
            counts = network.facts() | dict(run or {})
            if rule.limit.value is None or parse(rule.use).names <= counts.keys():
                yield from _rule(rule, counts, "", profile)
            else:
                missing = GIVE_SAMPLES if run is None else "the network has no place on the chip"
                yield _open(rule, profile, missing)


def _on_no_grid(synapse: Synapse) -> bool:
    return synapse.weights is not None and synapse.weights.bits is None


def _applies(rule: Rule, facts: Facts) -> bool:
    return all(
        facts[name] in (wanted if isinstance(wanted, list) else [wanted])
        for name, wanted in rule.where.items()
    )


def _rule(rule: Rule, facts: Facts, label: str, profile: Profile) -> Iterator[Result]:
    """The result of a rule on one set of facts; nothing where the rule does not apply."""
    if not _applies(rule, facts):
        return
    if rule.limit.value is None:
        yield _open(rule, profile, rule.limit.why or "", label)
        return
    if rule.textual:
        used = facts[rule.use]
    else:
        used = parse(rule.use)({k: v for k, v in facts.items() if not isinstance(v, str)})
    yield held(
        rule.constraint,
        rule.limit,
        profile,
        used,
        advice=rule.advice,
        layer=label,
        sense=rule.sense,
    )


def _open(rule: Rule, profile: Profile, why: str, label: str = "") -> Result:
    kind = rule.limit.kind or "budget"
    return unchecked(rule.constraint, rule.limit, profile, kind=kind, why=why, layer=label)


def _placed(placement: Placement, profile: Profile) -> Iterator[Result]:
    """Results of the walls of cores and of the number of cores."""
    method = profile.placement
    if method is None:
        return
    if placement.method == "closed":
        found = unchecked("cores", method.cores, profile, kind="wall", why=placement.why)
        yield replace(found, limit=None)
        return
    limits = {wall.constraint: wall.limit for wall in method.walls}
    for name, leaf in limits.items():
        if leaf.value is None:
            yield Result(constraint=name, kind="wall", status="unchecked", note=leaf.why or "")
    if placement.method == "whole":
        yield from _walls(placement.cores[0], limits, profile)
        return
    for at in placement.layers:
        walls = list(_walls(at, limits, profile, at.layer))
        yield from walls
        if at.why and all(found.status == "ok" for found in walls):
            yield Result(
                constraint="place", kind="wall", layer=at.layer, status="fail", note=at.why
            )
    if placement.whole:
        per_chip, chips = placement.cores_per_chip, method.chips.value if method.chips else 1
        yield held(
            "cores",
            method.cores,
            profile,
            len(placement.cores),
            limit=per_chip * (chips if isinstance(chips, int) else 1),
            kind="wall",
            note=f"{placement.chips} chips of {per_chip}" if placement.chips > 1 else "",
        )


def _walls(
    at: Core | LayerPlacement, limits: Mapping[str, Leaf], profile: Profile, layer: str = ""
) -> Iterator[Result]:
    for name, used in at.use.items():
        own: dict[str, Any] = {"layer": layer, "binding": name == at.binding}
        yield held(name, limits[name], profile, used, limit=at.limit[name], **own)
