"""Where the videos of a keyframe run are now: compared by content, whatever folder they are in."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from reid_jax.errors import UserError
from reid_jax.questions import report, train
from reid_jax.training.config_file import check_workdir
from reid_jax.training.kept_videos import FREE
from tests.keyframe_videos import make_config, of_images, write_videos
from tests.tiny_run import read_run_config

STEPS = {"steps": 2, "log_every": 1, "evaluate_every": 2, "checkpoint_every": 2}
FEW = {"train": STEPS, "optimizer": {"warmup_steps": 0}}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """FOLDER/run, of features, FOLDER/seen, of images, and FOLDER/there with what they are from."""
    h5py = pytest.importorskip("h5py")
    folder = tmp_path_factory.mktemp("made")
    (folder / "there").mkdir()
    path = write_videos(folder / "there" / "videos.h5", frames=folder / "there" / "frames")
    with h5py.File(path) as file:
        keys = list(file)
    folds = [{"train_keys": keys[2:], "test_keys": keys[:2]}]
    (folder / "there" / "splits.json").write_text(json.dumps(folds))
    splits = {"splits": str(folder / "there" / "splits.json")}
    train(make_config(path, data=splits, **FEW), folder / "run")
    train(of_images(path), folder / "seen")
    return folder


@pytest.fixture
def moved(made, tmp_path) -> Path:
    """Copies of the runs, and the files in TMP/here; those that the runs name are not there."""
    for name in ("run", "seen"):
        shutil.copytree(made / name, tmp_path / name)
        change(tmp_path / name / "config.json", str(made / "there"), str(tmp_path / "gone"))
    shutil.copytree(made / "there", tmp_path / "here")
    return tmp_path


def change(file, before, after):
    file.write_text(file.read_text().replace(before, after))


def going_on(run, folder, **data):
    """The configuration of a run with its files in another folder."""
    config = read_run_config(run)
    places = {name: getattr(config.data, name) for name in ("path", "splits", "frames")}
    places = {name: place.replace("/gone/", f"/{folder}/") for name, place in places.items()}
    return dataclasses.replace(config, data=dataclasses.replace(config.data, **places | data))


@pytest.mark.parametrize("name", ["run", "seen"])
def test_evaluate_says_how_and_then_remembers(made, moved, name):
    run = moved / name
    with pytest.raises(UserError, match=rf"is not there; .*evaluate {run} --videos FILE\.h5"):
        report(run)
    found = report(run, videos=moved / "here" / "videos.h5")
    assert found["spearman_users"] == report(made / name)["spearman_users"]
    data = read_run_config(run).data
    assert data.path == str(moved / "here" / "videos.h5")
    assert data == going_on(run, "here").data
    assert report(run)["spearman_users"] == found["spearman_users"]


@pytest.mark.parametrize("name", ["run", pytest.param("seen", marks=pytest.mark.exhaustive)])
def test_training_goes_on_where_the_videos_are(moved, name, capsys):
    config = going_on(moved / name, "here")
    longer = dataclasses.replace(config.train, steps=4)
    train(dataclasses.replace(config, train=longer), moved / name)
    assert "from step 2" in capsys.readouterr().out
    assert read_run_config(moved / name).data == config.data


def test_other_content_is_not_taken_for_the_run_s(moved):
    """A feature, an annotator's word or a pixel that differs."""
    h5py = pytest.importorskip("h5py")
    before = (moved / "run" / "config.json").read_bytes()
    for name in ("features", "user_scores"):
        path = shutil.copy(moved / "here" / "videos.h5", moved / "here" / f"{name}.h5")
        with h5py.File(path, "a") as file:
            file["video_1"][name][0, 0] += 1
        with pytest.raises(UserError, match="trained on other videos"):
            report(moved / "run", videos=Path(path))
        with pytest.raises(UserError, match="trained on other videos"):
            train(going_on(moved / "run", "here", path=str(path)), moved / "run")
    assert (moved / "run" / "config.json").read_bytes() == before
    picture = moved / "here" / "frames" / "video_1" / "000.jpg"
    Image.new("RGB", (16, 16)).save(picture)
    with pytest.raises(UserError, match="trained on other videos"):
        report(moved / "seen", videos=moved / "here" / "videos.h5")


def test_another_division_is_not_the_run_s(moved):
    splits = moved / "here" / "splits.json"
    [fold] = json.loads(splits.read_text())
    fold["train_keys"], fold["test_keys"][0] = (
        [*fold["train_keys"][1:], fold["test_keys"][0]],
        (fold["train_keys"][0]),
    )
    splits.write_text(json.dumps([fold]))
    with pytest.raises(UserError, match="trained on other videos"):
        report(moved / "run", videos=moved / "here" / "videos.h5")


def test_a_run_without_digests_stays_where_it_was(made, moved):
    """As those of earlier versions; where its files still are, it gets them when it goes on."""
    split = moved / "run" / "split.json"
    kept = json.loads(split.read_text())
    digests = kept.pop("digests")
    split.write_text(json.dumps({name: kept[name] for name in ("train", "validation", "test")}))
    for ask in (
        lambda: report(moved / "run", videos=moved / "here" / "videos.h5"),
        lambda: train(going_on(moved / "run", "here"), moved / "run"),
    ):
        with pytest.raises(UserError, match=r"did not keep what its videos .*data\.path: .*gone"):
            ask()
    (moved / "here").rename(moved / "gone")
    assert report(moved / "run")["num_videos"] == 2
    train(read_run_config(moved / "run"), moved / "run")
    assert json.loads(split.read_text())["digests"] == digests


def test_only_places_may_differ(moved):
    config = going_on(moved / "run", "here", clip=8)
    with pytest.raises(UserError, match=r"other settings: data.clip was 16 and is 8\."):
        check_workdir(moved / "run", config, FREE)
