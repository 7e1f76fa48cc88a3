"""What a worker gets to see of the host's environment: a short list, and one thread."""

import os
from collections.abc import Mapping

PASSED_VARIABLES = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LD_LIBRARY_PATH",
    "PATH",
    "TMPDIR",
    "TZ",
    "USER",
    # Lava's own switches for boards and clusters.
    "BOARD",
    "LOIHI_GEN",
    "NXSDKHOST",
    "PARTITION",
    "SLURM",
)

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def worker_environment(
    extra: Mapping[str, str] | None = None, *, threads: int = 1
) -> dict[str, str]:
    """Choose the environment variables of a worker.

    A worker that inherits everything inherits the host's ``PYTHONPATH``, virtual environment and
    thread counts, and then computes something else on each machine.

    Args:
        extra: Variables to set on top, by name.
        threads: Threads that each numerical library may start, ≥ 1.

    Returns:
        The complete environment.
    """
    chosen = {name: os.environ[name] for name in PASSED_VARIABLES if name in os.environ}
    chosen.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    chosen.update(extra or {})
    return chosen
