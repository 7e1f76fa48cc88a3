"""The training loop that the models of the zoo share."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from neurorobust.engine.layers import SpikingSequential


def fit(
    model: SpikingSequential,
    x: Tensor,
    y: Tensor,
    recipe: Mapping[str, Any],
    *,
    prepare: Callable[[Tensor, Tensor], Tensor] = lambda batch, _: batch,
    after_epoch: Callable[[int, float], None] = lambda _, __: None,
) -> None:
    """AdamW with a one-cycle rate on the cross-entropy of the readout after the last step.

    Everything random follows torch's global generator. An epoch leaves out what does not fill a
    batch. The model is left in evaluation mode.

    Args:
        model: Trained in place; its readout averages over time, so its scale is that of a logit.
        x: Training samples, (B, ...).
        y: Labels, (B,).
        recipe: ``steps``, ``epochs``, ``batch``, ``learning_rate``, ``weight_decay`` and
            ``label_smoothing``; with ``precision`` of ``bfloat16`` activations and products have
            that precision, weights and gradients of weights single; with ``coding`` of
            ``bernoulli`` input values are drawn as spikes in every step.
        prepare: Turns a batch of samples and their labels into input values in 0..1, for instance
            by augmentation.
        after_epoch: Called with the epochs done and the mean loss, the model in evaluation mode.
    """
    epochs, batch, rate = recipe["epochs"], recipe["batch"], recipe["learning_rate"]
    smoothing, batches = recipe["label_smoothing"], len(x) // recipe["batch"]
    half = recipe.get("precision") == "bfloat16"
    parameters = model.parameters()
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=recipe["weight_decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=rate, total_steps=epochs * batches
    )
    for epoch in range(epochs):
        model.train()
        total = torch.zeros(())
        for index in torch.randperm(len(x))[: batches * batch].split(batch):
            optimiser.zero_grad()
            shown = prepare(x[index], y[index]).unsqueeze(0)
            if recipe["coding"] == "bernoulli":
                shown = torch.bernoulli(shown.expand(recipe["steps"], *shown.shape[1:]))
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                scores = model.run(shown, recipe["steps"])[-1].float()
            loss = F.cross_entropy(scores, y[index], label_smoothing=smoothing)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.detach()
        model.eval()
        after_epoch(epoch + 1, float(total / batches))
