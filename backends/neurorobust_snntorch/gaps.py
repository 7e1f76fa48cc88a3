"""What snnTorch's neurons cannot do."""

GAPS = {"LIF several spikes per step": "snnTorch's neurons fire at most once per step"}
