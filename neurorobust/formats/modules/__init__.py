"""Torch modules of other frameworks, in."""
