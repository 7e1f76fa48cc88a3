"""The Python 3.10 environment that Lava needs."""

from pathlib import Path

from neurorobust.backends.worker.environments import EnvironmentSpec, Tier

_HERE = Path(__file__).parent

WORKER = _HERE / "worker"
"""Folder that the environment's Python runs as the worker."""

LAVA_ENVIRONMENT = EnvironmentSpec(
    name="lava",
    python="3.10",
    variable="NEUROROBUST_LAVA_PYTHON",
    health_check=WORKER / "health_check.py",
    tiers=(
        Tier(
            name="lava",
            requirements=_HERE / "requirements-lava.txt",
            packages={"lava-nc": "0.10.0"},
            summary="lava-nc only, about 0.3 GB",
        ),
        Tier(
            name="lava-dl",
            requirements=_HERE / "requirements-lava-dl.txt",
            packages={"lava-nc": "0.10.0", "lava-dl": "0.6.0"},
            summary="lava-nc with lava-dl and PyTorch, about 5.6 GB",
            install_timeout_s=3 * 3600.0,
        ),
    ),
)
