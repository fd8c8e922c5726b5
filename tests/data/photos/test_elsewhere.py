"""Photos at URLs and in tars are read as those in folders; what breaks is one sentence."""

import logging
import os
import shutil
import tarfile
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image

from reid_jax.commands.main import main
from reid_jax.data.photos import load_dataset
from reid_jax.data.photos.given import photo_blocks
from reid_jax.errors import UserError
from reid_jax.remote import storage
from tests.s3 import BUCKET, serving, upload
from tests.tiny_run import make_tiny_run

AT_S3 = f"s3://{BUCKET}/x"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Photos in folders, the same in two tars, and what is found beside photos."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name in ("ann", "bob", "zoé"):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 255, (40, 50, 3), np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{number}.png")
    ann = folder / "photos" / "ann"
    (ann / "notes.txt").write_text("no photo")
    (ann / "empty.jpg").write_text("")
    (ann / "broken.jpg").write_bytes(b"no picture")
    (ann / "0.png").rename(ann / "without_ending")
    (folder / "photos" / ".hidden.png").write_text("")
    (folder / "photos" / "metadata.csv").write_text(
        "path,identity\nann/1.png,ann\nann/2.png,ann\nbob/0.png,bob\nbob/9.png,bob\n"
        "bob\\1.png,bob\nzoe\u0301/0.png,zoe\nann/1.png,ann\n"
    )
    for number, names in enumerate((["ann"], ["bob", "zoé"])):
        with tarfile.open(folder / f"0{number}.tar", "w") as tar:
            for name in names:
                tar.add(folder / "photos" / name, f"./{name}" if number else name)
    return folder


@pytest.fixture(scope="module")
def wire(made):
    with pytest.MonkeyPatch.context() as patch, serving(patch) as wire:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        patch.setattr(storage, "_PAUSES", (0.0,))
        upload(made, f"{BUCKET}/x")
        yield wire


@pytest.fixture
def in_memory(made):
    memory = fsspec.filesystem("memory")
    memory.put(f"{made}/", "/x", recursive=True)
    yield "memory://x"
    memory.rm("/x", recursive=True)


def same(there, here, root: str, at: str) -> None:
    """Two data sets hold the same, under two roots."""

    def below(paths, folder):
        return [str(path).removeprefix(f"{folder}/") for path in paths]

    assert below(there.paths, at) == below(here.paths, root)
    assert there.identities == here.identities
    np.testing.assert_array_equal(there.labels, here.labels)
    np.testing.assert_array_equal(there.columns["digest"], here.columns["digest"])
    assert str(there.skipped).replace(at, root) == str(here.skipped)
    assert there.passed_over == here.passed_over
    rows = np.arange(len(here))
    np.testing.assert_array_equal(there.load(rows, 24), here.load(rows, 24))


@pytest.mark.parametrize("what", ["folder:{}/photos", "csv:{}/photos", "tar:{}/{{00..01}}.tar"])
def test_a_url_holds_what_its_folder_holds(made, in_memory, what):
    same(load_dataset(what.format(in_memory)), load_dataset(what.format(made)), *roots(made))


def roots(made, at="memory://x"):
    return str(made), at


@pytest.mark.parametrize("what", ["folder:{}/photos", "csv:{}/photos/metadata.csv", "tar:{}"])
def test_a_bucket_holds_what_its_folder_holds(made, wire, what):
    same(load_dataset(what.format(AT_S3)), load_dataset(what.format(made)), *roots(made, AT_S3))


def test_members_of_tars_are_the_photos_of_a_folder(made):
    folder, tars = load_dataset(f"folder:{made}/photos"), load_dataset(f"tar:{made}/{{00..01}}.tar")
    assert [str(path).split(".tar/")[1] for path in tars.paths] == [
        str(path).removeprefix(f"{made}/photos/") for path in folder.paths
    ]
    np.testing.assert_array_equal(tars.columns["digest"], folder.columns["digest"])
    assert str(tars.paths[0]).startswith(f"{made}/00.tar/ann/")


def test_a_member_is_found_by_its_path_alone(made):
    photos = [f"{made}/00.tar/ann/1.png", f"{made}/photos/ann/1.png"]
    first, second = next(photo_blocks(photos, 24, 3))
    np.testing.assert_array_equal(first, second)


def test_the_later_of_two_members_counts_and_links_do_not(made, tmp_path):
    shard = tmp_path / "all.tar"
    with tarfile.open(shard, "w") as tar:
        for name in ("ann/1.png", "ann/2.png"):
            tar.add(made / "photos" / name, "ann/x.png")
        link = tarfile.TarInfo("ann/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "x.png"
        tar.addfile(link)
        tar.add(made / "photos" / "bob" / "0.png", "../bob/0.png")
    found = load_dataset(f"tar:{shard}")
    assert found.paths.tolist() == [f"{shard}/ann/x.png"]
    expected = load_dataset(f"folder:{made}/photos").load(np.array([1]), 16)
    np.testing.assert_array_equal(found.load(np.array([0]), 16), expected)


def test_a_folder_named_as_a_tar_is_a_folder(made, tmp_path):
    shutil.copytree(made / "photos" / "bob", tmp_path / "odd.tar" / "bob")
    assert len(load_dataset(f"folder:{tmp_path}/odd.tar")) == 3


@pytest.mark.parametrize(
    ("shards", "sentence"),
    [
        ("{00..02}.tar", "02.tar does not exist"),
        ("cut.tar", "is no tar, or compressed, or cut off"),
        ("packed.tar", "is no tar, or compressed, or cut off"),
        ("photos", "There is no .tar in"),
        ("nowhere", "There is no .tar in"),
    ],
)
def test_a_tar_that_cannot_be_used_is_refused(made, tmp_path, shards, sentence):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    (tmp_path / "cut.tar").write_bytes((made / "00.tar").read_bytes()[:3000])
    with tarfile.open(tmp_path / "packed.tar", "w:gz") as tar:
        tar.add(made / "photos" / "ann", "ann")
    with pytest.raises(UserError, match=sentence):
        load_dataset(f"tar:{tmp_path}/{shards}")


def test_a_table_here_may_name_photos_there(made, in_memory, tmp_path):
    rows = [f"{in_memory}/photos/ann/{n}.png,ann" for n in (1, 2, 3)]
    (tmp_path / "table.csv").write_text("\n".join(["path,identity", *rows]))
    found = load_dataset(f"csv:{tmp_path}/table.csv")
    assert len(found) == 2
    assert found.skipped == ((f"{in_memory}/photos/ann/3.png", "the file is missing"),)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("folder:s3://no-such-bucket/x", "does not exist: there is no such bucket"),
        (f"folder:s3://{BUCKET}/nothing", "holds no files"),
        (f"csv:s3://{BUCKET}/nothing.csv", "nothing.csv does not exist"),
        (f"tar:s3://{BUCKET}/x/{{00..02}}.tar", "02.tar does not exist"),
        ("folder:nothing-knows-this://x", "Protocol not known"),
        (AT_S3, f'write "folder:{AT_S3}"'),
    ],
)
def test_what_is_not_there_is_one_sentence(wire, source, sentence):
    with pytest.raises(UserError, match=sentence) as error:
        load_dataset(source)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["folder:{}/photos", "csv:{}/photos", "tar:{}/{{00..01}}.tar"])
@pytest.mark.parametrize("left", [0, 12_000])
def test_a_connection_that_breaks_is_no_damaged_photo(made, wire, kind, left):
    wire.left = left
    try:
        with pytest.raises(UserError, match=r"at present .*; the same command tries again"):
            load_dataset(kind.format(AT_S3))
    finally:
        wire.left = None
    assert len(load_dataset(kind.format(AT_S3))) == len(load_dataset(kind.format(made)))


def test_without_credentials_one_sentence_says_so(wire, monkeypatch, tmp_path):
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(UserError, match="needs credentials, and there are none"):
        load_dataset(f"folder:{AT_S3}/photos")
    s3fs.S3FileSystem.clear_instance_cache()


def test_photos_of_a_bucket_are_embedded_put_in_a_gallery_and_identified(
    made, wire, tmp_path, monkeypatch, capsys
):
    run = make_tiny_run(tmp_path / "run")

    def call(*words: str) -> str:
        monkeypatch.setattr("sys.argv", ["reid-jax", *words])
        main()
        return capsys.readouterr().out

    for at, name in ((AT_S3, "there"), (str(made), "here")):
        call("embed", str(run), f"folder:{at}/photos", "--out", str(tmp_path / f"{name}.npz"))
    here, there = np.load(tmp_path / "here.npz"), np.load(tmp_path / "there.npz")
    np.testing.assert_array_equal(here["embeddings"], there["embeddings"])
    assert there["paths"][0] == f"{AT_S3}/photos/ann/1.png"

    gallery = str(tmp_path / "gallery")
    call("gallery", "build", str(run), f"tar:{AT_S3}/{{00..01}}.tar", "--out", gallery)
    html = str(tmp_path / "answers.html")
    said = call("gallery", "identify", gallery, f"{AT_S3}/photos/bob/1.png", "--html", html)
    assert "bob" in said
    assert os.path.getsize(html) > 10_000  # with the pictures side by side
    said = call("gallery", "identify", gallery, f"{AT_S3}/photos/bob")
    assert said.count(f"{AT_S3}/photos/bob/") == 3
