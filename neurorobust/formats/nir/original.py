"""The file itself, kept in the provenance of the Graph that was read from it.

It survives ``save_model`` and never enters what is computed: ``tau``, ``r``, ``v_leak``, ``w_in``,
dtypes, names and subgraphs stay bit for bit, so that the same file can be written again.
"""

import json
from collections.abc import Mapping
from dataclasses import replace

from neurorobust.errors import InvalidInput
from neurorobust.formats.nir.document import Entry
from neurorobust.formats.nir.packed import pack_entry, unpack_entry
from neurorobust.formats.nir.stamp import KEY, ORIGINAL, without_original
from neurorobust.ir import Array, Graph
from neurorobust.ir.identity import arrays_of, canonical_json


def with_original(graph: Graph, root: Entry, facts: Mapping[str, str]) -> Graph:
    """The same Graph, its provenance naming the source and holding the file."""
    arrays = arrays_of(graph)

    def place(name: str, key: str, value: Array) -> str | None:
        held = arrays.get(f"{name}/{key}")
        if held is None or (held.dtype.str, held.shape) != (value.dtype.str, value.shape):
            return None
        return f"{name}/{key}" if held.tobytes() == value.tobytes() else None

    metadata = {key: value for key, value in root.metadata.items() if key != KEY}
    kept = {
        "content_hash": graph.content_hash,
        "file": pack_entry(replace(root, metadata=metadata), place),
    }
    provenance = without_original(graph.header.provenance) | dict(facts)
    provenance[ORIGINAL] = canonical_json(kept)
    return graph.with_(header=replace(graph.header, provenance=provenance))


def original(graph: Graph) -> Entry | None:
    """The file that a Graph was read from; None if there is none or the Graph has changed."""
    text = graph.header.provenance.get(ORIGINAL)
    if text is None:
        return None
    try:
        kept = json.loads(text)
        same = kept["content_hash"] == graph.content_hash
        return unpack_entry(kept["file"], arrays_of(graph)) if same else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"header: provenance {ORIGINAL!r} holds no NIR file ({error}); remove the entry"
        raise InvalidInput(msg) from error
