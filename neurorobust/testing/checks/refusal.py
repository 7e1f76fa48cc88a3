"""What a backend cannot run exactly it refuses, with a reason; it never falls back silently."""

from dataclasses import dataclass, replace
from typing import ClassVar

from neurorobust.backends import Rung
from neurorobust.errors import Unsupported
from neurorobust.ir import Graph, Model, Node
from neurorobust.ir.base import KINDS, Arithmetic
from neurorobust.testing.networks import (
    fixed_lif,
    fixed_neurons,
    lif,
    neurons,
    program,
)
from neurorobust.testing.outcome import Skipped, check
from neurorobust.testing.trial import Trial


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Stranger(Node):
    """A kind of node that no backend has heard of."""

    arithmetic: ClassVar[Arithmetic | None] = None


# Not for files: a Stranger exists only to be refused.
del KINDS[Stranger.__name__]


def _assert_refused(trial: Trial, model: Model, rung: Rung, *words: str) -> None:
    refusal = ""
    try:
        trial.backend.compile(model, rung).close()
    except Unsupported as error:
        refusal = str(error)
    assert refusal, f"compiles a model with {', '.join(words)} on rung {rung!r}"
    missing = [word for word in words if word not in refusal]
    assert not missing, f"the refusal does not name {missing}: {refusal}"
    trial.runs += 1


@check("refusal/an unknown kind of node", "float", "quantised")
def unknown_node(trial: Trial) -> None:
    """A node without a law is refused by its name and kind."""
    if trial.rung == "float":
        known = neurons(lif(), 3)
        model: Model = Graph.chain(known.header, **_with_stranger(known))
    else:
        given = fixed_neurons(fixed_lif(vth=1), 3)
        model = program(3, **_with_stranger(given))
    _assert_refused(trial, model, trial.rung, "stranger", "Stranger")


@check("refusal/the wrong kind of model", "float", "quantised")
def wrong_model(trial: Trial) -> None:
    """``float`` takes a Graph and ``quantised`` a Program."""
    if trial.rung == "float":
        _assert_refused(trial, fixed_neurons(fixed_lif(vth=1), 3), "float", "Graph", "Program")
    else:
        _assert_refused(trial, neurons(lif(), 3), trial.rung, "Graph", "Program")


@check("refusal/a rung that is not offered", "float", "quantised")
def missing_rungs(trial: Trial) -> None:
    """Every other rung is refused, with the reason that the capabilities give."""
    capabilities = trial.backend.capabilities()
    models: dict[Rung, Model] = {
        "float": neurons(lif(), 3),
        "quantised": fixed_neurons(fixed_lif(vth=1), 3),
        "device": fixed_neurons(fixed_lif(vth=1), 3),
    }
    for rung, model in models.items():
        if rung not in capabilities.rungs:
            _assert_refused(trial, model, rung, capabilities.missing_rungs.get(rung, rung))


@check("refusal/every declared gap is refused with its reason", "float", "quantised")
def declared_gaps(trial: Trial) -> None:
    """Each gap in the capabilities has an example that is refused, naming node and reason."""
    from neurorobust.testing.checks.features import examples

    gaps = frozenset(trial.support.gaps)
    if not gaps:
        msg = "the capabilities declare no gap"
        raise Skipped(msg)
    for feature in sorted(gaps):
        # Where the feature needs another one that is a gap as well, both are named.
        found = examples(feature, trial.rung, gaps) or examples(
            feature, trial.rung, frozenset({feature})
        )
        for model, _, _ in found[:1]:
            named = trial.backend.capabilities().gaps(model, trial.rung)
            _assert_refused(trial, model, trial.rung, *named)


@check("refusal/deviations are declared", "float", "quantised")
def deviations(trial: Trial) -> None:
    """A result reports no deviation that the capabilities do not declare; none means exact."""
    for seed in range(4):
        with trial.optional():
            trial.run(*trial.draw(seed))  # the trial itself compares the two lists


def _with_stranger(model: Model) -> dict[str, Node]:
    nodes = dict(model.nodes)
    last = nodes.pop("output")
    return {**nodes, "stranger": Stranger(), "output": replace(last)}
