"""What the smaller sections show: what ran, what lowering did, what was audited."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neurorobust.metrics import Proportion
from neurorobust.render import looks
from neurorobust.render.numbers import Entry, entry
from neurorobust.study.folder import OPEN, LaneInfo, ProgramInfo, SetInfo
from neurorobust.study.report.view import (
    DONE,
    View,
    backend_names,
    method_name,
    variant_name,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRow:
    """One backend on one network in one arithmetic, over all ways of lowering.

    Attributes:
        model: Name of the network.
        backend: Its name in the registry.
        arithmetic: ``float`` or the chip.
        samples: Runs of a sample.
        wall_s: Seconds; ``cpu_s`` of all processors.
        lanes: How many ways of lowering are in the sum.
        deviations: Declared differences from exact semantics.
    """

    model: str
    backend: str
    arithmetic: str
    samples: int
    wall_s: float
    cpu_s: float
    lanes: int
    deviations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something is not there, and what that is.

    Attributes:
        status: ``refused``, ``unavailable`` or ``failed``.
        reason: In the words of whoever refused.
        what: What all is not there for this reason.
    """

    status: str
    reason: str
    what: tuple[str, ...]


def lane_rows(view: View) -> tuple[LaneRow, ...]:
    """Lanes that ran."""
    found: dict[tuple[str, str, str], list[LaneInfo]] = {}
    for lane in view.manifest.lanes:
        if lane.status == DONE:
            key = lane.model, lane.backend, _lane_arithmetic(view, lane)
            found.setdefault(key, []).append(lane)
    return tuple(
        LaneRow(
            model=model,
            backend=backend,
            arithmetic=arithmetic,
            samples=sum(lane.samples for lane in lanes),
            wall_s=sum(lane.wall_s for lane in lanes),
            cpu_s=sum(lane.cpu_s for lane in lanes),
            lanes=len(lanes),
            deviations=tuple(dict.fromkeys(text for lane in lanes for text in lane.deviations)),
        )
        for (model, backend, arithmetic), lanes in found.items()
    )


def causes(view: View) -> tuple[Cause, ...]:
    """All that was refused, unavailable or failed, folded by cause."""
    found: dict[tuple[str, str], dict[str, None]] = {}

    def add(status: str, reason: str, *what: str) -> None:
        found.setdefault((status, reason), {})[" · ".join(filter(None, what))] = None

    several = len(view.models) > 1
    by_lane: dict[tuple[str, str, str, str], list[LaneInfo]] = {}
    for lane in view.shut:
        key = lane.status, _unnamed(lane), lane.model, _lane_arithmetic(view, lane)
        by_lane.setdefault(key, []).append(lane)
    for (status, unnamed, model, arithmetic), lanes in by_lane.items():
        alone = len({lane.backend for lane in lanes}) == 1
        reason = _told(lanes[0]) if alone else unnamed
        names = backend_names(dict.fromkeys(lane.backend for lane in lanes))
        add(status, reason, model * several, names, arithmetic)
    for program in view.manifest.programs:
        if program.status != DONE:
            own = variant_name(program.weight_bits, program.scaling, program.decay_bits)
            chip = ", ".join(filter(None, (view.profile(program.profile), own)))
            add(program.status, _told(program), "lowering", program.model * several, chip)
    for made in view.manifest.sets:
        if made.status != DONE:
            radius = looks.epsilon(made.epsilon, view.levels)
            name = f"{method_name(made.attack, made.gradient)}, ε {radius}"
            add(made.status, _told(made), "attack", made.model * several, name)
    return tuple(Cause(*key, tuple(what)) for key, what in found.items())


def _told(ended: LaneInfo | ProgramInfo | SetInfo) -> str:
    """The reason in one line."""
    listed = re.sub(r":\s*\n\s*- ", ": ", ended.reason)
    one_line = " ".join(re.sub(r"\s*\n\s*- ", "; ", listed).split())
    return one_line or "not run yet" * (ended.status == OPEN)


def _unnamed(lane: LaneInfo) -> str:
    """The reason without the name of the backend, so that several can share it."""
    names = "|".join(map(re.escape, (looks.proper(lane.backend), lane.backend)))
    return re.sub(rf"\b({names})\b", "each", _told(lane))


def _lane_arithmetic(view: View, lane: LaneInfo) -> str:
    if lane.rung == "float" and not lane.profile:
        return "float"
    words = [view.profile(lane.profile) or lane.rung]
    return ", ".join(words + [lane.execution] * (lane.execution not in {"", "clocked"}))


@dataclass(frozen=True, slots=True)
class Layers:
    """The lowering reports of all programs of a network: a column per layer.

    Attributes:
        model: Name of the network.
        columns: Names of the layers.
        rows: The program, the quantity, and a value per layer.
    """

    model: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]

    @property
    def programs(self) -> tuple[str, ...]:
        """Names of the programs."""
        return tuple(dict.fromkeys(name for name, _, _ in self.rows))


def layers(view: View) -> tuple[Layers, ...]:
    """What the passes reported; the first thing they report of a layer is its name."""
    found = []
    made = [program for program in view.manifest.programs if program.report]
    for model in dict.fromkeys(program.model for program in made):
        own = [program for program in made if program.model == model]
        first = next(iter(own[0].report[0]))
        columns = tuple(dict.fromkeys(str(row.get(first)) for p in own for row in p.report))
        rows = []
        for program in own:
            variant = variant_name(program.weight_bits, program.scaling, program.decay_bits)
            words = [view.profile(program.profile), *[variant] * view.varied]
            name = ", ".join(filter(None, words))
            by_layer = {str(row.get(first)): row for row in program.report}
            for key in dict.fromkeys(key for row in program.report for key in row):
                if key != first:
                    cells = (by_layer.get(column, {}).get(key) for column in columns)
                    shown = tuple(map(looks.value, cells))
                    rows.append((name, key.replace("_", " "), shown))
        found.append(Layers(model, columns, tuple(rows)))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """An audited network.

    Attributes:
        model: Its name.
        radius: Of the threat, as it is written; ``epsilon`` as a number.
        number: Worst case over all that the audit ran; ``left`` as a share.
        withheld: Whether there is no number.
        samples: Of the slice.
        counts: How many checks ended in which colour.
        findings: Those that are red or amber.
    """

    model: str
    radius: str
    epsilon: float | None
    number: Entry
    left: Proportion | None
    withheld: str
    samples: int
    counts: Mapping[str, int]
    findings: tuple[Mapping[str, Any], ...]


def audit_rows(view: View) -> tuple[AuditRow, ...]:
    """Cards, condensed to what is to be known."""
    rows = []
    for audit in view.manifest.audits:
        card = audit.get("card") or {}
        findings = list(card.get("findings") or ())
        told = [str(finding.get("status")) for finding in findings]
        worth = [f for f in findings if f.get("status") in {"red", "amber"}]
        headline, threat = card.get("headline"), card.get("threat") or {}
        withheld = str(audit.get("withheld") or card.get("withheld") or "")
        left = Proportion(int(headline["count"]), int(headline["n"])) if headline else None
        rows.append(
            AuditRow(
                model=str(audit.get("model") or card.get("subject") or ""),
                radius=looks.epsilon(threat["epsilon"], view.levels) if "epsilon" in threat else "",
                epsilon=threat.get("epsilon"),
                number=entry(left),
                left=left,
                withheld=withheld.removeprefix("withheld: "),
                samples=int(card.get("samples") or 0),
                counts={status: told.count(status) for status in dict.fromkeys(told)},
                findings=tuple(sorted(worth, key=lambda f: f.get("status") != "red")),
            )
        )
    return tuple(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRow:
    """A frozen attack set as the table shows it."""

    made: SetInfo
    method: str
    epsilon: str
    crafted: str
    threat: str
    fooled: Entry


def set_rows(view: View) -> tuple[SetRow, ...]:
    """Sets that were made."""
    return tuple(
        SetRow(
            made=made,
            method=method_name(made.attack, made.gradient),
            epsilon=looks.epsilon(made.epsilon, view.levels),
            crafted=_crafted(view, made),
            threat=looks.proper(made.threat),
            fooled=entry(Proportion(made.fooled, made.right) if made.right else None),
        )
        for made in view.manifest.sets
        if made.status == DONE
    )


def _crafted(view: View, made: SetInfo) -> str:
    shown = view.sets.get(made.set)
    return view.crafted(shown) if shown else " ".join(filter(None, (made.model, made.rung)))


def parameters(view: View) -> dict[str, str]:
    """Of every attack and gradient, by their name, without what stands in the table."""
    found: dict[str, str] = {}
    for made in view.manifest.sets:
        told: dict[str, Any] = {}
        for part in ("attack", "gradient"):
            record = made.request.get(part)
            if isinstance(record, Mapping):
                left = {k: v for k, v in record.items() if k not in {"revision", "gradient"}}
                told |= {key: value for key, value in left.items() if key != "name"}
        if told:
            found[method_name(made.attack, made.gradient)] = looks.value(told)
    return found
