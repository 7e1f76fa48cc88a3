"""Lava processes of our own.

They have a folder to themselves because Lava executes every module beside the one that defines a
process when it looks for models.
"""
