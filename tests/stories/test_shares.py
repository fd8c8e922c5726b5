"""Several processes share the work of a command: the result is the bytes that one process makes."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reid_jax.errors import UserError
from reid_jax.individuals.gallery.members import add, build
from reid_jax.individuals.gallery.stored import journals
from reid_jax.individuals.gallery.stored.reading import form_of
from reid_jax.individuals.run import embed_to_file, evaluate_run
from reid_jax.training.hosts.shares import Shares, sharing
from tests.paths import REPOSITORY
from tests.stories.test_multihost import finish, free_port, wait_for
from tests.tiny_run import make_tiny_run


def photos(folder: Path, number: int, copies: int = 1) -> str:
    """Small files of eight individuals at random; the first one shows nothing, one is broken."""
    for photo in range(number):
        pixels = np.random.default_rng(photo).integers(0, 256, (24, 24, 3), np.uint8)
        place = folder / f"animal {photo % 8}" / f"{photo}_0.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels if photo else 0 * pixels).save(place)
        for copy in range(1, copies):
            shutil.copy(place, place.with_name(f"{photo}_{copy}.png"))
    (folder / "animal 0" / "broken.png").write_bytes(b"no picture")
    return f"folder:{folder}"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_tiny_run(tmp_path_factory.mktemp("shared") / "run")


MAIN = "from reid_jax.commands.main import main; main()"


def start(
    count: int,
    *words: object,
    own: dict[int, list[str]] | None = None,
    begin: str = "",
    stderr: int | None = subprocess.STDOUT,
) -> list[subprocess.Popen]:
    """Processes of one command, some with words of their own; a single one needs no other.

    Where they have to wait, they say on stderr how far they are and for whom; None keeps that
    apart from what they print.
    """
    port = free_port()
    return [
        subprocess.Popen(
            [
                *(sys.executable, "-c", f"{begin}\n{MAIN}", *map(str, words)),
                *([f"--coordinator=127.0.0.1:{port}"] if count > 1 else []),
                *(own or {}).get(index, []),
            ],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "JAX_PLATFORMS": "cpu",
                "JAX_NUM_PROCESSES": str(count),
                "JAX_PROCESS_ID": str(index),
            },
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        for index in range(count)
    ]


def test_two_processes_embed_the_bytes_of_one(run, tmp_path):
    source = photos(tmp_path / "photos", 200)
    embed_to_file(run, source, tmp_path / "one.npz")
    words = ("embed", run, source, "--out", tmp_path / "two.npz")
    first, second = finish(start(2, *words, stderr=None), 0, 0)
    assert "200 embeddings of 8 numbers" in first
    assert second == ""
    for end in ("", ".skipped.txt"):
        one, two = (tmp_path / f"{name}.npz{end}" for name in ("one", "two"))
        assert two.read_bytes() == one.read_bytes()
    assert not list(tmp_path.glob("*.shares"))


@pytest.mark.exhaustive
def test_two_processes_build_and_extend_the_gallery_of_one(run, tmp_path):
    known, more = photos(tmp_path / "known", 150), photos(tmp_path / "more", 170)
    one, two = tmp_path / "one", tmp_path / "two"
    build(run, known, one)
    words = ("gallery", "build", run, known, "--out", two, "--evidence", "none")
    first, second = finish(start(2, *words, stderr=None), 0, 0)
    assert "broken.png" in first
    assert second == ""
    same_galleries(one, two)
    add(one, more, None)
    first, _ = finish(start(2, "gallery", "add", two, more), 0, 0)
    assert "20 photos added (149 were there already)" in first
    same_galleries(one, two)
    add(one, more, None)
    first, _ = finish(start(2, "gallery", "add", two, more), 0, 0)  # of which nothing is new
    assert "0 photos added" in first
    same_galleries(one, two)


def same_galleries(*folders: Path) -> None:
    forms = [form_of(folder) for folder in folders]
    names = [
        sorted(path.relative_to(form.generation) for path in form.generation.rglob("*.*[qyz]"))
        for form in forms
    ]
    assert names[0] == names[1]
    for name in names[0]:
        one, two = (form.generation / name for form in forms)
        assert one.read_bytes() == two.read_bytes(), name
    facts = [json.loads(form.settings.read_text())["settings"] for form in forms]
    assert facts[0] == facts[1] | {name: facts[0][name] for name in ("built", "run_relative")}
    states = [journals.reading(form).state().facts for form in forms]
    assert states[0] == states[1]


@pytest.mark.exhaustive
def test_what_the_dead_did_not_do_is_done_by_others(run, tmp_path):
    """Three processes, one is killed: all end, it is named; two go on to the bytes of one."""
    source, out = photos(tmp_path / "photos", 64, copies=100), tmp_path / "z.npz"
    shares = tmp_path / "z.npz.shares"
    words = ("embed", run, source, "--out", out)
    processes = start(3, *words)
    wait_for(processes, lambda: len(list(shares.glob("2-*.npz"))) > 3)
    processes[2].send_signal(signal.SIGKILL)
    first, second, _ = finish(processes, 1, 1, -signal.SIGKILL)
    for output in (first, second):
        assert "error: process 2 on" in output
        assert "ended without a word" in output
        assert "of 100 shares are kept in" in output
    assert not out.exists()
    assert 3 < len(list(shares.glob("2-*.npz"))) < 100
    finish(start(2, *words), 0, 0)
    assert not shares.exists()
    embed_to_file(run, source, tmp_path / "one.npz")
    assert out.read_bytes() == (tmp_path / "one.npz").read_bytes()


@pytest.mark.exhaustive
def test_evaluation_by_three_processes_is_that_of_one(run, tmp_path):
    words = ("evaluate", run, "--out", tmp_path / "three", "--evidence", "none")
    finish(start(3, *words), 0, 0, 0)
    evaluate_run(run, out=tmp_path / "one")
    for name in ("metrics.json", "tables.md"):
        assert (tmp_path / "three" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


@pytest.mark.exhaustive
def test_processes_that_are_asked_for_different_things_end_with_a_sentence(run, tmp_path):
    words = ("embed", run, "--out", tmp_path / "z.npz")
    sources = {0: ["--data", "synthetic:10x20"], 1: ["--data", "synthetic:10x21"]}
    for output in finish(start(2, *words, own=sources), 1, 1):
        assert "What is asked is not the same in all processes: " in output
        assert "the number of photos is 210 in process 1" in output


# Of one process that keeps what it has done: no other one is needed to see what becomes of files.


@pytest.fixture
def alone(monkeypatch):
    monkeypatch.setenv("JAX_NUM_PROCESSES", "1")
    monkeypatch.setenv("JAX_PROCESS_ID", "0")
    return f"127.0.0.1:{free_port()}"


def collect(shares: Shares, done: list[int], most: int = 9, asked: str = "squares") -> list[int]:
    """Squares of 0 to 5; breaks off when `most` are done."""

    def work(numbers):
        for number in numbers:
            if len(done) == most:
                raise UserError("broken off")
            done.append(number)
            yield {"square": np.array(number**2)}

    pieces = shares.collect({"what": asked}, 6, work, description="squares", unit="squares")
    return [int(piece["square"]) for piece in pieces]


def broken_off(coordinator: str, out: Path) -> Path:
    with contextlib.suppress(UserError), sharing(coordinator, out) as shares:
        collect(shares, [], most=4)
    return out.with_name(f"{out.name}.shares")


def test_what_is_there_is_not_done_again_but_for_what_is_damaged(alone, tmp_path, capsys):
    out, done = tmp_path / "out", []
    folder = broken_off(alone, out)
    assert len(list(folder.glob("*.npz"))) == 4
    (folder / "1-000002.npz").write_bytes((folder / "1-000002.npz").read_bytes()[:50])
    with sharing(alone, out) as shares:
        assert collect(shares, done) == [0, 1, 4, 9, 16, 25]
    assert done == [2, 4, 5]
    assert "1-000002.npz is damaged" in capsys.readouterr().out
    assert not folder.exists()


def test_a_folder_of_other_shares_is_refused_and_stays(alone, tmp_path):
    folder = broken_off(alone, tmp_path / "out")
    refused = r"holds shares of other work \(what is squares in what is there, cubes in this comm"
    with pytest.raises(UserError, match=refused), sharing(alone, tmp_path / "out") as shares:
        collect(shares, [], asked="cubes")
    (folder / "asked-1.json").write_text("{")
    with pytest.raises(UserError, match="other work"), sharing(alone, tmp_path / "out") as shares:
        collect(shares, [])
    assert len(list(folder.glob("*.npz"))) == 4


def test_a_share_that_is_damaged_before_it_is_read_is_named(alone, tmp_path, monkeypatch):
    written = "reid_jax.training.hosts.shares.write_arrays"
    monkeypatch.setattr(written, lambda path, _: path.write_bytes(b"half"))
    with (
        pytest.raises(UserError, match=r"1-000000.npz is damaged .* the same command makes it"),
        sharing(alone, tmp_path / "out") as shares,
    ):
        collect(shares, [])


def test_a_process_alone_shares_nothing(tmp_path):
    with sharing("", tmp_path / "out") as shares:
        assert shares is None
