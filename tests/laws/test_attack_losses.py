"""Losses of attacks against their formulas."""

import numpy as np
import pytest
import torch

from neurorobust.attacks import Pgd
from neurorobust.attacks.losses import LOSSES
from neurorobust.engine.estimators import Rga
from neurorobust.errors import InvalidInput


class TestLosses:
    SCORES = np.array([[3.0, 1.0, 0.5, -2.0], [0.0, 4.0, 4.0, 1.0], [2.0, 2.0, 2.0, 2.0]])

    def value(self, name, y, wanted=None, scores=None):
        given = torch.tensor(self.SCORES if scores is None else scores)
        wanted = None if wanted is None else torch.tensor(wanted)
        return LOSSES[name](given, torch.tensor(y), wanted).numpy()

    def test_by_hand(self):
        z, y, t = self.SCORES, np.array([0, 1, 2]), np.array([1, 0, 3])
        each = np.arange(3)
        log = np.log(np.exp(z).sum(1))
        assert np.allclose(self.value("ce", y), log - z[each, y])
        assert np.allclose(self.value("ce", y, t), z[each, t] - log)
        assert np.allclose(self.value("margin", y), [-2, 0, 0])
        assert np.allclose(self.value("margin", y, t), [-2, -4, 0])
        # The third row is one tie: the plain margin.
        assert np.allclose(self.value("dlr", y), [-2 / 2.5, 0 / 3, 0])
        assert np.allclose(self.value("dlr", y, t), [-2 / (3 - (0.5 - 2) / 2), -4 / 3.5, 0])

    def test_too_few_classes_fall_back_to_the_margin(self):
        for classes, wanted in ((1, None), (2, None), (2, [1, 1]), (3, [1, 1])):
            scores, y = np.array([[5.0, 1, 2], [1.0, 4, 2]])[:, :classes], [0, 0]
            assert np.array_equal(
                self.value("dlr", y, wanted, scores), self.value("margin", y, wanted, scores)
            )

    def test_ties_have_a_finite_gradient(self):
        for name in LOSSES:
            scores = torch.tensor(self.SCORES, requires_grad=True)
            LOSSES[name](scores, torch.tensor([0, 1, 2]), None).sum().backward()
            assert torch.isfinite(scores.grad).all()

    def test_unknown(self):
        with pytest.raises(InvalidInput, match="PGD: loss is 'hinge'; known are ce, margin, dlr"):
            Pgd(Rga(), loss="hinge")
