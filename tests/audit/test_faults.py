"""Planted faults: each is found by a check that is there for it, and withholds the headline."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from neurorobust.attacks import Linf, Pgd
from neurorobust.audit import Replay, Reported, Status, audit
from neurorobust.engine.estimators import Estimator, Hart, Pdsg, Stbp
from neurorobust.engine.network import Network
from neurorobust.ir import Affine, Header
from tests.support.audit_cases import STEPS, Elsewhere, ball, dense, samples
from tests.support.small import changed

GRAPH = dense(0)
X, Y = samples(GRAPH)
THREAT = ball(GRAPH, 16 / 255)
WIDE = {"threat": ball(GRAPH, 32 / 255)}
PGD = partial(Pgd, steps=10)
FAULTS = {}


def fault(*expected):
    """Register a planted fault with the checks of which one at least has to be red."""

    def keep(make):
        FAULTS[make.__name__.replace("_", " ")] = (make, expected)
        return make

    return keep


def look(model, x=X, y=Y, threat=THREAT, **more):
    usual = {"attack": PGD, "gradients": ("stbp",), "panel": (), "queries": 150}
    return audit(model, x, y, threat, **usual | more)


class Planted(Estimator):
    """A faulty estimator; it has a name, but not on the class, which would register it."""

    def __init__(self, scores):
        self.name, self._scores = "planted", scores

    def scores(self, network, x, steps):
        return self._scores(network, x, steps)

    def parameters(self):
        return {}


def elsewhere(**parts):
    """An evaluation made elsewhere with some parts replaced."""
    made = Elsewhere(GRAPH)
    for name, part in parts.items():
        setattr(made, name, partial(part, made))
    return made


def with_lif(graph, **fields):
    return changed(graph, lif=replace(graph.nodes["lif"], **fields))


def other_forward(graph, **fields):
    wrong = Network(with_lif(graph, **fields))
    return Planted(lambda network, x, steps: Stbp().scores(wrong, x, steps))


def gradient_of(part):
    """An evaluation made elsewhere whose gradient passes a function."""
    return elsewhere(gradient=lambda self, x, y: part(Elsewhere.gradient(self, x, y)))


def scores_of(part):
    """An evaluation made elsewhere whose scores pass a function, with and without a gradient."""
    return elsewhere(
        scores=lambda self, x: part(Elsewhere.scores(self, x)),
        differentiable=lambda self, x: part(Elsewhere.differentiable(self, x)),
    )


def differentiable_of(part):
    """An evaluation made elsewhere whose scores pass a function where a gradient is taken."""
    return elsewhere(differentiable=lambda self, x: part(Elsewhere.differentiable(self, x)))


def noise(seed):
    """Gradients of the same shape that are drawn."""
    numbers = torch.Generator().manual_seed(seed)
    return gradient_of(lambda found: torch.randn(found.shape, generator=numbers))


# C1: another forward pass


@fault("C1")
def at_least_instead_of_greater():
    draw = np.random.default_rng(3)
    coarse = dense(3, Header(dt_s=1e-3, steps=STEPS, levels=5), beta=0.5)
    weight = draw.integers(-2, 3, coarse.nodes["a"].weight.shape) / 2
    bias = np.round(0.75 - weight.sum(1) / 2, 1) * 4 // 1 / 4
    graph = changed(coarse, a=Affine(weight=weight, bias=bias))
    x, y = samples(graph)
    estimator = other_forward(graph, compare=">=")
    return look(with_lif(graph, compare=">"), x, y, ball(graph, 0.25), gradients=(estimator,))


# C2, C3: no gradient


@fault("C2")
def neurons_without_backward():
    def scores(network, x, steps):
        return network.run(x.detach(), steps) + 0 * x.flatten(1).sum(1, keepdim=True)

    return look(GRAPH, gradients=(Planted(scores),))


@fault("C3")
def gradients_that_are_not_finite():
    def part(found):
        found[::5] = torch.nan
        return found

    return look(gradient_of(part))


@fault("C3", "C7")
def steep_differentiable_spike_encoder():
    network = Network(GRAPH, dtype=torch.float32)
    numbers = torch.Generator().manual_seed(0)

    def drawn(x, encode):
        uniform = torch.rand((len(x), 24, *x.shape[1:]), generator=numbers)
        return encode(x[:, None] - uniform)

    def scores(self, x):
        return network.run(drawn(x, lambda u: (u > 0).float()), 24)

    def differentiable(self, x):
        return Stbp().scores(network, drawn(x, lambda u: torch.sigmoid(1e6 * u)), 24)

    own = elsewhere(scores=scores, differentiable=differentiable)
    y = torch.stack([own.scores(torch.tensor(X).float()).argmax(1) for _ in range(9)]).mode(0)[0]
    only = {"C3", "C5", "C7", "C16"}
    return look(own, X, y.numpy(), eot=10, votes=10, only=only)


# C5 to C9, C19: gradients and attacks that lead nowhere


@fault("C19")
def a_gradient_of_another_network():
    def differentiable(self, x):
        own = Elsewhere.scores(self, x)
        other = Stbp().scores(Network(dense(77), dtype=torch.float32), x[:, None], STEPS)
        return own + other - other.detach()

    return look(elsewhere(differentiable=differentiable))


@fault("C12")
def the_weakest_estimator_alone():
    numbers = torch.Generator().manual_seed(2)

    def scores(network, x, steps):
        exact = network.run(x, steps).detach()
        weight = torch.randn((*x.shape[2:], exact.shape[1]), generator=numbers).to(x)
        path = x.mean(1).flatten(1).to(exact) @ weight.flatten(0, -2).to(exact)
        return exact + path - path.detach()

    return look(GRAPH, gradients=(Planted(scores),), panel=(Stbp("arctan"), Hart(0.5)))


@fault("C6")
def success_that_falls_with_the_radius():
    rng = np.random.default_rng(0)
    strong = Pgd(Stbp())(Network(GRAPH), X, Y, ball(GRAPH, 32 / 255)).adversarial
    weak = Linf.of(GRAPH.header, 64 / 255)
    noise = X + rng.choice([-1, 1], X.shape) / 255
    far = weak.legalise(torch.tensor(noise), torch.tensor(X)).numpy()
    reported = [
        Reported(epsilon=32 / 255, adversarial=strong),
        Reported(epsilon=64 / 255, adversarial=far),
    ]
    return look(elsewhere(), reported=reported, **WIDE)


# C13, C17: what is returned


class LastIterate(Pgd):
    """Counts any iterate and returns the last."""

    def propose(self, case):
        super().propose(case)
        return case.threat.random(case.x, case.draws)


@fault("C17")
def radius_exceeded_after_storage_in_8_bits():
    threat = Linf(epsilon=10.6 / 255)
    x = X * 0.8 + 0.1
    adversarial = x + threat.epsilon
    y = Network(GRAPH).run(torch.tensor(x)[:, None], STEPS).argmax(1).numpy()
    return look(
        elsewhere(), x, y, threat, storage_levels=256,
        reported=[Reported(epsilon=threat.epsilon, adversarial=adversarial)],
    )  # fmt: skip


@fault("C17")
def counts_cut_below_what_an_event_frame_holds():
    header = Header(dt_s=1e-3, steps=STEPS, coding="events", bounds=(0.0, 4.0), levels=5)
    graph = dense(1, header)
    x = np.random.default_rng(0).integers(0, 5, (24, STEPS, 16)).astype(float)
    y = Network(graph).run(torch.tensor(x), STEPS).argmax(1).numpy()
    threat = Linf.of(header, 1.0)
    reported = [Reported(epsilon=1.0, adversarial=np.clip(x + 0.03, 0, 1))]
    return look(graph, x, y, threat, reported=reported, only={"C17"})


# C16, C18: randomness and state


@fault("C16")
def one_draw_of_a_model_that_draws():
    header = Header(dt_s=1e-3, steps=16, coding="bernoulli", levels=256)
    graph = dense(2, header)
    x, y = samples(graph)
    return look(graph, x, y, ball(graph, 16 / 255), eot=1, votes=1, only={"C16"})


@fault("C16")
def noise_in_the_forward_pass():
    def scores(self, x):
        clean = Elsewhere.scores(self, x)
        return clean + 0.3 * torch.randn(clean.shape)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return look(elsewhere(scores=scores), only={"C16"})


@fault("C18")
def state_kept_between_calls():
    kept = {"mean": 0.0}

    def scores(self, x):
        found = Elsewhere.scores(self, x) + 0.2 * kept["mean"]
        kept["mean"] = found.mean()
        return found

    return look(elsewhere(scores=scores))


@fault("C18")
def state_kept_between_samples():
    def scores(self, x):
        found = Elsewhere.scores(self, x)
        return found + 0.3 * found.roll(1, 0)

    own = elsewhere(scores=scores)
    return look(own, y=own.scores(torch.tensor(X).float()).argmax(1).numpy())


def replaying(**fields):
    usual = {"name": "chip", "decision": Y, "weights": GRAPH.content_hash, "inputs": X}
    return look(GRAPH, replays=[Replay(**usual | fields)], only={"C21"})


def reporting(adversarial, **more):
    reported = [Reported(epsilon=THREAT.epsilon, adversarial=adversarial, **more)]
    return look(elsewhere(), reported=reported)


ONE_IN_TEN = np.where(np.arange(len(Y)) % 10 == 0, (Y + 1) % 4, Y)
FAULTS |= {
    # C1: another forward pass
    "if neurons instead of lif": (
        lambda: look(GRAPH, gradients=(other_forward(GRAPH, beta=1.0),)),
        ("C1",),
    ),
    "soft reset instead of hard": (
        lambda: look(GRAPH, gradients=(other_forward(GRAPH, reset="soft"),)),
        ("C1",),
    ),
    "scores of training mode": (
        lambda: look(differentiable_of(lambda scores: scores * 1.1)),
        ("C1",),
    ),
    # C2, C3: no gradient
    "dead gradient in evaluation mode": (
        lambda: look(differentiable_of(torch.Tensor.detach)),
        ("C2",),
    ),
    "no gradient at all": (lambda: look(gradient_of(lambda found: None)), ("C2",)),
    "saturated scores": (lambda: look(scores_of(lambda s: torch.tanh(60 * s))), ("C3",)),
    "masked by huge scores": (lambda: look(scores_of(lambda s: 1e3 * s)), ("C3", "C20")),
    "a loss that saturates": (lambda: look(scores_of(lambda s: 60 * s), **WIDE), ("C3", "C20")),
    # C5 to C9: gradients and attacks that lead nowhere
    "a gradient of noise": (lambda: look(noise(1)), ("C5", "C7")),
    "a gradient downhill": (lambda: look(gradient_of(torch.neg)), ("C5", "C7")),
    "a gradient of another label": (
        lambda: look(
            elsewhere(gradient=lambda self, x, y: Elsewhere.gradient(self, x, (y + 1) % 4))
        ),
        ("C5", "C7", "C11"),
    ),
    "a gradient of another sample": (
        lambda: look(gradient_of(lambda found: found.roll(1, 0))),
        ("C5", "C7", "C18"),
    ),
    "steps too small": (
        lambda: look(GRAPH, attack=partial(Pgd, steps=10, relative_step=0.005), **WIDE),
        ("C8", "C9"),
    ),
    "too few steps": (
        lambda: look(GRAPH, attack=partial(Pgd, steps=2, relative_step=0.1), **WIDE),
        ("C8", "C9"),
    ),
    # C10, C11: others do better; the gradient is that of noise, the decisions are honest
    "transfer stronger than white box": (lambda: look(noise(3), twin=Elsewhere(GRAPH)), ("C10",)),
    "queries stronger than gradients": (lambda: look(noise(3), **WIDE), ("C11",)),
    # C13, C17: what is returned
    "another iterate than the successful one": (
        lambda: look(GRAPH, attack=partial(LastIterate, steps=10), **WIDE),
        ("C13",),
    ),
    "success claimed for what is not returned": (
        lambda: reporting(X, fooled=np.ones(len(X), bool)),
        ("C13",),
    ),
    "values beside the grid": (lambda: reporting(X + 0.3 / 255 * (X < 0.5)), ("C17",)),
    "values out of bounds": (lambda: reporting(X - 16 / 255), ("C17",)),
    "radius exceeded": (lambda: reporting(np.clip(X + 17 / 255, 0, 1)), ("C17",)),
    # C18: a state that is kept
    "an estimator that looks at the batch": (
        lambda: look(GRAPH, gradients=(Pdsg("batch"),)),
        ("C18",),
    ),
    "gradients centred over the batch": (
        lambda: look(gradient_of(lambda found: found - found.mean(0))),
        ("C18",),
    ),
    # C21, C22: replays and tuning
    "transfer with other weights": (
        lambda: replaying(weights=dense(5).content_hash),
        ("C21",),
    ),
    "transfer of other inputs": (lambda: replaying(inputs=X[::-1]), ("C21",)),
    "transfer over other steps": (lambda: replaying(steps=2 * STEPS), ("C21",)),
    "transfer to a broken port": (lambda: replaying(decision=ONE_IN_TEN), ("C21",)),
    "tuned on the reported samples": (
        lambda: look(GRAPH, gradients=(Hart(0.5, tuned_on="test"),), only={"C22"}),
        ("C22",),
    ),
    "tuned elsewhere on the reported samples": (
        lambda: look(elsewhere(), tuned_on="validation", split="validation", only={"C22"}),
        ("C22",),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_found(name):
    make, expected = FAULTS[name]
    card = make()
    red = {finding.id for finding in card.of(Status.RED)}
    assert red & set(expected), [(f.id, f.status.value, f.summary) for f in card.findings]
    assert card.headline is None
    assert all(one in card.withheld for one in red)


def test_planted_errors_are_missed_without_a_backward_rule():
    """The negative control: C19 is green with the network's gradient, red with another's."""
    honest = look(Elsewhere(GRAPH), only={"C19"})
    assert honest["C19"].status is not Status.RED
    rounds = honest["C19"].evidence.values()
    assert all(r["found without gradient"] < r["planted"] / 4 for r in rounds)
    widest = list(rounds)[-1]
    assert widest["found"] >= 0.95 * widest["planted"]
