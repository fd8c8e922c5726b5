"""The rooms of the house look one way only."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "reid_jax"

# What a room may import from the package, beside itself and what is for all of them.
ROOMS = {
    "ops": set(),
    "models": {"ops"},
    "weights": {"models", "ops"},
    "data": set(),
    "tasks": {"ops", "models"},
    "training": {"ops", "models", "weights", "data", "tasks"},
    "gallery": {"ops", "data", "training", "evaluation"},
    "evaluation": {"ops", "models", "weights", "data", "tasks", "training"},
    "video": {"ops", "models", "weights", "data", "tasks", "training", "evaluation"},
    "commands": {"configurations", *("ops", "models", "evaluation", "gallery", "video", "bench")},
    "bench": {"ops", "models", "weights", "data", "tasks", "training", "evaluation"},
}
EVERYWHERE = {"errors", "files", "locks", "compilations"}


def imports(path: Path) -> list[tuple[str, bool]]:
    """Modules that a file imports, and whether at its top level."""
    tree = ast.parse(path.read_text())
    top = set(tree.body)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found += [(f"{node.module}.{alias.name}", node in top) for alias in node.names]
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_from_the_rooms_below_it(path):
    room = path.relative_to(PACKAGE).parts[0]
    for name, _ in imports(path):
        parts = name.split(".")
        if parts[0] == "reid_jax" and room in ROOMS:
            allowed = ROOMS[room] | EVERYWHERE | {room}
            assert parts[1] in allowed or parts[1] == "UserError", f"{path} imports {name}"


def test_every_room_is_known():
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert rooms <= set(ROOMS)


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("orbax", {"training/checkpoint.py"}),
        ("tensorboardX", {"training/logging.py"}),
    ],
)
def test_only_one_file_knows_a_library(module, allowed):
    users = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        if any(name.split(".")[0] == module for name, _ in imports(path))
    }
    assert users == allowed


@pytest.mark.parametrize(
    "module", ["tensorflow", "tensorflow_datasets", "PIL", "matplotlib", "av", "h5py"]
)
def test_optional_libraries_are_imported_where_they_are_used(module):
    for path in FILES:
        for name, top in imports(path):
            assert not (top and name.split(".")[0] == module), f"{path} imports {module} at the top"


def test_devices_are_known_to_one_file_of_the_trainer():
    for path in (PACKAGE / "training").glob("*.py"):
        text = path.read_text()
        if path.name != "parallel.py":
            for word in ("jax.devices", "jax.pmap", "NamedSharding", "shard_map"):
                assert word not in text, f"{path} uses {word}"
