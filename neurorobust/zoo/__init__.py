"""Architectures, training recipes and model cards."""
