"""The audit as it is called: the card, its statistics, its page, bad input, the command."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from typer.testing import CliRunner

from neurorobust.attacks import Linf, Pgd
from neurorobust.audit import CHECKS, Status, audit, page
from neurorobust.audit.compare import gap
from neurorobust.cli import app
from neurorobust.engine.network import Network
from neurorobust.engine.surrogate import Rga, Stbp
from neurorobust.errors import InvalidInput
from neurorobust.ir import save_model
from neurorobust.metrics import Proportion
from tests.unit.audit_cases import STEPS, Elsewhere, ball, dense, samples

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
    assert "http" not in text.replace("http-equiv", "")
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
    ],
)
def test_bad_input_is_named(change, words):
    given = {"x": X, "y": Y, "threat": THREAT, "only": {"C1"}} | change
    with pytest.raises(InvalidInput, match=words):
        audit(GRAPH, **given)


def test_command(tmp_path):
    pytest.importorskip("sklearn")
    wrong = CliRunner().invoke(app, ["audit", "digits", "--eps", "a lot"])
    assert wrong.exit_code == 2
    save_model(GRAPH, tmp_path / "net.safetensors")
    call = ["audit", str(tmp_path / "net.safetensors")]
    assert CliRunner().invoke(app, call).exit_code == 2
    assert CliRunner().invoke(app, [*call, "--data", "digits"]).exit_code == 2  # other shapes


@pytest.mark.slow
def test_command_on_the_digits(tmp_path):
    pytest.importorskip("sklearn")
    call = ["audit", "digits", "--data", "digits", "--limit", "24", "--queries", "40", "--eps"]
    more = ["--models", str(tmp_path), "--html", str(tmp_path / "card.html"), "--json"]
    done = CliRunner().invoke(app, [*call, "16/255", *more])
    told = json.loads(done.stdout)
    red = [f["id"] for f in told["findings"] if f["status"] == "red"]
    assert done.exit_code == (1 if red else 0)
    assert (told["headline"] is None) == bool(red)
    assert (tmp_path / "card.html").read_text().startswith("<!doctype html>")
