"""The nodes of a NIR file → nodes of a Graph."""
