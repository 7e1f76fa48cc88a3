"""Executing a Graph or a Program with torch, on CPU or GPU."""
