"""Attacks on values: gradient steps, queries and noise, one file each."""
