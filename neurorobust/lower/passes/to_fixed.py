"""Pass: a float Graph → a Program in Loihi's integers, population by population."""

from typing import Any

from neurorobust.errors import LowerError, grouped
from neurorobust.ir import LI, LIF, FixedInput, Flatten, Graph, Node, Output, Program
from neurorobust.ir.fixed import STATE_ONE
from neurorobust.lower.log import Log
from neurorobust.lower.population.calibration import Calibration
from neurorobust.lower.population.limits import Limits
from neurorobust.lower.population.nonsense import nonsense
from neurorobust.lower.population.report_row import report_row
from neurorobust.lower.population.scaled import Population
from neurorobust.lower.population.scaling import Judge, Rule, Scaled, scaled
from neurorobust.lower.refusals import SENSOR_LEVELS, refuse

MAX_ABS = Rule()


def to_fixed(
    graph: Graph,
    limits: Limits,
    *,
    profile: str,
    rule: Rule = MAX_ABS,
    log: Log | None = None,
    calibration: Calibration | None = None,
) -> Program:
    """Lower a Graph whose pools, batch norms, preprocessing and gains are folded.

    Args:
        graph: The network; LIF neurons reset hard to 0 in the same step, gains are 1 and biases
            belong to the neurons. An Input that feeds neurons directly drives them as a constant
            current, in membrane units within the header's bounds.
        limits: Widths of the target.
        profile: Name recorded in the Program.
        rule: How scales are chosen.
        log: Notes and refusals of the passes before.
        calibration: Judges scales; needed by the rule ``spikes``.

    Raises:
        LowerError: listing everything that has no exact integer form, or else everything that
            would come to nothing in integers.
    """
    log = Log() if log is None else log
    driven = any(graph.nodes[edge.target].population for edge in graph.outgoing(graph.input))
    refuse(graph, limits, log, driven=driven)
    _settle(
        log,
        f"this network has no exact form in {profile}'s arithmetic",
        "Change the network as named and train it again, or stay on the rung 'float'.",
    )
    source = None if driven else _graded_input(graph)
    nodes: dict[str, Node] = {}
    report: list[dict[str, Any]] = []
    unit = 1.0
    for name in graph.order:
        node = graph.nodes[name]
        if isinstance(node, LIF | LI):
            population = Population(graph, name, source, limits)
            # What came to nothing gives nothing to judge the others by.
            judge = None if log.refused else _judge(calibration, nodes, source)
            found = scaled(population, rule, judge)
            for refusal in nonsense(found):
                log.keep(refusal)
            if calibration is not None and rule.scaling == "spikes" and not log.refused:
                calibration.keep(found, nodes, source or _current(found, graph))
            if population.closed:
                log.note(name, "fires above one unit less, which is at its threshold")
            nodes |= found.population.nodes(found.scale)
            report.append(report_row(found) | _passes(log, population))
            if population.drive:
                nodes[graph.input] = _current(found, graph)
            if isinstance(node, LI):
                unit = 1 / (found.scale * STATE_ONE)
        elif isinstance(node, Flatten | Output):
            nodes[name] = node
    _settle(
        log,
        f"this network comes to nothing in {profile}'s arithmetic",
        "Change what limits it as named, or stay on the rung 'float'.",
    )
    if source is not None:
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


def _judge(
    calibration: Calibration | None, nodes: dict[str, Node], source: FixedInput | None
) -> Judge | None:
    if calibration is None:
        return None
    done = dict(nodes)

    def judge(found: Scaled) -> float:
        if any(True for _ in nonsense(found)):
            return float("inf")
        return calibration.error(found, done, source or _current(found, calibration.rest))

    return judge


def _current(found: Scaled, graph: Graph) -> FixedInput:
    """A constant current in units of the mantissa, exponent 6: ``64 a`` in the neuron's law."""
    most = found.population.current_max
    shape = graph.shapes[graph.input]
    return FixedInput(shape=shape, scale=found.scale, low=-most, high=most)


def _graded_input(graph: Graph) -> FixedInput:
    """Spikes, or whole sensor steps; a value of 0 is the message 0."""
    header, shape = graph.header, graph.shapes[graph.input]
    if header.coding == "bernoulli":
        return FixedInput(shape=shape, scale=1.0, high=1)
    low, high = header.bounds
    scale = ((header.levels or SENSOR_LEVELS) - 1) / (high - low)
    return FixedInput(shape=shape, scale=scale, low=round(low * scale), high=round(high * scale))


def _passes(log: Log, population: Population) -> dict[str, Any]:
    names = [*population.synapses, population.name]
    done = [text for name in names for text in log.notes.get(name, [])]
    return {"passes": "; ".join(done)}


def _settle(log: Log, what: str, way_out: str) -> None:
    if log.refused:
        raise LowerError(f"{what}:\n{grouped(log.refused)}\n{way_out}", log.refused)
