"""The contract every backend fulfils, its capabilities as data, and the registry."""

from neurorobust.backends.capabilities import (
    Capabilities,
    Deviation,
    Support,
    features_of,
    known_features,
    require_support,
)
from neurorobust.backends.contract import (
    RUNGS,
    SIMULATED,
    Backend,
    Executable,
    Overflow,
    Precision,
    Record,
    Rung,
    RunResult,
)
from neurorobust.backends.registry import backend_names, get_backend, require_backend
from neurorobust.backends.running import compiled, require_lane, run, rung_of

__all__ = [
    "RUNGS",
    "SIMULATED",
    "Backend",
    "Capabilities",
    "Deviation",
    "Executable",
    "Overflow",
    "Precision",
    "Record",
    "RunResult",
    "Rung",
    "Support",
    "backend_names",
    "compiled",
    "features_of",
    "get_backend",
    "known_features",
    "require_backend",
    "require_lane",
    "require_support",
    "run",
    "rung_of",
]
