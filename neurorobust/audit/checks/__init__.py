"""The checks C1 to C22."""

from neurorobust.audit.check import Check
from neurorobust.audit.checks import (
    gradients,
    identity,
    ladder,
    landscape,
    noise,
    outcome,
    planted,
    records,
    rivals,
    state,
    steps,
)
from neurorobust.rules import gathered

_FILES = (gradients, identity, ladder, landscape, noise, outcome, planted, records, rivals)
CHECKS = tuple(sorted(gathered(Check, *_FILES, state, steps), key=lambda check: check.number))
"""In the order of their numbers, which is also that in which they run: C2 and C3 drop gradients
that the later ones cannot attack with."""
