"""onnxruntime as a backend: what ``save_onnx`` writes, executed."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import get_args

from neurorobust.backends import Capabilities, Executable, Precision, Rung, Support, require_support
from neurorobust.backends.hosted import hosted
from neurorobust.errors import BackendUnavailable, InvalidInput
from neurorobust.ir import Model

LIBRARIES = ("onnx", "onnxruntime")


@dataclass(frozen=True, slots=True)
class OnnxBackend:
    """Runs the ``scan`` form on the CPU.

    Attributes:
        threads: Of one operator; 1 unless more are asked for, since small operators lose by them.
    """

    name: str = "onnx"
    threads: int = 1

    def capabilities(self) -> Capabilities:
        """Everything that a Graph or Program can say; overflows are not counted."""
        return Capabilities(
            rungs={"float": Support(membrane=True), "quantised": Support(membrane=True)},
            missing_rungs={"device": "onnxruntime runs on no neuromorphic chip"},
        )

    def missing(self) -> str | None:
        """The command that adds the libraries, or None."""
        if absent := [name for name in LIBRARIES if find_spec(name) is None]:
            return f"{' and '.join(absent)} not installed; run `pip install 'neurorobust[onnx]'`"
        return None

    def versions(self) -> Mapping[str, str]:
        """Installed versions of onnx and onnxruntime."""
        found = {}
        for package in LIBRARIES:
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                continue
        return found

    def compile(self, model: Model, rung: Rung, *, precision: Precision = "double") -> Executable:
        """Write the graph and load it.

        Raises:
            Unsupported: for another rung, the wrong kind of model, or a node without a form.
            BackendUnavailable: if onnx or onnxruntime is not installed.
            InvalidInput: for an unknown precision.
        """
        require_support(self.name, self.capabilities(), model, rung)
        if reason := self.missing():
            raise BackendUnavailable(reason)
        if split := hosted(model, lambda part: self.compile(part, rung, precision=precision)):
            return split
        if precision not in get_args(Precision):
            msg = f"precision is {precision!r}; known are {', '.join(get_args(Precision))}"
            raise InvalidInput(msg)
        from neurorobust_onnx.session import Sessions

        return Sessions(model, precision, self.threads)


backend = OnnxBackend()
