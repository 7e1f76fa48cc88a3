"""AutoAttack: the standard number of image classifiers, on a network with gradients.

Reference: Croce, Hein, Reliable evaluation of adversarial robustness with an ensemble of diverse
parameter-free attacks, ICML 2020.
"""

from typing import Any, Literal

from neurorobust.attacks.adapters.module import ScoresModule
from neurorobust.attacks.adapters.require import require
from neurorobust.engine.estimators import Estimator
from neurorobust.engine.network import Network
from neurorobust.errors import Unsupported


def to_autoattack(
    network: Network,
    estimator: Estimator,
    epsilon: float,
    *,
    norm: Literal["Linf", "L2"] = "Linf",
    seed: int = 0,
    **parameters: Any,
) -> Any:
    """An ``AutoAttack`` object; call its ``run_standard_evaluation`` with images and labels.

    Raises:
        BackendUnavailable: if it is not installed.
        Unsupported: if the model takes no values between 0 and 1.
    """
    bounds = network.graph.header.bounds
    if tuple(bounds) != (0, 1):
        raise Unsupported(f"AutoAttack knows inputs in 0..1 only; the model takes {bounds}")
    library = require("pyautoattack", "pip install 'neurorobust[autoattack]'")
    return library.AutoAttack(
        ScoresModule(network, estimator).eval(),
        norm=norm,
        eps=epsilon,
        seed=seed,
        device=network.like.device,
        **parameters,
    )
