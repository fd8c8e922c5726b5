"""A folder at a URL and its copy here: whole whenever somebody dies, and nobody's work is lost."""

import shutil
from pathlib import Path

import fsspec
import pytest

from reid_jax.errors import UserError
from reid_jax.remote import mirror as mirrors
from reid_jax.remote import storage
from reid_jax.remote.mirror import Mirror

URL = "memory://bucket/run"
RUN = {"config.json": "1", "split.npz": "2", "report/index.html": "3"}


def step(which: str, number: int, text: str) -> dict[str, str]:
    names = ("_CHECKPOINT_METADATA", "state/a", "state/b", "progress/x")
    return {f"checkpoints/{which}/{number}/{name}": text for name in names}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def read(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def there() -> dict[str, str]:
    memory = fsspec.filesystem("memory")
    found = memory.find("/bucket/run")
    return {path.removeprefix("/bucket/run/"): memory.cat(path).decode() for path in found}


@pytest.fixture(autouse=True)
def empty(monkeypatch):
    monkeypatch.setattr(storage, "_PAUSES", ())
    yield
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


class Machine:
    """A machine with a cache of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self._folder, self._patch = folder, monkeypatch

    def mirror(self) -> Mirror:
        self._patch.setattr(mirrors, "cache_folder", lambda name: self._folder / name)
        return Mirror(URL)

    def pulled(self) -> Mirror:
        found = self.mirror()
        found.pull()
        return found


@pytest.fixture
def here(tmp_path, monkeypatch):
    return Machine(tmp_path / "here", monkeypatch)


@pytest.fixture
def other(tmp_path, monkeypatch):
    return Machine(tmp_path / "other", monkeypatch)


def test_another_machine_gets_what_was_uploaded(here, other):
    files = {**RUN, **step("best", 1, "a"), **step("latest", 2, "b")}
    mirror = here.pulled()
    assert not mirror.folder.exists()
    write(mirror.folder, files)
    assert mirror.push() == len(files)
    assert mirror.push() == 0
    assert there() == files
    assert read(other.pulled().folder) == files


def test_what_passes_is_not_uploaded(here):
    mirror = here.pulled()
    passing = [
        *("lock", "lock.held", ".CURRENT.ab12", ".lock", "report/.index.html.ff"),
        "checkpoints/latest/3.orbax-checkpoint-tmp-1/state/a",
    ]
    write(mirror.folder, {**RUN, **dict.fromkeys(passing, "x")})
    mirror.push()
    assert there() == RUN


def test_changes_go_both_ways_and_removals_too(here, other):
    mirror = here.pulled()
    write(mirror.folder, {**RUN, **step("latest", 1, "a")})
    mirror.push()
    elsewhere = other.pulled()
    write(elsewhere.folder, {"report/index.html": "new", **step("latest", 2, "b")})
    shutil.rmtree(elsewhere.folder / "checkpoints/latest/1")
    (elsewhere.folder / "split.npz").unlink()
    elsewhere.push()
    expected = {"config.json": "1", "report/index.html": "new", **step("latest", 2, "b")}
    assert there() == expected
    mirror = here.pulled()
    assert read(mirror.folder) == expected
    assert not (mirror.folder / "checkpoints/latest/1").exists()  # a folder is a step to Orbax


def test_what_was_made_of_two_runs_of_one_file_is_refused(here, other):
    mirror = here.pulled()
    write(mirror.folder, RUN)
    mirror.push()
    write(mirror.folder, {"config.json": "mine"})
    elsewhere = other.pulled()
    write(elsewhere.folder, {"config.json": "theirs, longer"})
    elsewhere.push()
    with pytest.raises(UserError, match=r"config\.json was changed elsewhere while"):
        here.pulled()
    assert read(mirror.folder)["config.json"] == "mine"
    shutil.rmtree(mirror.folder.parent)
    assert read(here.pulled().folder)["config.json"] == "theirs, longer"


def test_a_copy_made_by_other_means_is_a_run_but_for_half_a_checkpoint(here):
    files = {**RUN, **step("latest", 1, "a")}
    half = {name: text for name, text in step("latest", 2, "b").items() if "METADATA" not in name}
    for name, text in (files | half).items():
        fsspec.filesystem("memory").pipe(f"/bucket/run/{name}", text.encode())
    assert read(here.pulled().folder) == files


class Died(BaseException):
    pass


def dying(monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], calls: int) -> list[int]:
    """After so many calls of functions of `mirror` the program dies; counts them."""
    count = [0]

    def counted(function):
        def call(*arguments):
            if count[0] >= calls:
                raise Died
            count[0] += 1
            return function(*arguments)

        return call

    for name in names:
        monkeypatch.setattr(mirrors, name, counted(getattr(mirrors, name)))
    monkeypatch.setattr(mirrors, "_AT_ONCE", 1)
    return count


def valid(files: dict[str, str]) -> bool:
    """Whether a run is whole: one text a checkpoint, all four files; a state's best is there."""
    steps = {"/".join(name.split("/")[:3]) for name in files if name.startswith("checkpoints")}
    for each in steps:
        texts = [text for name, text in files.items() if name.startswith(f"{each}/")]
        if len(texts) != 4 or len(set(texts)) != 1:
            return False
    latest = max((int(s.split("/")[2]) for s in steps if "latest" in s), default=0)
    best = [int(s.split("/")[2]) for s in steps if "best" in s]
    return latest == 0 or any(number <= latest for number in best)


@pytest.mark.parametrize("calls", range(0, 21))
def test_whoever_dies_while_uploading_leaves_a_whole_run(here, other, calls):
    first = {**RUN, **step("best", 1, "a"), **step("latest", 1, "b")}
    then = {**RUN, "report/index.html": "4", **step("best", 2, "c"), **step("latest", 2, "d")}
    mirror = here.pulled()
    write(mirror.folder, first)
    mirror.push()
    shutil.rmtree(mirror.folder / "checkpoints")
    write(mirror.folder, then)
    with pytest.MonkeyPatch.context() as patch:
        count = dying(patch, ("put", "remove"), calls)
        try:
            mirror.push()
        except Died:
            assert count == [calls]
        else:
            assert count == [19]  # eleven uploads, eight removals
    seen = read(other.pulled().folder)
    assert valid(seen)
    assert seen["config.json"] == "1"
    mirror = here.pulled()  # the one that died goes on
    mirror.push()
    after = there()
    assert {name: after[name] for name in then} == then
    assert valid(read(other.pulled().folder))


@pytest.mark.parametrize("calls", range(0, 12))
def test_whoever_dies_while_fetching_has_whole_checkpoints(here, other, calls):
    files = {**RUN, **step("best", 1, "a"), **step("latest", 1, "b")}
    mirror = here.pulled()
    write(mirror.folder, files)
    mirror.push()
    copy = other.mirror()
    with pytest.MonkeyPatch.context() as patch:
        dying(patch, ("fetch",), calls)
        try:
            copy.pull()
        except Died:
            assert valid(read(copy.folder))
            assert "config.json" not in read(copy.folder)
    copy.pull()
    assert read(copy.folder) == files
    assert [path.name for path in copy.folder.parent.glob(".passing-*")] == []


@pytest.mark.parametrize("calls", range(0, 5))
def test_whoever_dies_while_uploading_leaves_the_gallery_that_counts(here, other, calls):
    mirror = here.pulled()
    write(mirror.folder, {"generation-000001/a": "1", "CURRENT": "generation-000001"})
    mirror.push()
    shutil.rmtree(mirror.folder / "generation-000001")
    write(mirror.folder, {"generation-000002/a": "22", "CURRENT": "generation-000002"})
    with pytest.MonkeyPatch.context() as patch:
        dying(patch, ("put", "remove"), calls)
        try:
            mirror.push()
        except Died:
            assert calls < 3
    seen = read(other.pulled().folder)
    assert f"{seen['CURRENT']}/a" in seen


def test_a_file_alone_is_uploaded_as_one(here):
    mirror = here.pulled()
    mirror.folder.parent.mkdir(parents=True, exist_ok=True)
    mirror.folder.write_text("{}")
    mirror.push()
    assert fsspec.filesystem("memory").cat("/bucket/run") == b"{}"
    shutil.rmtree(mirror.folder.parent)
    assert here.pulled().folder.read_text() == "{}"
