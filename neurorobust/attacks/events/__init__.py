"""Attacks on event frames, one file each."""
