"""Programs with a part on the host: once for all backends, which then see the chip's part alone."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from neurorobust.backends.contract import Executable, Record, RunResult
from neurorobust.backends.runs import require_run
from neurorobust.data import Stimulus
from neurorobust.ir import Model, Program


def hosted(model: Model, compile_inner: Callable[[Program], Executable]) -> Executable | None:
    """An executable of a Program with a host part; None for a model without one.

    Args:
        model: What a backend is asked to compile.
        compile_inner: How the backend compiles the part on the chip.
    """
    if not isinstance(model, Program) or model.host is None:
        return None
    return _Hosted(model, compile_inner(model.with_(host=None)))


@dataclass(slots=True)
class _Hosted:
    program: Program
    inner: Executable
    closed: bool = False

    def run(self, stimulus: Stimulus, record: Collection[Record] = ()) -> RunResult:
        """Run the host's part, then the chip's on what it sends."""
        program, host = self.program, self.program.host
        # What can be recorded is for the chip's part to say.
        require_run(program, stimulus, record, closed=self.closed, overflows=True)
        assert host is not None  # noqa: S101  # `hosted` saw to it
        from neurorobust.engine.host import sent  # torch is imported when something runs

        start = time.perf_counter()
        message = sent(host, program.shapes[program.input], stimulus)
        took = time.perf_counter() - start
        result = self.inner.run(message, record)
        return replace(result, wall_s=result.wall_s + took)

    def close(self) -> None:
        """Close what runs the chip's part."""
        self.closed = True
        self.inner.close()
