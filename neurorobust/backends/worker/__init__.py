"""Host side of backends that live in another Python: protocol, client, environments.

Nothing here knows any particular simulator. A backend that cannot share the interpreter of the
host gives a command that speaks :mod:`~neurorobust.backends.worker.protocol` and, if it wants one
built, an :class:`EnvironmentSpec`.
"""

from neurorobust.backends.worker.client import LIFELINE_VARIABLE, RemoteCause, WorkerClient
from neurorobust.backends.worker.environments import (
    EnvironmentSpec,
    EnvironmentStatus,
    Tier,
    build,
    home,
    interpreter,
    path,
    remove,
    status,
)
from neurorobust.backends.worker.protocol import PROTOCOL_VERSION, Hello, ProtocolError

__all__ = [
    "LIFELINE_VARIABLE",
    "PROTOCOL_VERSION",
    "EnvironmentSpec",
    "EnvironmentStatus",
    "Hello",
    "ProtocolError",
    "RemoteCause",
    "Tier",
    "WorkerClient",
    "build",
    "home",
    "interpreter",
    "path",
    "remove",
    "status",
]
