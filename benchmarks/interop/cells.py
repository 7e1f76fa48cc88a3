"""One cell of the table: what a reader makes of what a writer wrote, and what was lost on the way.

What was lost is found by running: the network is changed in one respect after the other, and the
change that gives the very spikes that came out is what the reader did.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.interop.frameworks import NOISE, CannotSay, Run
from benchmarks.interop.networks import (
    LIF,
    SETS,
    Recurrent,
    Spec,
    inputs,
    plain,
    run_stepwise,
    spec_of,
)
from benchmarks.interop.ours import NotThere

Attempt = Callable[[Spec, Tensor], tuple[Tensor, Callable[[], Run]]]
"""From a network and a stimulus to what it computes at home, and how to read it elsewhere."""


READINGS = 32
"""Of a file whose reading fails: some readers give another result every time."""
LOUDER = 32.0
"""Factor on the inputs of a second run, in which a network with weak inputs speaks, too."""


class Failed(Exception):
    """A stage that raised, with the class of the error."""

    def __init__(self, stage: str, error: Exception) -> None:
        self.stage, self.kind = stage, type(error).__name__
        super().__init__(f"{stage}: {error}")


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Errors of libraries as one that says where they were raised; any class may come."""
    try:
        yield
    except (CannotSay, NotThere, Failed):
        raise
    except Exception as error:
        raise Failed(name, error) from error


class Heard(logging.Handler):
    """Whether a library said anything: log lines, warnings, prints that warn."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a log line."""
        self.lines.append(record.getMessage())


@contextmanager
def listening() -> Iterator[Heard]:
    """Collect what is said, instead of showing it."""
    heard, out, root = Heard(), StringIO(), logging.getLogger()
    kept, root.handlers = root.handlers, [heard]
    try:
        with warnings.catch_warnings(record=True) as caught, redirect_stdout(out):
            warnings.simplefilter("always")
            for category, message in NOISE:
                warnings.filterwarnings("ignore", message, category)
            yield heard
    finally:
        root.handlers = kept
    heard.lines += [str(warning.message) for warning in caught]
    heard.lines += [line for line in out.getvalue().splitlines() if "warning" in line.lower()]


@dataclass(frozen=True)
class Cell:
    """What came out.

    Attributes:
        bits: Differing output bits per set; None where nothing was compared.
        text: What is shown instead, or beside them.
        said: Whether a library said anything on the way.
    """

    bits: tuple[int, ...] | None = None
    text: str = ""
    said: bool = False

    def __str__(self) -> str:
        if self.bits is None:
            return self.text
        if not any(self.bits):
            return "**0**"
        numbers = " + ".join(map(str, self.bits))
        if not self.text:
            return numbers
        return f"{_lost(said=self.said)}: {self.text}, {numbers}"


def cell(name: str, attempt: Attempt) -> Cell:
    """Run both sets of parameters of a network and compare."""
    bits, found, lines = [], "", []
    for kind in SETS:
        spec = spec_of(name, kind)
        x = inputs(spec, kind)
        try:
            with listening() as heard:
                wanted, read = attempt(spec, x)
                odd = _odd(read, x, wanted)
                got, again = (None, None) if odd else (_run(read, x, seed=n) for n in (0, 1))
        except CannotSay:
            return Cell(text="cannot be built")
        except NotThere as missing:
            return Cell(text=f"not there: `{missing}`")
        except Failed as error:
            return Cell(text=f"{error.stage} raises `{error.kind}`")
        lines += heard.lines
        if odd:
            chance = ", by chance" if len(odd) > 1 else ""
            texts = (text.format(lost=_lost(said=bool(lines))) for text in sorted(odd))
            return Cell(text=" or ".join(texts) + chance)
        bits.append(int((got != wanted).sum()))
        if kind == SETS[0] and (got != again).any():
            found = "biases (drawn anew)"
        elif kind == SETS[0] and bits[0]:
            louder = LOUDER * x
            with listening():
                found = lost_on_the_way(spec, [(x, got), (louder, _run(read, louder, seed=0))])
    return Cell(tuple(bits), found, bool(lines))


def _lost(*, said: bool) -> str:
    return "lost" if said else "lost silently"


def _odd(read: Callable[[], Run], x: Tensor, wanted: Tensor) -> set[str]:
    """What several readings give that cannot be compared; nothing if the first one can."""
    found = set[str]()
    for _ in range(READINGS):
        try:
            got = _run(read, x, seed=0)
        except Failed as error:
            found.add(f"{error.stage} raises `{error.kind}`")
            continue
        if got.shape == wanted.shape and not found:
            return found
        if got.shape == wanted.shape:
            found.add("runs")
            continue
        found.add(f"{{lost}}: layers (output {'×'.join(map(str, got.shape[2:]))})")
    return found


def _run(read: Callable[[], Run], x: Tensor, *, seed: int) -> Tensor:
    torch.manual_seed(seed)
    with stage("reader"):
        run = read()
    with stage("run"):
        return run(x)


def lost_on_the_way(spec: Spec, runs: list[tuple[Tensor, Tensor]]) -> str:
    """The change of the network that gives exactly these spikes, or nothing.

    Args:
        spec: The network.
        runs: Stimuli with what came out; silence alone proves nothing.
    """
    if not any(got.any() for _, got in runs):
        return "every spike"
    for what, changed in changes(spec):
        if all(torch.equal(run_stepwise(changed(), x), got) for x, got in runs):
            return what
    return ""


def changes(spec: Spec) -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """Networks that differ in one respect, or in two that go together."""
    soft = any(p.soft for p in spec.populations)
    hard = spec.with_populations(soft=False)
    bases = [("", spec)] + ([("reset, ", hard)] if soft else [])
    if soft:
        yield "reset", lambda: plain(hard)
        yield "amount of the reset", lambda: plain(spec)
    if spec.kind == "recurrent":
        yield "timing of the reset", lambda: plain(spec)
    for already, base in bases:
        yield f"{already}input gain", lambda base=base: plain(_rescaled(base, 1.0, gain=True))
        for factor in (1e3, 100.0, 10.0, 0.1, 0.01, 1e-3):
            for gain, words in ((False, "time step"), (True, "time step, input gain")):
                changed = _rescaled(base, factor, gain=gain)
                yield f"{already}{words}", lambda changed=changed: plain(changed)
                clipped = _clipped(changed)
                yield f"{already}{words}", lambda clipped=clipped: plain(clipped)
        silent = {name: (w, np.zeros_like(b)) for name, (w, b) in base.weights.items()}
        yield f"{already}biases", lambda base=base, w=silent: plain(replace(base, weights=w))
    yield from _loop_changes(spec)


def _rescaled(spec: Spec, factor: float, *, gain: bool) -> Spec:
    """Time constants read with another step; ``gain``: inputs enter with 1 - beta."""
    populations = []
    for p in spec.populations:
        leak = np.float32(factor) * (1 - p.beta)
        scale = leak if gain else np.full_like(leak, factor)
        populations.append(replace(p, beta=1 - leak, gain=scale))
    return replace(spec, populations=tuple(populations))


def _clipped(spec: Spec) -> Spec:
    """Decays kept within 0..1."""
    clipped = (replace(p, beta=np.clip(p.beta, 0, 1)) for p in spec.populations)
    return replace(spec, populations=tuple(clipped))


class _NoFirstLoop(Recurrent):
    """Weights of the loop, with their bias, act from the second step on."""

    def __init__(self, lif: nn.Module, loop: nn.Linear) -> None:
        super().__init__(lif, loop)
        self.begun = False

    def forward(self, x: Tensor) -> Tensor:
        """Spikes of one step."""
        self.s = self.lif(x + self.loop(self.s) if self.begun else x)
        self.begun = True
        return self.s


def _loop_changes(spec: Spec) -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    if spec.kind != "recurrent":
        return

    def without() -> nn.Module:
        found = plain(spec)
        found[1] = LIF(spec.populations[0])
        return found

    def bias_once() -> nn.Module:
        found = plain(spec)
        found[1] = _NoFirstLoop(found[1].lif, found[1].loop)
        return found

    def no_bias() -> nn.Module:
        found = plain(spec)
        found[1].loop.bias.data = torch.zeros_like(found[1].loop.bias.data)
        return found

    yield "the loop", without
    yield "bias of the loop in the first step", bias_once
    yield "bias of the loop", no_bias
