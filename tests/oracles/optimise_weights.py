"""Runs in lava-dl's Python: what netx and Lava make of many matrices. Arguments: in, out (.npz)."""

import contextlib
import io
import sys
import warnings

import numpy as np
from lava.lib.dl.netx.utils import optimize_weight_bits  # noqa: TID251
from lava.utils.weightutils import (  # noqa: TID251
    clip_weights,
    determine_sign_mode,
    truncate_weights,
)

warnings.simplefilter("ignore")
made = {}
with np.load(sys.argv[1]) as given, contextlib.redirect_stdout(io.StringIO()):
    for name in given.files:
        weight, bits, exponent, _ = optimize_weight_bits(given[name])
        mode = determine_sign_mode(weight)
        clipped = clip_weights(weight.astype(np.int32), mode, num_bits=8)
        made[f"{name}/kept"] = truncate_weights(clipped, mode, bits)
        made[f"{name}/shifted"] = weight
        made[f"{name}/choice"] = np.array([bits, -exponent])
np.savez(sys.argv[2], **made)
