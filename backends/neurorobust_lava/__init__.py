"""Real Lava in its own Python 3.10 process: the oracle of the integer law, the bridge to Loihi."""

from neurorobust_lava.backend import LavaBackend

backend = LavaBackend()

__all__ = ["LavaBackend", "backend"]
