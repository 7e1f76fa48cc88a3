"""The command line: parse, call, print. Heavy imports wait until a command needs them."""

from neurorobust.cli.app import app

__all__ = ["app"]
