"""Pass: a float Graph → a Program in Loihi's integers, population by population."""

from typing import Any

from neurorobust.errors import LowerError
from neurorobust.ir import LI, LIF, FixedInput, Flatten, Graph, Node, Output, Program
from neurorobust.lower.limits import Limits
from neurorobust.lower.population import STATE_ONE, Population
from neurorobust.lower.refusals import refusals

SENSOR_LEVELS = 256
"""Grid assumed for a continuous input: a graded message of eight bits."""


def to_fixed(graph: Graph, limits: Limits, *, profile: str) -> Program:
    """Lower a Graph whose batch norms, preprocessing and gains are folded.

    Args:
        graph: The network; LIF neurons reset hard to 0 in the same step and compare with ``>``,
            gains are 1 and biases belong to the neurons.
        limits: Widths of the target.
        profile: Name recorded in the Program.

    Raises:
        LowerError: listing everything that has no exact integer form.
    """
    if found := refusals(graph, limits):
        listed = "\n".join(f"  - {refusal}" for refusal in found)
        msg = (
            f"this network has no exact form in {profile}'s arithmetic:\n{listed}\n"
            "Change the network as named and train it again, or stay on the rung 'float'."
        )
        raise LowerError(msg)
    source = _input(graph)
    nodes: dict[str, Node] = {}
    report: list[dict[str, Any]] = []
    unit = 1.0
    for name in graph.order:
        node = graph.nodes[name]
        if isinstance(node, LIF | LI):
            population = Population(graph, name, source, limits)
            nodes |= population.lowered()
            report.append(population.report())
            if isinstance(node, LI):
                unit = 1 / (population.scale * STATE_ONE)
        elif isinstance(node, Flatten | Output):
            nodes[name] = node
    nodes[graph.input] = source
    return Program(
        header=graph.header,
        nodes={name: nodes[name] for name in graph.nodes},
        edges=graph.edges,
        profile=profile,
        source_hash=graph.content_hash,
        score_unit=unit,
        report=report,
    )


def _input(graph: Graph) -> FixedInput:
    header, shape = graph.header, graph.shapes[graph.input]
    if header.coding == "bernoulli":
        return FixedInput(shape=shape, scale=1.0, high=1)
    top = (header.levels or SENSOR_LEVELS) - 1
    return FixedInput(shape=shape, scale=top / header.bounds[1], high=top)
