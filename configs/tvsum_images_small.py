r"""TVSum from images, small: EfficientNet-Lite0 under the temporal scorer, for two CPU cores.

Needs: an H5 file of videos with scores, frames
Score: no score yet

    reid-jax train tvsum_images_small --workdir runs/images0 --data.fold 0 \
        --data.path PATH/tvsum.h5 --data.splits PATH/splits.json --data.frames PATH/frames

From the films themselves: `--data.videos FILMS` in the place of `--data.frames`.
"""

from reid_jax.keyframes.config import AUTO, KeyframeConfig, ScorerConfig, VideoDataConfig
from reid_jax.keyframes.task import KeyframeLoss
from reid_jax.ops.images.augment import Augmentation
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.stages import Stage


def get_config() -> KeyframeConfig:
    return KeyframeConfig(
        data=VideoDataConfig(
            image_size=96,
            clip=60,
            batch_size=2,
            features_rate=0.25,
            validation_fraction=0.2,
            power=0.3,
        ),
        images=Augmentation(flip=True, brightness=0.2, contrast=0.2, saturation=0.2),
        model=ScorerConfig(
            backbone="tf_efficientnet_lite0",
            pretrained="pypi",
            keep_statistics=True,
            width=64,
            depth=1,
            heads=4,
            head_dim=8,
            mlp=64,
            dual_head_dim=8,
            hidden=32,
            dropout=0.5,
            ridge=AUTO,
        ),
        loss=KeyframeLoss(squared=1.0, rank=0.1),
        optimizer=OptimizerConfig(
            learning_rate=1e-4,
            schedule="constant",
            warmup_steps=5,
            weight_decay=0.1,
            clip_norm=1.0,
            ema_decay=0.9,
        ),
        stages=(Stage(0, blocks=0), Stage(10, blocks=2, backbone_rate=0.1)),
        train=TrainConfig(
            steps=40,
            log_every=10,
            evaluate_every=20,
            checkpoint_every=20,
            blend=(0.0,),
            parallel="single",
        ),
    )
