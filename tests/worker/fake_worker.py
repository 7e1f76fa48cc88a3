"""A worker with every fault a worker can have; standard library only.

Run as ``python fake_worker.py [fault at start]``. The faults during a call are its methods.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time


def watch_lifeline():
    descriptor = int(os.environ["NEUROROBUST_LIFELINE_FD"])

    def watch():
        os.read(descriptor, 1)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def say(record):
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


def child():
    """A grandchild of the host that would outlive a careless kill; it holds our stdout."""
    code = "import time; time.sleep(600)"
    return subprocess.Popen([sys.executable, "-c", code], close_fds=False).pid


def main(fault):  # noqa: PLR0912 - one branch per fault
    watch_lifeline()
    if fault == "exit at once":
        sys.stderr.write("cannot find my libraries\n")
        sys.exit(7)
    if fault == "no hello":
        child()
        time.sleep(600)
    if fault == "garbage hello":
        sys.stdout.write("Welcome to SomeLib 3.2!\n")
        sys.stdout.flush()
    if fault == "result before hello":
        say({"id": 1, "result": None})
    version = 99 if fault == "future protocol" else 1
    say({"hello": {"protocol": version, "worker": "fake", "python": "3", "pid": os.getpid()}})
    for line in sys.stdin:
        request = json.loads(line)
        number, method, params = request["id"], request["method"], request["params"]
        if method == "shutdown":
            return
        if method == "echo":
            say({"id": number, "result": params})
        elif method == "environment":
            say({"id": number, "result": dict(os.environ)})
        elif method == "group":
            say({"id": number, "result": [os.getpid(), child(), os.getpgrp()]})
        elif method == "progress":
            for step in range(params["steps"]):
                say({"id": number, "progress": {"step": step}})
            say({"id": number, "result": "done"})
        elif method == "garbage":
            sys.stdout.write("segment 3 of 7 loaded\n")
            say({"id": number, "result": None})
        elif method == "wrong id":
            say({"id": number + 1, "result": None})
        elif method == "slow":
            sys.stderr.write("thinking about it\n")
            sys.stderr.flush()
            time.sleep(600)
        elif method == "exit":
            sys.stderr.write("giving up\n")
            sys.stderr.flush()
            os._exit(params["code"])
        elif method == "segfault":
            if params.get("child"):
                child()
            ctypes.string_at(0)
        elif method == "close pipe":
            os.close(1)
            time.sleep(600)
        elif method == "chatter":
            for _ in range(2000):
                sys.stderr.write("x" * 1000 + "\n")
            sys.stderr.write("the last line\n")
            sys.stderr.flush()
            say({"id": number, "result": "spoken"})
        elif method == "raise":
            error = {
                "type": "ZeroDivisionError",
                "message": "division by zero",
                "traceback": "Traceback (most recent call last):\n  in far_away\n",
                "data": {"line": 12},
            }
            say({"id": number, "error": error})


main(sys.argv[1] if len(sys.argv) > 1 else "")
