"""A gallery that no network made, which is all that the pages need, and a server of it."""

from pathlib import Path

import numpy as np
import pytest

from reid_jax.data.digests import file_digest
from reid_jax.individuals.gallery.store import write_gallery
from reid_jax.individuals.gallery.value import DIGEST, Gallery
from tests.app.running import SECRET, memory, picture, serving

NAMES = ("Alma", "Luna 2", "Luna 10", "<b>Bo</b> & 'Co'", "Zoë\u202e")


def write_shown(folder: Path, photos: Path) -> None:
    """A gallery of five individuals with three photos each, whose files are there."""
    paths, thumbnails = [], []
    for number in range(3 * len(NAMES)):
        file = photos / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture(100 + number))
        paths.append(str(file))
        thumbnails.append(picture(100 + number, (64, 48)))
    dates = np.array("2020-05-01", "datetime64[s]") + np.arange(15) * np.timedelta64(86400, "s")
    write_gallery(
        folder,
        Gallery(
            paths=np.array(paths, object),
            identities=np.array([name for name in NAMES for _ in range(3)], object),
            columns={
                "date": dates,
                DIGEST: np.array([file_digest(path).decode() for path in paths]),
            },
            embeddings=np.eye(15, 16, dtype=np.float32),
            thumbnails=np.array(thumbnails, object),
            settings={
                "fingerprint": "none",
                "run": str(folder / "no run"),
                "run_relative": "",
                "metric": "cosine",
                "sources": [],
                "built": "",
            },
        ),
    )


@pytest.fixture(scope="package")
def shown(tmp_path_factory):
    """A running server of such a gallery."""
    folder = tmp_path_factory.mktemp("shown")
    write_shown(folder / "gallery", folder / "photos")
    with serving(folder / "server", "--gallery", folder / "gallery") as running:
        yield running


@pytest.fixture
def unharmed(shown):
    """Whatever a test asked: it goes on, wrote nowhere else, and says no traceback."""
    beside = shown.folder.parent
    secret = beside / "secret.txt"
    secret.write_text(SECRET)

    def others():
        around = beside.rglob("[!j]*")  # beside a journal files come and go while it is read
        return {path for path in around if shown.folder not in (path, *path.parents)}

    before = others()
    yield
    assert shown.get("/healthz").status == 200
    assert others() == before
    lines = (shown.folder / "log" / "server.jsonl").read_text().splitlines()
    failed = [line for line in lines if '"failed"' in line]
    assert not failed, failed[-1]
    assert "Traceback" not in (shown.folder / "log" / "children.txt").read_text().replace(
        "no longer at", ""
    )
    assert memory(shown) < 600 * 2**20
