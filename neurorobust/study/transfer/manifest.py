"""What a results folder says about itself: ``manifest.json``. Only the title is required."""

from typing import Any

from pydantic import Field

from neurorobust.study.results import Manifest, Part


class ProgramInfo(Part):
    """The network in chip integers; ``report`` has one row per layer."""

    profile: str = ""
    content_hash: str = ""
    report: list[dict[str, Any]] = Field(default_factory=list)


class BackendInfo(Part):
    """One backend on one rung: it ran, or the reason why not."""

    backend: str
    rung: str
    status: str = "ran"
    reason: str | None = None
    samples: int | None = None
    wall_s: float | None = None


class RasterInfo(Part):
    """The sample whose spikes are in ``rasters.npz``."""

    sample: int | None = None
    label: int | None = None
    clean_decision: int | None = None
    adversarial_decision: int | None = None
    attack: str = ""
    gradient: str = ""
    epsilon: float | None = None


class Deviation(Part):
    """A declared difference from the exact semantics of the model."""

    backend: str
    rung: str
    text: str


class SurrogateInfo(Part):
    """Where the attacks were crafted."""

    backend: str = "torch"
    rung: str = "float"


class Stage(Part):
    """A step of the run."""

    name: str
    wall_s: float


class ReplayManifest(Manifest):
    """The whole of ``manifest.json``."""

    title: str
    seeds: dict[str, Any] = Field(default_factory=dict)
    hardware: dict[str, Any] = Field(default_factory=dict)
    program: ProgramInfo | None = None
    backends: list[BackendInfo] = Field(default_factory=list)
    raster: RasterInfo | None = None
    deviations: list[Deviation] = Field(default_factory=list)
    surrogate: SurrogateInfo = SurrogateInfo()
    stages: list[Stage] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
