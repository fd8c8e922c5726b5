"""From video files to features, to a run, to keyframes: what people do with their own."""

import json
import math
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from reid_jax.commands.videos import extract, keyframes
from reid_jax.console import clock
from reid_jax.data.videos.features import load_video_features
from reid_jax.data.videos.file import VideoFile
from reid_jax.errors import UserError
from reid_jax.keyframes.config import KeyframeConfig, ScorerConfig, VideoDataConfig
from reid_jax.keyframes.films import keyframe_files
from reid_jax.keyframes.films.destination import new_folder, publish
from reid_jax.keyframes.films.features import describe
from reid_jax.keyframes.films.pictures import contact_sheet, timeline
from reid_jax.keyframes.model import encoder_of, load_scorer
from reid_jax.models import create_backbone
from reid_jax.questions import train
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.weights import save_pretrained, scenes
from reid_jax.weights.frozen import frozen_encoder
from tests.data.videos.test_files import SIDE, encode
from tests.paths import shared
from tests.tiny_run import read_run_config

av = pytest.importorskip("av")
h5py = pytest.importorskip("h5py")
pytest.importorskip("safetensors")

BACKBONE = "mobilenet_v3_small"
FRAMES = 90  # of a video, at 30 a second


@pytest.fixture(scope="module", autouse=True)
def by_histograms():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "_variables", lambda: None)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def videos(folder) -> Path:
    """Four videos of three seconds and one of a single frame."""
    inside = folder / "videos"
    inside.mkdir()
    for i in range(4):
        encode(inside / f"v{i}.mp4", FRAMES)
    encode(inside / "single.mp4", 1)
    return inside


@pytest.fixture(scope="module")
def weights(folder) -> Path:
    """A network that nobody trained."""
    network = create_backbone(BACKBONE)
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 224, 224, 3)))
    rng = np.random.default_rng(0)

    def draw(path, leaf) -> np.ndarray:
        if path[-1].key in ("scale", "var"):
            return np.ones(leaf.shape, np.float32)
        spread = 1 / math.sqrt(max(1, math.prod(leaf.shape[:-1])))
        return rng.normal(0, spread, leaf.shape).astype(np.float32)

    path = folder / "weights.safetensors"
    save_pretrained(BACKBONE, jax.tree_util.tree_map_with_path(draw, shapes), path)
    return path


@pytest.fixture(scope="module")
def features(folder, videos, weights) -> Path:
    path = folder / "features.h5"
    broken = folder / "broken.mp4"
    broken.write_bytes(b"no video")
    extract((videos, broken), path, BACKBONE, str(weights))
    return path


@pytest.fixture(scope="module")
def run(folder, features, weights) -> Path:
    annotated = folder / "annotated.h5"
    annotated.write_bytes(features.read_bytes())
    with h5py.File(annotated, "a") as file:
        for group in file.values():
            steps = int(group["n_steps"][()])
            group["gtscore"] = np.linspace(0, 1, steps).astype(np.float32)
    config = KeyframeConfig(
        data=VideoDataConfig(
            path=str(annotated),
            fold=-1,
            validation_fraction=0.0,
            clip=8,
            batch_size=2,
            components=4,
            features_backbone=BACKBONE,
            features_weights=str(weights),
        ),
        model=ScorerConfig(
            width=8, depth=1, heads=1, head_dim=8, mlp=8, dual_head_dim=8, radius=2, hidden=8
        ),
        optimizer=OptimizerConfig(warmup_steps=0),
        train=TrainConfig(steps=4, parallel="single"),
    )
    train(config, folder / "run")
    return folder / "run"


def test_features_in_the_layout_of_the_data_sets(features, capsys):
    found = load_video_features(features)
    assert [video.key for video in found] == ["single", "v0", "v1", "v2", "v3"]
    video = found[1]
    assert len(video.features) == 6
    assert video.picks.tolist() == [0, 15, 30, 45, 60, 75]
    assert video.n_frames == FRAMES
    np.testing.assert_array_equal(video.change_points[[0, -1], [0, 1]], [0, FRAMES - 1])
    assert found[0].features.shape[0] == 1
    np.testing.assert_array_equal(found[1].features, found[2].features)
    assert np.linalg.norm(video.features[0] - video.features[5]) > 0


def test_keyframes_of_a_video(run, videos, folder, capsys):
    out = folder / "found"
    keyframes((videos, folder / "absent.mp4", folder / "broken.mp4"), (run,), out, clip=True)
    said = capsys.readouterr().out
    assert "absent.mp4 does not exist" in said
    assert "broken.mp4 cannot be used as a video" in said
    assert sorted(path.name for path in out.iterdir()) == ["single", "v0", "v1", "v2", "v3"]
    content = json.loads((out / "v0" / "keyframes.json").read_text())
    assert content["frames"] == FRAMES
    assert content["problem"] is None
    assert len(content["scores"]) == len(content["scored_frames"]) == 6
    assert content["scenes"][0][0] == 0
    assert content["scenes"][-1][1] == FRAMES - 1
    assert content["keyframes"]
    for number, entry in enumerate(content["keyframes"], 1):
        tenths = round(10 * entry["seconds"])
        assert entry["file"] == f"keyframe_{number:04d}_00m{tenths / 10:04.1f}s.jpg"
        with Image.open(out / "v0" / entry["file"]) as image:
            assert image.size == (2 * SIDE, SIDE)
            shown = np.asarray(image)[-16:, -16:].mean()
        assert abs(shown - (20 + 5 * (entry["frame"] % 43))) < 4
        assert entry["score"] == content["scores"][content["scored_frames"].index(entry["frame"])]
    with Image.open(out / "v0" / "timeline.png") as image:
        assert image.width > 500  # drawn small in tests
    with Image.open(out / "v0" / "contact_sheet.jpg") as image:
        assert image.width > 300
    summary = VideoFile(out / "v0" / "summary.mp4")
    kept = sum(last - first + 1 for first, last in content["summary"])
    assert len(summary.times) == kept <= 0.15 * FRAMES
    np.testing.assert_allclose(summary.times, np.arange(kept) / 30, atol=1e-3)
    assert not list((out / "v0").glob(".*"))
    single = json.loads((out / "single" / "keyframes.json").read_text())
    assert [entry["frame"] for entry in single["keyframes"]] == [0]
    assert len(VideoFile(out / "single" / "summary.mp4").times) == 1


def test_the_scores_are_those_of_the_features_that_were_extracted(run, videos, folder, features):
    out = folder / "again"
    keyframes((videos / "v1.mp4",), (run,), out)
    scores = json.loads((out / "v1" / "keyframes.json").read_text())["scores"]
    found = {video.key: video for video in load_video_features(features)}["v1"]
    expected = load_scorer(run).score_features(found.features)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert not (out / "v1" / "summary.mp4").exists()


@pytest.mark.parametrize("average", ["ranks", "scores"])
def test_several_runs_answer_together(run, videos, folder, average):
    other, out = folder / "other", folder / average
    if not other.exists():
        config = read_run_config(run)
        train(replace(config, train=replace(config.train, seed=1)), other)
    film = videos / "v1.mp4"
    single = []
    for each in (run, other):
        keyframes((film,), (each,), out / each.name)
        single.append(np.array(scores_in(out / each.name / "v1")["scores"]))
    keyframes((), (run, other, film), out / "both", average=average)  # as behind --run
    content = scores_in(out / "both" / "v1")
    if average == "ranks":  # of scores that are rounded as they are written
        single = [np.argsort(np.argsort(each)) / len(each) + 1 / len(each) for each in single]
    np.testing.assert_allclose(content["scores"], np.mean(single, axis=0), atol=2e-6)
    assert content["run"] == [str(run.resolve()), str(other.resolve())]
    assert content["average"] == average
    assert content["features_by"][0] == content["features_by"][1]


def test_runs_together_score_the_same_frames(run, videos, folder):
    config = read_run_config(run)
    faster = replace(config, data=replace(config.data, features_rate=5.0))
    train(faster, folder / "faster")
    with pytest.raises(UserError, match="score the same frames"):
        keyframes((videos / "v1.mp4",), (run, folder / "faster"), folder / "unequal")
    with pytest.raises(UserError, match="Name the folder of a run"):
        keyframes((videos / "v1.mp4",), (), folder / "unequal")


def scores_in(folder: Path) -> dict:
    return json.loads((folder / "keyframes.json").read_text())


def test_a_truncated_video_is_used_as_far_as_it_goes(run, folder, capsys):
    whole = encode(folder / "whole.mp4", 240, options={"movflags": "faststart"})
    cut = folder / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: int(0.7 * whole.stat().st_size)])
    keyframes((cut,), (run,), folder / "cut")
    assert "cut off" in capsys.readouterr().out
    content = json.loads((folder / "cut" / "cut" / "keyframes.json").read_text())
    assert "of 240 frames are there" in content["problem"]
    assert content["keyframes"]


@pytest.mark.exhaustive
def test_as_many_as_asked_for_and_the_old_ones_are_gone(run, videos, folder, capsys):
    out = folder / "counted"
    for count in (5, 2):
        keyframes((videos / "v2.mp4",), (run,), out, count=count)
        assert len(list((out / "v2").glob("keyframe_*.jpg"))) == count
    keyframes((videos / "v2.mp4",), (run,), out, count=50)
    assert "50 keyframes of" in capsys.readouterr().out  # more of the frames are looked at
    keyframes((videos / "v2.mp4",), (run,), out, count=500)
    said = f"{FRAMES} keyframes (500 were asked for; {FRAMES} frames could be looked at)"
    assert said in capsys.readouterr().out
    keyframes((videos / "v2.mp4",), (run,), out, count=5, spacing=2.0)
    assert "(5 were asked for; no more fit)" in capsys.readouterr().out


def test_a_summary_is_a_share_of_the_time_at_a_variable_rate(run, folder):
    """20 seconds, the first ten with 300 frames, the others with 20."""
    times = [*range(300), *range(300, 600, 15)]
    film = encode(folder / "variable.mp4", len(times), times=times)
    keyframes((film,), (run,), folder / "variable", clip=True)
    summary = VideoFile(folder / "variable" / "variable" / "summary.mp4")
    content = json.loads((folder / "variable" / "variable" / "keyframes.json").read_text())
    ends = [*times[1:], times[-1] + 1]  # the last one lasts as long as is usual
    kept = sum(ends[last] - times[first] for first, last in content["summary"]) / 30
    assert 2.0 <= kept <= 0.15 * 20.1
    assert 0 <= kept - summary.times[-1] <= 0.5 + 1e-3


def listing(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_what_was_written_is_not_read_as_a_video(run, folder, capsys, monkeypatch):
    """`keyframes.py . --out .`, again and again, where a user has a folder of the film's name."""
    inside = folder / "here"
    (inside / "a").mkdir(parents=True)
    monkeypatch.chdir(inside)
    encode(Path("a.mp4"), FRAMES)
    for number in range(3):
        Image.new("RGB", (32, 32), (80 * number, 0, 0)).save(f"a/keyframe_{number}.jpg")
    own = listing(inside)
    keyframes((Path(),), (run,), Path(), clip=True)
    first = listing(inside)
    assert own.items() <= first.items()
    assert {name.partition("/")[0] for name in first} == {"a.mp4", "a", "a_2", "a_3"}
    said = capsys.readouterr().out
    assert "a_2, as a holds something else" in said
    (inside / "a_2" / "keyframe_mine.jpg").write_bytes(b"mine")
    (inside / "a_2" / "notes.txt").write_text("mine")
    keyframes((Path(),), (run,), Path(), count=1)
    assert "passed over: 2 of keyframes/" in capsys.readouterr().out
    second = listing(inside)
    del second[".keyframes.lock"]
    assert own.items() <= second.items()
    assert {name.partition("/")[0] for name in second} == {"a.mp4", "a", "a_2", "a_3"}
    kept = {name for name in second if name.startswith("a_2/")}
    new = json.loads((inside / "a_2" / "keyframes.json").read_text())["keyframes"]
    assert kept == {
        *("a_2/keyframe_mine.jpg", "a_2/notes.txt", "a_2/keyframes.json", "a_2/timeline.png"),
        *("a_2/contact_sheet.jpg", f"a_2/{new[0]['file']}"),
    }


def test_nothing_is_removed_before_the_new_is_complete(run, folder, monkeypatch, capsys):
    film, out = encode(folder / "kept.mp4", FRAMES), folder / "kept_out"
    keyframes((film,), (run,), out, clip=True)
    before = listing(out)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(keyframe_files, "write_clip", full)
        with pytest.raises(OSError, match="No space left"):
            keyframes((film,), (run,), out, count=1, clip=True)
    assert listing(out) == before
    (out / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written to"):
        keyframes((film,), (run,), out / "file")


@pytest.mark.exhaustive
def test_films_of_one_name_keep_a_folder_each(run, folder, capsys):
    out = folder / "by_name"
    films = [folder / f"day{number}" / "a.mp4" for number in range(3)]
    for number, film in enumerate(films):
        film.parent.mkdir()
        encode(film, FRAMES - 10 * number)
    films[2].write_bytes(films[0].read_bytes())
    for film in (films[0], films[1], films[2]):  # in three calls
        keyframes((film,), (run,), out)
    assert "a_2, as" in capsys.readouterr().out

    def lengths():
        return {
            place.name: json.loads((place / "keyframes.json").read_text())["frames"]
            for place in out.glob("a*")
        }

    assert lengths() == {"a": FRAMES, "a_2": FRAMES - 10}
    keyframes(films[::-1], (run,), out)  # in one
    assert f"{films[0]} has the name and the content of {films[2]}" in capsys.readouterr().out
    assert lengths() == {"a": FRAMES, "a_2": FRAMES - 10}
    mark = out / "a" / "keyframes.json"
    content = json.loads(mark.read_text())
    del content["digest"]  # as the first version wrote it
    mark.write_text(json.dumps(content | {"video": str(films[2].resolve())}))
    keyframes((films[2],), (run,), out, count=1)
    assert lengths() == {"a": FRAMES, "a_2": FRAMES - 10}


_PUBLISH = """
import sys
from pathlib import Path
from reid_jax.keyframes.films.destination import new_folder, publish

out, number = Path(sys.argv[1]), sys.argv[2]
for again in range(20):
    with new_folder(out) as folder:
        for name in ("keyframe_0001_00m00.0s.jpg", f"keyframe_{number}{again:03}_00m01.0s.jpg"):
            (folder / name).write_text(number)
        mark = f'{{"keyframes": [], "scored_frames": [], "digest": "{int(number) // 2}"}}'
        (folder / "keyframes.json").write_text(mark)
        publish(folder, out, Path("a.mp4"), str(int(number) // 2))
"""


def test_films_of_one_name_do_not_meet_in_calls_at_the_same_time(tmp_path):
    """Four processes, two with the same film each."""
    calls = [
        subprocess.Popen([sys.executable, "-c", _PUBLISH, tmp_path / "out", str(number)])
        for number in range(4)
    ]
    assert [call.wait(timeout=100) for call in calls] == [0] * 4
    places = sorted((tmp_path / "out").glob("[!.]*"))
    assert [place.name for place in places] == ["a", "a_2"]
    of = {json.loads((place / "keyframes.json").read_text())["digest"] for place in places}
    assert of == {"0", "1"}
    for place in places:
        assert len(list(place.iterdir())) == 3  # the files of one call, the last


@pytest.mark.parametrize("there", ["NFC", "NFD"])
def test_films_whose_names_are_printed_alike_keep_folders_that_are_not(tmp_path, there):
    composed, apart = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))

    def put(name, digest):
        with new_folder(tmp_path) as folder:
            (folder / "keyframes.json").write_text(
                json.dumps({"keyframes": [], "scored_frames": [], "digest": digest})
            )
            return publish(folder, tmp_path, Path(f"{name}.mp4"), digest).name

    assert [put(composed, "1"), put(apart, "2")] == [composed, f"{composed}_2"]
    before = unicodedata.normalize(there, "Zoë")  # an earlier version took the film's own form
    (tmp_path / composed).rename(tmp_path / before)
    assert [put(composed, "1"), put(apart, "1"), put(apart, "2")] == [before, before, "Zoë_2"]


def test_keyframes_are_chosen_as_asked(run, videos, folder, capsys):
    out = folder / "chosen"

    def found(**asked):
        keyframes((videos / "v3.mp4",), (run,), out, **asked)
        content = json.loads((out / "v3" / "keyframes.json").read_text())
        assert content["chosen_by"] in capsys.readouterr().out
        rows = [content["scored_frames"].index(entry["frame"]) for entry in content["keyframes"]]
        return content, rows

    content, rows = found(select="share", share=0.5)
    assert sorted(rows) == sorted(np.argsort(content["scores"])[-3:])
    assert content["chosen_by"] == "the best 50% of the frames scored"
    content, rows = found(select="shots", share=0.5, clip=True)
    assert all(any(a <= 15 * row <= b for a, b in content["summary"]) for row in rows)
    assert 0.15 * FRAMES < sum(b - a + 1 for a, b in content["summary"]) <= 0.5 * FRAMES
    content, rows = found(count=4, per_scene=1)
    assert len(rows) <= len(content["scenes"])
    assert np.diff(found(count=6, spacing=0.9)[1]).min() >= 2  # frames that are half a second apart


def test_what_cannot_be_done_is_said(run, videos, folder, capsys):
    absent, lost = folder / "absent.mp4", folder / "lost.mp4"
    with pytest.raises(UserError, match=r"absent.mp4 does not exist\.$"):
        keyframes((absent,), (run,), folder / "none")
    assert capsys.readouterr().out == ""
    with pytest.raises(UserError, match="None of 2 videos"):
        keyframes((absent, lost), (run,), folder / "none")
    assert capsys.readouterr().out.count("skipped: ") == 2
    with pytest.raises(UserError, match="not the folder of a run"):
        keyframes((videos,), (videos,), folder / "none")
    scorer = load_scorer(run)
    data = replace(scorer.config.data, features_backbone="")
    nameless = replace(scorer, config=replace(scorer.config, data=data))
    with pytest.raises(UserError, match="does not say what made the features"):
        encoder_of(nameless)
    with pytest.raises(UserError, match="nothing was written"):
        extract((absent, lost), folder / "x.h5", BACKBONE, str(folder / "weights.safetensors"))


def test_features_are_those_of_the_data_set():
    """Published Lite0 on the kept frames of a video against the nearest rows of the file."""
    data = shared("data/tvsum/tvsum.h5")
    encoder = frozen_encoder(
        "tf_efficientnet_lite0", str(shared("weights/efficientnet_lite0.safetensors"))
    )
    with h5py.File(data) as file:
        group = file["video_10"]
        pictures = shared("data/tvsum/frames") / group["video_id"].asstr()[()]
        picks, sampled = group["picks"][:], group["sampled_frames"][:]
        expected = group["features"][:].astype(np.float32)
    described = describe(pictures, encoder, 2.0)
    nearest = np.abs(picks[:, None] - sampled).argmin(axis=0)
    theirs = expected[nearest]
    products = np.sum(described.features * theirs, axis=1)
    cosine = products / np.linalg.norm(theirs, axis=1) / np.linalg.norm(described.features, axis=1)
    same = picks[nearest] == sampled
    assert same.sum() >= 2
    assert cosine[same].min() > 0.999
    assert np.median(cosine) > 0.95


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.0"), (59.96, "1:00.0"), (75.04, "1:15.0"), (3675, "1:01:15.0")]
)
def test_times_for_people(seconds, text):
    assert clock(seconds) == text


def test_sheets_and_plots_of_any_size():
    for number in (1, 5, 150):
        picture = np.zeros((18, 32, 3), np.uint8)
        sheet = contact_sheet([picture] * number, ["1"] * number, "a rather long title " * 9)
        assert sheet.dtype == np.uint8
    for length in (1, 3):
        png = timeline(
            np.arange(length) / 2,
            np.full(length, 0.5, np.float32),
            np.array([[0.0, length / 2]]),
            np.array([0]),
            np.zeros((0, 2)),
            "title",
        )
        assert png[:4] == b"\x89PNG"
