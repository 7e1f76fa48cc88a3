"""A Program as Lava processes: the text of one file, and the integers it reads.

The processes and their connections are those with which the backend ``lava`` runs a Program.
"""

import json
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from neurorobust import ir
from neurorobust.backends import get_backend, require_support
from neurorobust.errors import Unsupported
from neurorobust.formats.code.names import identifiers
from neurorobust.formats.code.text import call, docstring, function, listed, main, quoted, sizes
from neurorobust.formats.code.torch_module import Source

if TYPE_CHECKING:
    from neurorobust.formats.lava.network import LavaNetwork, Process
    from neurorobust.formats.lava.wiring import Wiring

VERSION = "0.10.0"

_READOUTS = {
    "count": "arrived.sum(axis=1)",
    "mean": "arrived.mean(axis=1)",
    "last": "arrived[:, -1]",
    "max": "arrived.max(axis=1)",
    "first": "np.where(arrived.any(axis=1), STEPS - (arrived != 0).argmax(axis=1), 0)",
}
_CLASSES = {
    "source": ("Source", "from lava.proc.io.source import RingBuffer as Source"),
    "sink": ("Sink", "from lava.proc.io.sink import RingBuffer as Sink"),
    "dense": ("Dense", "from lava.proc.dense.process import Dense"),
    "delay_dense": ("DelayDense", "from lava.proc.dense.process import DelayDense"),
    "sparse": ("Sparse", "from lava.proc.sparse.process import Sparse"),
    "delay_sparse": ("DelaySparse", "from lava.proc.sparse.process import DelaySparse"),
    "conv": ("Conv", "from lava.proc.conv.process import Conv"),
    "lif_reset": ("LIFReset", "from lava.proc.lif.process import LIFReset"),
}
_NEURAL = frozenset({"source", "sink", "lif_reset"})
_SPREAD = frozenset({"u", "v", "bias_mant", "bias_exp"})
"""Parameters that Lava takes as one number per neuron."""
_SAID = frozenset({"name", "du", "dv", "vth"})
"""Parameters that are written although they may have Lava's own default, or are not Lava's."""


def lava_source(program: ir.Program, weights: str, about: str) -> Source:
    """The file for Lava.

    Args:
        program: The network in integers.
        weights: Name of the weights file beside it.
        about: Where the network comes from, for the docstring.

    Raises:
        Unsupported: naming what Lava's own processes cannot run exactly.
    """
    _refuse(program)
    from neurorobust.formats.lava.mapping import build
    from neurorobust.formats.lava.schedule import Schedule
    from neurorobust.formats.lava.wiring import paths_into, wire

    wiring = wire(program)
    steps, depth = program.header.steps, max(*wiring.layers.values(), 1)
    # What follows each other must not remember: else every sample runs by itself, then silence.
    schedule = Schedule(1, steps, depth, gap=0 if wiring.chained else depth)
    ways = [(path.source, path.delay) for path in paths_into(program, program.output)]
    recorded = [source for source, _ in ways if program.nodes[source].spiking]
    network = build(program, wiring, schedule, recorded)
    return _File(program, wiring, network, ways, depth).source(weights, about)


def _refuse(program: ir.Program) -> None:
    require_support("lava", get_backend("lava").capabilities(), program, "quantised")
    if program.host is not None:
        raise Unsupported(
            "the Program has a part on the host, which Lava does not run; lower with "
            "input_coding='graded' or 'bias'"
        )
    for name, node in program.of_kind(ir.FixedNeuron):
        if isinstance(node, ir.FixedTernaryLIF):
            msg = f"{name}: Lava's TernaryLIF has no reset between samples; run it as a backend"
            raise Unsupported(msg)
        if node.reset_interval:
            raise Unsupported(
                f"{name}: it is reset every {node.reset_interval} steps; Lava's LIFReset has one "
                "interval, which separates the samples here"
            )


class _File:
    def __init__(
        self,
        program: ir.Program,
        wiring: "Wiring",
        network: "LavaNetwork",
        ways: list[tuple[str, int]],
        depth: int,
    ) -> None:
        self.program, self.wiring, self.network = program, wiring, network
        self.ways, self.depth = ways, depth
        self.names = identifiers(process.name for process in network.processes)
        self.by_name = {process.name: process for process in network.processes}
        self.tensors: dict[str, ir.Array] = {}
        self.imports = {
            "from lava.magma.core.run_conditions import RunSteps",
            "from lava.magma.core.run_configs import Loihi2SimCfg",
        }

    @property
    def whole(self) -> bool:
        """Whether samples follow each other in one run."""
        return self.wiring.chained

    def source(self, weights: str, about: str) -> Source:
        """The whole file."""
        made = [self.made(p) for p in sorted(self.network.processes, key=self.place)]
        joined = [self.joined(link.source, link.target) for link in self.network.connections]
        layers = tuple(dict.fromkeys(source for source, _ in self.ways))
        text = self.told(about) + "\n" + self.header(weights)
        text += self.run(made, joined, layers) + self.reading() + self.demonstration()
        return Source(text, self.tensors, layers)

    def place(self, process: "Process") -> int:
        """Where the node of a process stands in the order of execution."""
        order = self.program.order
        own = [i for i, name in enumerate(order) if f"{process.name}.".startswith(f"{name}.")]
        return own[-1]

    def told(self, about: str) -> str:
        """What the file is, and how late Lava is."""
        given = f"({'B' if self.program.header.coding == 'direct' else 'B, T'}, "
        given += f"{sizes(self.program.input_shape)})"
        how = "Delays and loops remember, so every sample has a run of its own."
        if self.whole:
            how = (
                "The samples follow each other in one run; LIFReset starts each population from "
                "rest when the first step of a sample reaches it."
            )
        return docstring(
            f"{self.program.header.name or 'A spiking network'} in Lava, fixed_pt.",
            about,
            f"Written for lava-nc {VERSION}, in Loihi's integers; it needs nothing else but numpy.",
            f"inputs.npy holds samples of shape {given}; outputs.npz then holds the scores and "
            "what arrives at the output.",
            "On Lava every synapse takes one step, so a population behind k synapses answers k "
            f"steps late: LATE holds k, and what is recorded is cut accordingly. {how}",
        )

    def header(self, weights: str) -> str:
        """Imports and constants."""
        classes: dict[str, list[str]] = {}
        for line in sorted(self.imports):
            module, name = line.split(" import ")
            classes.setdefault(module, []).append(name)
        lava = [f"{module} import {', '.join(names)}" for module, names in classes.items()]
        late = {name: k for name, k in self.wiring.layers.items() if k}
        lines = [
            "import sys",
            "from pathlib import Path",
            "",
            "import numpy as np",
            *lava,
            "",
            f'WEIGHTS = Path(__file__).with_name("{weights}")',
            f"STEPS = {self.program.header.steps}",
            f"LATE = {listed('{', [f'{quoted(name)}: {k}' for name, k in late.items()], '}')}",
            f"DEPTH = {self.depth}  # steps until the last layer has seen a whole sample",
        ]
        return "\n".join(lines) + "\n"

    def made(self, process: "Process") -> str:
        """The line that makes one process."""
        kind, line = _CLASSES[process.kind]
        self.imports.add(line)
        name = self.names[process.name]
        if process.kind == "source":
            return f"{name} = Source(data=data)"
        if process.kind == "sink":
            return f"{name} = Sink(shape=({sizes(self.shape_of(process))},), buffer=total)"
        options = {}
        # What must be given comes first, then what Lava has defaults for.
        for part in sorted(fields(process), key=lambda part: part.default is not MISSING):
            value = getattr(process, part.name)
            if part.name != "name" and not self.usual(part, value):
                options[part.name] = self.value(process, part.name, value)
        return f"{name} = {call(kind, **options)}"

    @staticmethod
    def usual(part: Field[Any], value: Any) -> bool:
        """Whether a parameter has Lava's own default."""
        known = part.name not in _SAID and not isinstance(value, np.ndarray)
        return known and bool(value == part.default)

    def value(self, process: "Process", field: str, value: Any) -> str:
        """One parameter as source."""
        if field == "sign_mode":
            self.imports.add("from lava.utils.weightutils import SignMode")
            return f"SignMode.{value.upper()}"
        if isinstance(value, tuple):
            return f"({sizes(value)},)" if len(value) == 1 else f"({sizes(value)})"
        if isinstance(value, np.ndarray):
            key = f"{self.names[process.name]}.{field}"
            self.tensors[key] = value.astype(np.int64)
            if process.kind in {"sparse", "delay_sparse"}:
                self.imports.add("from scipy.sparse import csr_matrix")
                if field == "delays":  # of the synapses that are kept
                    self.tensors[key] = np.where(process.weights != 0, value, 0).astype(np.int64)  # type: ignore[union-attr]
                return f'csr_matrix(w["{key}"])'
            return f'w["{key}"]'
        if field in _SPREAD:
            return f"np.full(({sizes(process.shape)},), {value})"  # type: ignore[union-attr]
        return repr(value)

    def shape_of(self, process: "Process") -> ir.Shape:
        """Shape of what a process sends."""
        if process.kind in _NEURAL:
            shape: ir.Shape = process.shape  # type: ignore[union-attr]
            return shape
        if process.kind == "conv":
            return self.program.shapes[process.name][::-1]
        return (len(process.weights),)  # type: ignore[union-attr]

    def taken(self, process: "Process") -> ir.Shape:
        """Shape of what a process receives."""
        if process.kind == "conv":
            shape: ir.Shape = process.input_shape  # type: ignore[union-attr]
            return shape
        if process.kind in _NEURAL:
            return self.shape_of(process)
        return (process.weights.shape[1],)  # type: ignore[union-attr]

    def joined(self, source: str, target: str) -> str:
        """The line that connects two processes; in C order where only one end is flat."""
        first, second = self.by_name[source], self.by_name[target]
        out = f"{self.names[source]}.{'s_out' if first.kind in _NEURAL else 'a_out'}"
        into = f"{self.names[target]}.{'a_in' if second.kind in _NEURAL else 's_in'}"
        wanted = self.taken(second)
        if self.shape_of(first) != wanted:
            out += f".reshape(new_shape=({sizes(wanted)}{',' if len(wanted) == 1 else ''}))"
        return f"{out}.connect({into})"

    def run(self, made: list[str], joined: list[str], layers: tuple[str, ...]) -> str:
        """The function that builds and runs the network."""
        source = self.names[self.program.input]
        continuous = [n for n in layers if not self.program.nodes[n].spiking]
        body = [
            '"""What arrives at the output, by population, (B, STEPS, ...).',
            "",
            f"codes: integers of the input, shape (B, STEPS, {sizes(self.program.input_shape)}).",
            '"""',
            "w = np.load(WEIGHTS)",
            "total = len(codes) * STEPS + DEPTH",
            "# Lava wants time last, and images as (W, H, C): all axes reversed.",
            "flat = codes.reshape(-1, *codes.shape[2:])",
            "data = np.zeros((*flat.shape[:0:-1], total), np.int64)",
            "data[..., : len(flat)] = flat.T",
            "",
            *made,
            "",
            *joined,
            "",
            "# The tag matters: without it Lava takes its floating-point models.",
            f'{source}.create_runtime(run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))',
        ]
        if continuous:
            body += [
                f"traces = {{name: [] for name in {json.dumps(continuous)}}}",
                "for _ in range(total):",
                f"    {source}.run(condition=RunSteps(num_steps=1))",
                *(
                    f"    traces[{quoted(n)}].append({self.names[n]}.v.get())  # the membrane"
                    for n in continuous
                ),
            ]
        else:
            body.append(f"{source}.run(condition=RunSteps(num_steps=total))")
        spiking = [n for n in layers if n not in continuous]
        body.append("record = {")
        for n in spiking:
            sink = self.names[f"{n}.spikes"]
            body.append(f"    {quoted(n)}: {sink}.data.get(),")
        for n in continuous:
            body.append(f"    {quoted(n)}: np.stack(traces[{quoted(n)}], axis=-1),")
        body += [
            "}",
            f"{source}.stop()",
            "return {name: cut(values, LATE.get(name, 0)) for name, values in record.items()}",
        ]
        cut = [
            '"""From Lava\'s (W, H, C, time) to (B, STEPS, C, H, W), without the delay."""',
            "samples = (values.shape[-1] - DEPTH) // STEPS",
            "kept = values.T[late : late + samples * STEPS]",
            "return kept.reshape(samples, STEPS, *kept.shape[1:]).astype(np.int64)",
        ]
        made_run = function("run(codes: np.ndarray) -> dict[str, np.ndarray]", body)
        return made_run + function("cut(values: np.ndarray, late: int) -> np.ndarray", cut)

    def reading(self) -> str:
        """From values to integers, and from what arrives to scores."""
        node = self.program.nodes[self.program.input]
        output = self.program.nodes[self.program.output]
        assert isinstance(node, ir.FixedInput)  # noqa: S101  # holds for every Program
        assert isinstance(output, ir.Output)  # noqa: S101
        direct = self.program.header.coding == "direct"
        encode = ['"""The integers of the input, (B, STEPS, ...)."""']
        if direct:
            encode.append("samples = np.repeat(samples[:, None], STEPS, axis=1)")
        from_zero = f" {'-' if node.offset > 0 else '+'} {abs(node.offset)!r}"
        values = f"samples.astype(np.float64){from_zero if node.offset else ''}"
        scale = f"({values}) * {node.scale!r}" if node.offset else f"{values} * {node.scale!r}"
        encode.append(f"codes = np.rint({scale}).clip({node.low}, {node.high})")
        encode.append("return codes.astype(np.int64)")
        terms = []
        for source, delay in self.ways:
            term = f"record[{quoted(source)}].reshape(*record[{quoted(source)}].shape[:2], -1)"
            terms.append(f"later({term}, {delay})" if delay else term)
        score = [
            '"""Scores, shape (B, classes)."""',
            f"arrived = {' + '.join(terms)}",
            f"return {_READOUTS[output.readout]} * {self.program.score_unit!r}",
        ]
        later = ""
        if any(delay for _, delay in self.ways):
            later = function(
                "later(values: np.ndarray, steps: int) -> np.ndarray",
                [
                    '"""The same some steps later, zeros first."""',
                    "return np.pad(values, [(0, 0), (steps, 0), (0, 0)])[:, :STEPS]",
                ],
            )
        read = function("read(record: dict[str, np.ndarray]) -> np.ndarray", score)
        return function("encode(samples: np.ndarray) -> np.ndarray", encode) + later + read

    def demonstration(self) -> str:
        """The function that runs it."""
        running = [
            "records = [run(codes[i : i + 1]) for i in range(len(codes))]",
            "record = {k: np.concatenate([r[k] for r in records]) for k in records[0]}",
        ]
        if self.whole:
            running = ["record = run(codes)"]
        continuous = [n for n, _ in self.ways if not self.program.nodes[n].spiking]
        what = 'f"spikes/{name}"'
        if continuous:
            membranes = json.dumps(sorted(set(continuous)))
            what = f'("membrane/" if name in {membranes} else "spikes/") + name'
        body = [
            '"""Run the samples of an .npy file; write scores and outputs to an .npz file."""',
            "codes = encode(np.load(inputs))",
            *running,
            f"named = {{{what}: value for name, value in record.items()}}",
            "np.savez(outputs, **named, scores=read(record))",
        ]
        return main(body)
