"""Worker environments: built on request from a locked list, checked, and kept.

A folder ``$NEUROROBUST_HOME/envs/<name>-<hash of lock and Python>`` is ready exactly when its
state file says so, and that file is written last. A changed lock is another folder, so an
environment never drifts. Nothing here builds implicitly.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from neurorobust.backends.worker.commands import Outcome, Say, run
from neurorobust.backends.worker.interpreters import find_python, probe, uv_command
from neurorobust.errors import BackendUnavailable, EnvironmentBuildError
from neurorobust.files import write_atomic
from neurorobust.names import known_name

GROUP = "neurorobust.environments"
"""Entry-point group in which distributions register their environments."""
_STATE_FILE = "neurorobust-environment.json"
_CREATE_TIMEOUT_S = 300.0
_HEALTH_TIMEOUT_S = 180.0
_VERSIONS = (
    "import importlib.metadata as m, json, sys; "
    "print(json.dumps({name: m.version(name) for name in sys.argv[1:]}))"
)


@dataclass(frozen=True, slots=True)
class Tier:
    """One size of an environment.

    Args:
        name: What the user asks for.
        requirements: Lock file, every package pinned.
        packages: Distributions and versions by which an environment of the user is recognised.
        summary: What it holds and how large it is, for messages.
        install_timeout_s: Limit for the installation, seconds, > 0.
    """

    name: str
    requirements: Path
    packages: Mapping[str, str]
    summary: str = ""
    install_timeout_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class EnvironmentSpec:
    """What an environment is made from.

    Args:
        name: Name of the environment, part of its folder's name.
        tiers: Sizes, smallest first; each later one can do all that the earlier ones can.
        health_check: Script run by the new interpreter with the tier's name as its argument. It
            ends with exit code 0 and a JSON object as its last line if all is well.
        python: Version of the interpreter, major and minor.
        variable: Environment variable by which the user names an interpreter: one that has the
            packages is used as it is, any other is what the environment is built from.
        build_command: What the user types to build it; the tier's name is appended.
    """

    name: str
    tiers: tuple[Tier, ...]
    health_check: Path
    python: str
    variable: str | None = None
    build_command: str = "neurorobust env build"

    def tier(self, name: str) -> Tier:
        """Look a tier up by its name."""
        known = {tier.name: tier for tier in self.tiers}
        if name not in known:
            raise BackendUnavailable(f"{self.name}: no tier {name!r}; there are {', '.join(known)}")
        return known[name]


@dataclass(frozen=True, slots=True)
class EnvironmentStatus:
    """Where an environment stands.

    Args:
        name: Name of the environment.
        tier: Name of the tier.
        state: ``ready``: built here; ``external``: the user's own; ``missing``: neither.
        folder: Where it is, or would be built.
        python: Its interpreter, if there is one.
        detail: Versions and origin, or the reason why it is missing and the way out.
        health: Facts found by the health check, empty for an external one.
    """

    name: str
    tier: str
    state: Literal["ready", "external", "missing"]
    folder: Path
    python: Path | None
    detail: str
    health: Mapping[str, Any] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Whether a worker can be started from it."""
        return self.python is not None


def registered() -> tuple[EnvironmentSpec, ...]:
    """The environments of all installed distributions."""
    return tuple(point.load() for point in sorted(entry_points(group=GROUP)))


def find(name: str) -> tuple[EnvironmentSpec, str]:
    """The environment that has a tier of this name, and the name.

    Raises:
        BackendUnavailable: if there is none.
    """
    known = {tier.name: spec for spec in registered() for tier in spec.tiers}
    found = known_name(name, sorted(known), "environment", BackendUnavailable)
    return known[found], found


def home() -> Path:
    """Folder for what outlives a run: ``$NEUROROBUST_HOME``, or in the user's data folder."""
    chosen = os.environ.get("NEUROROBUST_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    data = os.environ.get("XDG_DATA_HOME")
    base = Path(data).expanduser() if data else Path.home() / ".local" / "share"
    return (base / "neurorobust").absolute()


def path(spec: EnvironmentSpec, tier: str) -> Path:
    """Folder of an environment, which depends on its lock and Python only; it need not exist."""
    digest = hashlib.sha256()
    for part in (spec.python.encode(), spec.tier(tier).requirements.read_bytes()):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return home() / "envs" / f"{spec.name}-{digest.hexdigest()[:16]}"


def status(spec: EnvironmentSpec, tier: str) -> EnvironmentStatus:
    """Whether an environment can be used; an interpreter that the user names comes first."""
    folder = path(spec, tier)
    external = _external(spec, spec.tier(tier))
    if external is not None:
        detail = f"${spec.variable}; " + _listed(spec.tier(tier).packages)
        return EnvironmentStatus(spec.name, tier, "external", folder, external, detail)
    state = _read_state(folder)
    if state is not None:
        detail = f"Python {state.get('python', '?')}, installed by {state.get('installer', '?')}"
        health = state.get("health", {})
        return EnvironmentStatus(spec.name, tier, "ready", folder, _python(folder), detail, health)
    reason = "an interrupted build is there" if folder.exists() else "not built"
    detail = f"{reason}; build it: {spec.build_command} {tier}"
    return EnvironmentStatus(spec.name, tier, "missing", folder, None, detail)


def interpreter(spec: EnvironmentSpec, tier: str | None = None) -> Path:
    """Python of the first usable tier that is at least this one (by default the smallest).

    Raises:
        BackendUnavailable: No such tier is usable; the message says how to build one.
    """
    first = spec.tiers[0] if tier is None else spec.tier(tier)
    for candidate in spec.tiers[spec.tiers.index(first) :]:
        found = status(spec, candidate.name)
        if found.python is not None:
            return found.python
    way_out = f"build it once: {spec.build_command} {first.name}"
    if first.summary:
        way_out += f" ({first.summary})"
    if spec.variable:
        way_out += f", or set ${spec.variable} to a Python {spec.python} that has "
        way_out += _listed(first.packages)
    message = f"{first.name}: its Python {spec.python} environment is missing; {way_out}"
    raise BackendUnavailable(message)


def build(spec: EnvironmentSpec, tier: str, progress: Say | None = None) -> EnvironmentStatus:
    """Build an environment unless it is there. Of several hosts at once, one builds.

    Args:
        spec: What it is made from.
        tier: Name of the tier.
        progress: Gets a line for every step and all output of the installers.

    Raises:
        EnvironmentBuildError: A step failed; nothing of the attempt is left.
    """
    say = progress or (lambda _: None)
    size = spec.tier(tier)
    found = status(spec, tier)
    if found.state == "external":
        say(f"{spec.name}: using {found.python} ({found.detail})")
        return found
    folder = found.folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{folder.name}.lock"):
        if _read_state(folder) is None:
            _discard(folder)
            try:
                state = _build(spec, size, folder, say)
                text = json.dumps(state, indent=2, sort_keys=True)
                write_atomic(folder / _STATE_FILE, f"{text}\n")
            except BaseException:
                _discard(folder)
                raise
            say(f"{spec.name}: ready in {folder}")
        else:
            say(f"{spec.name}: is there already, {folder}")
    return status(spec, tier)


def remove(spec: EnvironmentSpec, tier: str) -> bool:
    """Remove what was built here, never an environment of the user; whether there was anything."""
    folder = path(spec, tier)
    if not folder.exists():
        return False
    with FileLock(folder.parent / f".{folder.name}.lock"):
        # Without its state file a folder that is half gone is not taken for an environment.
        (folder / _STATE_FILE).unlink(missing_ok=True)
        _discard(folder)
    return True


def _build(spec: EnvironmentSpec, tier: Tier, folder: Path, say: Say) -> dict[str, Any]:
    search = find_python(spec.python, spec.variable)
    for reason in search.passed_over:
        say(f"passed over {reason}")
    if search.python is None:
        tried = "".join(f"\n  - {reason}" for reason in search.passed_over) or " nothing found"
        way_out = f"install one (uv python install {spec.python})"
        if spec.variable:
            way_out += f" or set ${spec.variable} to one"
        message = f"{spec.name}: no Python {spec.python} works here; {way_out}. Tried:{tried}"
        raise EnvironmentBuildError(message)
    base = search.python
    say(f"{spec.name}: Python {spec.python} is {base} ({search.origin})")
    installer = _install(spec, tier, folder, base, say)
    health = _check(spec, tier, folder, say)
    return {
        "state": "ready",
        "name": spec.name,
        "tier": tier.name,
        "python": spec.python,
        "base": str(base),
        "installer": installer,
        "health": health,
    }


def _install(spec: EnvironmentSpec, tier: Tier, folder: Path, base: Path, say: Say) -> str:
    """Create the environment and fill it, with uv if that works, else with pip."""
    target = ("--no-deps", "-r", tier.requirements)
    limits = (_CREATE_TIMEOUT_S, tier.install_timeout_s)
    if uv := uv_command():
        commands: dict[str, list[str | Path]] = {
            "uv venv": [*uv, "venv", "--no-project", "--python", base, folder],
            "uv pip install": [*uv, "pip", "install", "--python", _python(folder), *target],
        }
        failed = _first_failure(commands, limits, folder, say)
        if failed is None:
            return "uv"
        step, outcome = failed
        last = outcome.tail[-1] if outcome.tail else "no output"
        # uv reads neither pip's configuration nor its variables, where a site may name its mirror.
        say(
            f"{step} failed with exit code {outcome.code} ({last}); trying pip, which has "
            "index settings of its own"
        )
        _discard(folder)
    commands = {
        "python -m venv": [base, "-I", "-m", "venv", folder],
        "pip install": [_python(folder), "-m", "pip", "install", "--no-input", *target],
    }
    if failed := _first_failure(commands, limits, folder, say):
        way_out = "check the network and the package index that pip is configured for"
        raise _failure(spec, tier, *failed, way_out)
    return "pip"


def _first_failure(
    commands: Mapping[str, list[str | Path]], limits_s: tuple[float, float], folder: Path, say: Say
) -> tuple[str, Outcome] | None:
    for (step, command), timeout_s in zip(commands.items(), limits_s, strict=True):
        say(f"{step} …")
        outcome = run(command, timeout_s=timeout_s, say=say, cwd=folder.parent)
        if not outcome.ok:
            return step, outcome
    return None


def _check(spec: EnvironmentSpec, tier: Tier, folder: Path, say: Say) -> dict[str, Any]:
    say("health check …")
    command: list[str | Path] = [_python(folder), "-I", spec.health_check, tier.name]
    outcome = run(command, timeout_s=_HEALTH_TIMEOUT_S, say=say, cwd=folder)
    way_out = "the installed packages do not work on this machine; see the lines above"
    if not outcome.ok or not outcome.tail:
        raise _failure(spec, tier, "health check", outcome, way_out)
    try:
        facts = json.loads(outcome.tail[-1])
    except ValueError as error:
        raise _failure(spec, tier, "health check", outcome, way_out) from error
    return dict(facts)


def _failure(
    spec: EnvironmentSpec, tier: Tier, step: str, outcome: Outcome, way_out: str
) -> EnvironmentBuildError:
    said = "\n".join(f"  {line}" for line in outcome.tail) or "  (no output)"
    message = (
        f"{spec.name}: the step '{step}' failed with exit code {outcome.code}; its last lines:\n"
        f"{said}\n{way_out}, then run again: {spec.build_command} {tier.name}"
    )
    return EnvironmentBuildError(message)


def _external(spec: EnvironmentSpec, tier: Tier) -> Path | None:
    """Interpreter that the user names, if it has the right packages already."""
    named = os.environ.get(spec.variable, "") if spec.variable else ""
    if not named:
        return None
    # Not its sys.executable: that of a virtual environment may resolve to its base.
    python = Path(named).expanduser()
    if probe(python, spec.python)[0] is None:
        return None
    command: list[str | Path] = [python, "-I", "-c", _VERSIONS, *tier.packages]
    outcome = run(command, timeout_s=_CREATE_TIMEOUT_S, say=lambda _: None, cwd=Path("/"))
    if not outcome.ok or not outcome.tail:
        return None
    return python if json.loads(outcome.tail[-1]) == dict(tier.packages) else None


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _read_state(folder: Path) -> dict[str, Any] | None:
    """Read the state file of a finished environment; None for anything less."""
    try:
        state = json.loads((folder / _STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(state, dict) or state.get("state") != "ready":
        return None
    return state if os.access(_python(folder), os.X_OK) else None


def _discard(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=False)


def _listed(packages: Mapping[str, str]) -> str:
    return " and ".join(f"{name} {version}" for name, version in packages.items())
