"""The audit as it is called: the card, its statistics, its page, bad input, the command."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from neurorobust.attacks import Linf, Pgd
from neurorobust.attacks.events.flips import EventFlips
from neurorobust.audit import CHECKS, Reported, Status, audit, page
from neurorobust.audit.gap import gap
from neurorobust.engine.estimators import Rga, Stbp
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput
from neurorobust.ir import Header, save_model
from neurorobust.metrics import Proportion
from tests.support.audit_cases import STEPS, Elsewhere, ball, dense, samples
from tests.support.running import invoke

GRAPH = dense(0)
X, Y = samples(GRAPH)
THREAT = ball(GRAPH, 16 / 255)
FEW = {"C1", "C2", "C3", "C7"}


@pytest.fixture(scope="module")
def card():
    return audit(GRAPH, X, Y, THREAT, panel=(), queries=60)


def test_every_check_runs_once_in_order(card):
    assert [f.id for f in card.findings] == [f"C{n}" for n in range(1, 23)]
    assert [c.id for c in CHECKS] == [f.id for f in card.findings]
    assert all(f.summary and f.remedy and f.trigger for f in card.findings)


def test_headline_is_the_worst_case_over_everything_that_was_run(card):
    assert card.ok
    assert card.headline == Proportion(card.survived, card.samples)
    most = max(found.count for found in card.by_attack.values())
    assert card.survived <= card.right - most
    together = sum(found.count for found in card.by_attack.values())
    assert card.survived >= card.right - together


def test_attack_on_the_card_is_the_attack_called_by_itself(card):
    for estimator, name in ((Rga(), "pgd rga"), (Stbp(), "pgd stbp")):
        made = Pgd(estimator)(Network(GRAPH), X, Y, THREAT)
        assert card.by_attack[name].count == int((made.adversarial_decision != Y).sum())


def test_the_same_seed_gives_the_same_card(card):
    again = audit(GRAPH, X, Y, THREAT, panel=(), queries=60).as_json()
    first = card.as_json()
    first.pop("wall_s"), again.pop("wall_s")
    assert json.dumps(first) == json.dumps(again)


def test_json_is_plain_and_page_is_whole(card):
    assert json.loads(json.dumps(card.as_json(), allow_nan=False))["right"] == len(X)
    text = page(card)
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", text)
    assert not re.search(r"url\(['\"]?(?!#|data:)", text)
    assert f"{100 * card.headline.rate:.1f} %" in text
    HTMLParser().feed(text)


def test_a_red_check_withholds_the_number():
    downhill = Elsewhere(GRAPH)
    honest = downhill.gradient
    downhill.gradient = lambda x, y: -honest(x, y)
    found = audit(downhill, X, Y, THREAT, only=FEW)
    assert found["C7"].status is Status.RED
    assert found.headline is None
    assert found.as_json()["headline"] is None
    assert "C7" in found.withheld
    assert "withheld" in page(found)


def test_sign_test_is_that_of_scipy():
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = rng.random((2, 30)) < rng.random((2, 1))
        found = gap(first, second)
        pairs = found.only_first + found.only_second
        wanted = binomtest(found.only_first, pairs, alternative="greater").pvalue if pairs else 1.0
        assert found.p == pytest.approx(wanted)
        assert found.rate == pytest.approx(first.mean() - second.mean())


def test_gradient_scale_is_that_of_the_layers():
    """The mean gradient behind the readout is known in closed form."""
    found = audit(GRAPH, X, Y, THREAT, gradients=[Stbp()], only={"C4"})["C4"]
    scores = Network(GRAPH).run(torch.tensor(X)[:, None], STEPS)
    error = torch.softmax(scores, 1)
    error[torch.arange(len(Y)), torch.tensor(Y)] -= 1
    wanted = float(error.abs().mean()) / STEPS  # each step adds 1/T to a score
    assert found.evidence["stbp"]["b"] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": X + 1}, "must lie within"),
        ({"x": X[:, :3]}, "the model takes"),
        ({"y": Y[:5]}, "5 labels"),
        ({"y": (Y + 1) % 4}, "decided rightly"),
        ({"gradients": []}, "at least one gradient"),
        ({"gradients": ["nonsense"]}, "no gradient estimator"),
        ({"threat": Linf(epsilon=0.0)}, "radius above 0"),
        ({"nonsense": 1}, "nonsense"),
        ({"y": np.where(np.arange(len(Y)) < 4, 9, Y)}, r"whole numbers in 0\.\.3, got .* 0..9$"),
        ({"y": Y + 0.5}, "whole numbers"),
        ({"y": np.eye(4)[Y]}, r"of shape \(36, 4\)"),
        ({"sample": np.arange(5)}, "one index for 36"),
        (
            {"only": {"C1", "C99"}},
            r"no check is named 'C99'; nearest (.|\s)*known are\s+C1, C2, (.|\s)*C22",
        ),
        ({"threat": Linf(epsilon=0.1, bounds=(-1.0, 1.0))}, "exceed those of the model"),
        ({"twin": GRAPH}, "the twin is the model itself"),
        ({"attack": EventFlips}, "event_flips is not defined for the threat linf, only for events"),
        ({"reported": [Reported(epsilon=0.5, adversarial=X)]}, "nothing was reported at"),
        ({"reported": [Reported(epsilon=THREAT.epsilon, adversarial=X[:, 1:])]}, "adversarial has"),
    ],
)
def test_bad_input_is_named(change, words):
    given = {"x": X, "y": Y, "threat": THREAT, "only": {"C1"}} | change
    with pytest.raises(InvalidInput, match=words):
        audit(GRAPH, **given)


def test_no_number_where_nothing_was_attacked():
    for checks in ({"C1", "C2"}, {"C16", "C18", "C22"}, set()):
        card = audit(GRAPH, X, Y, THREAT, only=checks)
        assert card.ok
        assert card.headline is None
        assert "no check held the attack" in card.withheld


def test_a_lucky_iterate_of_a_model_that_draws_is_no_silent_success():
    """Only the returned sample counts there, so nothing was claimed for the others."""
    graph = dense(0, Header(name="drawn", dt_s=1e-3, steps=8, coding="bernoulli", levels=256))
    found = audit(graph, *samples(graph), ball(graph, 16 / 255), gradients=["stbp"], only={"C13"})
    assert sum(v for v in found["C13"].evidence.values()) > 0
    assert found["C13"].status is Status.AMBER


def test_a_radius_in_single_precision_is_the_same_radius():
    """It is judged, not passed over for an attack that is run here."""
    reported = [Reported(epsilon=float(np.float32(THREAT.epsilon)), adversarial=X)]
    assert reported[0].epsilon != THREAT.epsilon
    card = audit(GRAPH, X, Y, THREAT, only={"C11"}, queries=60, reported=reported)
    assert card.by_attack["reported"].count == 0
    assert card["C11"].status is Status.RED


def test_command(tmp_path):
    pytest.importorskip("sklearn")
    assert invoke("audit", "digits", "--eps", "a lot").exit_code == 2
    path = save_model(GRAPH, tmp_path / "net.safetensors")
    assert invoke("audit", path).exit_code == 2
    assert invoke("audit", path, "--data", "digits").exit_code == 2  # other shapes


@pytest.mark.slow
def test_command_on_the_digits(tmp_path):
    pytest.importorskip("sklearn")
    call = (
        "audit",
        "digits",
        "--data",
        "digits",
        "--limit",
        24,
        "--queries",
        40,
        "--eps",
        "16/255",
    )
    done = invoke(*call, "--models", tmp_path, "--html", tmp_path / "card.html", "--json")
    told = json.loads(done.stdout)
    red = [f["id"] for f in told["findings"] if f["status"] == "red"]
    assert done.exit_code == (1 if red else 0)
    assert (told["headline"] is None) == bool(red)
    assert (tmp_path / "card.html").read_text().startswith("<!doctype html>")
