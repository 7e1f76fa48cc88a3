"""One check per feature of the support table: it runs as the reference does, or is refused."""

from functools import cache

import numpy as np

from neurorobust.backends import features_of, known_features
from neurorobust.data import Stimulus
from neurorobust.ir import Model
from neurorobust.testing.draws import random_stimulus
from neurorobust.testing.outcome import check
from neurorobust.testing.random_networks import random_graph
from neurorobust.testing.random_programs import random_program
from neurorobust.testing.trial import Skipped, Trial

SEEDS = 200
EXAMPLES = 3

Example = tuple[Model, Stimulus, frozenset[str]]


@cache
def _candidates(rung: str, avoid: frozenset[str]) -> tuple[Example, ...]:
    found = []
    for seed in range(SEEDS):
        rng = np.random.default_rng([seed, 1])
        make = random_graph if rung == "float" else random_program
        model = make(rng, avoid=avoid)
        stimulus = random_stimulus(rng, model)
        found.append((model, stimulus, frozenset(features_of(model, rung))))
    return tuple(sorted(found, key=lambda example: len(example[2])))


def examples(feature: str, rung: str, gaps: frozenset[str]) -> list[Example]:
    """The networks with the fewest features that have this one and no *other* gap."""
    candidates = _candidates(rung, gaps - {feature})
    return [example for example in candidates if feature in example[2]][:EXAMPLES]


def _register(feature: str, *rungs: str) -> None:
    def law(trial: Trial) -> None:
        gaps = frozenset(trial.support.gaps)
        found = examples(feature, trial.rung, gaps)
        if not found:
            others = "; ".join(f"{name} ({trial.support.gaps[name]})" for name in sorted(gaps))
            raise Skipped(f"every network with {feature} uses another gap: {others}")
        for model, stimulus, _ in found:
            trial.agree(model, stimulus)

    law.__doc__ = f"Networks with {feature} give what the reference gives, or are refused."
    check(f"feature/{feature}", *rungs)(law)  # type: ignore[arg-type]


_RUNGS: dict[str, list[str]] = {}
for _rung in ("float", "quantised"):
    for _feature in known_features(_rung):
        if _feature == "host part":  # of no random Program: a Graph beside it has checks of its own
            continue
        _RUNGS.setdefault(_feature, []).append(_rung)
for _feature, _where in _RUNGS.items():
    _register(_feature, *_where)
