"""A Program → the records of a ``.net`` file."""
