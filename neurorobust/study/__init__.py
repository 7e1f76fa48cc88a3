"""Studies: many cells, one results folder, one page."""
