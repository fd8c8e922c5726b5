"""The house is what the README draws: imports go down, questions do not know each other."""

import ast
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "reid_jax"

# From the ground up. Rooms on one floor do not import each other.
FLOORS = (
    {
        *("console", "meanwhile", "errors", "fields", "platforms", "files", "locks"),
        *("compilations", "hlo", "remote"),
    },
    {"ops"},
    {"models"},
    {"weights", "data"},
    {"training"},
    {"reporting", "export"},
    {"individuals", "keyframes", "same_video"},
    {"questions", "configurations"},
    {"architectures", "plan"},  # what a question's network and its step are made of, and cost
    {"api", "losses", "metrics", "mining"},
    {"app"},
    {"commands"},
)
HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
# What is read knows nothing of arrays on devices: decoding runs where there is none.
NOT_EVEN_BELOW = {"data": {"ops", "models"}}
EVERYWHERE = FLOORS[0]


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


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_go_down(path):
    room = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if room in ("__init__", "__main__"):
        return
    for imported, _ in imports(path):
        parts = imported.split(".")
        assert parts[0] not in ("scripts", "tests"), f"{path} imports {imported}"
        if parts[0] != "reid_jax" or parts[1] in (room, "UserError"):
            continue
        below = HEIGHT[parts[1]] < HEIGHT[room] or {parts[1], room} <= EVERYWHERE
        assert below, f"{path} imports {imported}"
        assert parts[1] not in NOT_EVEN_BELOW.get(room, ()), f"{path} imports {imported}"


def test_every_room_has_its_floor():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.name[0] != "_"} - {"py"}  # py.typed
    assert rooms <= set(HEIGHT), rooms - set(HEIGHT)


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("orbax", {"training/checkpoint.py"}),
        ("tensorboardX", {"training/logging.py"}),
    ],
)
def test_only_one_file_knows_a_library(module, allowed):
    users = {
        name(path)
        for path in FILES
        if any(imported.split(".")[0] == module for imported, _ in imports(path))
    }
    assert users == allowed


def test_only_commands_know_the_command_line():
    for path in FILES:
        users = {imported.split(".")[0] for imported, _ in imports(path)}
        assert "tyro" not in users or path.is_relative_to(PACKAGE / "commands"), name(path)


@pytest.mark.parametrize(
    "module", ["tensorflow", "tensorflow_datasets", "matplotlib", "av", "h5py"]
)
def test_slow_libraries_are_imported_where_they_are_used(module):
    for path in FILES:
        for imported, top in imports(path):
            assert not (top and imported.split(".")[0] == module), f"{path} imports {module}"


# These say which devices there are, or what compiles for a CPU; they choose none to work on.
NAMING = {
    "commands/main.py",
    "keyframes/compare.py",
    "ops/convolution/lax.py",
    "plan/measure.py",
    "training/hosts/join.py",
}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_devices_are_chosen_in_one_file(path):
    if name(path) == "training/parallel.py":
        return
    words = ["jax.pmap", "Mesh("]
    if name(path) not in NAMING:
        words += ["jax.devices", "jax.local_devices"]
    if path.is_relative_to(PACKAGE / "training"):
        words += ["NamedSharding", "shard_map"]  # an op that needs several is handed a mesh
    for word in words:
        assert word not in path.read_text(), f"{path} uses {word}"


def test_no_files_import_each_other_in_a_circle():
    """Not even inside functions: what two need lies below both."""
    dotted = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in FILES
    }
    below: dict[str, set[str]] = {}
    for module, path in dotted.items():
        names = [imported for imported, _ in imports(path)]
        found = {name if name in dotted else name.rpartition(".")[0] for name in names}
        below[module] = (found & dotted.keys()) - {module}
    TopologicalSorter(below).prepare()  # raises CycleError, which names the circle


def undocumented(path: Path, words: frozenset[str]) -> list[str]:
    """Public functions, classes and methods of a file without a docstring.

    A method whose word another class of the house explains (that of a protocol) needs none again.
    """
    found = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_":
            found += [] if ast.get_docstring(node) else [node.name]
            if isinstance(node, ast.ClassDef):
                missing = {name for name, text in methods(node).items() if not text} - words
                found += [f"{node.name}.{name}" for name in sorted(missing)]
    return found


def methods(node: ast.ClassDef) -> dict[str, str | None]:
    """The public methods of a class and what their docstrings say."""
    return {
        method.name: ast.get_docstring(method)
        for method in node.body
        if isinstance(method, ast.FunctionDef) and method.name[0] != "_"
    }


def test_everything_public_has_a_docstring():
    words = frozenset(
        name
        for path in FILES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
        for name, text in methods(node).items()
        if text
    )
    missing = {name(path): undocumented(path, words) for path in FILES}
    assert not {path: names for path, names in missing.items() if names}


WRITTEN = sorted(
    path
    for folder in ("reid_jax", "configs", "scripts", "tests")
    for path in (ROOT / folder).rglob("*.py")
)
LONGEST = 400  # lines of a file
LONG = {
    "tests/individuals/gallery/test_gallery.py": "each test goes on with the gallery of the first",
    "tests/data/videos/test_files.py": "a way to be broken after the other, of the same H5 file",
    "tests/ops/test_augment.py": "each change of an image against its loop, with the same images",
    "tests/keyframes/films/test_command.py": "all ask one command about the same drawn films",
    "tests/stories/test_multihost.py": "all start the same processes",
    "tests/test_api.py": "each name of the front door is used as its docstring says",
    "tests/training/test_checkpoint.py": "all damage the checkpoints of one run",
}
LARGEST = 20  # files of a folder
QUESTION = "all of one question, flat, so that the same names stand in each"
LARGE = {
    "configs": "a file an experiment, found by its bare name",
    "reid_jax/individuals": QUESTION,
    "reid_jax/keyframes": QUESTION,
    "reid_jax/same_video": QUESTION,
    "reid_jax/data/photos": "a file a source, and what all sources need",
    "reid_jax/training": "the loop and all that it is made of; what several hosts need is hosts/",
    "tests": "a file for each file of reid_jax that lies in no folder, and what tests share",
    "tests/individuals": "a file for each file of reid_jax/individuals, or for what several do",
    "tests/ops": "a file for each file or folder of reid_jax/ops",
}


def test_a_long_file_has_a_reason():
    long = {
        path.relative_to(ROOT).as_posix()
        for path in WRITTEN
        if len(path.read_text().splitlines()) > LONGEST
    }
    assert long <= set(LONG)


def test_a_large_folder_has_a_reason():
    files = Counter(
        path.parent.relative_to(ROOT).as_posix() for path in WRITTEN if path.stem != "__init__"
    )
    assert {folder for folder, number in files.items() if number > LARGEST} <= set(LARGE)
