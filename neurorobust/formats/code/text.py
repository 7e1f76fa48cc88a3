"""Numbers, shapes and prose as Python source."""

import json
import textwrap
from collections.abc import Iterable

import numpy as np

from neurorobust.ir import Array, Shape

WIDTH = 96


def literal(value: Array | float) -> str:
    """The shortest decimal that gives a number back in float32."""
    single = np.float32(value)
    text = str(single)
    return text if np.float32(float(text)) == single else repr(float(single))


def quoted(name: str) -> str:
    """A name as a string in double quotes, with everything escaped that is not ASCII."""
    return json.dumps(name)


def sizes(shape: Shape) -> str:
    """``4, 1, 1``."""
    return ", ".join(map(str, shape))


def pair(values: Shape) -> str:
    """One number where both are equal: ``2`` or ``(2, 1)``."""
    return str(values[0]) if len(set(values)) == 1 else f"({sizes(values)})"


def call(function: str, *arguments: str, **options: str) -> str:
    """``f(a, b=c)``; over several lines where it is long."""
    parts = [*arguments, *(f"{key}={value}" for key, value in options.items())]
    return listed(f"{function}(", parts, ")")


def listed(opening: str, parts: list[str], closing: str) -> str:
    """``[a, b]``; one part per line where it is long."""
    line = f"{opening}{', '.join(parts)}{closing}"
    if len(line) <= WIDTH - 24:
        return line
    return f"{opening}\n" + "".join(f"    {part},\n" for part in parts) + closing


def prose(text: str) -> str:
    """Text that may come from anywhere, safe within a docstring and on one line."""
    kept = "".join(c if c.isprintable() else " " for c in text)
    return kept.replace("\\", "/").replace('"""', "'''").strip().rstrip('"')


def wrapped(text: str, indent: str = "") -> str:
    """Prose over lines of the usual length."""
    return textwrap.fill(
        prose(text), WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def docstring(title: str, *paragraphs: str) -> str:
    """Of a generated file: what it is, where it comes from, what it needs, and how it is run."""
    about, needs, *others = map(wrapped, paragraphs)
    usage = "    python {file} inputs.npy outputs.npz"
    text = "\n\n".join([wrapped(title), f"{about}\n{needs}", usage, *others])
    return f'"""{text}\n"""\n'


def function(signature: str, lines: Iterable[str]) -> str:
    """A function of a generated file."""
    return f"\n\ndef {signature}:\n{block(lines, 1)}"


def main(lines: Iterable[str]) -> str:
    """The function that runs samples of a file, and its call."""
    made = function("main(inputs: str, outputs: str) -> None", lines)
    return f'{made}\n\nif __name__ == "__main__":\n    main(*sys.argv[1:])\n'


def block(lines: Iterable[str], depth: int) -> str:
    """Lines at a depth of indentation."""
    return "".join(textwrap.indent(line.rstrip() + "\n", "    " * depth) for line in lines)
