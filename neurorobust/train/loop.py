"""How the models of the zoo are trained: the loop, and from images to a Graph."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from neurorobust.data import LEVELS, Samples
from neurorobust.engine.layers import SpikingSequential
from neurorobust.engine.threads import one_thread
from neurorobust.formats.modules.sequential import from_sequential
from neurorobust.ir import Graph, Header, save_model
from neurorobust.ir.identity import canonical_json
from neurorobust.progress import Progress


def epochs(
    model: SpikingSequential,
    x: Tensor,
    y: Tensor,
    recipe: Mapping[str, Any],
    prepare: Callable[[Tensor, Tensor], Tensor],
) -> Iterator[tuple[int, float]]:
    """AdamW with a one-cycle rate on the cross-entropy of the readout after the last step.

    Everything random follows torch's global generator. An epoch leaves out what does not fill a
    batch. Between epochs and at the end the model is in evaluation mode.

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

    Yields:
        The epochs done and the mean loss.
    """
    count, batch, rate = recipe["epochs"], recipe["batch"], recipe["learning_rate"]
    smoothing, batches = recipe["label_smoothing"], len(x) // recipe["batch"]
    half = recipe.get("precision") == "bfloat16"
    parameters = model.parameters()
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=recipe["weight_decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=rate, total_steps=count * batches
    )
    for epoch in range(count):
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
        yield epoch + 1, float(total / batches)


def as_values(pixels: Tensor, *_: Any) -> Tensor:
    """Input values in 0..1 of 8-bit pixels."""
    return pixels.float() / (LEVELS - 1)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Trainer:
    """How a network is trained on 8-bit images, from random weights to a Graph; call it.

    Attributes:
        name: Of the model.
        classes: Names of the classes.
        recipe: As ``epochs`` takes it, with ``coding``.
        build: The untrained network of a recipe; its weights follow torch's global generator.
        prepare: Turns a batch of pixels and its labels into input values in 0..1; it is given the
            recipe too, and what makes the Graph of the network as it is.
        threads: Whether torch may use several, as their number moves sums by rounding.
    """

    name: str
    classes: Sequence[str]
    recipe: Mapping[str, Any]
    build: Callable[[Mapping[str, Any]], SpikingSequential]
    prepare: Callable[[Tensor, Tensor, Mapping[str, Any], Callable[[], Graph]], Tensor] = as_values
    threads: bool = True

    def __call__(
        self,
        data: Samples,
        *,
        seed: int = 0,
        progress: Progress | None = None,
        checkpoint: Path | None = None,
        **changed: Any,
    ) -> Graph:
        """Train on the CPU; the same seed, torch, processor and threads give the same weights.

        Args:
            data: Training images, pixels (B, C, H, W).
            seed: Of initial weights, batches and all else that is drawn.
            progress: Called as ``(what, done, total)`` after each epoch.
            checkpoint: Model file that is replaced after each epoch.
            changed: Values that override the recipe's.
        """
        recipe = {**self.recipe, **changed}
        x, y = torch.tensor(data.raw), torch.tensor(data.labels)
        with nullcontext() if self.threads else one_thread(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = self.build(recipe)

            def exported() -> Graph:
                header = Header(
                    name=self.name,
                    dt_s=1e-3,
                    steps=recipe["steps"],
                    coding=recipe["coding"],
                    bounds=(0.0, 1.0),
                    levels=LEVELS,
                    classes=tuple(self.classes),
                    provenance={"seed": str(seed), "recipe": canonical_json(recipe)},
                )
                shape = tuple(x.shape[1:])
                return from_sequential(model, header=header, input_shape=shape, readout="last")

            def shown(pixels: Tensor, labels: Tensor) -> Tensor:
                return self.prepare(pixels, labels, recipe, exported)

            for epoch, loss in epochs(model, x, y, recipe, shown):
                if checkpoint:
                    save_model(exported(), checkpoint)
                if progress:
                    progress(f"mean loss {loss:.4f}", epoch, recipe["epochs"])
        return exported()
