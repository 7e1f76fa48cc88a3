"""Runs real Lava for a host in another Python.

Started as a directory: ``python3.10 -I -u -X faulthandler <this directory>``. The pipes are
claimed before numpy or Lava are imported, because both print.
"""

import wire as _wire

_pipes = _wire.Wire()

import importlib.metadata  # noqa: E402

import memory  # noqa: E402
import methods  # noqa: E402


def main() -> None:
    """Say hello and serve."""
    memory.claim_names()
    _wire.watch_lifeline(memory.remove_segments)
    packages = {name: importlib.metadata.version(name) for name in ("numpy", "lava-nc")}
    _pipes.send(_wire.hello("lava", packages))
    _wire.serve(_pipes, methods.Methods(_pipes).table())


main()
