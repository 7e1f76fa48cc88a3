"""Honest evaluations: no check may call them red."""

from functools import partial

import numpy as np
import pytest
import torch

from neurorobust.attacks import L2, Pgd, SaPgd
from neurorobust.audit import Replay, Status, audit
from neurorobust.engine.estimators import Assg, Hart, Stbp
from neurorobust.engine.network import Network
from neurorobust.ir import Header
from tests.support.audit_cases import (
    STEPS,
    Elsewhere,
    ball,
    convolutional,
    dense,
    recurrent,
    samples,
    trained,
)

PGD = partial(Pgd, steps=20)
BERNOULLI = Header(name="drawn", dt_s=1e-3, steps=16, coding="bernoulli", levels=256)


def digits():
    load_digits = pytest.importorskip("sklearn.datasets").load_digits
    images, labels = load_digits(return_X_y=True)
    return np.rint(images * 255 / 16) / 255, labels


def random_case(seed, epsilon, gradients=("rga", "stbp"), **more):
    graph = dense(seed)
    return graph, *samples(graph), ball(graph, epsilon / 255), {"gradients": gradients, **more}


def trained_case(seed, epsilon, gradients=("rga", "stbp"), **more):
    images, labels = digits()
    graph = trained(images[:1000], labels[:1000], seed)
    x, y = images[1000:1048], labels[1000:1048]
    return graph, x, y, ball(graph, epsilon / 255), {"gradients": gradients, **more}


def other_case(graph, epsilon, **more):
    return graph, *samples(graph), ball(graph, epsilon / 255), more


def twin_case():
    graph, x, y, threat, more = trained_case(0, 16)
    images, labels = digits()
    twin = trained(images[:1000], labels[:1000], seed=1)
    decided = Network(graph).run(torch.tensor(x)[:, None], STEPS).argmax(1).numpy()
    replay = Replay(name="copy", decision=decided, weights=graph.content_hash, inputs=x)
    return graph, x, y, threat, more | {"twin": twin, "replays": [replay]}


def ball_of_two():
    graph = dense(5)
    return graph, *samples(graph), L2.of(graph.header, 0.4), {}


def elsewhere(seed, epsilon, estimator=None):
    graph = dense(seed)
    return Elsewhere(graph, estimator), *samples(graph), ball(graph, epsilon / 255), {}


HONEST = {
    **{
        f"random {seed}, {epsilon}/255": partial(random_case, seed, epsilon)
        for seed in (0, 1, 2, 3)
        for epsilon in (4, 16)
    },
    "random, hart": partial(random_case, 4, 8, ("hart", "stbp")),
    "random, assg and sa-pgd": partial(
        random_case, 5, 8, ("assg",), attack=partial(SaPgd, steps=40)
    ),
    "random, pdsg": partial(random_case, 6, 8, ("pdsg", "rga")),
    **{
        f"digits {seed}, {epsilon}/255": partial(trained_case, seed, epsilon)
        for seed in (0, 1)
        for epsilon in (4, 12, 32)
    },
    "digits, tuned on validation, standard panel": partial(
        trained_case, 2, 12, (Hart(0.5), "stbp"), tuned_on="validation", panel=None
    ),
    "digits, twin and replay": twin_case,
    "convolutional": partial(other_case, convolutional(0), 12),
    "recurrent": partial(other_case, recurrent(0), 12, gradients=("stbp", "assg")),
    "soft reset": partial(other_case, dense(7, reset="soft"), 12),
    "no leak": partial(other_case, dense(8, beta=1.0, reset="soft"), 12),
    "L2": ball_of_two,
    "elsewhere": partial(elsewhere, 0, 12),
    "elsewhere, hart": partial(elsewhere, 1, 12, Hart(1.0)),
    "drawn input": partial(
        other_case, dense(9, BERNOULLI), 32, gradients=("stbp",), attack=partial(Pgd, steps=8)
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HONEST)
def test_nothing_is_red(name):
    model, x, y, threat, more = HONEST[name]()
    usual = {"attack": PGD, "panel": (Stbp("arctan"), Hart(0.5), Assg())}
    card = audit(model, x, y, threat, queries=60, **usual | more)
    assert not card.of(Status.RED), [(f.id, f.summary) for f in card.of(Status.RED)]
    assert card.headline is not None
    assert card.headline.count == card.survived
