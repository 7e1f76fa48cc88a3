"""A model on the way to Lava: processes, connections, timing; nothing here imports Lava."""
