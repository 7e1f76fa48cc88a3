"""What lowering refuses fails a check; what it makes of a network is what is placed."""

import numpy as np
import pytest

from neurorobust import ir
from neurorobust.errors import InvalidInput, LowerError
from neurorobust.fit.activity import measure
from neurorobust.fit.checking import check
from neurorobust.lower import lower
from tests.support import small
from tests.support.small import changed, dense, header, lif, mlp, patched, profile


def program(message_bits=0, high=1, **neuron):
    return small.program(
        ir.FixedInput(shape=(3,), scale=1.0, high=high),
        header(levels=2),
        w=ir.FixedDense(weight=np.array([[2, 4, -6]]), message_bits=message_bits),
        n=ir.FixedLIF(**({"vth": np.array(100)} | neuron)),
    )


def failed(model, chip):
    return {(r.constraint, r.layer, r.used) for r in check(model, profile(chip)).failed}


class TestRefusals:
    @pytest.mark.parametrize("change", [{"compare": ">="}, {"threshold": 1e-9}, {"threshold": 1e9}])
    @pytest.mark.parametrize("chip", ["loihi1", "loihi2"])
    def test_each_line_of_a_refusal_fails_at_its_layer(self, chip, change):
        graph = changed(mlp(8, 4, 3, **change), header={"levels": 2})
        with pytest.raises(LowerError) as refused:
            lower(graph, profile(chip))
        lines = [str(refusal) for refusal in refused.value.refusals]
        found = check(graph, profile(chip))
        said = [
            f"{r.layer}: {r.note}; {r.advice}" for r in found.failed if r.constraint == "lowering"
        ]
        assert said == lines
        assert lines
        assert [layer.layer for layer in found.placement.layers] == ["l1", "l2"]

    def test_weights_that_are_all_zero(self):
        graph = changed(mlp(8, 4, 3), fc1=ir.Affine(weight=np.zeros((4, 8))))
        assert ("lowering", "fc1", None) in failed(graph, "loihi2")

    def test_a_rule_that_says_the_same_says_it_alone(self):
        found = check(mlp(8, 4, 3, reset="soft"), profile("loihi2"))
        assert [(r.constraint, r.layer) for r in found.failed] == [("reset", "l1"), ("reset", "l2")]

    def test_chips_of_other_laws_are_not_lowered_to(self):
        found = check(mlp(8, 4, 3, beta=1.0, compare=">="), profile("speck"))
        assert "lowering" not in {r.constraint for r in found.results}


def test_the_first_layer_of_loihi1_is_fed_by_biases():
    """5000 inputs pass the 4096 axons of a core, and never come to the chip."""
    graph = changed(mlp(5000, 40, 3), header={"coding": "direct"})
    found = check(graph, profile("loihi1"))
    own = check(lower(graph, profile("loihi1")), profile("loihi1"))
    assert found.ok
    assert found.placement == own.placement
    assert found.content_hash == graph.content_hash
    assert found.notes[0] == "lowered with the input coding 'bias'"
    assert found.synapses == {"l1": 0, "l2": 120}
    activity = measure(graph, np.random.default_rng(0).random((2, 5000)))
    synops = 3 * activity.events["l1"].sum()
    dynamic = check(graph, profile("loihi1"), activity).costs.dynamic.value
    assert dynamic == pytest.approx((synops * 23.6 + 4 * 43 * 81) * 1e-12)


@pytest.mark.parametrize("chip", ["loihi1", "loihi2"])
@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"bias_mant": np.array(4095), "bias_exp": np.array(7)}, set()),
        ({"bias_mant": np.array(-4096)}, {("bias mantissa", "n", 4096)}),
        (
            {"bias_mant": np.array(1), "bias_exp": np.array(-8)},
            {("bias exponent, at least", "n", -8)},
        ),
        ({"bias_mant": np.array(0), "bias_exp": np.array(-8)}, set()),
    ],
)
def test_biases_of_a_program(chip, change, wanted):
    assert failed(program(**change), chip) == wanted


def test_thresholds_and_decays_of_a_narrower_chip():
    chip = patched(profile("loihi2"), "arithmetic.threshold_bits.value", 6)
    chip = patched(chip, "arithmetic.decay_bits.value", 4)
    fits = check(program(vth=np.array(63), dv=np.array(256 * 3)), chip)
    assert fits.ok
    found = check(program(vth=np.array(64), dv=np.array(128)), chip)
    assert [(r.constraint, r.used, r.limit) for r in found.failed] == [
        ("threshold", 64, 63),
        ("decay bits", 5, 4),
    ]


def test_payloads_are_not_for_loihi1():
    graded = program(message_bits=8, high=255)
    assert failed(graded, "loihi1") == {("messages", "input", "graded")}
    assert failed(graded, "loihi2") == set()
    assert failed(program(message_bits=8), "loihi1") == set()
    assert failed(program(high=255), "loihi1") == set(), "any input counts as one spike"


def test_a_network_without_neurons_does_not_fit():
    graph = small.graph(4, fc=dense(2, 4))
    for chip in ("loihi1", "speck", "akida"):
        assert ("structure", "", None) in failed(graph, chip)
    assert "structure" not in {constraint for constraint, *_ in failed(graph, "ideal-int8")}


class TestSamples:
    def graph(self, **changes):
        return small.graph(2, header(**changes), fc=dense(3, 2), l1=lif())

    def test_none(self):
        with pytest.raises(InvalidInput, match="at least one sample"):
            measure(self.graph(), np.zeros((0, 4, 2)))

    def test_values_between_levels(self):
        graph = self.graph(coding="direct", levels=256)
        measure(graph, (np.arange(256, dtype=np.float32) / 255).reshape(-1, 2))
        with pytest.raises(InvalidInput, match=r"1 value.* between the model's 256 levels"):
            measure(graph, np.array([[0.5, 1.0]]))
