"""The checks C1 to C22."""

from neurorobust.audit.check import Check
from neurorobust.audit.checks.gradients import gradient_scale, zero_gradients
from neurorobust.audit.checks.identity import forward_identity, live_graph
from neurorobust.audit.checks.ladder import monotone, unbounded
from neurorobust.audit.checks.landscape import stable
from neurorobust.audit.checks.noise import noise_floor
from neurorobust.audit.checks.outcome import legality, silent_success
from neurorobust.audit.checks.planted import planted
from neurorobust.audit.checks.records import book_keeping, selection
from neurorobust.audit.checks.rivals import estimators, gradient_free, loss_form, white_box
from neurorobust.audit.checks.state import leaks, randomness
from neurorobust.audit.checks.steps import complete, iterative, more_steps

CHECKS: tuple[Check, ...] = (
    forward_identity,
    live_graph,
    zero_gradients,
    gradient_scale,
    noise_floor,
    monotone,
    unbounded,
    iterative,
    more_steps,
    white_box,
    gradient_free,
    estimators,
    silent_success,
    complete,
    stable,
    randomness,
    legality,
    leaks,
    planted,
    loss_form,
    book_keeping,
    selection,
)
"""In the order of their ids, which is also that in which they run: C2 and C3 drop gradients that
the later ones cannot attack with."""
