"""The scorer that comes with the package: linear, and beside a film without a run."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

import reid_jax as rj
from reid_jax.errors import UserError
from reid_jax.keyframes.inputs import fit_preparation, prepare_video
from reid_jax.keyframes.installed import kept_arrays, linear_scorer
from reid_jax.keyframes.ridge import LinearStart


def test_components_put_together_score_as_they_do_apart():
    rng = np.random.default_rng(0)
    videos = [rng.normal(size=(length, 9)).astype(np.float32) for length in (40, 70)]
    preparation = fit_preparation(videos, components=5, context=1.6)
    linear = LinearStart(rng.normal(size=16).astype(np.float32), np.float32(0.3))
    smooth = lambda x: gaussian_filter1d(x, 1.25, mode="constant", radius=4)  # noqa: E731
    for sigma in (0.0, 1.25):
        scorer = linear_scorer(preparation, linear, sigma)
        for video in videos:
            logits = prepare_video(preparation, video).astype(float) @ linear.weights + linear.bias
            if sigma:
                logits = smooth(logits) / smooth(np.ones(len(logits)))
            expected = 1 / (1 + np.exp(-logits))
            np.testing.assert_allclose(scorer.score_features(video), expected, atol=2e-5)
        assert kept_arrays(scorer)["smoothing"] == np.float32(sigma)


def test_what_is_installed_is_loaded_by_name_and_is_no_run():
    scorer = rj.load("installed:keyframes")
    assert scorer.width == 1280
    assert "TVSum" in scorer.about
    features = np.random.default_rng(0).uniform(size=(50, 1280)).astype(np.float32)
    scores = scorer.score(features)
    assert scores.shape == (50,)
    assert np.all((scores > 0) & (scores < 1))
    assert scorer.fingerprint == rj.load("installed:keyframes").fingerprint
    with pytest.raises(UserError, match="is no run: it can be asked"):
        rj.report("installed:keyframes")
