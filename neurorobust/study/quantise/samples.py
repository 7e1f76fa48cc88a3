"""What the variants are measured on: test images, frozen attacks, samples to calibrate by."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurorobust.attacks import AttackSet
from neurorobust.data.digits import load_digits
from neurorobust.data.images import load_images
from neurorobust.data.split import Split
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.ir import Array, Graph
from neurorobust.metrics import CLEAN
from neurorobust.study.replay import Batch

LOSSY = ("JPEG", "WEBP")
"""Formats that change pixels; what is measured on such images is said to be."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Samples:
    """Labelled test samples, and unlabelled ones of the training part.

    Attributes:
        name: For people.
        test: The samples of all rates.
        calibration: Input values (B, ...) by which lowering may choose scales; None without.
    """

    name: str
    test: Split
    calibration: Array | None = None

    @property
    def note(self) -> str:
        """What the images were decoded from, where that matters."""
        lossy = [name for name in self.test.formats if name in LOSSY]
        return f"images decoded from {', '.join(lossy)}, a lossy copy" if lossy else ""

    @property
    def digest(self) -> str:
        """SHA-256 of pixels and labels."""
        pixels, labels = self.test.pixels, self.test.labels.astype(np.int64)
        return hashlib.sha256(np.ascontiguousarray(pixels).tobytes() + labels.tobytes()).hexdigest()

    def batch(self) -> Batch:
        """The clean samples."""
        values, labels = self.test.values, self.test.labels
        return Batch(name=CLEAN, values=values, label=labels, sample=np.arange(len(labels)))


def digits_samples(
    *, seed: int = 0, limit: int | None = None, calibration: int | None = None
) -> Samples:
    """The built-in digits, split by the seed."""
    training, test = load_digits(seed=seed)
    held = training.head(calibration).values if calibration else None
    return Samples(name="digits", test=test.head(limit), calibration=held)


def image_samples(
    folder: Path, *, limit: int | None = None, calibration: int | None = None
) -> Samples:
    """A data set in Parquet files: the parts ``test`` and, to calibrate, ``train``.

    Args:
        folder: Where the files are.
        limit: Number of test images; all by default.
        calibration: Number of training images to calibrate by, if any.
    """
    test = load_images(folder, "test", limit=limit)
    held = load_images(folder, "train", limit=calibration).values if calibration else None
    return Samples(name=folder.name, test=test, calibration=held)


def load_attacks(paths: Iterable[Path], graph: Graph) -> tuple[AttackSet, ...]:
    """Frozen attacks on a model, from files or folders of them.

    Raises:
        InvalidFile: for a folder without sets, or a file that is no set of this model.
    """
    found: list[AttackSet] = []
    for path in paths:
        files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
        if not files:
            raise InvalidFile(path, "holds no *.safetensors; give attack sets or their folder")
        found += [AttackSet.load(file, model_hash=graph.content_hash) for file in files]
    return tuple({attacks.content_hash: attacks for attacks in found}.values())


def attacked(samples: Samples, sets: Sequence[AttackSet]) -> list[Batch]:
    """The adversarial samples of each set whose clean originals are among the test samples.

    Raises:
        InvalidInput: if a set was crafted on other samples.
    """
    values, labels = samples.test.values, samples.test.labels
    batches = []
    for attacks in sets:
        keep = attacks.sample < len(labels)
        at, clean = attacks.sample[keep], attacks.clean[keep]
        known = values[at].shape == clean.shape and np.array_equal(labels[at], attacks.label[keep])
        if not len(at) or not known or np.abs(values[at] - clean).max() > 1e-6:
            msg = (
                f"attack set {attacks.content_hash[:12]} was crafted on other samples than the "
                f"{len(labels)} of {samples.name}; name the data it was crafted on"
            )
            raise InvalidInput(msg)
        whole = Batch.of(attacks)
        batches.append(
            Batch(
                name=whole.name,
                values=whole.values[keep],
                label=whole.label[keep],
                sample=at,
                attack=whole.attack,
                gradient=whole.gradient,
                epsilon=whole.epsilon,
            )
        )
    return batches
