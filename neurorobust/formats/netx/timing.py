"""How much later netx does what a Program does."""

from neurorobust.ir import FixedConv2d, FixedDense, Program
from neurorobust.ir.fixed import FixedNeuron


def netx_latency(program: Program) -> dict[str, int]:
    """Steps by which each population is later in netx than in the Program, by node name.

    Every synapse of netx costs one step, so that with row t counted from 0 and the latency k of a
    population::

        s_netx[t] = s_program[t - k]     for t >= k

    This holds if the population rests at t = k, although netx has run it for k steps without data:
    where no population behind a synapse has a bias, or where a reset falls on that step
    (``reset_interval``, with the ``reset_offset`` that ``load`` takes by default) and no spike
    from before it still travels (no delays, and no recurrence of a population that its bias alone
    makes fire).
    """
    steps: dict[str, int] = {}
    for name in program.order:
        edges = program.incoming(name)
        before = [steps[edge.source] for edge in edges if not edge.delay and edge.source in steps]
        synapse = isinstance(program.nodes[name], FixedDense | FixedConv2d)
        steps[name] = max(before, default=0) + synapse
    return {n: k for n, k in steps.items() if isinstance(program.nodes[n], FixedNeuron)}
