"""Building worker environments, offline, from a package made here."""

import json
import os
import re
import subprocess
import sys
import textwrap
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from neurorobust.backends.worker import environments, interpreters
from neurorobust.backends.worker.environments import (
    EnvironmentSpec,
    Tier,
    build,
    home,
    interpreter,
    path,
    remove,
    status,
)
from neurorobust.errors import BackendUnavailable, EnvironmentBuildError
from neurorobust_lava.environment import LAVA_ENVIRONMENT

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
VARIABLE = "NEUROROBUST_TEST_PYTHON"
BASE = Path(sys._base_executable)

HEALTH = """
import json, os, pathlib, sys, tiny
print("looking around")
log = pathlib.Path(__file__).with_name("health.log")
with log.open("a") as file:
    file.write(f"{sys.argv[1]}\\n")
print(json.dumps({"answer": tiny.ANSWER}))
"""


def make_wheel(folder: Path) -> Path:
    wheel = folder / "tiny-1.0-py3-none-any.whl"
    info = "tiny-1.0.dist-info"
    files = {
        "tiny.py": "ANSWER = 42\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel


@pytest.fixture
def spec(tmp_path, monkeypatch) -> EnvironmentSpec:
    """An environment of one tiny package, in a home of its own."""
    monkeypatch.setenv("NEUROROBUST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(VARIABLE, str(BASE))
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"tiny @ {make_wheel(tmp_path).as_uri()}\n")
    check = tmp_path / "check.py"
    check.write_text(HEALTH)
    tier = Tier("small", lock, {"tiny": "1.0"}, "one module", install_timeout_s=120)
    return EnvironmentSpec("toy", (tier,), check, VERSION, VARIABLE)


def envs() -> list[Path]:
    folder = home() / "envs"
    return [entry for entry in folder.iterdir() if entry.is_dir()] if folder.exists() else []


def checks_run(spec: EnvironmentSpec) -> int:
    log = spec.health_check.with_name("health.log")
    return len(log.read_text().splitlines()) if log.exists() else 0


def without_uv(monkeypatch):
    monkeypatch.setattr(interpreters, "uv_command", lambda: None)
    monkeypatch.setattr(environments, "uv_command", lambda: None)


def test_build_status_remove(spec):
    before = status(spec, "small")
    assert before.state == "missing"
    assert not before.usable
    assert "neurorobust env build small" in before.detail
    assert envs() == []

    said = []
    built = build(spec, "small", said.append)
    assert built.state == "ready"
    assert built.folder == path(spec, "small")
    assert built.health == {"answer": 42}
    assert any("health check" in line for line in said)
    assert interpreter(spec) == built.python
    assert envs() == [built.folder]

    said.clear()
    assert build(spec, "small", said.append) == built
    assert checks_run(spec) == 1
    assert "is there already" in said[-1]

    assert remove(spec, "small")
    assert envs() == []
    assert not remove(spec, "small")
    assert status(spec, "small").state == "missing"


def test_nothing_is_built_implicitly(spec):
    with pytest.raises(BackendUnavailable, match=r"neurorobust env build small \(one module\)"):
        interpreter(spec)
    assert not home().exists()


def test_another_lock_is_another_folder(spec):
    first = path(spec, "small")
    lock = spec.tiers[0].requirements
    lock.write_text(lock.read_text() + "# changed\n")
    assert path(spec, "small") != first
    assert path(replace(spec, python="3.99"), "small") != path(spec, "small")


def test_unknown_tier(spec):
    with pytest.raises(BackendUnavailable, match="no tier 'huge'; there are small"):
        build(spec, "huge")


def test_failed_installation_leaves_nothing_and_says_why(spec):
    spec.tiers[0].requirements.write_text("tiny @ file:///nowhere/tiny-1.0-py3-none-any.whl\n")
    said = []
    with pytest.raises(EnvironmentBuildError, match="the step 'pip install' failed") as caught:
        build(spec, "small", said.append)
    assert "nowhere/tiny-1.0" in str(caught.value)
    assert "neurorobust env build small" in str(caught.value)
    assert envs() == []
    assert status(spec, "small").state == "missing"


def test_failed_health_check_leaves_nothing_and_says_why(spec):
    spec.health_check.write_text("print('spikes differ'); raise SystemExit(1)\n")
    with pytest.raises(EnvironmentBuildError, match=r"(?s)'health check' failed.*spikes differ"):
        build(spec, "small")
    assert envs() == []


def test_a_health_check_without_facts_has_failed(spec):
    spec.health_check.write_text("print('fine, I think')\n")
    with pytest.raises(EnvironmentBuildError, match="health check"):
        build(spec, "small")
    assert envs() == []


def test_pip_when_uv_fails(spec, monkeypatch, tmp_path):
    broken = tmp_path / "uv"
    broken.write_text("#!/bin/sh\necho 'no such package in my index' >&2\nexit 2\n")
    broken.chmod(0o755)
    monkeypatch.setattr(environments, "uv_command", lambda: (str(broken),))
    said = []
    built = build(spec, "small", said.append)
    assert built.state == "ready"
    assert "installed by pip" in built.detail
    assert any("no such package in my index" in line and "trying pip" in line for line in said)


def test_an_interrupted_build_is_replaced(spec):
    folder = path(spec, "small")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(BASE)
    assert "interrupted" in status(spec, "small").detail
    assert build(spec, "small").state == "ready"


def test_an_interpreter_that_has_the_packages_is_used_as_it_is(spec, monkeypatch):
    own = build(spec, "small").python
    other = replace(spec, name="other")
    monkeypatch.setenv(VARIABLE, str(own))
    found = build(other, "small")
    assert found.state == "external"
    assert found.python == own
    assert interpreter(other) == own
    assert not path(other, "small").exists()
    assert not remove(other, "small")
    assert own.exists()


def test_two_hosts_at_once_build_once(spec):
    tier = spec.tiers[0]
    code = f"""
    import sys
    sys.path[:0] = {sys.path!r}
    from pathlib import Path
    from neurorobust.backends.worker.environments import EnvironmentSpec, Tier, build
    tier = Tier("small", Path({str(tier.requirements)!r}), {{"tiny": "1.0"}})
    check = Path({str(spec.health_check)!r})
    spec = EnvironmentSpec("toy", (tier,), check, {VERSION!r}, {VARIABLE!r})
    print("python:", build(spec, "small", print).python)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    hosts = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [host.communicate(timeout=120)[0] for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0]
    assert checks_run(spec) == 1
    assert sum("is there already" in output for output in outputs) == 1
    assert len({output.splitlines()[-1] for output in outputs}) == 1


def script(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def test_a_dead_launcher_on_the_path_is_passed_over(tmp_path, monkeypatch):
    without_uv(monkeypatch)
    dead = script(tmp_path / "shims", f"python{VERSION}", "echo 'command not found' >&2; exit 127")
    alive = script(tmp_path / "bin", f"python{VERSION}", f'exec {BASE} "$@"')
    monkeypatch.setenv("PATH", f"{dead.parent}{os.pathsep}{alive.parent}")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))
    search = interpreters.find_python(VERSION, None)
    assert search.python is not None
    assert search.origin == "PATH"
    assert search.passed_over == (f"{dead} (PATH): exit code 127: command not found",)


def test_a_version_manager_is_asked_before_the_path(tmp_path, monkeypatch):
    without_uv(monkeypatch)
    bin_folder = tmp_path / "pyenv" / "versions" / f"{VERSION}.99" / "bin"
    script(bin_folder, "python", f'exec {BASE} "$@"')
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert interpreters.find_python(VERSION, None).origin == "pyenv"


def test_no_interpreter_says_what_was_tried(spec, tmp_path, monkeypatch):
    old = script(tmp_path / "bin", "old-python", "echo 2.7; echo /usr/bin/python2")
    monkeypatch.setenv(VARIABLE, str(old))
    with pytest.raises(EnvironmentBuildError, match=f"(?s){VARIABLE}.*old-python.*is Python 2.7"):
        build(spec, "small")
    assert envs() == []


@pytest.mark.parametrize("tier", LAVA_ENVIRONMENT.tiers, ids=lambda tier: tier.name)
def test_the_lava_locks_pin_everything_and_name_no_host(tier):
    lines = tier.requirements.read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    for line in pins:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; .+)?", line), line
    assert pins == sorted(pins)
    for name, version in tier.packages.items():
        assert f"{name}=={version}" in pins
    assert "://" not in "\n".join(lines)


def test_the_state_file_is_json(spec):
    built = build(spec, "small")
    state = json.loads((built.folder / "neurorobust-environment.json").read_text())
    assert state["tier"] == "small"
    assert state["installer"] in {"uv", "pip"}
