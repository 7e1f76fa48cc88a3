"""The laboratory: what needs lava-dl besides lava-nc."""
