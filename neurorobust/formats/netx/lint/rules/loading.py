"""Layers that netx cannot build, hangs on, or skips."""

from neurorobust.formats.netx.lint.case import Case
from neurorobust.formats.netx.lint.finding import Seen, rule

_OTHER = "other-dynamics"


@rule("cannot-run", "error", avoid="change the layer as named")
def CANNOT_LOAD(case: Case) -> Seen:  # noqa: N802  # a rule is a constant
    """Whatever the importer refuses because netx does not run it, or not as it says."""
    for refusal in case.plan.refusals:
        if refusal.code != _OTHER:
            yield refusal.layer, f"{refusal.what} [{refusal.code}]; {refusal.way_out}"


@rule("not-examined", "note", avoid="only networks of CUBA neurons are examined")
def NOT_EXAMINED(case: Case) -> Seen:  # noqa: N802
    """Neurons of other dynamics, on which no rule here says anything."""
    for refusal in case.plan.refusals:
        if refusal.code == _OTHER:
            yield refusal.layer, refusal.what
