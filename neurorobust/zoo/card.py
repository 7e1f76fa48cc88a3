"""The model card: what a trained network is, from what, and how good."""

import json
from typing import Any

import numpy as np
import torch

from neurorobust import __version__
from neurorobust.backends import compiled
from neurorobust.data import Samples, encode
from neurorobust.ir import Graph
from neurorobust.metrics import Proportion


def accuracy(graph: Graph, data: Samples, *, batch: int = 200) -> Proportion:
    """Share of right decisions of the float network, in single precision.

    With Bernoulli coding, every image is drawn once, from seed 0.
    """
    right, rng = 0, np.random.default_rng(0)
    with compiled(graph, precision="single") as executable:
        for start in range(0, len(data), batch):
            part = data[start : start + batch]
            decided = executable.run(encode(graph, part.values, rng=rng)).decisions
            right += int((decided == part.labels).sum())
    return Proportion(right, len(data))


def model_card(graph: Graph, training: Samples, test: Samples) -> dict[str, Any]:
    """Name, hash, recipe, images and accuracy, as JSON values."""
    reached = accuracy(graph, test)
    return described(graph, training, test) | {
        "image_formats": sorted({*training.formats, *test.formats}),
        "test_accuracy": reached.rate,
        "test_accuracy_interval_95": list(reached.interval),
        "input": f"{'x'.join(map(str, test.raw.shape[1:]))} pixels, 8 bit, as values in 0..1",
        "trained_with": trained_with(),
    }


def described(graph: Graph, training: Samples, test: Samples) -> dict[str, Any]:
    """What every card begins with."""
    return {
        "name": graph.header.name,
        "content_hash": graph.content_hash,
        "seed": int(graph.header.provenance["seed"]),
        "recipe": json.loads(graph.header.provenance["recipe"]),
        "training_images": len(training),
        "test_images": len(test),
    }


def trained_with() -> dict[str, str]:
    """Versions that decide the weights."""
    return {"neurorobust": __version__, "torch": torch.__version__}
