"""What a backend can run, as data: the support table, skip messages and refusals come from here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from neurorobust import ir
from neurorobust.errors import Refusal, Unsupported, grouped

Test = Callable[[ir.Node], bool]


def _is(kind: type[ir.Node]) -> Test:
    return lambda node: isinstance(node, kind)


def _lif(test: Callable[[ir.LIF], bool]) -> Test:
    return lambda node: isinstance(node, ir.LIF) and test(node)


NODE_FEATURES: Mapping[str, Mapping[str, Test]] = {
    "float": {
        "Affine": _is(ir.Affine),
        "Conv1d": _is(ir.Conv1d),
        "Conv2d": lambda node: isinstance(node, ir.Conv2d) and not isinstance(node, ir.FixedConv2d),
        "BatchNorm": _is(ir.BatchNorm),
        "Pool2d avg or sum": lambda node: isinstance(node, ir.Pool2d) and node.op != "max",
        "Pool2d max": lambda node: isinstance(node, ir.Pool2d) and node.op == "max",
        "LIF": _is(ir.LIF),
        "LIF synaptic current (alpha)": _lif(lambda n: n.alpha is not None),
        "LIF compare >=": _lif(lambda n: n.compare == ">="),
        "LIF hard reset": _lif(lambda n: n.reset == "hard" and n.reset_timing == "same"),
        "LIF hard reset to other than 0": _lif(
            lambda n: n.reset == "hard" and bool(np.any(n.reset_to != 0))
        ),
        "LIF hard reset in the next step": _lif(
            lambda n: n.reset == "hard" and n.reset_timing == "next"
        ),
        "LIF soft reset": _lif(lambda n: n.reset == "soft" and n.reset_timing == "same"),
        "LIF soft reset in the next step": _lif(
            lambda n: n.reset == "soft" and n.reset_timing == "next"
        ),
        "LIF no reset": _lif(lambda n: n.reset == "none"),
        "LIF bias": _lif(lambda n: bool(np.any(n.bias != 0))),
        "LIF initial state": _lif(lambda n: bool(np.any(n.v_init != 0) or np.any(n.i_init != 0))),
        "LIF lower bound (v_min)": _lif(lambda n: n.v_min is not None),
        "LIF several spikes per step": _lif(lambda n: n.max_spikes > 1),
        "LIF refractory steps": _lif(lambda n: n.refractory > 0),
        "LI": _is(ir.LI),
        "LI initial state": lambda node: isinstance(node, ir.LI) and bool(np.any(node.v_init != 0)),
    },
    "quantised": {
        "FixedDense": _is(ir.FixedDense),
        "FixedDense graded messages": lambda n: isinstance(n, ir.FixedDense) and n.message_bits > 0,
        "FixedDense sparse storage": lambda n: (
            isinstance(n, ir.FixedDense) and n.storage == "sparse"
        ),
        "FixedDelayDense": _is(ir.FixedDelayDense),
        "FixedConv2d": _is(ir.FixedConv2d),
        "FixedLIF": _is(ir.FixedLIF),
        "FixedTernaryLIF": _is(ir.FixedTernaryLIF),
        "FixedLI": _is(ir.FixedLI),
        "periodic reset": lambda n: isinstance(n, ir.FixedNeuron) and n.reset_interval > 0,
    },
}
"""Per rung: what a single node may ask for, by the name printed in the support table."""

WIRING_FEATURES = ("sum of several edges", "edge delays", "recurrence")
PROGRAM_FEATURES = ("input straight to neurons", "host part")
"""What only a Program may ask for beyond its nodes."""


def known_features(rung: str) -> tuple[str, ...]:
    """All features of a rung, in the order of the table."""
    nodes = NODE_FEATURES["float" if rung == "float" else "quantised"]
    readouts = tuple(f"readout {kind}" for kind in ("count", "mean", "last", "max", "first"))
    own = () if rung == "float" else PROGRAM_FEATURES
    return (*nodes, *WIRING_FEATURES, *own, *readouts)


def features_of(model: ir.Model, rung: str) -> dict[str, list[str]]:
    """Features a model uses, each with the names of the nodes that use it."""
    used: dict[str, list[str]] = {}
    tests = NODE_FEATURES["float" if rung == "float" else "quantised"]
    for name, node in model.nodes.items():
        for feature, test in tests.items():
            if test(node):
                used.setdefault(feature, []).append(name)
        if isinstance(node, ir.Output):
            used.setdefault(f"readout {node.readout}", []).append(name)
        if len(model.incoming(name)) > 1:
            used.setdefault("sum of several edges", []).append(name)
        if any(edge.delay for edge in model.incoming(name)):
            used.setdefault("edge delays", []).append(name)
        integer = isinstance(node, ir.FixedNeuron)
        if integer and any(e.source == model.input for e in model.incoming(name)):
            used.setdefault("input straight to neurons", []).append(name)
    if isinstance(model, ir.Program) and model.host is not None:
        used["host part"] = ["the network"]
    if model.recurrent:
        used["recurrence"] = ["the network"]
    return used


@dataclass(frozen=True, slots=True)
class Deviation:
    """How a run may differ from the exact semantics of the model; printed as a sentence.

    Attributes:
        kind: ``rounding`` (membranes within rounding of a threshold may fall on the other side) or
            ``unverified`` (a release of the library whose laws were not read).
        text: Of what, for people.
    """

    kind: Literal["rounding", "unverified"]
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True, slots=True)
class Support:
    """One rung of one backend.

    Attributes:
        gaps: Feature -> the reason why it does not run; everything else runs exactly.
        limits: A sentence about wiring or values -> a function that names the nodes that break it.
        membrane: Whether membranes can be recorded.
        overflows: Whether overflows can be counted.
        deviations: Known, declared differences from exact semantics.
    """

    gaps: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, Callable[[ir.Model], list[str]]] = field(default_factory=dict)
    membrane: bool = False
    overflows: bool = False
    deviations: tuple[Deviation, ...] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Rungs of a backend, and why the others are missing."""

    rungs: Mapping[str, Support]
    missing_rungs: Mapping[str, str] = field(default_factory=dict)

    def gaps(self, model: ir.Model, rung: str) -> list[Refusal]:
        """One refusal for each thing the model uses and this rung lacks."""
        support = self.rungs[rung]
        gaps = [
            Refusal(", ".join(where), feature, f"{feature} ({support.gaps[feature]})")
            for feature, where in features_of(model, rung).items()
            if feature in support.gaps
        ]
        if gaps:  # limits are looked at where the nodes themselves have a form
            return gaps
        found = ((text, find(model)) for text, find in support.limits.items())
        return [Refusal(", ".join(where), "limit", text) for text, where in found if where]


def require_support(backend: str, capabilities: Capabilities, model: ir.Model, rung: str) -> None:
    """Refuse what cannot run exactly.

    Raises:
        Unsupported: naming every gap with its reason and the backends' way out.
    """
    if rung not in capabilities.rungs:
        reason = capabilities.missing_rungs.get(rung, "not offered")
        gaps = [Refusal("the rung itself", "rung", reason)]
    elif type(model).__name__ != (wanted := "Graph" if rung == "float" else "Program"):
        hint = "lower it first" if wanted == "Program" else "pass the Graph it was lowered from"
        why = f"takes a {wanted}, got a {type(model).__name__}"
        gaps = [Refusal(None, "kind of model", why, hint)]
    else:
        gaps = capabilities.gaps(model, rung) + _foreign(model, rung)
    if gaps:
        msg = (
            f"backend {backend!r} cannot run this model exactly on rung {rung!r}:\n"
            f"{grouped(gaps)}\n`neurorobust backends` shows which backends can"
        )
        raise Unsupported(msg, gaps)


def _foreign(model: ir.Model, rung: str) -> list[Refusal]:
    """Nodes of kinds that the table does not know, such as a user's own."""
    tests = NODE_FEATURES["float" if rung == "float" else "quantised"].values()
    return [
        Refusal(name, "node kind", f"node kind {node.kind} (known to no backend)")
        for name, node in model.nodes.items()
        if not isinstance(node, ir.Input | ir.Flatten | ir.Output)
        and not any(test(node) for test in tests)
    ]
