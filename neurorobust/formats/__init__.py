"""Models in and out: one folder per file format or framework, both ways."""
