"""Host side of backends that live in another Python: protocol, client, environments.

Nothing here knows any particular simulator. A backend that cannot share the interpreter of the
host gives a command that speaks :mod:`~neurorobust.backends.worker.protocol` and, if it wants one
built, an environment (:mod:`~neurorobust.backends.worker.environments`).
"""
