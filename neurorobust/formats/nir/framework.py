"""Running a NIR file in a framework's own reader, step by step."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from neurorobust.formats.nir.save import NirCall, Profile
from neurorobust.ir import Array

Framework = Literal["snntorch", "norse", "spikingjelly"]

READERS: dict[Profile, tuple[Framework, ...]] = {
    "portable": ("snntorch", "norse", "spikingjelly"),
    "snntorch": ("snntorch",),
    "norse": ("norse",),
}
"""Which frameworks read a profile as the Graph means it."""


def run_nir_in(framework: Framework, path: Path | str, call: NirCall, values: Array) -> Array:
    """What the framework's own NIR reader makes of a file.

    Args:
        framework: ``snntorch``, ``norse`` or ``spikingjelly``; must be installed.
        path: The file.
        call: What ``save_nir`` returned.
        values: Input per step, shape (B, T, ...).

    Returns:
        What the network gives per step, shape (B, T, ...), single precision.
    """
    import torch

    with _quiet(), torch.no_grad():
        step = _network(framework, path, call)
        x = torch.as_tensor(np.ascontiguousarray(values), dtype=torch.float32)
        outputs, state = [], None
        for t in range(x.shape[1]):
            output, state = step(x[:, t], state)
            outputs.append(output)
        stacked: Array = torch.stack(outputs, 1).numpy()
    return stacked


Step = Callable[[Any, Any], tuple[Any, Any]]


def _network(framework: Framework, path: Path | str, call: NirCall) -> Step:
    """The network of a file by the framework's own reader."""
    import nir

    net: Step
    if framework == "snntorch":
        from snntorch.import_nir import import_from_nir  # noqa: TID251

        net = import_from_nir(nir.read(path))
    elif framework == "norse":
        from norse.torch import from_nir  # noqa: TID251
        from norse.torch.functional.reset import reset_subtract, reset_value  # noqa: TID251

        method = reset_subtract if call.soft_reset else reset_value
        net = from_nir(nir.read(path), dt=call.dt_s, reset_method=method)
    else:
        from spikingjelly.activation_based.nir_exchange import from_nir  # noqa: TID251

        net = from_nir.import_from_nir(Path(path), dt=call.dt_s)
    return net


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Readers print, log and warn about what the profiles have taken care of."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
