"""Pass: what of a network runs on the host, and what the chip is sent.

========  ==========================================  ==============================================
coding    the host computes                           the chip receives, in every step
========  ==========================================  ==============================================
graded    nothing                                     the input, as whole sensor steps
bias      the maps before the first population, and   the constant current of each neuron:
          its gain and bias                           ``mantissa 2^6``, mantissa within ±4095
host      those and the population itself             its spikes
========  ==========================================  ==============================================
"""

from neurorobust.chips.arithmetic import InputCoding
from neurorobust.ir import Graph, Header
from neurorobust.lower.host_part import Coded, reached
from neurorobust.lower.log import Log
from neurorobust.lower.passes.constant_current import constant_current
from neurorobust.lower.passes.first_on_host import first_on_host


def coded(graph: Graph, coding: InputCoding, log: Log) -> Coded:
    """Cut a network by its input coding.

    Args:
        graph: As trained.
        coding: See above.
        log: Takes notes and refusals.

    Returns:
        The parts; the whole network as ``graded`` if the cut is refused.
    """
    if coding == "graded":
        return Coded(graph)
    first = _first_population(graph, log)
    if first is None:
        return Coded(graph)
    cut = constant_current if coding == "bias" else first_on_host
    return cut(graph, first, log) or Coded(graph)


def binary_input(header: Header) -> bool:
    """Whether every value of the input is 0 or one sensor step, a spike."""
    return header.coding == "bernoulli" or (header.levels == 2 and header.bounds[0] == 0)


def _first_population(graph: Graph, log: Log) -> str | None:
    """The one population that the input reaches."""
    names = set(reached(graph))
    found = sorted(name for name in names if graph.nodes[name].population)
    if graph.output in names:
        found.append(graph.output)
    if len(found) == 1 and found[0] != graph.output:
        return found[0]
    log.refuse(
        graph.input,
        f"feeds {found}; the host computes one first population: give the others the spikes of "
        "that one, or take input_coding='graded'",
    )
    return None
