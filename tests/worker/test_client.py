"""Every way in which a worker can fail, and that nothing of it stays behind."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from neurorobust.backends.worker.client import RemoteCause, WorkerClient
from neurorobust.backends.worker.protocol import ProtocolError
from neurorobust.errors import RemoteError, WorkerCrashed, WorkerError, WorkerTimeout
from tests.worker.conftest import FAKE_WORKER, gone, open_descriptors

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")


def test_call_and_close(fake):
    client = fake()
    assert client.hello.worker == "fake"
    assert client.hello.pid == client.pid
    assert client.call("echo", {"a": [1, 2.5, None]}) == {"a": [1, 2.5, None]}
    assert client.call("echo") == {}
    assert client.alive
    client.close()
    assert not client.alive
    assert gone(client.pid)
    with pytest.raises(WorkerError, match="this worker is gone"):
        client.call("echo")
    client.close()


def test_close_takes_the_children_along(fake):
    with fake() as client:
        leader, child, group = client.call("group")
        assert leader == group == client.pid != os.getpgrp()
    assert gone(leader)
    assert gone(child)


def test_no_descriptor_and_no_log_stays_open():
    before = open_descriptors()
    client = WorkerClient([sys.executable, FAKE_WORKER])
    log = client.log
    assert log.exists()
    client.close()
    assert open_descriptors() == before
    assert not log.exists()


def test_a_forgotten_client_ends_its_worker():
    client = WorkerClient([sys.executable, FAKE_WORKER])
    pid = client.pid
    del client
    assert gone(pid)


def test_environment_is_a_short_list_with_pinned_threads(fake, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("SECRET_TOKEN", "x")
    monkeypatch.setenv("LOIHI_GEN", "N3C1")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    seen = fake(env={"MINE": "1"}, threads=2).call("environment")
    assert "PYTHONPATH" not in seen
    assert "SECRET_TOKEN" not in seen
    assert seen["LOIHI_GEN"] == "N3C1"
    assert seen["MINE"] == "1"
    assert seen["OMP_NUM_THREADS"] == seen["OPENBLAS_NUM_THREADS"] == "2"


def test_progress(fake):
    heard = []
    assert fake().call("progress", {"steps": 3}, on_progress=heard.append) == "done"
    assert heard == [{"step": 0}, {"step": 1}, {"step": 2}]


def test_an_exception_of_the_listener_ends_the_worker(fake):
    client = fake()

    def listen(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.call("progress", {"steps": 3}, on_progress=listen)
    assert gone(client.pid)


def test_remote_exception_comes_with_its_traceback_and_the_worker_lives(fake):
    client = fake()
    with pytest.raises(RemoteError, match=r"raise: ZeroDivisionError: division by zero") as caught:
        client.call("raise")
    cause = caught.value.__cause__
    assert isinstance(cause, RemoteCause)
    assert cause.type == "ZeroDivisionError"
    assert cause.data == {"line": 12}
    assert "in far_away" in str(cause)
    assert client.call("echo", {"still": "here"}) == {"still": "here"}


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ("garbage hello", ProtocolError, "Welcome to SomeLib 3.2!.*not JSON"),
        ("result before hello", ProtocolError, "first line is a Result"),
        ("future protocol", ProtocolError, "speaks protocol 99, this host speaks 1; install"),
        ("exit at once", WorkerCrashed, "(?s)exit code 7.*cannot find my libraries"),
    ],
)
def test_bad_hello(fake, fault, error, message):
    before = open_descriptors()
    with pytest.raises(error, match=message):
        fake(fault)
    assert open_descriptors() == before


def test_no_hello_in_time(fake):
    started = time.monotonic()
    with pytest.raises(WorkerTimeout, match=r"no hello within 0.5 s; the worker was killed"):
        fake("no hello", hello_timeout_s=0.5)
    assert time.monotonic() - started < 5


def test_a_program_that_is_not_there(tmp_path):
    before = open_descriptors()
    with pytest.raises(WorkerCrashed, match="no-such-program could not be started"):
        WorkerClient([tmp_path / "no-such-program"])
    assert open_descriptors() == before


@pytest.mark.parametrize(
    ("method", "message"),
    [("garbage", "segment 3 of 7 loaded.*not JSON"), ("wrong id", "expected the answer 1")],
)
def test_lines_that_do_not_belong_there_end_the_worker(fake, method, message):
    client = fake()
    with pytest.raises(ProtocolError, match=message):
        client.call(method)
    assert gone(client.pid)
    with pytest.raises(WorkerError, match=f"gone .ProtocolError during {method}"):
        client.call("echo")


def test_a_slow_answer_is_a_timeout_and_the_group_is_killed(fake):
    client = fake()
    _, child, _ = client.call("group")
    with pytest.raises(WorkerTimeout, match=r"(?s)slow: no answer within 0.3 s.*thinking about it"):
        client.call("slow", timeout_s=0.3)
    assert gone(client.pid)
    assert gone(child)


def test_exit_code_and_last_words(fake):
    client = fake()
    with pytest.raises(WorkerCrashed, match=r"(?s)ended with exit code 3; .*giving up"):
        client.call("exit", {"code": 3})


@pytest.mark.parametrize("child", [False, True])
def test_segmentation_fault(fake, child):
    """With a child that holds the pipe open, its end of file never comes."""
    client = fake()
    started = time.monotonic()
    with pytest.raises(WorkerCrashed, match="ended by signal SIGSEGV"):
        client.call("segfault", {"child": child}, timeout_s=60)
    assert time.monotonic() - started < 10


def test_a_pipe_closed_by_a_living_worker(fake):
    client = fake()
    with pytest.raises(WorkerCrashed, match="closed its pipe"):
        client.call("close pipe")
    assert gone(client.pid)


def test_much_stderr_neither_blocks_nor_floods_the_message(fake):
    client = fake()
    assert client.call("chatter") == "spoken"
    assert client.log.stat().st_size > 2_000_000
    assert client.log_tail().endswith("the last line")
    assert len(client.log_tail()) < 15_000


def test_a_request_larger_than_the_pipe(fake):
    text = "x" * 3_000_000
    assert fake().call("echo", {"text": text})["text"] == text


def test_a_worker_that_does_not_read_is_a_timeout(fake):
    client = fake()
    threading.Timer(0.1, os.kill, (client.pid, signal.SIGSTOP)).start()
    time.sleep(0.3)
    with pytest.raises(WorkerTimeout):
        client.call("echo", {"text": "x" * 3_000_000}, timeout_s=0.5)
    assert gone(client.pid)


def test_one_call_at_a_time(fake):
    client = fake()
    errors = []

    def call():
        try:
            client.call("slow", timeout_s=1.0)
        except WorkerError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.2)
    with pytest.raises(WorkerError, match="busy"):
        client.call("echo")
    thread.join()
    assert isinstance(errors[0], WorkerTimeout)


def test_death_of_the_host_leaves_nothing(tmp_path):
    """The host is killed in the middle of a call; no handler of it can run."""
    code = f"""
    import sys
    sys.path[:0] = {sys.path!r}
    from neurorobust.backends.worker.client import WorkerClient
    client = WorkerClient([sys.executable, {str(FAKE_WORKER)!r}])
    print(*client.call("group"), flush=True)
    client.call("slow", timeout_s=600)
    """
    host = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    with host:
        leader, child, _ = map(int, host.stdout.readline().split())
        assert not gone(leader, 0.2)
        host.kill()
    assert gone(leader)
    assert gone(child)
