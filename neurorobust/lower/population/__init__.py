"""One population on one integer scale: its limits, its scale, what it lost."""
