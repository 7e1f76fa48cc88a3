"""Graphs and Programs → files of other frameworks."""
