"""What a backend cannot run exactly it refuses, with a reason; it never falls back silently."""

from dataclasses import dataclass, replace
from typing import ClassVar

from neurorobust.backends import Rung
from neurorobust.errors import Unsupported
from neurorobust.ir import Graph, Model, Node
from neurorobust.ir.base import KINDS, Arithmetic
from neurorobust.testing.networks import fixed_lif, fixed_neurons, lif, neurons, program
from neurorobust.testing.outcome import check
from neurorobust.testing.trial import Skipped, Trial, assert_named


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Stranger(Node):
    """A kind of node that no backend has heard of."""

    arithmetic: ClassVar[Arithmetic | None] = None


# Not for files: a Stranger exists only to be refused.
del KINDS[Stranger.__name__]


def _refused(trial: Trial, model: Model, rung: Rung, what: str) -> Unsupported:
    """The error with which a model is refused."""
    trial.runs += 1
    try:
        trial.backend.compile(model, rung).close()
    except Unsupported as error:
        return error
    raise AssertionError(f"compiles a model with {what} on rung {rung!r}")


@check("refusal/an unknown kind of node", "float", "quantised")
def unknown_node(trial: Trial) -> None:
    """A node without a law is refused by its name and kind."""
    if trial.rung == "float":
        known = neurons(lif(), 3)
        model: Model = Graph.chain(known.header, **_with_stranger(known))
    else:
        given = fixed_neurons(fixed_lif(vth=1), 3)
        model = program(3, **_with_stranger(given))
    refused = _refused(trial, model, trial.rung, "a kind of node that nobody knows")
    found = {(refusal.node, refusal.code) for refusal in refused.refusals}
    assert ("stranger", "node kind") in found, f"the refusal does not name 'stranger': {refused}"


@check("refusal/the wrong kind of model", "float", "quantised")
def wrong_model(trial: Trial) -> None:
    """``float`` takes a Graph and ``quantised`` a Program."""
    floats = trial.rung == "float"
    model: Model = fixed_neurons(fixed_lif(vth=1), 3) if floats else neurons(lif(), 3)
    refused = _refused(trial, model, trial.rung, f"the kind {type(model).__name__}")
    codes = {refusal.code for refusal in refused.refusals}
    assert "kind of model" in codes, f"the refusal does not name the kind of model: {refused}"


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
            refused = _refused(trial, model, rung, "no such rung")
            why = capabilities.missing_rungs.get(rung)
            found = any(r.code == "rung" and why in (None, r.why) for r in refused.refusals)
            assert found, f"the refusal does not say {why or rung!r}: {refused}"


@check("refusal/every declared gap is refused with its reason", "float", "quantised")
def declared_gaps(trial: Trial) -> None:
    """Each gap in the capabilities has an example that is refused, naming node and reason."""
    from neurorobust.testing.checks.features import examples

    gaps = frozenset(trial.support.gaps)
    if not gaps:
        raise Skipped("the capabilities declare no gap")
    for feature in sorted(gaps):
        # Where the feature needs another one that is a gap as well, both are named.
        found = examples(feature, trial.rung, gaps) or examples(
            feature, trial.rung, frozenset({feature})
        )
        for model, _, _ in found[:1]:
            named = trial.backend.capabilities().gaps(model, trial.rung)
            assert_named(_refused(trial, model, trial.rung, feature), named)


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
