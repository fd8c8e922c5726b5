r"""TVSum: which frames matter, from frozen features of every 15th frame.

.venv/bin/python scripts/train.py configs/tvsum.py --workdir runs/tvsum0 --data.fold 0
"""

from reid_jax.ops.clips import ClipAugmentation
from reid_jax.tasks.keyframes import KeyframeLoss
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.keyframe_config import KeyframeConfig, ScorerConfig, VideoDataConfig


def get_config() -> KeyframeConfig:
    return KeyframeConfig(
        data=VideoDataConfig(
            path="../shared/data/tvsum/tvsum.h5",
            splits="../shared/data/tvsum/splits.json",
            features_backbone="tf_efficientnet_lite0",
            validation_fraction=0.0,
            clip=256,
            batch_size=8,
            components=128,
            context=1.6,
        ),
        augment=ClipAugmentation(speed=0.5, jitter=1.0, drop=0.2, noise=0.5),
        model=ScorerConfig(
            width=64,
            depth=1,
            heads=4,
            head_dim=8,
            mlp=64,
            dual_head_dim=8,
            hidden=32,
            dropout=0.5,
            ridge=0.47,
            smoothing=2.5,
        ),
        loss=KeyframeLoss(squared=1.0, rank=0.1),
        optimizer=OptimizerConfig(
            learning_rate=1e-4,
            warmup_steps=20,
            weight_decay=0.1,
            clip_norm=1.0,
            ema_decay=0.98,
        ),
        train=TrainConfig(
            steps=200, log_every=20, evaluate_every=50, checkpoint_every=100, parallel="single"
        ),
    )
