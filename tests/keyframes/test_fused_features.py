"""A scorer of fused features is trained, scores such files, and says that films have none."""

import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.keyframes.config import check
from reid_jax.keyframes.model import encoder_of, load_scorer
from reid_jax.keyframes.run import score_to_file
from reid_jax.questions import report, train
from tests.data.videos.test_fused import write_others
from tests.keyframe_videos import make_config, of_images, write_videos

pytest.importorskip("h5py")


def test_a_scorer_of_fused_features(tmp_path):
    path = write_videos(tmp_path / "a.h5")
    other = write_others(path, tmp_path / "b.h5", 5)
    both = f"{path},{other}"
    config = make_config(path, data={"features": both, "components": 6}, train={"steps": 3})
    check(config)
    train(config, tmp_path / "run")
    scorer = load_scorer(tmp_path / "run")
    assert scorer.width == 17
    score_to_file(tmp_path / "run", type(path)(both), tmp_path / "scores.npz")
    with np.load(tmp_path / "scores.npz") as scores:
        assert len(scores.files) == 6
    with pytest.raises(UserError, match="fused features of several files, which no network makes"):
        encoder_of(scorer)
    with pytest.raises(UserError, match="leave one out"):
        check(of_images(path, data={"features": both}))
    for file in (path, other):
        file.rename(tmp_path / f"new_{file.name}")
    (tmp_path / "there").mkdir()
    for name in ("a.h5", "b.h5"):
        (tmp_path / f"new_{name}").rename(tmp_path / "there" / name)
    with pytest.raises(UserError, match="is not there; should the videos"):
        report(tmp_path / "run")
    report(tmp_path / "run", videos=tmp_path / "there" / "a.h5")
    features = load_scorer(tmp_path / "run").config.data.features
    assert features == f"{tmp_path}/there/a.h5,{tmp_path}/there/b.h5"
