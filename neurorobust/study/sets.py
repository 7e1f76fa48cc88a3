"""What is replayed: clean samples and frozen attacks, each under the name of its set."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from neurorobust.attacks import AttackSet
from neurorobust.data import Samples
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.ir import Array, Graph
from neurorobust.metrics import CLEAN, SetKey


@dataclass(frozen=True, slots=True, eq=False)
class SampleSet:
    """Samples to replay under one name.

    Attributes:
        samples: With labels.
        key: ``clean``, or the first 12 digits of an attack set's content hash; attack, gradient
            and radius, which is 0 for clean samples.
        compare_spikes: Whether spikes are compared with the reference, value by value.
        seed: Of the spikes drawn by Bernoulli coding.
    """

    samples: Samples
    key: SetKey = SetKey(CLEAN, "none", "none", 0.0)
    compare_spikes: bool = False
    seed: int = 0

    @classmethod
    def of(cls, attacks: AttackSet, *, compare_spikes: bool = False) -> "SampleSet":
        """The adversarial samples of a set."""
        name = attacks.content_hash[:12]
        return cls(
            Samples(name, attacks.adversarial, attacks.label, attacks.sample),
            SetKey(name, attacks.attack, attacks.gradient, attacks.epsilon),
            compare_spikes,
        )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, rows: slice | Array) -> "SampleSet":
        return replace(self, samples=self.samples[rows])

    def pieces(self, size: int) -> Iterator["SampleSet"]:
        """The same in parts that fit in memory."""
        return (self[start : start + size] for start in range(0, len(self), size))


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


def attacked(samples: Samples, sets: Sequence[AttackSet]) -> list[SampleSet]:
    """The adversarial samples of each set whose clean originals are among the samples.

    Raises:
        InvalidInput: if a set was crafted on other samples.
    """
    values, labels = samples.values, samples.labels
    found = []
    for attacks in sets:
        keep = attacks.sample < len(labels)
        at, clean = attacks.sample[keep], attacks.clean[keep]
        known = values[at].shape == clean.shape and np.array_equal(labels[at], attacks.label[keep])
        if not len(at) or not known or np.abs(values[at] - clean).max() > 1e-6:
            raise InvalidInput(
                f"attack set {attacks.content_hash[:12]} was crafted on other samples than the "
                f"{len(labels)} of {samples.name}; name the data it was crafted on"
            )
        found.append(SampleSet.of(attacks)[keep])
    return found
