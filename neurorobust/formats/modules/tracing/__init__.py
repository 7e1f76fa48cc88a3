"""What a torch module computes, found by running it once on tagged zeros."""
