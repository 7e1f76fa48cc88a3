"""A Program, batched: the integer law of ``neurorobust.ir.fixed`` on CPU or GPU, exact by proof.

On a CPU, compiled loops (``kernels``) follow spikes from synapse to neuron. Their sums are int32
and wrap in two's complement: every sum is then right modulo 2^32, and the law asks for no more. On
a GPU sums are products of floats where bounds prove them exact (``products``).
"""

from neurorobust.engine.integer.network import FixedNetwork
from neurorobust.engine.integer.trace import FixedTrace

__all__ = ["FixedNetwork", "FixedTrace"]
