"""What a network must fulfil before Lava sees it.

An exception inside a Lava process model blocks the caller for ever, and several values out of
range wrap without a word. So everything that can be known beforehand is checked here.
"""

from typing import Any

import numpy as np

Process = dict[str, Any]
Network = dict[str, Any]

TAGS = ("fixed_pt", "floating_pt")
DELAYED = ("delay_dense", "delay_sparse")
MATRICES = ("dense", "sparse", *DELAYED)
SYNAPSES = (*MATRICES, "conv")
NEURONS = ("lif", "lif_reset", "ternary_lif")
KINDS = ("source", "sink", "reset", *SYNAPSES, *NEURONS)
SIGN_MODES = ("mixed", "excitatory", "inhibitory")

_WEIGHT_RANGE = {"mixed": (-256, 255), "excitatory": (0, 255), "inhibitory": (-255, 0)}
_INT8_MAX = 127
_INT16 = (-(2**15), 2**15 - 1)
_INT32 = (-(2**31), 2**31 - 1)
_STATE = (-(2**23) + 1, 2**23 - 1)
_VTH = (0, 2**25 - 1)
_SIGNED_VTH = (1 - 2**25, 2**25 - 1)


class InvalidNetwork(ValueError):
    """A network that Lava would refuse, hang on or compute differently; ``data`` has all faults."""

    def __init__(self, faults: list[str]) -> None:
        """Keep the faults for the host."""
        self.data = list(faults)
        super().__init__("; ".join(self.data))


class InvalidRun(InvalidNetwork):
    """Arguments of a run that do not fit its network."""


def check(network: Network) -> None:
    """Raise for the faults of a network.

    Args:
        network: Mapping with ``tag``, ``processes`` and ``connections``, arrays filled in.

    Raises:
        InvalidNetwork: Anything is wrong.
    """
    faults = _structure(network)
    if not faults:
        fixed = network["tag"] == "fixed_pt"
        for process in network["processes"]:
            faults += [f"{process['name']}: {fault}" for fault in _process(process, fixed=fixed)]
    if not faults:
        faults = _wiring(network)
    if faults:
        raise InvalidNetwork(faults)


def shapes(process: Process) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
    """Shape of the input port and of the output port of a process; None where it has none."""
    kind = process["kind"]
    if kind == "reset":
        return None, None
    if kind == "source":
        return None, tuple(process["shape"])
    if kind == "sink":
        return tuple(process["shape"]), None
    if kind in NEURONS:
        return tuple(process["shape"]), tuple(process["shape"])
    if kind == "conv":
        return tuple(process["input_shape"]), conv_output(process)
    n_out, n_in = process["weights"].shape
    return (n_in,), (n_out,)


def conv_output(process: Process) -> tuple[int, ...]:
    """Output shape (X', Y', K) of a convolution."""
    kernels, *kernel, _ = process["weight"].shape
    spatial = (
        (size + 2 * pad - dilation * (width - 1) - 1) // stride + 1
        for size, pad, dilation, width, stride in zip(
            process["input_shape"][:2],
            process["padding"],
            process["dilation"],
            kernel,
            process["stride"],
            strict=True,
        )
    )
    return (*spatial, kernels)


def _structure(network: Network) -> list[str]:
    faults = []
    if network.get("tag") not in TAGS:
        faults.append(f"tag is {network.get('tag')!r}; it must be one of {', '.join(TAGS)}")
    names = [process["name"] for process in network["processes"]]
    faults += [f"two processes are called {n!r}" for n in sorted(set(names)) if names.count(n) > 1]
    kinds = {process["name"]: process["kind"] for process in network["processes"]}
    for name, kind in kinds.items():
        if kind not in KINDS:
            faults.append(f"{name}: kind {kind!r} is unknown; there are {', '.join(KINDS)}")
    if not names:
        faults.append("there is no process")
    for source, target in network["connections"]:
        label = f"connection {source} -> {target}"
        faults += [f"{label}: no process {end!r}" for end in (source, target) if end not in kinds]
        if kinds.get(source) == "sink":
            faults.append(f"{label}: a sink has no output")
        if kinds.get(target) == "source":
            faults.append(f"{label}: a source has no input")
        if "reset" in (kinds.get(source), kinds.get(target)):
            faults.append(f"{label}: a reset takes no connection; it names its target")
    for process in network["processes"]:
        if process["kind"] == "reset" and kinds.get(process["target"]) not in NEURONS:
            faults.append(f"{process['name']}: target {process['target']!r} is no neuron process")
    return faults


def _wiring(network: Network) -> list[str]:
    """Shapes of connected ports, one connected whole, no loop without a delay."""
    faults = []
    ports = {process["name"]: shapes(process) for process in network["processes"]}
    kinds = {process["name"]: process["kind"] for process in network["processes"]}
    for source, target in network["connections"]:
        out, into = ports[source][1], ports[target][0]
        same_flat = np.prod(out) == np.prod(into) and 1 in (len(out), len(into))
        if out != into and not same_flat:
            faults.append(f"connection {source} -> {target}: shape {out} does not fit {into}")
    fed = {target for _, target in network["connections"]}
    faults += [
        f"{n}: nothing is connected to this sink"
        for n in kinds
        if kinds[n] == "sink" and n not in fed
    ]
    resets = [[p["name"], p["target"]] for p in network["processes"] if p["kind"] == "reset"]
    unreached = _unreached(list(kinds), network["connections"] + resets)
    if unreached:
        first = next(iter(kinds))
        faults.append(f"{', '.join(unreached)}: no connection to {first}, Lava would not run it")
    immediate = [
        (s, t) for s, t in network["connections"] if not {kinds[s], kinds[t]} & set(SYNAPSES)
    ]
    loop = _on_loop(immediate)
    if loop:
        faults.append(
            f"{', '.join(loop)}: a loop without a synapse waits for itself; put a dense process in"
        )
    return faults


def _unreached(names: list[str], connections: list[Any]) -> list[str]:
    """Processes that no path, in whatever direction, joins with the first one."""
    neighbours = {name: set() for name in names}
    for source, target in connections:
        neighbours[source].add(target)
        neighbours[target].add(source)
    seen, todo = set(), [names[0]]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(neighbours[name] - seen)
    return [name for name in names if name not in seen]


def _on_loop(connections: list[Any]) -> list[str]:
    """Processes on, or between, loops of these connections."""
    rest = list(connections)
    while True:
        starts = {source for source, _ in rest}
        targets = {target for _, target in rest}
        kept = [(s, t) for s, t in rest if s in targets and t in starts]
        if len(kept) == len(rest):
            return sorted({source for source, _ in rest})
        rest = kept


def _process(process: Process, *, fixed: bool) -> list[str]:
    kind = process["kind"]
    if kind in MATRICES:
        return _matrix(process, fixed=fixed)
    if kind == "reset":
        return [
            *_within(process, "interval", 1, _INT32[1]),
            *_within(process, "offset", 0, _INT32[1]),
        ]
    if kind == "conv":
        return _conv(process, fixed=fixed)
    faults = _shape(process["shape"], "shape")
    if kind in NEURONS and not faults:
        faults += _neuron(process, fixed=fixed)
    return faults


def _matrix(process: Process, *, fixed: bool) -> list[str]:
    weights = process["weights"]
    if weights.ndim != 2 or weights.size == 0:
        return [f"weights have shape {weights.shape}; they must be (out, in)"]
    faults = _within(process, "num_message_bits", 0, 31)
    if fixed:
        mode = process.get("sign_mode") or _sign_mode(weights)
        if mode not in SIGN_MODES:
            faults.append(f"sign_mode is {mode!r}; it must be one of {', '.join(SIGN_MODES)}")
        else:
            low, high = _WEIGHT_RANGE[mode]
            faults += _integers(weights, f"{mode} weights", low, high)
        faults += _within(process, "weight_exp", -8, 7)
        faults += _within(process, "num_weight_bits", 1, 8)
    else:
        faults += _finite(weights, "weights")
    if process["kind"] in DELAYED:
        delays = process["delays"]
        if delays.shape != weights.shape:
            return [*faults, f"delays have shape {delays.shape}, weights {weights.shape}"]
        faults += _integers(delays, "delays", 0, 63)
        faults += _within(process, "max_delay", 0, 63)
        if not faults and 0 < process["max_delay"] < delays.max():
            faults.append(f"max_delay {process['max_delay']} would drop a delay of {delays.max()}")
    return faults


def _conv(process: Process, *, fixed: bool) -> list[str]:
    """Faults of a Conv. Lava keeps its geometry in int8 and lets larger values wrap."""
    weight = process["weight"]
    if weight.ndim != 4 or weight.size == 0:
        return [f"weight has shape {weight.shape}; it must be (out, x, y, in per group)"]
    faults = _shape(process["input_shape"], "input_shape")
    if len(process["input_shape"]) != 3:
        faults.append(f"input_shape is {process['input_shape']}; it must be (x, y, channels)")
    for key, low in (("stride", 1), ("padding", 0), ("dilation", 1)):
        values = process[key]
        if len(values) != 2 or not all(_is_int(v) and low <= v <= _INT8_MAX for v in values):
            faults.append(f"{key} is {values}; it must be two integers in {low}..{_INT8_MAX}")
    if max(weight.shape[1:3]) > _INT8_MAX:
        faults.append(f"kernel is {weight.shape[1:3]}; Lava holds at most {_INT8_MAX}")
    faults += _within(process, "groups", 1, _INT8_MAX)
    faults += _within(process, "num_message_bits", 0, 31)
    if faults:
        return faults
    channels, groups = process["input_shape"][2], process["groups"]
    if channels % groups or weight.shape[0] % groups:
        faults.append(f"{groups} groups do not divide {channels} -> {weight.shape[0]} channels")
    elif weight.shape[3] != channels // groups:
        faults.append(f"weight takes {weight.shape[3]} channels, a group has {channels // groups}")
    if min(conv_output(process)[:2]) < 1:
        faults.append(f"the kernel is larger than the padded input {process['input_shape']}")
    return faults + (_integers(weight, "weight", *_INT32) if fixed else _finite(weight, "weight"))


def _neuron(process: Process, *, fixed: bool) -> list[str]:
    ternary = process["kind"] == "ternary_lif"
    thresholds = {"vth_hi": _SIGNED_VTH, "vth_lo": _SIGNED_VTH} if ternary else {"vth": _VTH}
    ranges = {
        **thresholds,
        "du": (-1, 4095),
        "dv": (0, 4096),
        "bias_mant": _INT16,
        "bias_exp": (-15, 15),
        "u": _STATE,
        "v": _STATE,
    }
    faults = []
    for key, (low, high) in ranges.items():
        value = np.asarray(process[key])
        try:
            fits = np.broadcast_shapes(value.shape, tuple(process["shape"])) == tuple(
                process["shape"]
            )
        except ValueError:
            fits = False
        if not fits:
            faults.append(
                f"{key} has shape {value.shape}, the population {tuple(process['shape'])}"
            )
        elif fixed:
            faults += _integers(value, key, low, high)
        else:
            faults += _finite(value, key)
    if ternary and not faults and (np.asarray(process["vth_lo"]) > process["vth_hi"]).any():
        faults.append("vth_lo lies above vth_hi")
    if process["kind"] == "lif_reset":
        faults += _within(process, "reset_interval", 1, _INT32[1])
        faults += _within(process, "reset_offset", 0, _INT32[1])
    return faults


def _sign_mode(weights: Any) -> str:
    """Mode that Lava derives from the signs, in its own order of questions."""
    if weights.min() >= 0:
        return "excitatory"
    return "inhibitory" if weights.max() <= 0 else "mixed"


def _is_int(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _within(process: Process, key: str, low: int, high: int) -> list[str]:
    value = process.get(key)
    if _is_int(value) and low <= value <= high:
        return []
    return [f"{key} is {value!r}; it must be an integer in {low}..{high}"]


def _shape(shape: Any, what: str) -> list[str]:
    if len(shape) and all(_is_int(size) and size >= 1 for size in shape):
        return []
    return [f"{what} is {shape}; it must be positive integers"]


def _integers(array: Any, what: str, low: int, high: int) -> list[str]:
    array = np.asarray(array)
    if array.dtype.kind not in "iu":
        return [f"{what} is of type {array.dtype}; fixed_pt needs integers"]
    if array.min() < low or array.max() > high:
        return [f"{what} is in {array.min()}..{array.max()}; Lava holds {low}..{high}"]
    return []


def _finite(array: Any, what: str) -> list[str]:
    array = np.asarray(array)
    if array.dtype.kind not in "iuf":
        return [f"{what} is of type {array.dtype}; it must be numbers"]
    return [] if np.isfinite(array).all() else [f"{what} is not finite"]
