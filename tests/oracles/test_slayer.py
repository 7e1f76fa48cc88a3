"""SLAYER's forward pass on the CPU against our integer engine, and real netx on its exports."""

import numpy as np
import pytest

from neurorobust.backends import get_backend
from neurorobust.data import Stimulus
from neurorobust.formats.load import Reading, load
from neurorobust.formats.netx import netx_latency
from neurorobust_lava.lava_dl import run_netx
from tests.support.helpers import asked_again
from tests.support.slayer_networks import SORTS, Count, compare

pytestmark = pytest.mark.lava


@pytest.mark.parametrize("engine", ["torch", "reference"])
@pytest.mark.parametrize("sort", SORTS)
def test_forward(lava_dl, sort, engine):
    """No value of any block differs; 80 random networks on one engine, 20 on the other."""
    count = Count()
    for seed in range(20 if engine == "torch" else 5):
        compare(count, sort, seed, lava_dl, engine=engine)
    assert count.spikes > count.values / 100
    assert count.differing == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sort", SORTS)
def test_its_export_in_netx(lava_dl, tmp_path, sort, seed):
    """SLAYER, its export in real netx, and the same file as a Program: spike for spike."""
    path, steps = tmp_path / "network.net", 30
    count = Count()
    _, spikes, program, _ = compare(count, sort, 1000 + seed, lava_dl, steps=steps, export=path)
    assert count.differing == 0
    shape = program.input_shape
    shapes = {"input_shape": shape} if len(shape) == 3 else {}
    loaded = load(path, Reading(steps=steps, **shapes))
    executable = get_backend("torch").compile(loaded, "quantised")
    ours = executable.run(Stimulus(spikes.astype(np.float64), steps), record=("spikes",)).spikes
    executable.close()
    theirs = asked_again(
        run_netx,
        path,
        spikes[0].transpose(0, *range(spikes.ndim - 2, 0, -1)).astype(np.int64),
        steps=steps,
        input_shape=shape[::-1] if len(shape) == 3 else None,
        worker=lava_dl,
    )
    fired = 0
    for (name, late), layer in zip(netx_latency(loaded).items(), theirs.layers, strict=True):
        found = layer.spikes.transpose(0, *range(layer.spikes.ndim - 1, 0, -1))
        assert not found[:late].any()
        assert (found[late:] == ours[name][0, : steps - late]).all(), name
        fired += found.sum()
    assert fired
