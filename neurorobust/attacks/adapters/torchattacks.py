"""torchattacks: its attacks on a network with gradients.

Reference: Kim, Torchattacks: a PyTorch repository for adversarial attacks, 2020.
"""

from typing import Any

from neurorobust.attacks.adapters.module import ScoresModule
from neurorobust.attacks.adapters.require import require
from neurorobust.engine.estimators import Estimator
from neurorobust.engine.network import Network
from neurorobust.errors import Unsupported


def to_torchattacks(network: Network, estimator: Estimator, attack: str, **parameters: Any) -> Any:
    """An attack of torchattacks by its class name, ready to be called with images and labels.

    Raises:
        BackendUnavailable: if torchattacks is not installed; its pins downgrade ``requests``, so
            install it without them.
        Unsupported: if it has no such attack, or the model takes no values between 0 and 1.
    """
    library = require("torchattacks", "pip install --no-deps torchattacks")
    bounds = network.graph.header.bounds
    if tuple(bounds) != (0, 1):
        raise Unsupported(f"torchattacks knows inputs in 0..1 only; the model takes {bounds}")
    if not hasattr(library, attack):
        raise Unsupported(f"torchattacks has no attack {attack!r}")
    return getattr(library, attack)(ScoresModule(network, estimator).eval(), **parameters)
