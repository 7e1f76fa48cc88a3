"""Trained networks of other frameworks → Graph."""
