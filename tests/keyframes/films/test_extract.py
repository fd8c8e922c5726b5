"""Features of videos in a file that grows, whatever interrupts it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reid_jax.commands.videos import extract
from reid_jax.data.videos.features import load_video_features
from reid_jax.data.videos.named import video_digest
from reid_jax.errors import UserError
from reid_jax.keyframes.films import extract as command
from reid_jax.keyframes.films.feature_file import FeatureFile
from reid_jax.weights import scenes
from reid_jax.weights.frozen import FrameEncoder
from tests.data.videos.test_files import encode

pytest.importorskip("av")
h5py = pytest.importorskip("h5py")

FRAMES = (30, 45, 60, 75)


class MeanColours:
    """A network that needs no weights; it counts its calls, one a video here."""

    def __init__(self) -> None:
        self.calls, self.stop_at = 0, 0

    def __call__(self, backbone: str, weights: str) -> FrameEncoder:
        return FrameEncoder(8, self._features, f"{backbone} ({weights})")

    def _features(self, images: np.ndarray) -> np.ndarray:
        self.calls += 1
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        return images.mean(axis=(1, 2))


@pytest.fixture
def network(monkeypatch) -> MeanColours:
    made = MeanColours()
    monkeypatch.setattr(scenes, "_variables", lambda: None)
    monkeypatch.setattr(command, "frozen_encoder", made)
    return made


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for number, frames in enumerate(FRAMES):
        encode(folder / f"v{number}.mp4", frames)
    return folder


def lengths(path: Path) -> dict[str, int]:
    return {video.key: video.n_frames for video in load_video_features(path)}


ALL = {f"v{number}": frames for number, frames in enumerate(FRAMES)}


def test_an_interrupted_command_keeps_what_is_done_and_goes_on(network, films, tmp_path, capsys):
    out = tmp_path / "features.h5"
    network.stop_at = 3
    with pytest.raises(KeyboardInterrupt):
        extract((films,), out)
    assert "2 videos are kept" in capsys.readouterr().out
    assert lengths(out) == {"v0": 30, "v1": 45}
    with h5py.File(out, "a") as file:  # a person has begun to rate them
        file["v0/gtscore"] = np.ones(2, np.float32)
    extract((films,), out)
    assert network.calls == 5  # the third once more, and the fourth
    assert "2 of 4 videos were there already" in capsys.readouterr().out
    assert lengths(out) == ALL
    with h5py.File(out) as file:
        assert file["v0/gtscore"][:].tolist() == [1, 1]
    content = out.read_bytes()
    extract((films,), out)
    assert (network.calls, out.read_bytes()) == (5, content)
    assert [path.name for path in tmp_path.iterdir()] == ["features.h5"]


_KILLED = """
import os, signal, sys
from pathlib import Path
from reid_jax.keyframes.films import extract as command; from reid_jax.weights import scenes
from tests.keyframes.films.test_extract import MeanColours

class Killed(MeanColours):
    def _features(self, images):
        if self.calls == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._features(images)

scenes._variables = lambda: None
command.frozen_encoder = Killed()
command.extract_features((Path(sys.argv[1]),), Path(sys.argv[2]))
"""


def test_a_killed_command_keeps_what_is_done_too(network, films, tmp_path, capsys):
    out = tmp_path / "features.h5"
    killed = subprocess.run([sys.executable, "-c", _KILLED, films, out], check=False)
    assert killed.returncode == -9
    assert not out.exists()
    extract((films,), out, rate=1.0)  # other options: another file
    assert network.calls == 4
    out.unlink()
    killed = subprocess.run([sys.executable, "-c", _KILLED, films, out], check=False)
    extract((films,), out)
    assert network.calls == 6
    assert lengths(out) == ALL
    assert [path.name for path in tmp_path.iterdir()] == ["features.h5"]


def test_videos_of_one_name_are_both_kept(network, films, tmp_path, capsys):
    out = tmp_path / "features.h5"
    other = tmp_path / "other" / "v0.mp4"
    other.parent.mkdir()
    other.write_bytes((films / "v3.mp4").read_bytes())
    extract((films / "v0.mp4",), out)
    extract((other,), out)
    assert "v0.mp4 is v0_2, as another video of its name is there" in capsys.readouterr().out
    assert lengths(out) == {"v0": 30, "v0_2": 75}
    extract((other, films / "v0.mp4"), out)
    assert lengths(out) == {"v0": 30, "v0_2": 75}


def test_names_go_by_the_order_of_videos_on_a_disk_of_coarse_clock(
    network, films, tmp_path, monkeypatch
):
    """Several processes hand all videos over at once, within a tick."""
    join = FeatureFile.join

    def at_once(file):
        for part in (tmp_path / ".features.h5.parts").glob("*.h5"):
            os.utime(part, (0, 0))
        return join(file)

    monkeypatch.setattr(FeatureFile, "join", at_once)
    paths = [tmp_path / str(number) / "v.mp4" for number in range(6)]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        path.write_bytes((films / "v0.mp4").read_bytes() + bytes(number))
    extract(tuple(paths), tmp_path / "features.h5")
    with h5py.File(tmp_path / "features.h5") as file:
        found = [file[f"v_{number}" if number > 1 else "v"] for number in range(1, 7)]
        assert [group.attrs["digest"] for group in found] == [video_digest(path) for path in paths]


def test_a_file_of_something_else_is_left_as_it_is(network, films, tmp_path):
    out = tmp_path / "features.h5"
    extract((films / "v0.mp4",), out)
    content = out.read_bytes()
    for options in ({"rate": 3.0}, {"frames": 4}, {"backbone": "resnet18"}):
        with pytest.raises(UserError, match="name another file with --out"):
            extract((films,), out, **options)
    assert out.read_bytes() == content
    with h5py.File(out, "a") as file:  # as an earlier version left it
        del file.attrs["sampled"]
    with pytest.raises(UserError, match="by an earlier version"):
        extract((films,), out)
    out.write_text("my notes")
    with pytest.raises(UserError, match="is no H5 file"):
        extract((films,), out)
    assert out.read_text() == "my notes"
    with pytest.raises(UserError, match="cannot be written"):
        extract((films,), out / "below.h5")
