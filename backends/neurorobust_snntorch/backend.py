"""snnTorch as a backend: rung ``float``, bit for bit the canonical law."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from neurorobust.backends import (
    Capabilities,
    Executable,
    Precision,
    Rung,
    Support,
    require_support,
)
from neurorobust.errors import BackendUnavailable
from neurorobust.ir import Graph, Model

VERIFIED = "1.0.0"
"""The release whose reset rules were read and tested; others may reset differently."""

GAPS = {"LIF several spikes per step": "snnTorch's neurons fire at most once per step"}


class SnnTorch:
    """The adapter; nothing of snnTorch is imported before ``compile``."""

    name = "snntorch"

    def capabilities(self) -> Capabilities:
        """All but several spikes per step."""
        return Capabilities(
            rungs={"float": Support(gaps=GAPS, deviations=self._unverified())},
            missing_rungs={
                "quantised": "snnTorch computes in floating point; `torch` runs a Program",
                "device": "snnTorch runs on no neuromorphic chip",
            },
        )

    def missing(self) -> str | None:
        """The command that adds snnTorch, or None."""
        if find_spec("snntorch") is None:
            return "snnTorch is not installed; run `pip install 'neurorobust[snntorch]'`"
        return None

    def versions(self) -> Mapping[str, str]:
        """Installed versions of snnTorch and torch."""
        found = {}
        for package in ("snntorch", "torch"):
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                continue
        return found

    def compile(self, model: Model, rung: Rung, *, precision: Precision = "double") -> Executable:
        """Build one snnTorch neuron (or two, see ``neurons``) per LIF and LI node.

        Raises:
            Unsupported: if the model uses what snnTorch cannot run exactly.
            BackendUnavailable: if snnTorch is not installed.
        """
        require_support(self.name, self.capabilities(), model, rung)
        if reason := self.missing():
            raise BackendUnavailable(reason)
        from neurorobust.backends.modules import ModuleExecutable, dtype_of
        from neurorobust_snntorch.neurons import neurons_of

        assert isinstance(model, Graph)  # noqa: S101 (require_support has refused all else)
        dtype = dtype_of(precision)
        return ModuleExecutable(model, neurons_of(model, dtype), dtype, self._unverified())

    def _unverified(self) -> tuple[str, ...]:
        found = self.versions().get(self.name, VERIFIED)
        if found == VERIFIED:
            return ()
        return (f"unverified: snnTorch {found}; its resets were verified in {VERIFIED}",)


backend = SnnTorch()
