"""A model as sessions of onnxruntime, one per form that is asked for."""

# ruff: noqa: TID251 (the one file that may import onnxruntime; the backend imports it on compiling)

import time
from collections.abc import Collection, Iterator
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort

from neurorobust.backends.contract import Precision, Record, RunResult
from neurorobust.backends.runs import require_run
from neurorobust.data.stimulus import Stimulus
from neurorobust.errors import InvalidInput
from neurorobust.formats.onnx import onnx_model
from neurorobust.ir import Array, Model, Pool2d, Program
from neurorobust.ir.linear import Conv

if TYPE_CHECKING:
    from neurorobust.formats.onnx.save import Recorded

WORKING_SET = 1 << 25
"""Values that the windows of one convolution, or all that is recorded, may hold at a time."""


class Sessions:
    """A compiled model. It holds no state between runs."""

    def __init__(self, model: Model, precision: Precision, threads: int) -> None:
        self._model, self._precision = model, precision
        self._floats = (
            np.float32 if precision == "single" and not isinstance(model, Program) else np.float64
        )
        self._options = ort.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._options.inter_op_num_threads = 1
        self._options.log_severity_level = 3
        self._loaded: dict[tuple[bool, frozenset[Recorded]], ort.InferenceSession] = {}
        self._closed = False
        self._session(static=model.header.coding == "direct", record=frozenset())

    def run(self, stimulus: Stimulus, record: Collection[Record] = ()) -> RunResult:
        """Run all samples from their initial state.

        Raises:
            InvalidInput: for a wrong shape of the stimulus, an unknown record, values that are no
                numbers shown to a Program, or after ``close``.
            Unsupported: if overflows are to be counted.
        """
        require_run(self._model, stimulus, record, closed=self._closed)
        wanted = frozenset(r for r in record if r != "overflows")
        session = self._session(static=stimulus.static, record=wanted)
        names = [output.name for output in session.get_outputs()]
        began = time.perf_counter()
        parts = [
            dict(zip(names, session.run(None, feed), strict=True))
            for feed in self._feeds(stimulus, recorded=bool(record))
        ]
        took = time.perf_counter() - began
        count = len(stimulus)
        whole = {name: np.concatenate([part[name] for part in parts])[:count] for name in names}
        return RunResult(
            scores=whole["scores"].astype(np.float64),
            spikes=_of("/spikes", whole),
            membrane=_of("/membrane", whole),
            wall_s=took,
        )

    def close(self) -> None:
        """Free the sessions and refuse further runs."""
        self._loaded.clear()
        self._closed = True

    def _session(self, *, static: bool, record: "frozenset[Recorded]") -> ort.InferenceSession:
        key = static, record
        if key not in self._loaded:
            file = onnx_model(
                self._model, precision=self._precision, static=static, record=record, bounded=True
            )
            self._loaded[key] = ort.InferenceSession(
                file.SerializeToString(), self._options, providers=["CPUExecutionProvider"]
            )
        return self._loaded[key]

    def _feeds(self, stimulus: Stimulus, *, recorded: bool) -> Iterator[dict[str, Array]]:
        """Inputs, as many samples at a time as memory is meant to hold."""
        held = self._largest_windows()
        if recorded:
            held = max(held, stimulus.steps * sum(map(prod, self._model.shapes.values())))
        size = max(1, WORKING_SET // held)
        for start in range(0, max(len(stimulus), 1), size):
            values = np.ascontiguousarray(stimulus.values[start : start + size], self._floats)
            if not len(values):  # onnxruntime divides by the size of an empty batch, and dies
                values = np.zeros((1, *values.shape[1:]), self._floats)
            if isinstance(self._model, Program) and np.isnan(values).any():
                msg = "the stimulus holds values that are no numbers (NaN); remove them"
                raise InvalidInput(msg)
            if stimulus.static:
                yield {"input": values[:, 0], "steps": np.asarray(stimulus.steps)}
            else:
                yield {"input": values}

    def _largest_windows(self) -> int:
        """Values of the largest unfolded input of a node, per sample."""
        model, found = self._model, 1
        for name, node in model.nodes.items():
            if isinstance(node, Conv | Pool2d):
                kernel = node.weight.shape[2:] if isinstance(node, Conv) else node.kernel
                channels = model.shapes[model.incoming(name)[0].source][0]
                found = max(found, channels * prod(kernel) * prod(model.shapes[name][1:]))
        return found


def _of(ending: str, values: dict[str, Array]) -> dict[str, Array]:
    """Values by the name of their node."""
    return {n.removesuffix(ending): v for n, v in values.items() if n.endswith(ending)}
