"""Bad input ends in one clear error, exit code 1 or 2, and nothing half-written."""

import contextlib
import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from neurorobust import backends, ir
from neurorobust.backends import get_backend, require_backend
from neurorobust.data import Samples, encode
from neurorobust.errors import BackendUnavailable, InvalidFile, InvalidInput, Unsupported
from neurorobust.testing.networks import fixed_lif, fixed_neurons, lif, neurons
from tests.support import studies
from tests.support.helpers import require_backend as need
from tests.support.running import neurorobust as run


class TestCommandLine:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("report", "nowhere"), ("nowhere", "folder")),
            (("study", "status", "nowhere"), ("nowhere", "study")),
            (("env", "build", "loihi"), ("loihi", "lava")),
            (("env", "path", "loihi"), ("loihi", "lava")),
        ],
    )
    def test_names_the_thing_and_the_way_out(self, arguments, words, tmp_path):
        done = run(*arguments)
        assert done.returncode == (1 if "env" in arguments else 2)
        assert done.stderr.startswith("error:")
        assert all(word in done.stderr for word in words)
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize("seed", ["-1", "99999999999999999999", "one"])
    def test_a_seed_out_of_range(self, seed, tmp_path):
        done = run("demo", "--out", tmp_path / "out", "--seed", seed)
        assert done.returncode == 2
        assert "seed" in done.stderr
        assert not (tmp_path / "out").exists()

    def test_version(self):
        from neurorobust import __version__

        assert run("--version").stdout.strip() == __version__

    def test_a_model_card_that_is_no_object(self, tmp_path):
        from neurorobust.zoo.digits import load_or_train

        load_or_train(tmp_path)
        (tmp_path / "digits.card.json").write_text("[]")
        with pytest.raises(InvalidFile, match=r"model card.*delete it"):
            load_or_train(tmp_path)

    def test_unknown_command(self):
        done = run("destroy")
        assert done.returncode == 2
        assert "destroy" in done.stderr

    def test_a_file_in_place_of_the_output_folder(self, tmp_path):
        (tmp_path / "taken").write_text("mine")
        for place in ("taken", "taken/below"):
            done = run("demo", "--out", str(tmp_path / place))
            assert done.returncode == 2
            assert "taken" in done.stderr
            assert "Traceback" not in done.stderr
        assert (tmp_path / "taken").read_text() == "mine"
        assert [path.name for path in tmp_path.iterdir()] == ["taken"]

    def test_a_folder_that_refuses_to_be_written(self):
        # The kernel's own file system takes no folders from anybody, not even from root.
        done = run("demo", "--out", "/proc/neurorobust")
        assert done.returncode == 2
        assert "/proc/neurorobust" in done.stderr

    def test_a_damaged_model_is_named_and_left_alone(self, tmp_path):
        from neurorobust.zoo.digits import load_or_train

        load_or_train(tmp_path / "model")
        path = tmp_path / "model" / "digits.safetensors"
        damaged = path.read_bytes()[:-100]
        path.write_bytes(damaged)
        done = run("demo", "--out", str(tmp_path))
        assert done.returncode == 2
        assert "digits.safetensors" in done.stderr
        assert path.read_bytes() == damaged
        assert not (tmp_path / "report.html").exists()

    def test_truncated_results(self, tmp_path):
        for name in ("rows.parquet", "outcomes.parquet", "pictures.npz", "study.json"):
            (tmp_path / name).write_bytes(b"PAR1")
        done = run("report", str(tmp_path))
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "report.html").exists()


class TestBackends:
    def test_unknown_backend(self):
        with pytest.raises(BackendUnavailable, match=r"no backend is named 'brainchip'.*reference"):
            get_backend("brainchip")

    def test_missing_environment_names_the_command(self, monkeypatch, tmp_path):
        monkeypatch.setenv("NEUROROBUST_HOME", str(tmp_path))
        monkeypatch.delenv("NEUROROBUST_LAVA_PYTHON", raising=False)
        with pytest.raises(BackendUnavailable, match="neurorobust env build lava"):
            require_backend("lava")

    @pytest.mark.parametrize("name", ["reference", "torch"])
    def test_wrong_model_wrong_shape_wrong_record(self, name):
        program = fixed_neurons(fixed_lif(vth=1), 3)
        backend = get_backend(name)
        with pytest.raises(Unsupported, match="takes a Graph, got a Program"):
            backend.compile(program, "float")
        executable = backend.compile(program, "quantised")
        stimulus = encode(program, np.zeros((2, 3, *program.shapes[program.input])))
        with pytest.raises(InvalidInput, match=r"record is .*known are"):
            executable.run(stimulus, record=("voltages",))
        wrong = replace(stimulus, values=np.zeros((2, 3, 99)))
        with pytest.raises(InvalidInput, match="99"):
            executable.run(wrong)

    @pytest.mark.parametrize("name", ["reference", "torch", "snntorch", "norse"])
    def test_a_misspelt_precision(self, name):
        with pytest.raises(InvalidInput, match="duble"):
            get_backend(name).compile(neurons(lif(), 3), "float", precision="duble")

    @pytest.mark.parametrize("name", ["reference", "torch"])
    def test_no_samples_give_no_scores(self, name):
        program = fixed_neurons(fixed_lif(vth=1), 3)
        nothing = encode(program, np.zeros((0, 3, *program.shapes[program.input])))
        scores = backends.run(program, nothing, backend=name).scores
        assert scores.shape == (0, *program.shapes[program.output])

    def test_stimulus_out_of_bounds_or_not_finite(self):
        program = fixed_neurons(fixed_lif(vth=1), 3)
        shape = (1, 3, *program.shapes[program.input])
        with pytest.raises(InvalidInput, match="span"):
            encode(program, np.full(shape, program.header.bounds[1] + 1))
        with pytest.raises(InvalidInput, match="NaN"):
            encode(program, np.full(shape, np.nan))

    def test_a_foreign_file_is_no_model(self, tmp_path):
        path = tmp_path / "model.safetensors"
        path.write_bytes(b"\x80\x04\x95pickled")
        with pytest.raises(InvalidFile, match="safetensors"):
            ir.load_model(path, ir.Graph)


@pytest.mark.lava
def test_a_worker_that_keeps_dying_stops_its_lane_only(request, monkeypatch, tmp_path):
    """Killed at every start, the lane is recorded as stopped; the reference's results stay."""
    need(request, "lava")
    from neurorobust_lava.process import LavaWorker

    program = fixed_neurons(fixed_lif(vth=1), 400)
    start = LavaWorker._start

    def doomed(self):
        start(self)
        pid = self.pid
        threading.Thread(target=_kill_later, args=(pid,)).start()

    monkeypatch.setattr(LavaWorker, "_start", doomed)
    shape = (40, 400, *program.shapes[program.input])
    shown = Samples("none", np.zeros(shape), np.zeros(40, int))
    found = studies.run(
        tmp_path,
        models=[program],
        samples=shown,
        replay={"backend": ["reference", "lava"], "rung": ["quantised"]},
    )
    assert dict(found.rows.select("backend", "status").rows()) == {
        "reference": "done",
        "lava": "failed",
    }
    (failure,) = found.manifest.failures
    assert "SIGKILL" in failure.reason
    assert failure.attempts == 2
    assert found.outcomes["backend"].unique().to_list() == ["reference"]
    assert len(found.outcomes) == 40


def _kill_later(pid: int) -> None:
    time.sleep(1.5)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
