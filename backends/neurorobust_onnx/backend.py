"""onnxruntime as a backend: what ``save_onnx`` writes, executed."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from neurorobust.backends import Capabilities, Executable, Precision, Rung, require_support
from neurorobust.backends.framework import installed
from neurorobust.backends.hosted import hosted
from neurorobust.backends.runs import require_precision
from neurorobust.errors import BackendUnavailable
from neurorobust.ir import Model
from neurorobust_onnx.gaps import CAPABILITIES

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
        return CAPABILITIES

    def missing(self) -> str | None:
        """The command that adds the libraries, or None."""
        if absent := [name for name in LIBRARIES if find_spec(name) is None]:
            return f"{' and '.join(absent)} not installed; run `pip install 'neurorobust[onnx]'`"
        return None

    def versions(self) -> Mapping[str, str]:
        """Installed versions of onnx and onnxruntime."""
        return installed(*LIBRARIES)

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
        require_precision(precision)
        from neurorobust_onnx.session import Sessions

        return Sessions(model, precision, self.threads)


backend = OnnxBackend()
