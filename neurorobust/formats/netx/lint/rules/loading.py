"""Layers that netx cannot build, hangs on, or skips."""

from collections.abc import Iterator

from neurorobust.errors import Refusal
from neurorobust.formats.netx.lint.case import Case
from neurorobust.formats.netx.lint.finding import Seen, rule


def _refused(case: Case, *, other: bool) -> Iterator[tuple[int | None, Refusal]]:
    """Layers that the importer refuses for the dynamics of their neurons, or for all else."""
    for refusal in case.plan.refusals:
        if (refusal.code == "other-dynamics") == other:
            yield refusal.node if isinstance(refusal.node, int) else None, refusal


@rule("cannot-run", "error", avoid="change the layer as named")
def cannot_run(case: Case) -> Seen:
    """Whatever the importer refuses because netx does not run it, or not as it says."""
    for layer, refusal in _refused(case, other=False):
        yield layer, f"{refusal.why} [{refusal.code}]; {refusal.way_out}"


@rule("not-examined", "note", avoid="only networks of CUBA neurons are examined")
def not_examined(case: Case) -> Seen:
    """Neurons of other dynamics, on which no rule here says anything."""
    for layer, refusal in _refused(case, other=True):
        yield layer, refusal.why
