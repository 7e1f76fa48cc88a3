"""Single layers whose spikes and states others have published, one of them from a chip."""

import numpy as np
import pytest

from neurorobust.ir import FixedConv2d, FixedDense, FixedLIF
from tests.oracles.engines import ENGINES, chain, current_of, differing, run
from tests.support.helpers import shared_data

DENSE = FixedLIF(vth=np.array(6), dv=np.array(415))
TINY = FixedLIF(vth=np.array(25), dv=np.array(1024), bias_exp=np.array(6))
# beta = exp(-dt / tau) with tau = 25 dt, in the rounding of the published conversion.
NIR_LIF = FixedLIF(vth=np.array(25), dv=np.array(163))


@pytest.mark.lava
@pytest.mark.parametrize("engine", ENGINES)
def test_lava_dl_dense(published, engine):
    """200 -> 256 neurons, 2000 steps: 512,000 spikes and as many currents, a step late."""
    weight, spikes, fired, current = (
        np.load(published / f"gts/dense/{name}.npy") for name in ("weight", "in", "out", "current")
    )
    nodes = {"fc": FixedDense(weight=weight), "lif": DENSE}
    ours, membrane = run(engine, chain(2000, (200,), nodes), spikes.T)
    assert not fired[:, 0].any()
    assert differing(ours["lif"][:-1], fired.T[1:]) == 0
    assert fired.sum() == 1826
    assert (membrane["lif"] > 64 * 6).sum() == ours["lif"].sum()
    nodes["lif"] = current_of(DENSE)
    _, currents = run(engine, chain(2000, (200,), nodes), spikes.T)
    assert differing(currents["lif"][:-1], 64 * current.T[1:]) == 0


@pytest.mark.lava
@pytest.mark.parametrize("engine", ENGINES)
def test_lava_dl_convolution(published, engine):
    """The first convolution of tinynet with its bias: spikes and currents of 15 steps."""
    kernel, bias, spikes, fired, current = (
        np.load(published / f"gts/tinynet/{name}.npy")
        for name in ("layer1_kernel", "layer1_bias", "input", "layer1", "current")
    )
    weight = np.ascontiguousarray(kernel.transpose(0, 3, 2, 1)[:, :, ::-1, ::-1])
    conv = FixedConv2d(weight=weight, stride=(2, 2))
    lif = FixedLIF(vth=TINY.vth, dv=TINY.dv, bias_mant=bias[:, None, None], bias_exp=TINY.bias_exp)
    values = np.moveaxis(spikes[0], -1, 0)[1:]
    ours, _ = run(engine, chain(15, (3, 16, 16), {"conv": conv, "lif": lif}), values)
    assert ours["lif"].sum() > 100
    assert differing(ours["lif"], np.moveaxis(fired[0], -1, 0)[1:]) == 0
    nodes = {"conv": conv, "lif": current_of(lif)}
    _, currents = run(engine, chain(15, (3, 16, 16), nodes), values)
    assert differing(currents["lif"], 64 * np.moveaxis(current[0], -1, 0)[1:]) == 0


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("trace", "marker"), [("cpu_fixed", 0), ("loihi_fixed", 128)])
def test_one_neuron_on_lava_and_on_a_loihi_chip(engine, trace, marker):
    """v and spikes of 1,000 steps; where it fires v is 0 in Lava and reads 128 on the chip."""
    rows = np.loadtxt(shared_data("nir_01_lif", f"lif_lava_{trace}.csv"), delimiter=",")
    spikes, v, fired = rows.T
    program = chain(len(rows), (1,), {"fc": FixedDense(weight=np.array([[10]])), "lif": NIR_LIF})
    ours, membrane = run(engine, program, spikes[:, None])
    ours, membrane = ours["lif"][:-1, 0], membrane["lif"][:-1, 0]
    assert (fired[0], v[0]) == (0, 0)
    assert differing(ours, fired[1:]) == 0
    assert np.flatnonzero(fired).tolist() == [461, 511, 711, 761]
    assert differing(np.where(ours, marker, membrane), v[1:]) == 0
