"""Attacks of other libraries on our models, and ours against theirs; torchattacks if installed."""

from functools import partial

import numpy as np
import pytest
import torch

from neurorobust.attacks import Apgd, Linf, Pgd, Square, Target, UniformNoise
from neurorobust.attacks.adapters import (
    ScoresModule,
    to_art,
    to_art_black_box,
    to_autoattack,
    to_foolbox,
    to_torchattacks,
)
from neurorobust.attacks.adapters.require import require
from neurorobust.backends import get_backend
from neurorobust.engine.estimators import Rga, Stbp
from neurorobust.engine.network import Network
from neurorobust.errors import BackendUnavailable, Unsupported
from neurorobust.ir import LI, LIF, Affine, Conv2d, Flatten, Header
from tests.support import small
from tests.support.running import python

EPSILON, COUNT, STEPS = 0.04, 192, 20
CLOSE = 0.05
"""Largest difference of two success rates."""


def graph(**header):
    draw = np.random.default_rng(3)
    weight = draw.normal(size=(6, 1, 3, 3))
    return small.graph(
        (1, 6, 6),
        Header(dt_s=1e-3, steps=6, **header),
        readout="last",
        conv=Conv2d(weight=weight, bias=0.6 - weight.sum((1, 2, 3)) / 2, padding=(1, 1)),
        lif=LIF(beta=0.8, threshold=1.0),
        flat=Flatten(),
        b=Affine(weight=draw.normal(size=(5, 216)) / 5),
        top=LI(beta=1.0, gain_in=1 / 2),
    )


@pytest.fixture(scope="module")
def network():
    return Network(graph(), dtype=torch.float32)


@pytest.fixture(scope="module")
def data(network):
    x = np.random.default_rng(9).uniform(0, 1, (COUNT, 1, 6, 6))
    return x, Target(network, None).decide(torch.tensor(x)).numpy()


def tensors(data):
    return torch.tensor(data[0], dtype=torch.float32), torch.tensor(data[1])


def theirs(network, data, found):
    """Success of samples made elsewhere, once inside the ball to single precision."""
    x, y = map(np.asarray, data)
    found = np.asarray(found.detach() if isinstance(found, torch.Tensor) else found, np.float64)
    assert np.abs(found - x).max() <= EPSILON + 1e-6
    return float((Target(network, None).decide(torch.tensor(found)).numpy() != y).mean())


def ours(network, data, attack):
    made = attack(network, *data, Linf(epsilon=EPSILON))
    return float((made.adversarial_decision != data[1]).mean())


def test_the_module_gives_scores_with_the_estimators_gradient(network, data):
    x, y = tensors(data)
    module = ScoresModule(network, Rga())
    with torch.no_grad():
        assert torch.equal(module(x), network.run(x[:, None], 6))
    at = x.clone().requires_grad_()
    target = Target(network, Rga())
    scaled = module(at).double() * target.scale  # the readout sums over steps
    torch.nn.functional.cross_entropy(scaled, y, reduction="sum").backward()
    assert torch.equal(at.grad, target.gradient(x, y))


def test_what_is_missing_is_named():
    with pytest.raises(BackendUnavailable, match=r"nolib cannot be imported .*: pip install nolib"):
        require("nolib.part", "pip install nolib")


@pytest.mark.parametrize("module", ["art", "foolbox", "torchattacks", "pyautoattack"])
def test_importing_the_adapters_imports_no_library(module):
    code = f"import sys, neurorobust.attacks.adapters; sys.exit({module!r} in sys.modules)"
    assert python("-c", code).returncode == 0


def test_models_that_do_not_fit():
    drawn = Network(graph(coding="bernoulli"))
    with pytest.raises(Unsupported, match="do not average over bernoulli draws"):
        ScoresModule(drawn, Rga())


def art_pgd(network, x, y):
    from art.attacks.evasion import ProjectedGradientDescentPyTorch

    given = {"eps": EPSILON, "eps_step": EPSILON / 4, "max_iter": STEPS, "num_random_init": 1}
    attack = ProjectedGradientDescentPyTorch(to_art(network, Stbp()), **given, verbose=False)
    return attack.generate(x.numpy(), np.eye(5)[y])


def foolbox_pgd(network, x, y):
    from foolbox.attacks import LinfPGD

    attack = LinfPGD(rel_stepsize=0.25, steps=STEPS)
    _, clipped, success = attack(to_foolbox(network, Stbp()), x, y, epsilons=EPSILON)
    assert theirs(network, (x, y), clipped) == pytest.approx(float(success.float().mean()))
    return clipped


def torchattacks_pgd(network, x, y):
    pytest.importorskip("torchattacks")
    given = {"eps": EPSILON, "alpha": EPSILON / 4, "steps": STEPS}
    return to_torchattacks(network, Stbp(), "PGD", **given)(x, y)


def autoattack_apgd(network, x, y, loss="ce"):
    attack = to_autoattack(network, Stbp(), EPSILON, attacks=[f"apgd-{loss}"], version="custom")
    attack.apgd.n_iter, attack.apgd.n_restarts = STEPS, 1
    return attack.run_standard_evaluation(x, y, batch_size=COUNT)[0]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("attack", "own"),
    [
        *((made, Pgd(Stbp(), steps=STEPS)) for made in (art_pgd, foolbox_pgd, torchattacks_pgd)),
        *(
            (partial(autoattack_apgd, loss=loss), Apgd(Stbp(), steps=STEPS, loss=loss))
            for loss in ("ce", "dlr")
        ),
    ],
)
def test_theirs_succeed_as_often_as_ours(network, data, attack, own):
    rate = theirs(network, data, attack(network, *tensors(data)))
    assert abs(rate - ours(network, data, own)) <= CLOSE


@pytest.mark.filterwarnings("ignore")
class TestArt:
    def test_square_on_a_backend_that_only_predicts(self, network, data):
        from art.attacks.evasion import SquareAttack

        executable = get_backend("torch").compile(network.graph, "float")
        classifier = to_art_black_box(network.graph, executable)
        x = data[0].astype(np.float32)
        scores = classifier.predict(x)
        assert np.array_equal(scores.argmax(1), data[1])
        attack = SquareAttack(classifier, eps=EPSILON, max_iter=150, verbose=False)
        found = attack.generate(x, np.eye(5)[data[1]])
        chance = ours(network, data, UniformNoise())
        assert theirs(network, data, found) > chance + 0.3

    def test_images_only(self):
        model = graph(coding="events")
        with pytest.raises(Unsupported, match="takes events coding"):
            to_art_black_box(model, get_backend("torch").compile(model, "float"))


@pytest.mark.filterwarnings("ignore")
class TestAutoAttack:
    def test_square(self, network, data):
        x, y = tensors(data)
        attack = to_autoattack(network, Stbp(), EPSILON, attacks=["square"], version="custom")
        attack.square.n_queries, attack.square.rescale_schedule = 200, True
        rate = theirs(network, data, attack.run_standard_evaluation(x, y, batch_size=COUNT)[0])
        # Theirs never draws the last row and column, a third of these small images.
        assert rate - CLOSE <= ours(network, data, Square(queries=200)) <= rate + 3 * CLOSE

    def test_other_bounds(self):
        with pytest.raises(Unsupported, match=r"inputs in 0\.\.1 only"):
            to_autoattack(Network(graph(bounds=(-1.0, 1.0))), Rga(), 0.1)


def test_an_attack_that_torchattacks_has_not(network):
    pytest.importorskip("torchattacks")
    with pytest.raises(Unsupported, match="no attack 'PDG'"):
        to_torchattacks(network, Stbp(), "PDG")
