"""Writes ``docs/interoperability.md``; needs an environment with all the frameworks.

``python -m benchmarks.interop.page``
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.interop import ours
from benchmarks.interop.cells import READINGS, Attempt, Cell, cell, stage
from benchmarks.interop.frameworks import (
    Framework,
    NirTorch,
    Norse,
    Run,
    SnnTorch,
    SpikingJelly,
    import_all,
    versions,
)
from benchmarks.interop.networks import BATCH, CLASSES, NAMES, STEPS, Spec

WRITERS: Sequence[Framework] = (
    SnnTorch(),
    Norse(),
    Norse("Norse, `dt=1`", export_dt=1.0),
    SpikingJelly(),
    NirTorch(),
)
READERS: Sequence[Framework] = (SnnTorch(), Norse(), SpikingJelly(), NirTorch())
SOURCES: Sequence[Framework] = (SnnTorch(), Norse(), SpikingJelly())
GRAPH = "Graph"
PAGE = Path(__file__).parents[2] / "docs" / "interoperability.md"
INTRODUCTION = Path(__file__).with_name("introduction.md")


def elsewhere(writer: Framework, reader: Framework | None, file: Path) -> Attempt:
    """Written by one framework, read by another, or by ``load`` where there is none."""

    def attempt(spec: Spec, x: Tensor) -> tuple[Tensor, Callable[[], Run]]:
        module = writer.build(spec)
        wanted = writer.run(module, x)
        with stage("writer"):
            writer.write(writer.build(spec), spec, file)
        soft = any(p.soft for p in spec.populations)
        if reader is None:
            return wanted, lambda: ours.load(file, writer.dt, soft=soft)
        return wanted, lambda: reader.read(file, writer.dt, soft=soft)

    return attempt


def through_us(source: Framework | None, reader: Framework | str, file: Path) -> Attempt:
    """From a module (or a Graph) to a Graph, to a file, to a reader; or less of that way.

    Args:
        source: Whose module; None starts from a Graph.
        reader: Whose reader; ``Graph`` runs the Graph, ``load`` reads the file.
        file: Where it lies.
    """

    def attempt(spec: Spec, x: Tensor) -> tuple[Tensor, Callable[[], Run]]:
        if source is None:
            graph = ours.graph_of(spec)
            wanted = ours.run(graph, x)
        else:
            module = source.build(spec)
            wanted = source.run(module, x)
            with stage("importer"):
                graph = ours.from_module(source.name, source.build(spec), spec, source.dt)
        if reader == GRAPH:
            return wanted, lambda: lambda given: ours.run(graph, given)
        with stage("writer"):
            if isinstance(reader, str):
                ours.save(graph, file, None)
                return wanted, lambda: ours.reload(file)
            call = ours.save(graph, file, reader.name)
        return wanted, lambda: reader.read(file, call.dt, soft=call.soft)

    return attempt


def rows(name: str, folder: Path) -> Iterator[tuple[str, list[Cell]]]:
    """What the frameworks make of each other's files of a network."""
    file = folder / "network.nir"
    for writer in WRITERS:
        readers: list[Framework | None] = [*READERS, None]
        yield writer.name, [cell(name, elsewhere(writer, reader, file)) for reader in readers]


def our_rows(name: str, folder: Path) -> Iterator[tuple[str, list[Cell]]]:
    """What becomes of their modules through neurorobust."""
    file = folder / "network.nir"
    readers = [GRAPH, "load", *SOURCES]
    for source in (*SOURCES, None):
        title = GRAPH if source is None else source.name
        yield title, [cell(name, through_us(source, reader, file)) for reader in readers]


def table(titles: Sequence[str], found: Iterator[tuple[str, list[Cell]]]) -> str:
    """Markdown; a row in which every cell is the same says it once."""
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for title, cells in found:
        texts = [str(one) for one in cells]
        if len(set(texts)) == 1 and cells[0].bits is None:
            texts = [texts[0], *["〃"] * (len(texts) - 1)]
        lines.append(f"| {title} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def section(name: str, folder: Path) -> str:
    """Both tables of a network."""
    import_all()
    theirs = table(
        ["written by ↓ read by →", *(reader.name for reader in READERS), "`load`"],
        rows(name, folder),
    )
    titles = ["module of ↓ run in →", GRAPH, "`load`", *(source.name for source in SOURCES)]
    return f"## {name.capitalize()}\n\n{theirs}\n\n{table(titles, our_rows(name, folder))}\n"


def page() -> str:
    """The whole page."""
    said = ", ".join(f"{name} {number}" for name, number in versions().items())
    with tempfile.TemporaryDirectory() as folder:
        sections = [section(name, Path(folder)) for name in NAMES]
    bits = f"{STEPS * BATCH * CLASSES:,}"
    opening = INTRODUCTION.read_text(encoding="utf-8").format(
        versions=said, bits=bits, readings=READINGS
    )
    return opening + "\n" + "\n".join(sections)


if __name__ == "__main__":
    torch.set_num_threads(1)
    PAGE.write_text(page(), encoding="utf-8")
