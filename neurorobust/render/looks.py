"""Names and numbers as every page and table writes them."""

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from neurorobust.errors import InvalidInput
from neurorobust.methods import spelled
from neurorobust.metrics import Proportion

_NAMES = {
    "apgd": "APGD",
    "assg": "ASSG",
    "bim": "BIM",
    "bptr": "BPTR",
    "cba": "CBA",
    "cw": "C&W",
    "dvs_corner": "DVS corner",
    "dvs_dash": "DVS dash",
    "dvs_frame": "DVS frame",
    "event_flips": "event flips",
    "fast": "Fast ensemble",
    "fgsm": "FGSM",
    "gaussian_noise": "Gaussian noise",
    "hart": "HART",
    "mifgsm": "MI-FGSM",
    "pdsg": "PDSG",
    "pgd": "PGD",
    "rfgsm": "R-FGSM",
    "rga": "RGA",
    "sapgd": "SA-PGD",
    "sda": "SDA",
    "sign_noise": "sign noise",
    "spikefool": "SpikeFool",
    "spsa": "SPSA",
    "square": "Square",
    "stbp": "STBP",
    "time_extended": "time-extended",
}
# Names are those of the classes, which a test holds: a report is drawn without torch.


_OTHERS = {
    "l2": "L2",
    "lava": "Lava",
    "linf": "L∞",
    "norse": "Norse",
    "onnx": "ONNX Runtime",
    "snntorch": "snnTorch",
    "spikingjelly": "SpikingJelly",
    "torch": "PyTorch",
}
"""Names of libraries and norms."""


def proper(name: str) -> str:
    """A name as papers write it, with its unusual parameters: ``PGD (40 steps)``."""
    if name in _NAMES or "(" not in name or not name.endswith(")"):
        return _NAMES.get(name) or _OTHERS.get(name, name)
    try:
        [(own, parameters)] = spelled(name)
    except (InvalidInput, ValueError):
        return name
    words = [_parameter(key, item) for key, item in parameters.items()]
    return f"{proper(own)} ({', '.join(words)})"


def _parameter(key: str, item: Any) -> str:
    name = key.replace("_", " ")
    if isinstance(item, bool) or item is None:
        return name if item else f"no {name}"
    if isinstance(item, int) and key.endswith("s"):
        return f"{item} {name if item != 1 else name.removesuffix('s')}"
    return f"{name} {proper(item) if isinstance(item, str) else value(item)}"


def epsilon(value: float, levels: int | None = None) -> str:
    """A radius; as a fraction where it is a whole number of steps, the way papers state it.

    Args:
        value: In units of the input range.
        levels: Values of the sensor, both ends included; 256 where they are not known.
    """
    steps = (levels or 256) - 1
    moved = value * steps
    if value and abs(moved - round(moved)) < 1e-6 and round(moved) < 100:
        return f"{round(moved)}/{steps}"
    return f"{value:.3g}"


def epsilon_axis(values: Sequence[float], levels: int | None = None) -> tuple[list[str], str]:
    """Tick labels and the name of an axis of radii; in steps of the sensor where all are whole."""
    if all(value == 0 or "/" in epsilon(value, levels) for value in values):
        steps = (levels or 256) - 1
        return [str(round(value * steps)) for value in values], f"ε × {steps}, of the input range"
    return [f"{value:.3g}" for value in values], "ε, in units of the input range"


def percent(rate: float, digits: int = 1) -> str:
    """A share in percent; ``–`` of no samples. 100 and 0 are said only where they are exact."""
    if math.isnan(rate):
        return "–"
    text = f"{100 * rate:.{digits}f}"
    least = 10.0**-digits
    if rate < 1 and float(text) >= 100:
        return f"> {100 - least:.{digits}f} %"
    if rate > 0 and float(text) <= 0:
        return f"< {least:.{digits}f} %"
    return f"{text} %"


def interval(p: Proportion) -> str:
    """Wilson 95 % interval in percent, ``83.1–90.5``; nothing of no samples."""
    if not p.n:
        return ""
    low, high = p.interval
    return f"{100 * low:.1f}–{100 * high:.1f}"


P_LEAST = 1e-3
"""Below it a p-value is not told apart from others."""


def p_value(p: float) -> str:
    """A p-value with two digits."""
    return f"< {P_LEAST:g}" if p < P_LEAST else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def integer(value: int) -> str:
    """Thousands apart by thin spaces: 12 345 678."""
    return f"{value:,}".replace(",", "\u202f")


def duration(seconds: float | None) -> str:
    """Seconds as people say them."""
    if seconds is None:
        return "–"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return str(timedelta(seconds=round(seconds))).removeprefix("0:")


def value(item: Any) -> str:
    """Any value of a manifest in short."""
    if item is None:
        return "–"
    if isinstance(item, float):
        return f"{item:.4g}"
    if isinstance(item, Mapping):
        return ", ".join(f"{key} {value(inner)}" for key, inner in item.items()) or "–"
    if isinstance(item, list | tuple):
        return ", ".join(map(value, item)) or "–"
    return str(item)
