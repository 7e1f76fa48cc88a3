"""A network as it would lie on a chip: lowered, where the chip computes by the integer law here."""

from dataclasses import dataclass, replace

from neurorobust.chips.arithmetic import LoihiArithmetic
from neurorobust.chips.schema import Profile
from neurorobust.errors import LowerError, ProfileError, Refusal
from neurorobust.fit.activity import Activity
from neurorobust.fit.extract import extract
from neurorobust.fit.layers import Network
from neurorobust.ir import Graph, Model, Program
from neurorobust.lower import lower


@dataclass(frozen=True, slots=True, kw_only=True)
class OnChip:
    """What is placed and checked.

    Attributes:
        network: Its layers; those of the model itself where it cannot be lowered.
        program: The integers, where the chip's law has them.
        activity: As the chip sees it.
        refusals: What lowering refused.
        unknown: Why lowering cannot tell.
        notes: What became of the model.
    """

    network: Network
    program: Program | None = None
    activity: Activity | None = None
    refusals: tuple[Refusal, ...] = ()
    unknown: str = ""
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
        return replace(as_it_is, refusals=error.refusals)
    except ProfileError as error:
        return replace(as_it_is, unknown=str(error))
    assert isinstance(program, Program)  # noqa: S101  # of this law
    network = replace(extract(program), name=known.name, content_hash=known.content_hash)
    coding, first = _coding(program)
    done = [f"{name!r} is computed on the host" for name in first]
    return OnChip(
        network=network,
        program=program,
        activity=activity and _sent(activity, program, first),
        notes=(", ".join([f"lowered with the input coding {coding!r}", *done]),),
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
