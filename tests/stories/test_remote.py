"""Runs and galleries in a bucket: trained, gone on with and asked, by one machine after another."""

import io
import logging
import re
import shutil
import threading
import time
from contextlib import redirect_stderr, redirect_stdout

import fsspec
import numpy as np
import pytest

import reid_jax as rj
from reid_jax import files
from reid_jax.errors import UserError
from reid_jax.remote import folders, storage
from reid_jax.remote.lock import held
from reid_jax.training.logging import read_metrics
from tests.doors import call
from tests.s3 import BUCKET, serving, upload
from tests.stories.test_multihost import finish, start
from tests.tiny_run import make_tiny_run

RUN, GALLERY = f"s3://{BUCKET}/runs/mine", f"s3://{BUCKET}/gallery"
OPTIONS = (
    *("--data.source=synthetic:12x6", "--data.image-size=24", "--data.batch-size=8"),
    *("--data.photos-per-identity=2", "--model.embedding-dim=8"),
    *("--train.evaluate-every=2", "--train.checkpoint-every=2", "--optimizer.warmup-steps=2"),
)


@pytest.fixture(scope="module")
def wire():
    with pytest.MonkeyPatch.context() as patch, serving(patch) as wire:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        patch.setenv("GLIBC_TUNABLES", "")  # else training starts the process again
        patch.setattr(storage, "_PAUSES", (0.0,))
        yield wire


@pytest.fixture
def move(monkeypatch, tmp_path):
    """Calls go to another machine, which has no copies of anything."""

    def moved() -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / str(time.monotonic_ns())))
        files._cache.cache_clear()

    moved()
    yield moved
    files._cache.cache_clear()


def said(*words, code=0):
    stream = io.StringIO()
    with redirect_stdout(stream), redirect_stderr(stream):
        try:
            call(*words)
            ended = 0
        except SystemExit as error:
            ended = error.code
    assert ended == code, stream.getvalue()
    return stream.getvalue()


def there(url: str) -> set[str]:
    return set(storage.list_url(url))


def steps(url: str, which: str = "latest") -> set[int]:
    found = [re.match(rf"checkpoints/{which}/(\d+)/_CHECK", name) for name in there(url)]
    return {int(match[1]) for match in found if match}


@pytest.mark.exhaustive
def test_a_run_goes_from_machine_to_machine_and_its_gallery_too(wire, move, tmp_path):
    output = said("train", "demo", "--workdir", RUN, *OPTIONS, "--train.steps=4")
    assert f"uploaded to {RUN}" in output
    assert {"config.json", "split.npz", "report/index.html", "metrics.jsonl"} <= there(RUN)
    assert steps(RUN) == {2, 4}
    assert not [name for name in there(RUN) if "/." in name or name.startswith((".", "lock"))]

    move()
    output = said("train", "demo", "--workdir", RUN, *OPTIONS, "--train.steps=6")
    assert "from step 4" in output
    assert steps(RUN) == {4, 6}

    move()
    said("embed", RUN, "synthetic:3x2", "--out", tmp_path / "there.npz")
    here = tmp_path / "here"
    fsspec.filesystem("s3").get(RUN, str(here), recursive=True)
    said("embed", here, "synthetic:3x2", "--out", tmp_path / "here.npz")
    arrays = [np.load(tmp_path / name)["embeddings"] for name in ("here.npz", "there.npz")]
    np.testing.assert_array_equal(*arrays)
    assert rj.load(RUN).fingerprint == rj.load(here).fingerprint
    said("evaluate", RUN, "--json", f"s3://{BUCKET}/facts.json")
    assert '"rank1"' in storage.read_url(f"s3://{BUCKET}/facts.json").decode()

    photos = tmp_path / "photos"
    drawn = rj.load_dataset("synthetic:4x3")
    from PIL import Image

    for path, label, pixels in zip(drawn.paths, drawn.labels, drawn.pixels, strict=True):
        (photos / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(photos / str(label) / f"{path.replace('/', '-')}.png")
    upload(photos, f"{BUCKET}/photos")
    output = said("gallery", "build", RUN, f"folder:s3://{BUCKET}/photos", "--out", GALLERY)
    assert f"uploaded to {GALLERY}" in output
    assert {"CURRENT", "journal.db", "generation-000001/segment-000001/embeddings.npy"} <= there(
        GALLERY
    )

    move()  # where its run is at the URL that the gallery names
    photo = next(iter((photos / "1").iterdir()))
    assert len(rj.Gallery.open(GALLERY).identify([photo])) == 1
    assert "photo" in said("gallery", "identify", GALLERY, photo)
    said("gallery", "remove", GALLERY, "--identity", "0")
    move()
    assert len(rj.Gallery.open(GALLERY)) == 9
    said("gallery", "remove", GALLERY, "--identity", "1")  # on top of what was fetched
    move()
    assert "2 -> Zoe" in said("gallery", "rename", GALLERY, "2", "Zoe")
    move()
    assert "rename" in said("gallery", "history", GALLERY, "Zoe")
    with pytest.raises(UserError, match="one command at a time decides"):
        rj.Gallery.open(GALLERY).decisions()
    move()
    assert len(rj.Gallery.open(GALLERY)) == 6
    names = {"CURRENT", "journal.db", "settings-000001.json", "generation-000001"}
    assert {name.split("/")[0] for name in there(GALLERY)} == names


@pytest.mark.exhaustive
def test_two_processes_train_into_a_bucket_each_from_a_copy_of_its_own(wire, tmp_path):
    """As they do in one folder; the next two begin with nothing but what is in the bucket."""
    url = f"s3://{BUCKET}/runs/both"

    def both(workdir, steps: int, homes: str) -> list[str]:
        processes = start(
            workdir,
            *[{"train.steps": f"{steps}"}] * 2,
            homes=[tmp_path / f"{homes}{n}" for n in "01"],
        )
        return finish(processes, 0, 0)

    first, second = both(url, 3, "then")
    assert f"uploaded to {url}" in first
    assert "uploaded" not in second
    assert steps(url) == {3}
    again, _ = both(url, 6, "now")
    assert "from step 3" in again
    assert f"reid-jax evaluate {url} writes the report" in again
    assert steps(url) == {3, 6}
    with held(url, wait=False):  # nobody has it any more
        pass
    both(tmp_path / "folder", 3, "there")
    both(tmp_path / "folder", 6, "there")
    fsspec.filesystem("s3").get(f"{url}/metrics.jsonl", str(tmp_path / "metrics.jsonl"))
    rows, expected = read_metrics(tmp_path), read_metrics(tmp_path / "folder")
    assert [row["step"] for row in rows] == [row["step"] for row in expected]
    for ours, theirs in zip(rows, expected, strict=True):
        assert ours.get("loss") == theirs.get("loss")
    assert not list((tmp_path / "now1").rglob("checkpoints/latest/6"))


@pytest.mark.exhaustive
def test_a_connection_that_breaks_costs_nothing(wire, move, monkeypatch):
    url = f"s3://{BUCKET}/runs/broken"
    monkeypatch.setattr(folders, "_EVERY", 0.2)
    options = ["--workdir", url, *OPTIONS]

    ended = threading.Event()

    def cut() -> None:
        while not steps(url) and not ended.wait(0.05):
            pass
        wire.left = 0

    cutting = threading.Thread(target=cut)
    cutting.start()
    try:
        output = said("train", "demo", *options, "--train.steps=30", code=1)
    finally:
        ended.set()
        cutting.join()
        wire.left = None
    assert "cannot be" in output
    assert f"the next command that names {url} uploads it." in output
    saved = steps(url)
    assert saved
    assert max(saved) < 30
    copied = fsspec.filesystem("s3").find(url)  # what another machine would see is a run
    assert f"{url[5:]}/config.json" in copied or "config.json" not in there(url)

    storage.remove(f"{url}/.owner.json")  # which could not be given back
    output = said("evaluate", url)
    assert f"uploaded to {url}" in output
    assert max(steps(url)) == 30
    assert "report/index.html" in there(url)


def test_two_do_not_train_into_one_bucket(wire, move):
    url = f"s3://{BUCKET}/runs/held"
    with held(url, wait=False):
        output = said("train", "demo", "--workdir", url, *OPTIONS, code=1)
    assert output.startswith(f"error: {url} is being written to by process")
    assert there(url) == set()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "demo", "--workdir", "s3://no-such-bucket/run"], "there is no such bucket"),
        (["evaluate", f"s3://{BUCKET}/no/run"], f"s3://{BUCKET}/no/run is not the folder of a run"),
        (["gallery", "info", f"s3://{BUCKET}/no"], f"There is no gallery s3://{BUCKET}/no"),
        (["evaluate", "s3://no-such-bucket/run"], "there is no such bucket"),
        (["evaluate", "unheard-of://x/run"], "Protocol not known"),
        (["evaluate", RUN, "--coordinator", "a:1"], f"which {RUN} is not"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_nothing(wire, move, words, sentence):
    before = set(fsspec.filesystem("s3").find(BUCKET))
    output = said(*words, code=1)
    assert sentence in output
    assert output.startswith("error: ")
    assert len(output.splitlines()) == 1
    assert set(fsspec.filesystem("s3").find(BUCKET)) == before


def test_without_credentials_one_sentence_says_so(wire, move, monkeypatch, tmp_path):
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    s3fs.S3FileSystem.clear_instance_cache()
    for words in (["train", "demo", "--workdir", RUN], ["evaluate", RUN]):
        assert f"error: {RUN}" in (output := said(*words, code=1))
        assert "needs credentials, and there are none" in output
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_run_that_was_copied_to_a_url_is_one(move, tmp_path):
    memory = fsspec.filesystem("memory")
    memory.put(str(make_tiny_run(tmp_path / "run")), "/copied", recursive=True)
    before = memory.find("/copied")
    assert rj.load("memory://copied").fingerprint == rj.load(tmp_path / "run").fingerprint
    assert memory.find("/copied") == before
    shutil.rmtree(tmp_path / "run")
    memory.rm("/copied", recursive=True)
    with pytest.raises(UserError, match="is not the folder of a run"):
        rj.load("memory://copied")
