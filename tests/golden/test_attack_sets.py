"""Attack sets: what is asked for, the names under which it is kept, and what is decided."""

import json
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from neurorobust.attacks import (
    ATTACKS,
    THREATS,
    AttackSet,
    GradientAttack,
    Request,
    attack_names,
    craft,
    ensemble,
    make_attack,
    make_threat,
)
from neurorobust.attacks.targeted import Targeted, every_target
from neurorobust.attacks.transferred import Transferred
from neurorobust.backends import get_backend
from neurorobust.chips import load_profile
from neurorobust.data import encode
from neurorobust.engine.estimators import ESTIMATORS, Stbp, make_estimator
from neurorobust.engine.integer_gradient import IntegerTarget
from neurorobust.engine.network import Network
from neurorobust.lower import lower
from neurorobust.methods import spelled, spelling
from neurorobust.study.crafters import crafters
from tests.golden.networks import dense, events, header, images, lif
from tests.golden.pinning import pinned, structure

LINF, L2 = (("linf", 0.25, {}), ("l2", 0.75, {}))
FLIPS, MOVES = (("events", 6, {"insert": 4, "remove": 3}), ("retiming", 2, {"total": 12}))
TIMED = (FLIPS, MOVES, ("events", 6, {}), ("retiming", 1, {"moved": 3}))
GRADIENTS = (
    "stbp", "stbp(surrogate=arctan,width=0.5,scale=2,detach_reset=true)", "stbp(surrogate=sigmoid)",
    "rga", "rga(gamma=0.5,beta=0.25)", "bptr", "bptr(collapse=false)", "cba", "cba(collapse=false)",
    "hart", "hart(gamma=2,surrogate=rectangle)", "assg", "assg(vanishing=0.4,relax=0.5)",
    "assg(surrogate=triangle,sharpness=1)", "pdsg", "pdsg(detach_reset=true)",
    "mix(members=rga+stbp,normalise=false)", "time_extended(inner=rga,factor=3)",
)  # fmt: skip
PLAIN = (
    ("noise", (LINF, L2)), ("gaussian_noise", (LINF, L2)), ("sign_noise", (LINF,)),
    ("square(queries=12)", (LINF,)), ("square(queries=9,p_init=0.3,loss=ce)", (LINF,)),
    ("spsa(steps=2,pairs=4)", (LINF, L2)), ("fgsm", (LINF, L2)), ("rfgsm", (LINF,)),
    ("fgsm(loss=dlr)", (LINF,)), ("bim", (LINF,)), ("bim(steps=2,grey_values=2)", (LINF,)),
    ("mifgsm", (LINF,)), ("mifgsm(steps=2,decay=0.5,relative_step=0.5)", (LINF,)),
    ("pgd", (LINF, L2)), ("PGD(steps=3,random_start=false,loss=margin)", (LINF,)),
    ("pgd(steps=2,restarts=2,relative_step=1/2)", (LINF,)),
    ("apgd(steps=6)", (LINF, L2)), ("apgd(steps=6,loss=dlr,restarts=2)", (LINF,)),
    ("pgd(steps=2,step=0.1)", (LINF,)), ("swarm(steps=4,walkers=3)", (LINF, L2)),
    ("SA-PGD(steps=6)", (LINF,)), ("cw(steps=5,search=2,c=0.5)", (L2,)),
)  # fmt: skip
ON_EVENTS = (
    ("noise", (FLIPS, MOVES)), ("dvs_frame", (("events", 288, {}),)),
    ("dvs_corner(largest=2)", (("events", 288, {}),)), ("dvs_dash", (("events", 288, {}),)),
    ("event-flips(steps=3)", (FLIPS,)), ("sda(rounds=4)", (("events", 8, {}),)),
    ("retiming(steps=3,capacity=5)", (MOVES, ("retiming", 1, {"moved": 3}))),
    ("spikefool(rounds=2,deepfool_steps=3)", (("events", 20, {}),)),
)  # fmt: skip


def own(registered):
    """Those of the package, whatever other tests have registered."""
    return sorted(name for name, kind in registered.items() if kind.__module__.startswith("neuro"))


NAMES = [name for name in own(ATTACKS) if name in attack_names()]


def decided(graph, x):
    """By the reference; drawn input with a seed."""
    shown = encode(graph, x, rng=np.random.default_rng(0))
    return get_backend("reference").compile(graph, "float").run(shown).decisions


def network(**own):
    """A network, and samples that it decides rightly but for one."""
    graph, x = dense(60, **own), images(61, 6, 6)
    y = decided(graph, x)
    return Network(graph), x, np.where(np.arange(6) == 2, (y + 1) % 3, y)


def on_events():
    graph = events()
    x = (np.random.default_rng(62).random((4, 8, 2, 6, 6)) < 0.25) * 1.0
    return Network(graph), x, decided(graph, x)


def frozen(folder, crafter, model, threat, *, seed=5, **options):
    """A set and how it is kept; asked for again, it is found."""
    folder = Path(mkdtemp(dir=folder))
    network, x, y = model
    name, epsilon, budgets = threat
    limits = THREATS[name].of(network.graph.header, epsilon, **budgets)
    assert make_threat(json.loads(json.dumps(limits.parameters()))) == limits
    request = Request(network, x, y, limits, seed=seed, sample=np.arange(len(x)) + 10, **options)
    made, reused = craft(crafter, request, folder)
    again, found = craft(crafter, request, folder)
    (path,) = folder.iterdir()
    assert (reused, found, made.violations()) == (False, True, 0)
    assert AttackSet.load(path).content_hash == made.content_hash == again.content_hash
    numbers = (
        "clean_decision",
        "adversarial_decision",
        "iterates",
        "queries",
        "gradients",
        "wanted",
    )
    return {
        "file": path.name,
        "name": [spelling(made.request[key]) for key in ("attack", "gradient")],
        "request": dict(made.request),
        "changed": made.outcomes.changed,
        **{key: getattr(made, key) for key in numbers},
        "hash": made.content_hash,
    }


def collected(folder, attacks, gradients, model):
    """A set per attack, estimator and threat."""
    found = {}
    for text, threats in attacks:
        for crafter in crafters(text, gradients):
            for threat in threats:
                made = frozen(folder, crafter, model, threat)
                found[" ".join([text, made["name"][1], threat[0], str(threat[1:])])] = made
    return found


def test_every_attack(tmp_path):
    found = collected(tmp_path, PLAIN, "stbp,rga", network())
    found |= collected(tmp_path, ON_EVENTS, "stbp", on_events())
    used = {entry["request"]["attack"]["name"] for entry in found.values()}
    assert used | {"arithmetic"} == set(NAMES)  # that one is on a Program only, below
    pinned("attacks", found)


def test_every_gradient(tmp_path):
    attacks = (("pgd(steps=2)", (LINF,)),)
    found = {text: collected(tmp_path, attacks, text, network()) for text in GRADIENTS}
    found = {text: entry for text, made in found.items() for entry in made.values()}
    assert {entry["request"]["gradient"]["name"] for entry in found.values()} == {*own(ESTIMATORS)}
    tuned = make_estimator("stbp", tuned_on="training")
    found["tuned"] = frozen(tmp_path, make_attack("fgsm", tuned), network(), LINF)
    pinned("gradients", found)


def test_wrapped_attacks(tmp_path):
    model, other = network(), Network(dense(63))
    pgd = make_attack("pgd", "stbp", steps=2)
    found = {
        f"targeted {mode}": frozen(tmp_path, Targeted(pgd, mode), model, LINF)
        for mode in ("next", "random", "least_likely", "all")
    }
    found["transferred"] = frozen(tmp_path, Transferred(pgd, other), model, LINF)
    for name, twin in (("alone", None), ("with a twin", other)):
        whole = ensemble(steps=2, queries=6, twin=twin)
        found[f"ensemble {name}"] = frozen(tmp_path, whole, model, LINF)
        threat = THREATS["linf"].of(model[0].graph.header, 0.25)
        verdict = whole.judge(Request(*model, threat, seed=5))
        parts = {"stages": verdict.stages, "broken_by": verdict.broken_by, "notes": verdict.notes}
        found[f"ensemble {name}"] |= parts | {"labels": [str(e) for e in whole.estimators]}
    aimed = every_target(pgd, *model, threat)
    found["every target"] = {"wanted": aimed.wanted, "reached": aimed.reached}
    drawn = network(given=header(coding="bernoulli", levels=None))
    found["drawn input"] = frozen(tmp_path, pgd, drawn, LINF, eot=3, votes=5)
    found["double"] = frozen(
        tmp_path, pgd, (Network(model[0].graph, dtype=other.like.double().dtype), *model[1:]), LINF
    )
    found["other seed"] = frozen(tmp_path, pgd, model, LINF, seed=6)
    pinned("wrapped_attacks", found)


def test_attacks_on_integers(tmp_path):
    graph = dense(64, last=lif(), readout="count")
    program, x = lower(graph, load_profile("loihi2").profile), images(65, 4, 6)
    model = (IntegerTarget(program), x, decided(graph, x))
    found = {
        f"{strain}, reference {known is not None}": frozen(
            tmp_path,
            make_attack("arithmetic", Stbp(), strain=strain, steps=2, reference=known),
            model,
            LINF,
        )
        for strain, known in (("wrap", None), ("saturation", None), ("rounding", graph))
    }
    found["pgd"] = frozen(tmp_path, make_attack("pgd", "rga", steps=2), model, LINF)
    pinned("attacks_on_integers", found)


def test_usual_parameters_and_spelling():
    model, x, y = network()
    threat = THREATS["linf"].of(model.graph.header, 0.25)

    def asked(attack):
        made = Request(model, x, y, threat).describe(attack)
        return {key: made[key] for key in ("attack", "gradient", "knowledge")}

    def made(text):
        ((name, options),) = spelled(text)
        return make_estimator(name, **options)

    gradients = [name for name in own(ESTIMATORS) if name not in ("mix", "time_extended")]
    found = {
        "attacks": {
            name: asked(
                make_attack(name, "rga" if issubclass(ATTACKS[name], GradientAttack) else None)
            )
            for name in NAMES
        },
        "gradients": {name: asked(make_attack("pgd", name)) for name in gradients},
        "ensemble": asked(ensemble()),
        "threats": {
            str(given): THREATS[given[0]].of(seen, given[1], **given[2]).parameters()
            for seen, threats in ((model.graph.header, (LINF, L2)), (events().header, TIMED))
            for given in threats
        },
        "spelled": {text: spelled(text) for text, _ in (*PLAIN, *ON_EVENTS)},
        "short": {t: str(made(t)) for t in GRADIENTS},
        "request": structure(Request(model, x, y, threat).describe(ensemble())),
    }
    pinned("spelling", found)
