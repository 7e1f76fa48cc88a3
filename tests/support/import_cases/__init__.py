"""Random networks of other frameworks, and the comparison of what they do with their Graphs."""
