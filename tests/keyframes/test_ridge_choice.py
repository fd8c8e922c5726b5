"""The linear start of a scorer, chosen among the training videos alone."""

import dataclasses
import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.stats import spearmanr

from reid_jax.data.videos.features import load_video_features
from reid_jax.errors import UserError
from reid_jax.keyframes import ridge_choice
from reid_jax.keyframes.config import AUTO
from reid_jax.keyframes.inputs import fit_preparation, prepare_video
from reid_jax.keyframes.model import load_scorer
from reid_jax.keyframes.ridge import linear_start
from reid_jax.keyframes.ridge_choice import Choice, choose
from reid_jax.keyframes.targets import annotations
from reid_jax.questions import train
from tests.keyframe_videos import write_videos
from tests.keyframes.test_training import make_config


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_videos(tmp_path_factory.mktemp("videos") / "videos.h5")


def by_refitting(videos, seed, choice):
    """The mean correlation of one choice, each part scored by a start fitted to the others."""
    part = np.random.default_rng([seed, 11]).permutation(len(videos)) % min(8, len(videos))
    found = []
    for held in range(part.max() + 1):
        inside = [video for video, its in zip(videos, part, strict=True) if its != held]
        preparation = fit_preparation(
            [video.features for video in inside],
            components=choice.components,
            context=choice.context,
        )
        frames = [prepare_video(preparation, video.features) for video in inside]
        start = linear_start(frames, inside, choice.ridge)
        for video, its in zip(videos, part, strict=True):
            if its == held:
                scores = prepare_video(preparation, video.features) @ start.weights
                if choice.smoothing:
                    radius = int(np.ceil(3 * choice.smoothing))
                    smooth = lambda x: gaussian_filter1d(  # noqa: E731
                        x,
                        choice.smoothing,
                        mode="constant",
                        radius=radius,  # noqa: B023
                    )
                    scores = smooth(scores.astype(float)) / smooth(np.ones(len(scores)))
                said = [row for row in annotations(video) if np.ptp(row)]
                found.append(np.mean([spearmanr(row, scores)[0] for row in said]))
    return np.mean(found)


def test_the_choice_is_the_best_by_refitting(path):
    videos = load_video_features(path)
    best, correlation = choose(videos, 3)
    np.testing.assert_allclose(by_refitting(videos, 3, best), correlation, atol=2e-3)
    sizes = {min(size, videos[0].features.shape[1]) for size in ridge_choice.COMPONENTS}
    assert best.components in sizes
    for other in (
        best._replace(ridge=100.0 * best.ridge),
        best._replace(smoothing=5.0 if best.smoothing != 5.0 else 0.0),
        Choice(min(sizes), 0.8, 2.2, 0.0),
    ):
        assert by_refitting(videos, 3, other) <= correlation + 2e-3


@pytest.mark.exhaustive
def test_a_run_keeps_its_choice(path, tmp_path, capsys):
    config = make_config(path, model={"ridge": AUTO}, train={"steps": 3})
    train(config, tmp_path)
    assert "linear start" in capsys.readouterr().out
    kept = load_scorer(tmp_path).config
    expected, _ = choose(
        [
            video
            for video in load_video_features(path)
            if video.key in json.loads((tmp_path / "split.json").read_text())["train"]
        ],
        config.train.seed,
    )
    found = kept.data.components, kept.data.context, kept.model.ridge, kept.model.smoothing
    assert found == tuple(expected)
    longer = dataclasses.replace(config.train, steps=6)
    train(dataclasses.replace(config, train=longer), tmp_path)  # goes on with it
    assert "linear start" not in capsys.readouterr().out


def test_one_video_leaves_nothing_to_compare_on(path):
    with pytest.raises(UserError, match="two training videos"):
        choose(load_video_features(path)[:1], 0)
