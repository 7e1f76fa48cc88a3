"""What happens to a spiking network, and to attacks on it, on the way to a neuromorphic chip."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurorobust.api import attack as attack
    from neurorobust.api import audit as audit
    from neurorobust.api import check as check
    from neurorobust.api import diff as diff
    from neurorobust.api import export as export
    from neurorobust.api import load as load
    from neurorobust.api import load_samples as load_samples
    from neurorobust.api import lower as lower
    from neurorobust.api import replay as replay
    from neurorobust.api import run as run
    from neurorobust.attacks import L2 as L2
    from neurorobust.attacks import Apgd as Apgd
    from neurorobust.attacks import AttackSet as AttackSet
    from neurorobust.attacks import Fgsm as Fgsm
    from neurorobust.attacks import Linf as Linf
    from neurorobust.attacks import Pgd as Pgd
    from neurorobust.attacks import SaPgd as SaPgd
    from neurorobust.attacks import Square as Square
    from neurorobust.backends import RunResult as RunResult
    from neurorobust.backends import get_backend as get_backend
    from neurorobust.chips import load_profile as load_profile
    from neurorobust.compare.sides import Side as Side
    from neurorobust.data import Samples as Samples
    from neurorobust.data import Stimulus as Stimulus
    from neurorobust.data import encode as encode
    from neurorobust.engine.estimators import Assg as Assg
    from neurorobust.engine.estimators import Hart as Hart
    from neurorobust.engine.estimators import Rga as Rga
    from neurorobust.engine.estimators import Stbp as Stbp
    from neurorobust.engine.network import Network as Network
    from neurorobust.errors import NeurorobustError as NeurorobustError
    from neurorobust.ir import Graph as Graph
    from neurorobust.ir import Header as Header
    from neurorobust.ir import Program as Program
    from neurorobust.ir import save_model as save_model
    from neurorobust.metrics import Column as Column
    from neurorobust.metrics import transfer as transfer

__version__ = "0.1.0"

FACE = {
    "api": "attack audit check diff export load load_samples lower replay run",
    "attacks": "Apgd AttackSet Fgsm L2 Linf Pgd SaPgd Square",
    "backends": "RunResult get_backend",
    "chips": "load_profile",
    "compare.sides": "Side",
    "data": "Samples Stimulus encode",
    "engine.estimators": "Assg Hart Rga Stbp",
    "engine.network": "Network",
    "errors": "NeurorobustError",
    "ir": "Graph Header Program save_model",
    "metrics": "Column transfer",
}
"""What the package offers, by the room that has it; imported when it is first asked for."""
_ROOM = {name: room for room, names in FACE.items() for name in names.split()}


class _Face(ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        # Python binds each room to the package once it is imported; two verbs have a room's name.
        if not (name in _ROOM and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    """A name of the face, imported."""
    if name not in _ROOM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"neurorobust.{_ROOM[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The face."""
    return sorted([*_ROOM, "__version__"])


sys.modules[__name__].__class__ = _Face
