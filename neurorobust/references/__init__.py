"""Whom to cite: the entries of ``references.bib``, by what of this package was used.

Attacks and gradient estimators say themselves which entries they are cited by; of everything else,
every entry lists what it is cited for.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from neurorobust import __version__
from neurorobust.errors import InvalidFile
from neurorobust.names import known_name, plain
from neurorobust.references.bibtex import Reference, parse

_WITHIN = {"attack": "attack", "gradient": "gradient", "inner": "gradient", "members": "gradient"}
_DETAILS = ("loss", "surrogate")
_NO_METHOD = ("gradient:none", "gradient:ensemble")


@cache
def references() -> tuple[Reference, ...]:
    """Every entry with all that it is cited for, the package itself first and with its version.

    Raises:
        InvalidFile: if the file is damaged.
    """
    file = files("neurorobust.references") / "references.bib"
    software, *others = (
        replace(entry, names=(*entry.names, *_methods().get(entry.key, ())))
        for entry in parse(file.read_text(encoding="utf-8"), str(file))
    )
    return (replace(software, fields={**software.fields, "version": __version__}), *others)


@cache
def _methods() -> Mapping[str, list[str]]:
    """Attacks and gradient estimators as ``kind:name``, by the keys of their entries."""
    from neurorobust.attacks import METHODS

    found: dict[str, list[str]] = {}
    for name, kind in sorted(METHODS.items()):
        for key in kind.cited:
            found.setdefault(key, []).append(f"{kind.kind}:{name}")
    return found


def cite(wanted: Iterable[str]) -> tuple[tuple[Reference, ...], tuple[str, ...]]:
    """The package, and what is cited for names and attack sets; no entry twice.

    Args:
        wanted: Names, with or without their kind, files of attack sets, or folders with such files
            somewhere in them. A word that is a name is one, also where a folder is called so.

    Returns:
        Entries in the order of the file, and what attack sets used that no entry is cited for.

    Raises:
        InvalidInput: for an unknown name, with those that are close.
        InvalidFile: for a damaged file, or one without attack sets.
    """
    index = _index()
    keys, uncited = {references()[0].key}, set[str]()
    for given in wanted:
        path = Path(given)
        if plain(given) in index:
            keys |= index[plain(given)]
        elif path.exists() or path.suffix == ".safetensors" or len(path.parts) > 1:
            for name in used_in(path):
                keys |= index.get(plain(name), frozenset())
                uncited |= set() if plain(name) in index else {name}
        else:
            names = (name.partition(":")[2] for r in references() for name in r.names)
            known_name(given, sorted(names), "method, backend, chip, data or attack set")
    chosen = tuple(reference for reference in references() if reference.key in keys)
    return chosen, tuple(sorted(uncited))


def used_in(path: Path) -> tuple[str, ...]:
    """Attacks and gradients of an attack set, or of all below a folder, as ``kind:name``.

    Raises:
        InvalidFile: for a damaged file, or one without attack sets.
    """
    from neurorobust.attacks.sets import read_request

    if not path.exists():
        raise InvalidFile(path, "is missing; give an attack set, or a folder with some")
    found: dict[str, None] = {}
    for file in sorted(path.rglob("*.safetensors")) if path.is_dir() else [path]:
        request = read_request(file)
        found |= {} if request is None else dict.fromkeys(used(request))
    if not found:
        reason = "holds no attack set; give files that an attack was frozen in, or their folder"
        raise InvalidFile(path, reason)
    return tuple(found)


def used(request: Mapping[str, Any]) -> tuple[str, ...]:
    """Attacks and gradients of the request of an attack set, with those within others."""
    parts = (_named(kind, request.get(kind)) for kind in ("attack", "gradient"))
    return tuple(dict.fromkeys(name for part in parts for name in part))


def _named(kind: str, record: Any) -> Iterator[str]:
    """What a record names, itself first; nothing for a parameter that is no record."""
    if not isinstance(record, Mapping) or "name" not in record:
        return
    if (name := f"{kind}:{record['name']}") not in _NO_METHOD:
        yield name
    if record.get("twin") is not None:
        yield "attack:transferred"
    for key, value in record.items():
        if key in _DETAILS and plain(f"{key}:{value}") in _index():
            yield f"{key}:{value}"
        inner = value if isinstance(value, list) else [value]
        for part in inner if key in _WITHIN else ():
            yield from _named(_WITHIN[key], part)


@cache
def _index() -> Mapping[str, frozenset[str]]:
    """Keys of the entries by plain name, with and without its kind."""
    found: dict[str, frozenset[str]] = {}
    for reference in references():
        for name in reference.names:
            for spelled in (plain(name), plain(name.partition(":")[2])):
                found[spelled] = found.get(spelled, frozenset()) | {reference.key}
    return found
