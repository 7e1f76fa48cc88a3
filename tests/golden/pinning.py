"""Pinned values: JSON files that tests rebuild and compare.

With ``NEUROROBUST_GOLDEN=write`` in the environment the files are written anew instead.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "pinned"
SHOWN = 30
"""Differences that are printed."""


def pinned(name, found):
    """Hold what was found against its file, and name what differs."""
    path = FOLDER / f"{name}.json"
    found = _compact(json.loads(json.dumps(found, default=_plain)))
    if os.environ.get("NEUROROBUST_GOLDEN") == "write":
        FOLDER.mkdir(exist_ok=True)
        path.write_text(_text(found, 2) + "\n")
        return
    differing = list(_differences(json.loads(path.read_text()), found))
    lines = [*differing[:SHOWN], *([f"... {len(differing)} in all"] * (len(differing) > SHOWN))]
    assert not differing, "\n".join([f"{path.name} does not hold any more", *lines])


def rounded(value, digits=6):
    """The same with floats of so many significant digits."""
    if isinstance(value, float | np.floating):
        return float(f"{value:.{digits}g}")
    if isinstance(value, Mapping):
        return {key: rounded(item, digits) for key, item in value.items()}
    return [rounded(item, digits) for item in value] if isinstance(value, list | tuple) else value


def without(value, *keys):
    """The same without these keys, at any depth."""
    if isinstance(value, Mapping):
        return {k: without(v, *keys) for k, v in value.items() if k not in keys}
    return [without(item, *keys) for item in value] if isinstance(value, list | tuple) else value


def structure(value):
    """Keys and types of a JSON value; of a list the different ones of its items."""
    if isinstance(value, Mapping):
        return {key: structure(item) for key, item in value.items()}
    if isinstance(value, list):
        made = {json.dumps(structure(item)): structure(item) for item in value}
        return [made[key] for key in sorted(made)]
    return type(value).__name__


def table(frame, digits=6):
    """Column types and rows of a data frame."""
    columns = {name: str(kind) for name, kind in frame.schema.items()}
    return {"columns": columns, "rows": rounded([list(row) for row in frame.iter_rows()], digits)}


def files(folder):
    """Every file below a folder, by its path in it."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def _plain(value):
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else dict(value)


def _compact(value):
    """Several mappings with the same keys become a table."""
    if isinstance(value, dict):
        return {key: _compact(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    if len(value) > 2 and all(isinstance(v, dict) and list(v) == list(value[0]) for v in value):
        return {"keys": list(value[0]), "rows": [_compact([*item.values()]) for item in value]}
    return [_compact(item) for item in value]


def _text(value, depth):
    """Compact JSON, with a line for each entry of the outer levels."""
    if not depth or not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, list):
        return "[\n" + ",\n".join(_text(item, depth - 1) for item in value) + "\n]"
    items = (f"{json.dumps(key)}:{_text(item, depth - 1)}" for key, item in value.items())
    return "{\n" + ",\n".join(items) + "\n}"


def _differences(wanted, found, at=""):
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in wanted | found:
            here = f"{at}/{key}"
            if key not in found:
                yield f"{here}: gone, was {_short(wanted[key])}"
            elif key not in wanted:
                yield f"{here}: new, is {_short(found[key])}"
            else:
                yield from _differences(wanted[key], found[key], here)
        if wanted.keys() == found.keys() and list(wanted) != list(found):
            yield f"{at}: keys in another order, was {list(wanted)}, is {list(found)}"
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from _differences(one, other, f"{at}/{index}")
    elif type(wanted) is not type(found) or wanted != found:
        yield f"{at}: was {_short(wanted)}, is {_short(found)}"


def _short(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"
