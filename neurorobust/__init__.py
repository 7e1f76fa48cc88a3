"""What happens to a spiking network, and to attacks on it, on the way to a neuromorphic chip."""

__version__ = "0.1.0"
