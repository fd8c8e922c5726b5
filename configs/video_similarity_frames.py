r"""Are these two clips of the same video? From frames: a backbone under the network, in two stages.

Needs: an H5 file of videos, frames
Score: no score yet

reid-jax train video_similarity_frames --workdir runs/from_frames \
    --data.path tvsum.h5 --data.splits splits.json --data.frames frames

From the films themselves: `--data.videos FILMS` in the place of `--data.frames`.

First the network alone on the features of a frozen EfficientNet-Lite0 at 96 px, then with it, at a
tenth of its rate, the last two blocks of the backbone. Frames attend to each other by eight heads
(`self_attention`); `--model.kind triplet` compares embeddings by their cosine, `attention_siamese`
pools frames by learned queries. The report's references are the backbone before training. It has
no score: tested are a few steps of each stage under a small network.

TVSum's videos and annotations (CC-BY 3.0) are published at github.com/yalesong/tvsum, SumMe's at
gyglim.github.io/me/vsum, and the H5 files of both (GoogLeNet's features, 1,024 numbers a frame) at
github.com/KaiyangZhou/pytorch-vsumm-reinforce.
"""

from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.losses.objectives import SupervisedContrastive
from reid_jax.same_video.config import (
    ClipDataConfig,
    SimilarityConfig,
    VideoSimilarityConfig,
)
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.stages import Stage


def get_config() -> VideoSimilarityConfig:
    return VideoSimilarityConfig(
        data=ClipDataConfig(image_size=96, clip=8, batch_size=16, clips_per_video=4),
        images=Augmentation(flip=True, brightness=0.2, contrast=0.2, saturation=0.2),
        model=SimilarityConfig(
            backbone="tf_efficientnet_lite0",
            pretrained="pypi",
            encoder="self_attention",
            dropout=0.3,
            frame_dropout=0.3,
        ),
        loss=SupervisedContrastive(temperature=0.1),
        optimizer=OptimizerConfig(learning_rate=3e-4, warmup_steps=20, weight_decay=1e-2),
        stages=(Stage(0, blocks=0), Stage(100, blocks=2, backbone_rate=0.1)),
        train=TrainConfig(steps=200, log_every=10, evaluate_every=50, checkpoint_every=50),
    )
