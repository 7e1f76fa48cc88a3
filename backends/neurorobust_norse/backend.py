"""Norse as a backend: rung ``float``, exact up to the rounding of Norse's own formula."""

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

VERIFIED = "1.1.0"
"""The release whose equations were read and tested."""

GAPS = {"LIF several spikes per step": "Norse's cells fire at most once per step"}

ROUNDING = (
    "rounding: Norse computes v + (1-beta) (x - v) instead of beta v + x (and i - (1-alpha) i for "
    "alpha i), so a membrane within rounding error of its threshold may fire differently; nothing "
    "is rounded where beta, alpha and all values lie on a binary grid that the precision holds, "
    "nor with beta = 1 without bias and alpha"
)


class Norse:
    """The adapter; nothing of Norse is imported before ``compile``."""

    name = "norse"

    def capabilities(self) -> Capabilities:
        """All but several spikes per step, up to rounding."""
        return Capabilities(
            rungs={"float": Support(gaps=GAPS, deviations=(ROUNDING, *self._unverified()))},
            missing_rungs={
                "quantised": "Norse computes in floating point; `torch` runs a Program",
                "device": "Norse runs on no neuromorphic chip",
            },
        )

    def missing(self) -> str | None:
        """The command that adds Norse, or None."""
        if find_spec("norse") is None:
            return "Norse is not installed; run `pip install 'neurorobust[norse]'`"
        return None

    def versions(self) -> Mapping[str, str]:
        """Installed versions of Norse and torch."""
        found = {}
        for package in ("norse", "torch"):
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                continue
        return found

    def compile(self, model: Model, rung: Rung, *, precision: Precision = "double") -> Executable:
        """Build Norse cells for all LIF and LI nodes (see ``neurons``).

        Raises:
            Unsupported: if the model uses what Norse cannot run.
            BackendUnavailable: if Norse is not installed.
        """
        require_support(self.name, self.capabilities(), model, rung)
        if reason := self.missing():
            raise BackendUnavailable(reason)
        from neurorobust.backends.modules import ModuleExecutable, dtype_of
        from neurorobust_norse.neurons import neurons_of, rounds

        assert isinstance(model, Graph)  # noqa: S101 (require_support has refused all else)
        dtype = dtype_of(precision)
        rounding = (ROUNDING,) if rounds(model, dtype) else ()
        deviations = (*rounding, *self._unverified())
        return ModuleExecutable(model, neurons_of(model, dtype), dtype, deviations)

    def _unverified(self) -> tuple[str, ...]:
        found = self.versions().get(self.name, VERIFIED)
        if found == VERIFIED:
            return ()
        return (f"unverified: Norse {found}; its laws were verified in {VERIFIED}",)


backend = Norse()
