"""ART: its attacks on a network with gradients, and its decision-based ones on any backend.

Reference: Nicolae et al., Adversarial Robustness Toolbox, 2018.
"""

from typing import Any

import numpy as np
import torch

from neurorobust.attacks.adapters.module import ScoresModule
from neurorobust.attacks.adapters.require import require
from neurorobust.attacks.target import Queried
from neurorobust.backends import Executable
from neurorobust.data import encode
from neurorobust.engine.estimators import Estimator
from neurorobust.engine.network import Network
from neurorobust.errors import Unsupported
from neurorobust.ir import Array, Model

INSTALL = "pip install 'neurorobust[art]'"


def to_art(network: Network, estimator: Estimator) -> Any:
    """An ART ``PyTorchClassifier``; its gradients are those of the estimator.

    Raises:
        BackendUnavailable: if ART is not installed.
        Unsupported: for a model that draws its input.
    """
    art = require("art.estimators.classification", INSTALL)
    module = ScoresModule(network, estimator)
    return art.PyTorchClassifier(
        model=module,
        loss=torch.nn.CrossEntropyLoss(),
        input_shape=module.target.shape,
        nb_classes=module.target.classes,
        clip_values=network.graph.header.bounds,
        device_type="gpu" if network.like.is_cuda else "cpu",
    )


def to_art_black_box(model: Model, executable: Executable) -> Any:
    """An ART classifier that only predicts, of any backend on any rung.

    Args:
        model: The Graph or Program that was compiled.
        executable: What the backend made of it.

    Raises:
        BackendUnavailable: if ART is not installed.
        Unsupported: for a model that does not take values in direct coding.
    """
    art = require("art.estimators.classification", INSTALL)
    header, queried = model.header, Queried(model, executable)
    if header.coding != "direct":
        msg = f"the model takes {header.coding} coding; ART asks for the scores of single images"
        raise Unsupported(msg)

    def predict(x: Array) -> Array:
        # ART moves in single precision and may leave the bounds by a rounding.
        values = np.clip(x.astype(np.float64), *header.bounds)
        stimulus = encode(model, values)
        return queried.run(torch.from_numpy(stimulus.values), stimulus.steps).numpy()

    (classes,) = model.shapes[model.output]
    return art.BlackBoxClassifierNeuralNetwork(
        predict, model.input_shape, classes, clip_values=header.bounds
    )
