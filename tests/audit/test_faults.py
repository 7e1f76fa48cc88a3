"""Planted faults: each is found by a check that is there for it, and withholds the headline."""

from functools import partial

import numpy as np
import pytest
import torch

from neurorobust.attacks import Linf, Pgd
from neurorobust.audit import Replay, Reported, Status, audit
from neurorobust.engine.estimators import Estimator, Hart, Pdsg, Stbp
from neurorobust.engine.network import Network
from neurorobust.ir import LIF, Graph, Header
from tests.support.audit_cases import STEPS, Elsewhere, ball, dense, samples

GRAPH = dense(0)
X, Y = samples(GRAPH)
THREAT = ball(GRAPH, 16 / 255)
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


class Foreign(Elsewhere):
    """An evaluation made elsewhere with one part replaced."""

    def __init__(self, graph=GRAPH, **parts):
        super().__init__(graph)
        for name, part in parts.items():
            setattr(self, name, partial(part, self))


def elsewhere(**parts):
    return Foreign(**parts)


def changed(graph, **fields):
    lif = graph.nodes["lif"]
    made = LIF(**lif.arrays() | lif.attributes() | fields)
    return Graph(header=graph.header, nodes={**graph.nodes, "lif": made}, edges=graph.edges)


def other_forward(graph, **fields):
    wrong = Network(changed(graph, **fields))
    return Planted(lambda network, x, steps: Stbp().scores(wrong, x, steps))


def gradient_of(part):
    """An evaluation whose gradient passes a function of ``(x, y, gradient)``."""

    def gradient(self, x, y):
        return part(self, x, y, Elsewhere.gradient(self, x, y))

    return gradient


# C1: another forward pass


@fault("C1")
def if_neurons_instead_of_lif():
    return look(GRAPH, gradients=(other_forward(GRAPH, beta=1.0),))


@fault("C1")
def soft_reset_instead_of_hard():
    return look(GRAPH, gradients=(other_forward(GRAPH, reset="soft"),))


@fault("C1")
def at_least_instead_of_greater():
    draw = np.random.default_rng(3)
    coarse = dense(3, Header(dt_s=1e-3, steps=STEPS, levels=5), beta=0.5)
    nodes = dict(coarse.nodes)
    a = nodes["a"]
    weight = draw.integers(-2, 3, a.weight.shape) / 2
    nodes["a"] = type(a)(weight=weight, bias=np.round(0.75 - weight.sum(1) / 2, 1) * 4 // 1 / 4)
    graph = Graph(header=coarse.header, nodes=nodes, edges=coarse.edges)
    x, y = samples(graph)
    estimator = other_forward(changed(graph, compare=">"), compare=">=")
    return look(changed(graph, compare=">"), x, y, ball(graph, 0.25), gradients=(estimator,))


@fault("C1")
def scores_of_training_mode():
    def differentiable(self, x):
        return Elsewhere.differentiable(self, x) * 1.1

    return look(elsewhere(differentiable=differentiable))


# C2, C3: no gradient


@fault("C2")
def dead_gradient_in_evaluation_mode():
    def differentiable(self, x):
        return Elsewhere.differentiable(self, x).detach()

    return look(elsewhere(differentiable=differentiable))


@fault("C2")
def no_gradient_at_all():
    return look(elsewhere(gradient=lambda self, x, y: None))


@fault("C2")
def neurons_without_backward():
    def scores(network, x, steps):
        return network.run(x.detach(), steps) + 0 * x.flatten(1).sum(1, keepdim=True)

    return look(GRAPH, gradients=(Planted(scores),))


@fault("C3")
def gradients_that_are_not_finite():
    def part(self, x, y, found):
        found[::5] = torch.nan
        return found

    return look(elsewhere(gradient=gradient_of(part)))


@fault("C3")
def saturated_scores():
    def scores(self, x):
        return torch.tanh(60 * Elsewhere.scores(self, x))

    def differentiable(self, x):
        return torch.tanh(60 * Elsewhere.differentiable(self, x))

    return look(elsewhere(scores=scores, differentiable=differentiable))


@fault("C3", "C20")
def masked_by_huge_scores():
    def scores(self, x):
        return 1e3 * Elsewhere.scores(self, x)

    def differentiable(self, x):
        return 1e3 * Elsewhere.differentiable(self, x)

    return look(elsewhere(scores=scores, differentiable=differentiable))


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


@fault("C5", "C7")
def a_gradient_of_noise():
    numbers = torch.Generator().manual_seed(1)

    def part(self, x, y, found):
        return torch.randn(found.shape, generator=numbers)

    return look(elsewhere(gradient=gradient_of(part)))


@fault("C5", "C7")
def a_gradient_downhill():
    return look(elsewhere(gradient=gradient_of(lambda self, x, y, found: -found)))


@fault("C5", "C7", "C11")
def a_gradient_of_another_label():
    def gradient(self, x, y):
        return Elsewhere.gradient(self, x, (y + 1) % 4)

    return look(elsewhere(gradient=gradient))


@fault("C5", "C7", "C18")
def a_gradient_of_another_sample():
    return look(elsewhere(gradient=gradient_of(lambda self, x, y, found: found.roll(1, 0))))


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
    strong = attacked(32 / 255)
    weak = Linf.of(GRAPH.header, 64 / 255)
    noise = X + rng.choice([-1, 1], X.shape) / 255
    far = weak.legalise(torch.tensor(noise), torch.tensor(X)).numpy()
    return look(
        elsewhere(),
        reported=[
            Reported(epsilon=32 / 255, adversarial=strong),
            Reported(epsilon=64 / 255, adversarial=far),
        ],
        threat=ball(GRAPH, 32 / 255),
    )


@fault("C8", "C9")
def steps_too_small():
    attack = partial(Pgd, steps=10, relative_step=0.005)
    return look(GRAPH, attack=attack, threat=ball(GRAPH, 32 / 255))


@fault("C8", "C9")
def too_few_steps():
    attack = partial(Pgd, steps=2, relative_step=0.1)
    return look(GRAPH, attack=attack, threat=ball(GRAPH, 32 / 255))


# C10, C11: others do better


@fault("C10")
def transfer_stronger_than_white_box():
    return look(masked(), twin=Elsewhere(GRAPH))


@fault("C11")
def queries_stronger_than_gradients():
    return look(masked(), threat=ball(GRAPH, 32 / 255))


# C13, C17: what is returned


class LastIterate(Pgd):
    """Counts any iterate and returns the last."""

    def propose(self, case):
        super().propose(case)
        return case.threat.random(case.x, case.draws)


@fault("C13")
def another_iterate_than_the_successful_one():
    return look(GRAPH, attack=partial(LastIterate, steps=10), threat=ball(GRAPH, 32 / 255))


@fault("C13")
def success_claimed_for_what_is_not_returned():
    claimed = np.ones(len(X), bool)
    return look(
        elsewhere(),
        reported=[Reported(epsilon=THREAT.epsilon, adversarial=X, fooled=claimed)],
    )


@fault("C17")
def values_beside_the_grid():
    return reporting(X + 0.3 / 255 * (X < 0.5))


@fault("C17")
def values_out_of_bounds():
    return reporting(X - 16 / 255)


@fault("C17")
def radius_exceeded():
    return reporting(np.clip(X + 17 / 255, 0, 1))


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

    y = look_up(scores)
    return look(elsewhere(scores=scores), y=y)


@fault("C18")
def an_estimator_that_looks_at_the_batch():
    return look(GRAPH, gradients=(Pdsg("batch"),))


@fault("C18")
def gradients_centred_over_the_batch():
    part = gradient_of(lambda self, x, y, found: found - found.mean(0))
    return look(elsewhere(gradient=part))


# C20 to C22


@fault("C3", "C20")
def a_loss_that_saturates():
    def scores(self, x):
        return 60 * Elsewhere.scores(self, x)

    def differentiable(self, x):
        return 60 * Elsewhere.differentiable(self, x)

    own = elsewhere(scores=scores, differentiable=differentiable)
    return look(own, threat=ball(GRAPH, 32 / 255))


def replaying(**fields):
    usual = {"name": "chip", "decision": Y, "weights": GRAPH.content_hash, "inputs": X}
    return look(GRAPH, replays=[Replay(**usual | fields)], only={"C21"})


@fault("C21")
def transfer_with_other_weights():
    return replaying(weights=dense(5).content_hash)


@fault("C21")
def transfer_of_other_inputs():
    return replaying(inputs=X[::-1])


@fault("C21")
def transfer_over_other_steps():
    return replaying(steps=2 * STEPS)


@fault("C21")
def transfer_to_a_broken_port():
    return replaying(decision=np.where(np.arange(len(Y)) % 10 == 0, (Y + 1) % 4, Y))


@fault("C22")
def tuned_on_the_reported_samples():
    tuned = Hart(0.5, tuned_on="test")
    return look(GRAPH, gradients=(tuned,), only={"C22"})


@fault("C22")
def tuned_elsewhere_on_the_reported_samples():
    return look(elsewhere(), tuned_on="validation", split="validation", only={"C22"})


def masked():
    """The gradient is that of noise, the decisions are honest."""
    numbers = torch.Generator().manual_seed(3)
    part = gradient_of(lambda self, x, y, found: torch.randn(found.shape, generator=numbers))
    return elsewhere(gradient=part)


def attacked(epsilon):
    return Pgd(Stbp())(Network(GRAPH), X, Y, ball(GRAPH, epsilon)).adversarial


def look_up(scores):
    own = elsewhere(scores=scores)
    return own.scores(torch.tensor(X).float()).argmax(1).numpy()


def reporting(adversarial):
    return look(elsewhere(), reported=[Reported(epsilon=THREAT.epsilon, adversarial=adversarial)])


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
