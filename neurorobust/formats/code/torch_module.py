"""A Graph as a ``torch.nn.Module`` of a framework's own neurons: the text of one file."""

from dataclasses import dataclass

import numpy as np

from neurorobust.formats.code import norse, snntorch
from neurorobust.formats.code.maps import map_piece
from neurorobust.formats.code.names import identifiers
from neurorobust.formats.code.piece import Piece
from neurorobust.formats.code.text import block, docstring, function, listed, main, quoted, sizes
from neurorobust.ir import LI, LIF, Array, Graph, Node, Output

READOUTS = {
    "count": "out.sum(dim=1)",
    "mean": "out.mean(dim=1)",
    "last": "out[:, -1]",
    "max": "out.amax(dim=1)",
    "first": "torch.where(fired.any(dim=1), steps - fired.int().argmax(dim=1), 0).float()",
}


@dataclass(frozen=True, slots=True)
class Source:
    """What an exporter of code wrote, before it is saved.

    Attributes:
        text: The Python file.
        tensors: The weights file.
        layers: Recorded layers, in order.
    """

    text: str
    tensors: dict[str, Array]
    layers: tuple[str, ...]


def torch_source(graph: Graph, target: str, weights: str, about: str, *, exact: bool) -> Source:
    """The file for ``snntorch`` or ``norse``.

    Args:
        graph: The network.
        target: ``snntorch`` or ``norse``.
        weights: Name of the weights file beside it.
        about: Where the network comes from, for the docstring.
        exact: See ``norse.neuron_piece``.

    Raises:
        Unsupported: naming a node that the framework cannot run exactly.
    """
    return _Module(graph, target, exact=exact).source(weights, about)


class _Module:
    def __init__(self, graph: Graph, target: str, *, exact: bool) -> None:
        self.graph, self.target, self.exact = graph, target, exact
        self.names = identifiers(graph.nodes)
        self.out = {graph.input: "x_t"}
        self.pieces: dict[str, Piece] = {}
        order = [n for n in graph.order if n not in (graph.input, graph.output)]
        for name in order:
            # Neurons' outputs have known names before they are made: loops read them.
            node = graph.nodes[name]
            before = {LIF: "spk_", LI: "mem_"}.get(type(node), "")
            self.out[name] = f"{before}{self.names[name]}"
        for name in order:
            self.pieces[name] = self.piece(name, graph.nodes[name])

    def piece(self, name: str, node: Node) -> Piece:
        """One node."""
        graph, identifier, x = self.graph, self.names[name], self.arriving(name)
        if isinstance(node, LIF | LI):
            shape = graph.shapes[name]
            if self.target == "norse":
                return norse.neuron_piece(name, identifier, node, shape, x, exact=self.exact)
            return snntorch.neuron_piece(name, identifier, node, shape, x)
        shape = graph.shapes[graph.incoming(name)[0].source]
        return map_piece(name, identifier, node, shape, x)

    def arriving(self, name: str) -> str:
        """The sum over the edges into a node; what is late comes from what was kept."""
        parts = [
            f"{self.past(edge.source)}[-{edge.delay}]" if edge.delay else self.out[edge.source]
            for edge in self.graph.incoming(name)
        ]
        return " + ".join(parts)

    def past(self, name: str) -> str:
        """The variable with the latest outputs of a node."""
        return f"past_{self.names[name]}"

    def source(self, weights: str, about: str) -> Source:
        """The whole file."""
        graph, header = self.graph, self.graph.header
        tensors: dict[str, Array] = {}
        make: list[str] = []
        start: list[str] = []
        step: list[str] = []
        imports, helpers = set(), dict[str, str]()
        for name, value in (("mean", header.mean), ("std", header.std)):
            if value:
                tensors[name] = np.asarray(value, np.float32)
                make.append(f'self.register_buffer("{name}", torch.zeros({len(value)}))')
        for piece in self.pieces.values():
            make += piece.make
            start += piece.start
            step += piece.step
            tensors |= piece.tensors
            imports |= set(piece.imports)
            helpers |= piece.helpers
        longest = {n: max((e.delay for e in graph.outgoing(n)), default=0) for n in graph.nodes}
        for name in (n for n in graph.order if longest[n]):
            zeros = f"x.new_zeros(batch, {sizes(graph.shapes[name])})"
            late = longest[name]
            start.append(f"{self.past(name)} = deque([{zeros}] * {late}, maxlen={late})")
            step.append(f"{self.past(name)}.append({self.out[name]})")
            imports.add("from collections import deque")
        layers = tuple(n for n in graph.order if isinstance(graph.nodes[n], LIF))
        step += [f"spikes[{quoted(layer)}].append({self.out[layer]})" for layer in layers]
        step.append(f"arrived.append({self.arriving(graph.output)})")
        text = self.told(about) + "\n" + self.imports(imports)
        text += f'\nWEIGHTS = Path(__file__).with_name("{weights}")\nSTEPS = {header.steps}\n'
        text += f"LAYERS = {listed('[', [quoted(layer) for layer in layers], ']')}\n"
        if self.target == "norse":
            text += "DT = 1.0  # time is counted in steps\n"
        for helper in helpers.values():
            text += f"\n\n{helper}\n"
        text += self.network(make, start, step)
        text += self.loading() + self.demonstration()
        return Source(text, tensors, layers)

    def told(self, about: str) -> str:
        """What the file is, where it comes from and how it is run."""
        label, version = {
            "snntorch": ("snnTorch", snntorch.VERSION),
            "norse": ("Norse", norse.VERSION),
        }[self.target]
        shape = sizes(self.graph.input_shape)
        given = f"({'B' if self.shown_whole else 'B, T'}, {shape})"
        return docstring(
            f"{self.graph.header.name or 'A spiking network'} in {label}.",
            about,
            f"Written for {label} {version}; it computes in float32 and needs nothing else but "
            "torch, numpy and safetensors.",
            f"inputs.npy holds samples of shape {given}"
            + (", shown in every step" if self.shown_whole else "")
            + "; outputs.npz then holds the scores and the spikes of every layer.",
        )

    @property
    def shown_whole(self) -> bool:
        """Whether every step shows the same values."""
        return self.graph.header.coding == "direct"

    def imports(self, needed: set[str]) -> str:
        """Standard library, then packages."""
        standard = {"import sys", "from pathlib import Path"}
        standard |= {line for line in needed if line.split()[1].split(".")[0] in _STANDARD}
        packages = {
            "import numpy as np",
            "import torch",
            "from safetensors.torch import load_file",
            "from torch import nn",
        }
        if self.target == "snntorch":
            packages.add("import snntorch as snn")
        norse_names: set[str] = set()
        for line in needed - standard:
            module, names = line.removeprefix("from ").split(" import ")
            if module == "norse.torch":
                norse_names |= set(names.split(", "))
            else:
                packages.add(line)
        if norse_names:
            listed = "".join(f"    {name},\n" for name in sorted(norse_names))
            packages.add(f"from norse.torch import (\n{listed})")

        def ordered(lines: set[str]) -> str:
            by = sorted(lines, key=lambda s: (s.startswith("from"), s.split()[1].lower()))
            return "\n".join(by)

        return f"{ordered(standard)}\n\n{ordered(packages)}\n"

    def network(self, make: list[str], start: list[str], step: list[str]) -> str:
        """The module."""
        header, shape = self.graph.header, sizes(self.graph.input_shape)
        norse_too = self.target == "norse"
        given = ", w: dict[str, torch.Tensor]" if norse_too else ""
        axes = f".reshape(-1{', 1' * (len(self.graph.input_shape) - 1)})"
        if norse_too:
            make = [*make, "self.load_state_dict({key: w[key] for key in self.state_dict()})"]
        begin = ["batch, steps = x.shape[1], len(x)"]
        begin += [f"x = x - self.mean{axes}"] if header.mean else []
        begin += [f"x = x / self.std{axes}"] if header.std else []
        loop = [
            "spikes: dict[str, list[torch.Tensor]] = {name: [] for name in LAYERS}",
            "arrived = []",
            "for x_t in x:",
        ]
        node = self.graph.nodes[self.graph.output]
        assert isinstance(node, Output)  # noqa: S101  # holds for every checked model
        end = [
            "out = torch.stack(arrived, dim=1)",
            *(["fired = out != 0"] if node.readout == "first" else []),
            f"scores = {READOUTS[node.readout]}",
            "return scores, {name: torch.stack(z, dim=1) for name, z in spikes.items()}",
        ]
        return (
            '\n\nclass Network(nn.Module):\n    """The network; its layers have their names."""\n\n'
            f"    def __init__(self{given}) -> None:\n        super().__init__()\n"
            + block(make, 2)
            + "\n    def forward(self, x: torch.Tensor) -> "
            "tuple[torch.Tensor, dict[str, torch.Tensor]]:\n"
            '        """Scores, shape (B, classes), and the spikes of each layer, (B, T, ...).\n\n'
            f'        x: the input of each step, shape (T, B, {shape}).\n        """\n'
            + block([*begin, *start, *loop], 2)
            + block(step, 3)
            + block(end, 2)
        )

    def loading(self) -> str:
        """The function that makes the network with its weights."""
        body = ["net = Network()", "net.load_state_dict(load_file(weights))", "return net.eval()"]
        if self.target == "norse":
            body = ["return Network(load_file(weights)).eval()"]
        doc = '"""The network with its weights."""'
        return function("load(weights: Path = WEIGHTS) -> Network", [doc, *body])

    def demonstration(self) -> str:
        """The function that runs it."""
        shown = (
            "x = samples.expand(STEPS, *samples.shape)  # every step shows the same"
            if self.shown_whole
            else "x = samples.transpose(0, 1)  # time first"
        )
        body = [
            '"""Run the samples of an .npy file; write scores and spikes to an .npz file."""',
            "samples = torch.from_numpy(np.load(inputs)).float()",
            shown,
            "with torch.no_grad():",
            "    scores, spikes = load()(x)",
            'record = {f"spikes/{name}": z.numpy().astype(np.uint8) for name, z in spikes.items()}',
            "np.savez(outputs, **record, scores=scores.numpy())",
        ]
        return main(body)


_STANDARD = frozenset({"collections", "types", "typing", "pathlib", "sys"})
