"""``python -m neurorobust``."""

from neurorobust.cli import app

app()
