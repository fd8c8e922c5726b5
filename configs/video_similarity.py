"""Are these two clips of the same video? TVSum, frozen features; held-out videos in every pair.

Needs: an H5 file of features
Score: ROC-AUC 0.970 over five folds, a minute each on two CPU cores

reid-jax train video_similarity --workdir runs/same_video \
    --data.path tvsum.h5 --data.splits splits.json --data.frames frames

`frames` (a folder of JPEG files a video) is for edited copies; without it, copies are clips at
another speed. Then reid-jax pairs runs/same_video [more runs] compares runs and joins them.
Choose the fold with --data.fold; --data.copies FILE shares the copies' features between runs (they
take two minutes to make, training takes one, on a CPU core).

Over the five folds of 40 TVSum videos: ROC-AUC 0.970 (0.950-0.985): clips of one shot 0.998, edited
copies 0.999, distant clips of one video 0.914. Of that the closed form it starts from has 0.970
(whitened, cosine; 0.971 by Chamfer), raw features 0.932 (cosine) and 0.956 (Chamfer): most is in
the whitening. 0.972 together with Chamfer.

TVSum's videos and annotations (CC-BY 3.0) are published at github.com/yalesong/tvsum, SumMe's at
gyglim.github.io/me/vsum, and the H5 files of both (GoogLeNet's features, 1,024 numbers a frame) at
github.com/KaiyangZhou/pytorch-vsumm-reinforce.
"""

from reid_jax.ops.losses.objectives import SupervisedContrastive
from reid_jax.same_video.config import (
    ClipDataConfig,
    SimilarityConfig,
    VideoSimilarityConfig,
)
from reid_jax.training.config import OptimizerConfig, TrainConfig


def get_config() -> VideoSimilarityConfig:
    return VideoSimilarityConfig(
        data=ClipDataConfig(batch_size=64, clips_per_video=4),
        model=SimilarityConfig(kind="attention_siamese", dropout=0.3, frame_dropout=0.3),
        loss=SupervisedContrastive(temperature=0.1),
        optimizer=OptimizerConfig(learning_rate=3e-4, warmup_steps=20, weight_decay=1e-2),
        train=TrainConfig(steps=200, log_every=10, evaluate_every=20, checkpoint_every=100),
    )
