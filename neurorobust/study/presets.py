"""Studies by what people ask: the road, an attack, a quantisation, a replay, the demo."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from neurorobust.backends import SIMULATED, backend_names
from neurorobust.data import DIGITS, Source
from neurorobust.errors import InvalidInput
from neurorobust.formats.reading import Reading
from neurorobust.study import crafters
from neurorobust.study.planner import ALONE
from neurorobust.study.spec import Spec, make_spec

ATTACKS, GRADIENTS = "noise,pgd,fast", "rga"
"""What is run where nothing else is asked: a floor, what papers report, and the worst case."""
EPSILONS = "2/255,4/255,8/255,16/255"
PROFILE = "loihi2"
AUDIT = 16
"""Samples of an audit."""
DEMO_SAMPLES = 192
"""Samples of the demo that are attacked."""
SLOW_SAMPLES = 32
"""Samples of a set that a slow backend replays, at one radius."""
OPTIONS: Mapping[str, str] = {
    "models.use": "MODEL",
    "models.twin": "--twin",
    "models.seeds": "--seed",
    "data.name": "--data",
    "data.count": "--limit",
    "data.chunk": "--chunk",
    "data.calibration": "--calibration",
    "lower.profile": "--profile",
    "lower.weight_bits": "--bits",
    "lower.scaling": "--scaling",
    "lower.decay_bits": "--decay-bits",
    "lower.percentile": "--percentile",
    "lower.input_coding": "--input-coding",
    "craft.attack": "--attack",
    "craft.gradient": "--gradient",
    "craft.epsilon": "--eps",
    "craft.threat": "--threat",
    "craft.on": "--on",
    "craft.eot": "--eot",
    "craft.votes": "--votes",
    "replay.backend": "--backend",
    "replay.sets": "SETS",
    "replay.compare": "--compare-spikes",
    "audit.samples": "--audit",
    "run.jobs": "--jobs",
    "run.device": "--device",
    "run.memory_mb": "--memory-mb",
    "run.minutes_per_cell": "--minutes-per-cell",
}
"""What sections of a study are called by those who type options."""


def preset(
    use: Sequence[str],
    source: Source,
    reading: Reading | None = None,
    /,
    *,
    backends: Sequence[str] | None = None,
    attacks: str = "",
    gradients: str = GRADIENTS,
    eps: str = "",
    slow: bool = True,
    **sections: Mapping[str, Any],
) -> Spec:
    """A study of some models on some data.

    Args:
        use: Files, ``file.py:name``, or names.
        source: What they are shown.
        reading: What files leave open.
        backends: Where everything is replayed; all that are registered by default.
        attacks: As ``pgd(steps=40),square``.
        gradients: As ``rga,stbp``.
        eps: Radii, as ``4/255,8/255``.
        slow: Whether slow backends replay less: the first samples, at one radius.
        sections: The rest, as a study file has it.

    Raises:
        InvalidFile: listing every fault.
    """
    said: dict[str, dict[str, Any]] = {name: dict(part) for name, part in sections.items()}
    said.setdefault("models", {}).update(
        use=list(use), reading=_changed(reading), seeds=[source.seed]
    )
    own = {key: value for key, value in asdict(source).items() if value is not None}
    own["count"] = own.pop("limit", None)
    named = own.pop("name", "") or (DIGITS if list(use) == [DIGITS] else "")
    said.setdefault("data", {}).update(own, name=str(named))
    craft = said.setdefault("craft", {})
    takes = crafters.split(attacks)
    if takes:
        craft |= {
            "attack": takes,
            "gradient": crafters.split(gradients),
            "epsilon": split_radii(eps),
        }
        craft.setdefault("seed", [source.seed])
    every = list(backends or backend_names())
    replay = said.setdefault("replay", {})
    replay["backend"] = [name for name in every if not (slow and name in ALONE)]
    if slow:
        radii = split_radii(eps)
        shown = radii[len(radii) // 2 :][:1] if radii else None
        replay["lane"] = [
            {"backend": name, "rung": rung, "samples": SLOW_SAMPLES, "epsilon": shown}
            for name in every
            if name in ALONE
            for rung in replay.get("rung", SIMULATED)
        ]
    return make_spec(said, "the options", OPTIONS)


def split_radii(eps: str) -> list[str]:
    """The parts of a comma-separated list of radii."""
    return [part.strip() for part in eps.split(",") if part.strip()]


def demo(seed: int = 0, jobs: int = 2) -> Spec:
    """The built-in digits model, all the way."""
    return preset(
        [DIGITS],
        Source(DIGITS, seed=seed),
        attacks="noise,fgsm,pgd,fast",
        gradients="rga",
        eps="8/255,16/255,32/255",
        craft={"samples": DEMO_SAMPLES},
        study={
            "name": "demo",
            "title": "Handwritten digits: from a trained network to a chip's integers",
        },
        lower={"profile": [PROFILE]},
        audit={"samples": AUDIT},
        run={"jobs": jobs},
    )


def _changed(reading: Reading | None) -> dict[str, Any]:
    """What was said, as a study file has it."""
    if reading is None:
        return {}
    usual = Reading()
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name in reading.__slots__
        if (value := getattr(reading, name)) != getattr(usual, name)
    }


def whole_numbers(text: str, name: str) -> tuple[int, ...]:
    """``4,6,8`` or ``2..8`` or both, ascending.

    Raises:
        InvalidInput: if the text is neither; named after the option.
    """
    found: set[int] = set()
    for part in text.split(","):
        low, dots, high = part.strip().partition("..")
        try:
            found.update(range(int(low), int(high if dots else low) + 1))
        except ValueError as error:
            msg = f"{name} is {text!r}; give whole numbers as 4,6,8 or 2..8"
            raise InvalidInput(msg) from error
    return tuple(sorted(found))
