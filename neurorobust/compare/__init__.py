"""Where two networks part that should be one: by how much, since when, and why."""
