"""The nodes of a Graph → nodes of a NIR file, by profile."""
