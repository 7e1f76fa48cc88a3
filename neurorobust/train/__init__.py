"""Training: the loop, and from images to a Graph."""
