"""A network as it would lie on a chip: lowered, where the chip computes by the integer law here."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from neurorobust.chips.schema import LoihiArithmetic, Profile
from neurorobust.errors import LowerError, ProfileError
from neurorobust.fit.activity import Activity
from neurorobust.fit.extract import extract
from neurorobust.fit.layers import Network
from neurorobust.fit.result import Result
from neurorobust.ir import Graph, Model, Program
from neurorobust.lower import lower


@dataclass(frozen=True, slots=True, kw_only=True)
class OnChip:
    """What is placed and checked.

    Attributes:
        network: Its layers; those of the model itself where it cannot be lowered.
        program: The integers, where the chip's law has them.
        activity: As the chip sees it.
        results: What lowering refused.
        notes: What became of the model.
    """

    network: Network
    program: Program | None = None
    activity: Activity | None = None
    results: tuple[Result, ...] = ()
    notes: tuple[str, ...] = ()


def on_chip(model: Model, profile: Profile, activity: Activity | None, known: Network) -> OnChip:
    """Lower a Graph with default options for a chip of the integer law; take others as they are.

    Args:
        model: The Graph or Program.
        profile: The chip.
        activity: Measured on the model.
        known: What ``extract`` made of the model.
    """
    as_it_is = OnChip(network=known, activity=activity)
    if not isinstance(profile.arithmetic, LoihiArithmetic):
        return as_it_is
    if isinstance(model, Program):
        return replace(as_it_is, program=model)
    assert isinstance(model, Graph)  # noqa: S101  # a Model is one of the two
    try:
        program = lower(model, profile)
    except LowerError as error:
        return replace(as_it_is, results=tuple(_refusals(model, error)))
    except ProfileError as error:
        lacks = Result(constraint="lowering", kind="wall", status="unchecked", note=str(error))
        return replace(as_it_is, results=(lacks,))
    assert isinstance(program, Program)  # noqa: S101  # of this law
    network = replace(extract(program), name=known.name, content_hash=known.content_hash)
    coding, first = _coding(program)
    done = [f"{name!r} is computed on the host" for name in first]
    return OnChip(
        network=network,
        program=program,
        activity=activity and _sent(activity, program, first),
        notes=(", ".join([f"lowered with input_coding {coding!r}", *done]),),
    )


def _coding(program: Program) -> tuple[str, list[str]]:
    """How the input enters, and the populations that the host computes for that."""
    if program.host is None:
        return "graded", []
    nodes = program.host.nodes
    first = [name for name, node in nodes.items() if node.population and node.stateful]
    return "host" if first else "bias", first


def _sent(activity: Activity, program: Program, first: list[str]) -> Activity:
    """Spikes of a population on the host are what the chip receives."""
    if not first:
        return activity
    events = {**activity.events, program.input: activity.events[first[0]]}
    return replace(activity, events=events, input_peak=1.0)


def _refusals(graph: Graph, error: LowerError) -> Iterator[Result]:
    """One failure per line of a refusal, at the node that the line names."""
    lines = [line.removeprefix("  - ") for line in str(error).split("\n") if line[:4] == "  - "]
    for line in lines or [str(error)]:
        places = (name for name in (*graph.nodes, "header") if line.startswith(f"{name}: "))
        where = max(places, key=len, default="")
        note = line[len(where) + 2 :] if where else line
        yield Result(constraint="lowering", kind="wall", layer=where, status="fail", note=note)
