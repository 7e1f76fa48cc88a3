"""An attack study in the terminal."""

from functools import partial
from pathlib import Path

from rich.console import Console

from neurorobust.audit import EvaluationCard
from neurorobust.render import console as terminal
from neurorobust.render import looks
from neurorobust.study.attack.run import Attacked
from neurorobust.study.attack.store import CARD, audited, withheld

PLAIN_WIDTH = 160
"""Of the table where there is no terminal."""


def print_attacks(
    console: Console, done: Attacked, card: EvaluationCard | str, folder: Path
) -> None:
    """One row per attack and gradient, one column per radius; the worst case, or why there is none.

    Args:
        console: Where to print.
        done: What was crafted.
        card: Of its audit, or why there is none.
        folder: Where the sets are.
    """
    samples, radii = done.samples, list(done.worst)
    heads = [f"ε {looks.epsilon(radius)}" for radius in radii]
    names = ("attack", "gradient", "knowledge", *heads)
    table = terminal.table(*names, right=heads, **terminal.QUIET)
    rows: dict[tuple[str, str, str], dict[float, str]] = {}
    for trial in done.trials:
        key, found = (trial.name, trial.gradient, str(trial.attacks.knowledge)), trial.success
        cell = f"{looks.percent(found.rate)} ({looks.interval(found)})"
        rows.setdefault(key, {})[trial.attacks.epsilon] = cell
    for key, cells in rows.items():
        table.add_row(*key, *(cells.get(radius, "") for radius in radii))
    console.print()
    console.print(table, width=None if console.is_terminal else PLAIN_WIDTH)
    say = partial(terminal.say, console)
    right = done.trials[0].success.n
    say(
        f"Wrong under attack, of the {right} of {len(samples)} samples of {samples.name} "
        "that are right when clean; in brackets Wilson 95 % intervals."
    )
    if samples.note:
        say(f"{samples.note.capitalize()}.")
    if reason := withheld(card):
        say(f"\nRobust accuracy withheld: {reason}")
    else:
        say(f"\nRobust accuracy is at most, by the worst case of {len(rows)} attacks:")
        for radius, found in done.worst.items():
            rate = f"{looks.percent(found.rate)} ({looks.interval(found)})"
            say(f"  ε {looks.epsilon(radius)}: {rate}, {found.count} of {found.n} samples")
    if at := audited(done, card):
        left = [looks.percent(at[f"left_by_{whose}"]) for whose in ("audit", "campaign")]
        say(
            f"Of its {at['samples']} samples the audit left {left[0]} at ε "
            f"{looks.epsilon(at['epsilon'])}, these attacks {left[1]}."
        )
    say(f"\nSets: {folder.resolve()}")
    if isinstance(card, EvaluationCard):
        say(f"Card: {(folder / CARD).resolve()}")
