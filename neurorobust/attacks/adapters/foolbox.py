"""Foolbox: its attacks on a network with gradients.

Reference: Rauber, Zimmermann, Bethge, Brendel, Foolbox Native, JOSS 2020.
"""

from typing import Any

from neurorobust.attacks.adapters.module import ScoresModule
from neurorobust.attacks.adapters.require import require
from neurorobust.engine.estimators import Estimator
from neurorobust.engine.network import Network


def to_foolbox(network: Network, estimator: Estimator) -> Any:
    """A Foolbox ``PyTorchModel`` with the bounds of the model.

    Raises:
        BackendUnavailable: if Foolbox is not installed.
        Unsupported: for a model that draws its input.
    """
    foolbox = require("foolbox", "pip install foolbox")
    module = ScoresModule(network, estimator).eval()
    return foolbox.PyTorchModel(
        module, bounds=network.graph.header.bounds, device=network.like.device
    )
