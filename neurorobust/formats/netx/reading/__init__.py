"""The records of a ``.net`` file → layers as netx and Lava run them → nodes of a Program."""
