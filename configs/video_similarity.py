"""Are these two clips of the same video? TVSum, frozen features; held-out videos in every pair.

.venv/bin/python scripts/train.py configs/video_similarity.py --workdir runs/same_video \
    --data.path tvsum.h5 --data.splits splits.json --data.frames frames

`frames` (a folder of JPEG files a video) is for edited copies; without it, copies are clips at
another speed. Then scripts/video_pairs.py runs/same_video [more runs] compares runs and joins them.
"""

from reid_jax.tasks.objectives import SupervisedContrastive
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.video_similarity_config import (
    ClipDataConfig,
    SimilarityConfig,
    VideoSimilarityConfig,
)


def get_config() -> VideoSimilarityConfig:
    return VideoSimilarityConfig(
        data=ClipDataConfig(batch_size=64, clips_per_video=4),
        model=SimilarityConfig(kind="siamese", encoder="mean", dropout=0.3, frame_dropout=0.3),
        loss=SupervisedContrastive(temperature=0.1),
        optimizer=OptimizerConfig(learning_rate=3e-4, warmup_steps=20, weight_decay=1e-2),
        train=TrainConfig(steps=200, log_every=10, evaluate_every=20, checkpoint_every=100),
    )
