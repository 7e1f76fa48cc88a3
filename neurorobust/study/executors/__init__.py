"""Where the processes of a study run: on this machine, or handed to a scheduler."""
