"""What adapters of torch-based frameworks share: availability, versions, refusals, compilation."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

from neurorobust.backends.capabilities import Capabilities, Deviation, Support, require_support
from neurorobust.backends.contract import Executable, Precision, Rung
from neurorobust.errors import BackendUnavailable
from neurorobust.ir import Graph, Model

if TYPE_CHECKING:
    import torch

    from neurorobust.backends.modules import Neuron


def installed(*packages: str) -> dict[str, str]:
    """Versions of those of the packages that are installed."""
    found = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


class FrameworkBackend(ABC):
    """Runs a Graph on the rung ``float``; nothing of the framework is imported before ``compile``.

    Attributes:
        name: Of the backend, the extra and the distribution.
        label: Of the framework, for messages.
        verified: Release whose laws were read and tested; others may differ.
        gaps: See ``Support``.
        rounding: Declared deviations from the exact law.
    """

    name: str
    label: ClassVar[str]
    verified: ClassVar[str]
    gaps: ClassVar[Mapping[str, str]]
    rounding: ClassVar[tuple[Deviation, ...]] = ()

    def capabilities(self) -> Capabilities:
        """Everything but the gaps, up to the declared deviations."""
        deviations = (*self.rounding, *self.unverified())
        return Capabilities(
            rungs={"float": Support(gaps=self.gaps, deviations=deviations)},
            missing_rungs={
                "quantised": f"{self.label} computes in floating point; `torch` runs a Program",
                "device": f"{self.label} runs on no neuromorphic chip",
            },
        )

    def missing(self) -> str | None:
        """The command that adds the framework, or None."""
        if find_spec(self.name) is None:
            return f"{self.label} is not installed; run `pip install 'neurorobust[{self.name}]'`"
        return None

    def versions(self) -> Mapping[str, str]:
        """Installed versions of the framework and torch."""
        return installed(self.name, "torch")

    def compile(self, model: Model, rung: Rung, *, precision: Precision = "double") -> Executable:
        """Build the framework's own modules for every LIF and LI node.

        Raises:
            Unsupported: if the model uses what the framework cannot run.
            BackendUnavailable: if it is not installed.
        """
        require_support(self.name, self.capabilities(), model, rung)
        if reason := self.missing():
            raise BackendUnavailable(reason)
        from neurorobust.backends.modules import ModuleExecutable, dtype_of

        assert isinstance(model, Graph)  # noqa: S101  # require_support has refused all else
        dtype = dtype_of(precision)
        neurons, rounding = self.neurons(model, dtype)
        return ModuleExecutable(model, neurons, dtype, (*rounding, *self.unverified()))

    @abstractmethod
    def neurons(
        self, model: Graph, dtype: "torch.dtype"
    ) -> "tuple[Mapping[str, Neuron], tuple[Deviation, ...]]":
        """Populations by name, and the deviations that apply to this model."""

    def unverified(self) -> tuple[Deviation, ...]:
        """A deviation where another release is installed than the one that was tested."""
        found = self.versions().get(self.name, self.verified)
        if found == self.verified:
            return ()
        text = f"{self.label} {found}; its laws were verified in {self.verified}"
        return (Deviation("unverified", text),)
