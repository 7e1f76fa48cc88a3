"""What a results folder says about itself: ``manifest.json``. Only the title is required."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    # Unknown keys stay: a later version may say more, and nothing said is ever thrown away.
    model_config = ConfigDict(extra="allow", frozen=True)


class ModelInfo(_Part):
    """The network as trained."""

    name: str = ""
    content_hash: str = ""
    card: dict[str, Any] = Field(default_factory=dict)


class ProgramInfo(_Part):
    """The network in chip integers; ``report`` has one row per layer."""

    profile: str = ""
    content_hash: str = ""
    report: list[dict[str, Any]] = Field(default_factory=list)


class ProfileInfo(_Part):
    """The hardware profile that was lowered to."""

    name: str = ""
    file: str = ""
    sha256: str = ""


class BackendInfo(_Part):
    """One backend on one rung: it ran, or the reason why not."""

    backend: str
    rung: str
    status: str = "ran"
    reason: str | None = None
    samples: int | None = None
    wall_s: float | None = None


class AttackSetInfo(_Part):
    """One frozen attack set."""

    set: str
    attack: str = ""
    gradient: str = ""
    epsilon: float = 0.0
    n: int | None = None
    content_hash: str = ""
    surrogate_asr: float | None = None
    params: dict[str, Any] = Field(default_factory=dict)


class RasterInfo(_Part):
    """The sample whose spikes are in ``rasters.npz``."""

    sample: int | None = None
    label: int | None = None
    clean_decision: int | None = None
    adversarial_decision: int | None = None
    attack: str = ""
    gradient: str = ""
    epsilon: float | None = None


class Deviation(_Part):
    """A declared difference from the exact semantics of the model."""

    backend: str
    rung: str
    text: str


class SurrogateInfo(_Part):
    """Where the attacks were crafted."""

    backend: str = "torch"
    rung: str = "float"


class Stage(_Part):
    """A step of the run."""

    name: str
    wall_s: float


class Manifest(_Part):
    """The whole of ``manifest.json``."""

    title: str
    command: str = ""
    created: str = ""
    wall_s: float | None = None
    seeds: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, dict[str, Any]] = Field(default_factory=dict)
    hardware: dict[str, Any] = Field(default_factory=dict)
    model: ModelInfo = ModelInfo()
    program: ProgramInfo | None = None
    profile: ProfileInfo | None = None
    backends: list[BackendInfo] = Field(default_factory=list)
    attack_sets: list[AttackSetInfo] = Field(default_factory=list)
    raster: RasterInfo | None = None
    deviations: list[Deviation] = Field(default_factory=list)
    surrogate: SurrogateInfo = SurrogateInfo()
    stages: list[Stage] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
