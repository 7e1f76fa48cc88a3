"""Scikit-learn's handwritten digits: 1,797 real images of 8×8 pixels, installed with the library.

Reference: Alpaydin, Kaynak, Optical recognition of handwritten digits, UCI repository, 1998.
"""

import numpy as np

from neurorobust.data.samples import LEVELS, Samples
from neurorobust.errors import BackendUnavailable


def load_digits(*, seed: int = 0, test_share: float = 0.2) -> tuple[Samples, Samples]:
    """Training and held-out test images, split evenly over the classes by the seed.

    Their 17 grey values are spread over those of 8 bits.

    Raises:
        BackendUnavailable: if scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits as load
    except ImportError as error:
        msg = "the digits come with scikit-learn: pip install 'neurorobust[demo]'"
        raise BackendUnavailable(msg) from error
    images, labels = load(return_X_y=True)
    pixels = np.rint(images * (LEVELS - 1) / 16).astype(np.uint8).reshape(-1, 1, 8, 8)
    rng = np.random.default_rng(seed)
    test = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        members = rng.permutation(np.flatnonzero(labels == digit))
        test[members[: round(test_share * len(members))]] = True
    training, held_out = (
        Samples("digits", pixels[part], labels[part], levels=LEVELS) for part in (~test, test)
    )
    return training, held_out
