"""The house: which room may import which, how large a file is, how much a package offers."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = (
    "errors",
    "files",
    "names",
    "asking",
    "methods",
    "progress",
    "rules",
    "chips",
    "ir",
    "data",
    "engine",
    "backends",
    "metrics",
    "render",
    "compare",
    "lower",
    "formats",
    "attacks",
    "fit",
    "train",
    "zoo",
    "audit",
    "references",
    "study",
    "testing",
    "api",
    "cli",
)
"""The rooms of ``neurorobust``; each imports only from rooms named before it, and from itself."""
FRAMEWORKS = frozenset(
    (
        "art",
        "autoattack",
        "foolbox",
        "lava",
        "neurobench",
        "norse",
        "onnx",
        "onnxruntime",
        "sinabs",
        "snntorch",
        "spikingjelly",
        "tonic",
        "torchattacks",
    )
)
"""Optional libraries: imported inside the functions that need them."""
HOSTS = frozenset(
    (
        "neurorobust.formats.modules.norse",
        "neurorobust.formats.modules.snntorch",
        "neurorobust.formats.modules.spikingjelly",
        "neurorobust.formats.onnx.writing.forms",
        "neurorobust.formats.onnx.writing.writer",
        "neurorobust.metrics.neurobench.adapter",
    )
)
"""Files about one library, which import it at their head: others import them inside functions."""
LINES, OFFERED = 600, 40


def _sources() -> dict[str, Path]:
    """Module name → file, of the package and of the adapters."""
    found = {}
    for base in (ROOT / "neurorobust", *sorted((ROOT / "backends").glob("neurorobust_*"))):
        for path in sorted(base.rglob("*.py")):
            parts = path.relative_to(base.parent).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


SOURCES = _sources()
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def _imports(node: ast.AST) -> Iterator[tuple[str, int]]:
    """What an import statement imports, and its line."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, node.lineno) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            yield (whole if whole in SOURCES else node.module), node.lineno


def _imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every module that is imported anywhere in a file, and the line."""
    for node in ast.walk(tree):
        yield from _imports(node)


def _run(tree: ast.AST) -> Iterator[str]:
    """The same without what is imported for types alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield from (module for module, _ in _imports(node))
        yield from _run(node)


def _room(module: str) -> str | None:
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] if package == "neurorobust" and rest else None


def test_every_room_has_a_floor() -> None:
    rooms = {room for module in SOURCES if (room := _room(module))} - {"__main__"}
    assert sorted(rooms) == sorted(FLOORS)


def test_rooms_import_from_above_only() -> None:
    wrong = []
    for module, tree in TREES.items():
        own = _room(module)
        if own not in FLOORS:
            continue
        for other, line in _imported(tree):
            room = _room(other)
            if room in FLOORS and FLOORS.index(room) > FLOORS.index(own):
                wrong.append(f"{SOURCES[module].relative_to(ROOT)}:{line} imports {other}")
    assert not wrong, "\n".join(wrong)


def test_the_core_imports_no_adapter() -> None:
    wrong = [
        f"{SOURCES[module].relative_to(ROOT)}:{line} imports {other}"
        for module, tree in TREES.items()
        if module.partition(".")[0] == "neurorobust"
        for other, line in _imported(tree)
        if other.startswith("neurorobust_")
    ]
    assert not wrong, "\n".join(wrong)


def test_no_framework_at_module_level() -> None:
    """Nor a file that imports one at its head."""
    wrong = []
    for module, tree in TREES.items():
        if module.partition(".")[0] != "neurorobust" or module in HOSTS:
            continue
        for other, line in (found for node in tree.body for found in _imports(node)):
            if other.partition(".")[0] in FRAMEWORKS or other in HOSTS:
                wrong.append(f"{SOURCES[module].relative_to(ROOT)}:{line} imports {other}")
    assert not wrong, "\n".join(wrong)


def test_no_two_files_import_each_other() -> None:
    """No circle among files, imports inside functions included."""
    after = {
        module: {other for other in _run(tree) if other in SOURCES and other != module}
        for module, tree in TREES.items()
    }
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        if module in way:
            pytest.fail(" → ".join((*way[way.index(module) :], module)))
        if module not in done:
            for other in sorted(after[module]):
                visit(other, (*way, module))
            done.add(module)

    for module in sorted(after):
        visit(module, ())


def test_files_are_short() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in SOURCES.items()}
    assert {name: count for name, count in lengths.items() if count > LINES} == {}


def test_packages_offer_few_names() -> None:
    for module, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                assert len(ast.literal_eval(node.value)) <= OFFERED, module
