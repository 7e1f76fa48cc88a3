"""The verbs that take what people name: files, names of chips and backends, models."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from neurorobust.asking import questions
from neurorobust.backends import Executable
from neurorobust.chips import LoadedProfile, Profile, load_profile
from neurorobust.compare.diff import diff as compare
from neurorobust.compare.result import Difference
from neurorobust.compare.sides import Side
from neurorobust.data import Samples, Stimulus
from neurorobust.data import load as read_samples
from neurorobust.errors import InvalidInput
from neurorobust.formats.load import FOLDER, Reading, require_open
from neurorobust.formats.load import load as read
from neurorobust.formats.reading import give
from neurorobust.formats.sides import open_side, side_file
from neurorobust.ir import Array, Graph, Model, Program, Shape
from neurorobust.names import known_are, known_name
from neurorobust.progress import Progress, Silent, Stages

if TYPE_CHECKING:
    import torch

    from neurorobust.attacks import AttackSet, Threat
    from neurorobust.attacks.request import Crafter
    from neurorobust.audit import EvaluationCard
    from neurorobust.compare.selfcheck import Verdict
    from neurorobust.data import Source
    from neurorobust.engine.network import Network
    from neurorobust.fit import Check
    from neurorobust.formats.nir.save import Profile as NirProfile
    from neurorobust.study.running import Done

    Named = Model | str | Path | torch.nn.Module
    Shown = str | Path | Source | Samples | tuple[Array, Array]

CODE, FILES = ("snntorch", "norse", "lava"), ("nir", "onnx", "netx")
"""What a network is exported to: code with its weights, or one file."""


def load(
    what: str | Path,
    *,
    shape: Shape | None = None,
    folder: Path | str = FOLDER,
    seed: int = 0,
    progress: Progress | None = None,
    **left_open: Any,
) -> Graph | Program:
    """A Graph or Program from a file of any format, from Python, or the built-in ``digits``.

    Args:
        what: The file; ``file.py:name``, which runs the file in a process of its own; or
            ``digits``, a small network that is trained once, in seconds.
        shape: Of a sample that it is to be shown, where a module of torch leaves its input open.
        folder: Where the built-in model is kept.
        seed: Of its weights.
        progress: Is told how far its training is.
        left_open: What the file does not say: fields of ``Reading``, as ``steps``, ``dt_s``
            (seconds) and ``reset``. The other verbs take the same for files that they are given.

    Raises:
        InvalidFile: if the file is missing, truncated, foreign or altered.
        InvalidInput: if it leaves open what was not given.
    """
    reading = Reading(**left_open)
    return read(what, reading, shape=shape, folder=folder, seed=seed, progress=progress)


load_samples = read_samples


def lower(
    graph: Graph | str | Path, profile: Profile | LoadedProfile | str | Path, **options: Any
) -> Program:
    """The same network in a chip's integers.

    Args:
        graph: As trained, or its file.
        profile: Name or file of a chip's profile, or the profile.
        options: Of ``neurorobust.lower.lower``: scaling, weight_bits, ...; calibration may be
            Samples. And what a file leaves open.

    Raises:
        LowerError: listing everything that has no exact form on the target.
        InvalidInput: if the profile has no integers.
    """
    from neurorobust.lower import lower as lowered

    target, held = _profile(profile), options.pop("calibration", None)
    network = as_graph(_model(graph, held, options))
    program = lowered(network, target, calibration=_values(held, network), **options)
    if not isinstance(program, Program):
        msg = f"{target.id} has no integers, so there is no Program; lower for another profile"
        raise InvalidInput(msg)
    return program


def check(
    model: Model | str | Path,
    profile: Profile | LoadedProfile | str | Path,
    samples: Samples | Array | None = None,
    *,
    seed: int = 0,
    **left_open: Any,
) -> "Check":
    """Whether a network fits on a chip, on how many cores, and what it costs there.

    Args:
        model: A Graph or Program, or its file.
        profile: Name or file of a chip's profile, or the profile.
        samples: Run to know the activity, which energy depends on.
        seed: Of the spikes of a Bernoulli coding.
        left_open: What a file does not say.
    """
    from neurorobust.fit.activity import measure
    from neurorobust.fit.checking import check as hold

    network = _model(model, samples, left_open)
    values = _values(samples, network)
    activity = None if values is None else measure(network, values, seed=seed)
    return hold(network, _profile(profile), activity)


def attack(
    model: Graph | Program | str | Path,
    samples: Samples,
    attacks: "Sequence[Crafter]",
    eps: float,
    *,
    threat: "type[Threat] | None" = None,
    seed: int = 0,
    folder: Path | str | None = None,
    progress: Progress | None = None,
    **left_open: Any,
) -> "list[AttackSet]":
    """Frozen adversarial samples, a set per attack.

    Args:
        model: What the attacker sees: a Graph or Program, or its file.
        samples: Clean, with labels.
        attacks: As ``[Pgd(Rga())]``.
        eps: Budget in units of the input.
        threat: What the attacker may do; ``Linf`` by default.
        seed: Of everything random.
        folder: Where sets are kept, and found again by a second call.
        progress: Called as ``(attack, done, total)``.
        left_open: What a file does not say.
    """
    from neurorobust.attacks import Linf, Request, craft

    found = _model(model, samples, left_open)
    network, samples = network_of(found), samples.shown_to(found)
    allowed = (threat or Linf).of(network.graph.header, eps)
    request = Request(
        network, samples.values, samples.labels, allowed, seed=seed, sample=samples.sample
    )
    with TemporaryDirectory() as spare:
        place = Path(folder or spare)
        return [craft(one, request, place, progress=progress)[0] for one in attacks]


def run(
    model: "Named | Sequence[Named]",
    data: "Shown",
    *,
    out: Path | str = "neurorobust-run",
    profiles: Sequence[str] = ("loihi2",),
    attacks: str | None = None,
    gradients: str | None = None,
    eps: str | Sequence[float] | None = None,
    backends: Sequence[str] | None = None,
    sections: Mapping[str, Mapping[str, Any]] | None = None,
    stages: Stages = Silent(),  # noqa: B008  # it holds nothing
    limit: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    **left_open: Any,
) -> "Done":
    """The whole road: load, check, lower, attack, replay everywhere, report.

    Args:
        model: A file, ``file.py:name``, ``digits``, a Graph or Program, or a module of torch; or
            several of these.
        data: What it is shown: a name or path, a Source, Samples, or arrays (x, y).
        out: Folder of results, attack sets and ``report.html``; what an earlier run left there is
            used again where it still holds.
        profiles: Chips to lower to.
        attacks: As ``"pgd(steps=40),square"``; empty for none.
        gradients: As ``"rga,stbp"``.
        eps: Radii, as ``"2/255,8/255"`` or numbers.
        backends: Where to run; all that can run here by default.
        sections: More of the study, as a study file has it: ``{"lower": {"weight_bits": [4]}}``.
        stages: Told about progress.
        limit: Number of samples.
        seed: Of everything random.
        jobs: Processes of one thread.
        left_open: What a file or module does not say: ``steps``, ``readout``, ...

    Raises:
        InvalidFile: for a file that is missing or damaged.
        InvalidInput: for what is left open, or does not fit.
    """
    from neurorobust.study import presets

    radii = eps if isinstance(eps, str) else ",".join(map(str, eps or ()))
    asked = {
        "backends": backends,
        "attacks": presets.ATTACKS if attacks is None else attacks,
        "gradients": presets.GRADIENTS if gradients is None else gradients,
        "eps": radii or presets.EPSILONS,
    }
    said = {"audit": {"samples": presets.AUDIT}, **(sections or {})}
    said["lower"] = {"profile": list(profiles), **said.get("lower", {})}
    said["run"] = {"jobs": jobs, **said.get("run", {})}
    given = {"limit": limit, "seed": seed, **left_open}
    return _study(model, data, Path(out), asked, (said, given), stages=stages, preset="run")


def replay(
    sets: "str | Path | AttackSet | Sequence[str | Path | AttackSet]",
    model: "Named | Sequence[Named]",
    data: "Shown",
    *,
    out: Path | str = "neurorobust-replay",
    profiles: Sequence[str] = ("loihi2",),
    backends: Sequence[str] | None = None,
    sections: Mapping[str, Mapping[str, Any]] | None = None,
    stages: Stages = Silent(),  # noqa: B008  # it holds nothing
    limit: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    **left_open: Any,
) -> "Done":
    """Frozen attacks on every backend and chip arithmetic, and the report.

    Args:
        sets: Attack sets: files, folders of them, or in memory.
        model: As for ``run``.
        data: The clean samples that the sets were crafted on.
        out: Folder of results and ``report.html``.
        profiles: Chips to lower to.
        backends: Where to run; all that can run here by default.
        sections: More of the study, as a study file has it.
        stages: Told about progress.
        limit: Number of samples.
        seed: Of everything random.
        jobs: Processes of one thread.
        left_open: What a file or module does not say: ``steps``, ``readout``, ...
    """
    from neurorobust.attacks import AttackSet as Frozen

    every = [sets] if isinstance(sets, str | Path | Frozen) else list(sets)
    files = [str(one) for one in every if not isinstance(one, Frozen)]
    frozen = [one for one in every if isinstance(one, Frozen)]
    said = dict(sections or {})
    said["lower"] = {"profile": list(profiles), **said.get("lower", {})}
    said["replay"] = {"sets": files, **said.get("replay", {})}
    said["run"] = {"jobs": jobs, **said.get("run", {})}
    given = {"limit": limit, "seed": seed, **left_open}
    asked = {"backends": backends, "slow": backends is None}
    how: dict[str, Any] = {"stages": stages, "preset": "replay", "sets": frozen}
    return _study(model, data, Path(out), asked, (said, given), **how)


def _study(
    model: "Named | Sequence[Named]",
    data: "Shown",
    out: Path,
    asked: Mapping[str, Any],
    said: tuple[Mapping[str, Any], Mapping[str, Any]],
    *,
    stages: Stages,
    preset: str,
    sets: "Sequence[AttackSet]" = (),
) -> "Done":
    """Of what was asked by name, as sections, and as options of models and data."""
    from dataclasses import replace

    from neurorobust.data import Source
    from neurorobust.study import presets
    from neurorobust.study.given import read_given
    from neurorobust.study.running import begin, run_study

    sections, given = said
    of_data = {name: given[name] for name in questions(Source) if given.get(name) is not None}
    of_model = {name: given[name] for name in given if name in questions(Reading)}
    if unknown := sorted(set(given) - set(questions(Source)) - set(questions(Reading))):
        known = known_are(unknown[0], (*questions(Reading), *questions(Source)))
        raise InvalidInput(f"{', '.join(unknown)}: is no option; {known}")
    samples = None
    if isinstance(data, str | Path | Source):
        source = data if isinstance(data, Source) else Source(data)
        source = replace(source, **of_data)
    else:
        samples = data if isinstance(data, Samples) else _arrays(*data)
        samples = samples.head(given.get("limit"))
        source = Source(samples.name, **of_data)
    reading = Reading(**of_model)
    many: list[Any] = list(model) if isinstance(model, list | tuple) else [model]
    begin(out)
    models = [_as_named(one, reading, samples, source) for one in many]
    labels = [one.header.name or "model" if isinstance(one, Model) else str(one) for one in models]
    spec = presets.preset(labels, source, reading, **asked, **sections)
    read_in, before = read_given(
        spec, out, stages=stages, models=models, samples=samples, sets=sets
    )
    return run_study(spec, read_in, out, stages=stages, stages_before=before, preset=preset)


def _arrays(x: Array, y: Array) -> Samples:
    import numpy as np

    return Samples("arrays", np.asarray(x), np.asarray(y).astype(np.int64))


def _as_named(
    model: "Named", reading: Reading, samples: Samples | None, source: "Source"
) -> "Model | str | Path":
    """The same, with a module of torch as the Graph that it computes."""
    if isinstance(model, Model | str | Path):
        return model
    from neurorobust.formats.scripted import converted

    shown = read_samples(source) if samples is None else samples
    return converted(model, reading, shown.shape, type(model).__name__)


def diff(
    a: Model | str | Path | Executable | Side,
    b: Model | str | Path | Executable | Side,
    inputs: Samples | Array | Stimulus | None = None,
    *,
    steps: int | None = None,
    profile: str = "loihi2",
    stages: Stages = Silent(),  # noqa: B008  # it holds nothing
    **options: Any,
) -> Difference:
    """Where two networks part, by how much, and why.

    Args:
        a: A Graph or Program; a file; ``file@backend:rung``; an ``Executable``; or a ``Side``.
        b: Likewise.
        inputs: Real samples, as ``encode`` takes them or per step (B, T, ...).
        steps: Replaces those that the sides say, and is said of files that do not.
        profile: Target that a Graph is lowered to for the rung ``quantised``.
        stages: Is told what happens.
        options: Of ``neurorobust.compare.diff.diff``; and what files leave open.

    Raises:
        InvalidInput: for sides that have no input shape or no layer in common.
        InvalidFile: for a file that cannot be read.
        Unsupported: if a backend cannot run its side exactly.
    """
    reading = _said(options, steps=steps)
    files = [Path(side_file(given)) for given in (a, b) if isinstance(given, str | Path)]
    require_open(
        reading, files, "steps", *(["bounds", "levels"] if isinstance(inputs, Samples) else [])
    )
    shape = inputs.shape if isinstance(inputs, Samples) else None
    with ExitStack() as opened:
        sides = []
        with stages.stage("Load"):
            for given in (a, b):
                side = open_side(given, reading, profile, shape)
                sides.append(side)
                if side is not given and side.executable is not given:
                    opened.callback(side.executable.close)
        one, two = sides
        if isinstance(inputs, Samples):
            models = [side.model for side in sides if side.model is not None]
            inputs = inputs.shown_to(models[0]).values if models else inputs.values
        return compare(one, two, inputs, steps=steps, stages=stages, **options)


def audit(
    model: Graph | str | Path,
    samples: Samples,
    eps: float,
    *,
    threat: "type[Threat] | None" = None,
    **options: Any,
) -> "EvaluationCard":
    """Whether a robustness number means what it says, or the gradient is masked.

    Args:
        model: A Graph, or its file.
        samples: Clean, with labels.
        eps: Budget in units of the input.
        threat: What the attacker may do; ``Linf`` by default.
        options: Of ``neurorobust.audit.audit``: gradients, attack, twin, limit, ...; and what a
            file leaves open.
    """
    from neurorobust.attacks import Linf
    from neurorobust.audit import audit as hold

    graph = as_graph(_model(model, samples, options))
    samples, allowed = samples.shown_to(graph), (threat or Linf).of(graph.header, eps)
    return hold(graph, samples.values, samples.labels, allowed, **options)


class Written(NamedTuple):
    """What ``export`` wrote.

    Attributes:
        files: Code and weights, or the one file.
        verdict: Of running what was written, or why it was not run.
        call: How the file is to be read, where it does not say; may be empty.
    """

    files: "list[Path]"
    verdict: "Verdict"
    call: dict[str, Any]


def export(
    model: Model | str | Path,
    to: str,
    out: Path | str,
    *,
    profile: str = "strict",
    exact: bool = False,
    check: bool = True,
    inputs: Samples | Array | None = None,
    **left_open: Any,
) -> Written:
    """Write a network for another framework, run what was written and compare.

    Args:
        model: A Graph or Program, or its file; ``lava`` and ``netx`` take a Program.
        to: One of ``CODE``, code and its weights, or of ``FILES``.
        out: Folder of the code; otherwise the file.
        profile: Of ``nir``: strict, portable, snntorch or norse.
        exact: Of ``norse``: no sum in another order.
        check: Whether what was written is run.
        inputs: Real samples to compare on as well.
        left_open: What a file does not say.

    Raises:
        Unsupported: naming what has no form there.
    """
    from neurorobust.compare.selfcheck import not_run
    from neurorobust.formats.checked import export_file
    from neurorobust.formats.code import Target, export_code
    from neurorobust.formats.netx import save_netx

    known_name(to, (*CODE, *FILES), "target of an export")
    network, path = _model(model, inputs, left_open), Path(out)
    run: dict[str, Any] = {"check": check, "inputs": _values(inputs, network)}
    if to in CODE:
        made = export_code(network, path, cast("Target", to), exact=exact, **run)
        return Written([made.code, made.weights], made.verdict, {})
    if to == "netx":
        call = save_netx(network, path)
        reason = "the file was read back as netx reads it, and its integers compared"
        return Written([path], not_run(reason, to), call.arguments())
    kind, given = cast('Literal["nir", "onnx"]', to), cast("NirProfile", profile)
    verdict, how = export_file(network, path, kind, profile=given, **run)
    return Written([path], verdict, dict(how or {}))


def as_graph(model: Model, named: str | Path = "the model") -> Graph:
    """A Graph as it is.

    Raises:
        InvalidInput: if what was named holds a Program.
    """
    if not isinstance(model, Graph):
        msg = f"{named} holds a Program, in integers; give the Graph it was lowered from"
        raise InvalidInput(msg)
    return model


def network_of(
    model: Graph | Program, device: "torch.device | str" = "cpu", **options: Any
) -> "Network":
    """What is attacked: of a Program, its integers.

    Args:
        model: The one or the other.
        device: Where torch runs.
        options: Of ``Network``: dtype.
    """
    from neurorobust.engine.integer_gradient import IntegerTarget
    from neurorobust.engine.network import Network

    if isinstance(model, Graph):
        return Network(model, device=device, **options)
    return IntegerTarget(model, device=device)


def _said(options: dict[str, Any], **more: Any) -> Reading:
    """What options say of files; it is taken out of them."""
    found = {name: options.pop(name) for name in questions(Reading) if name in options}
    return Reading(**found, **more)


def _model(given: Model | str | Path, shown: Any, options: dict[str, Any]) -> Any:
    """A model as it is, or read with what the options say of its file, which is taken out.

    Raises:
        InvalidInput: if they say something of a model that is no file.
    """
    reading = _said(options)
    if not isinstance(given, Model):
        return read(given, reading, shape=shown.shape if isinstance(shown, Samples) else None)
    if more := reading.beyond("saved"):
        kind, said = type(given).__name__, " and ".join(map(give, more))
        raise InvalidInput(f"a {kind} says {said} itself; leave it out")
    return given


def _values(samples: Samples | Array | None, model: Model) -> Array | None:
    return samples.shown_to(model).values if isinstance(samples, Samples) else samples


def _profile(given: Profile | LoadedProfile | str | Path) -> Profile:
    if isinstance(given, Profile):
        return given
    return (given if isinstance(given, LoadedProfile) else load_profile(given)).profile
