r"""TVSum, Model 1: ResNet-50 under the temporal scorer, from images, in two stages.

Needs: an H5 file, frames, a GPU
Score: no score yet

    reid-jax train tvsum_resnet50 --workdir runs/model1 \
        --data.path PATH/tvsum.h5 --data.splits PATH/splits.json --data.frames PATH/frames

From the films themselves: `--data.videos FILMS` in the place of `--data.frames`.

First the scorer alone at 1e-4 (2.9M parameters), then with it, at 1e-5, the last two blocks
of the backbone (11.9M). For a GPU; --model.pretrained "" --data.image-size 64 --data.clip 16 tries
it out on a CPU. It has no score: tested are twenty steps of each stage from drawn weights.

TVSum's videos and annotations (CC-BY 3.0) are published at github.com/yalesong/tvsum, SumMe's at
gyglim.github.io/me/vsum, and the H5 files of both (GoogLeNet's features, 1,024 numbers a frame) at
github.com/KaiyangZhou/pytorch-vsumm-reinforce.
"""

from reid_jax.keyframes.clips import ClipAugmentation
from reid_jax.keyframes.config import KeyframeConfig, ScorerConfig, VideoDataConfig
from reid_jax.keyframes.task import KeyframeLoss
from reid_jax.ops.images.augment import Augmentation
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.stages import Stage


def get_config() -> KeyframeConfig:
    return KeyframeConfig(
        data=VideoDataConfig(
            image_size=224,
            clip=60,
            batch_size=4,
        ),
        augment=ClipAugmentation(speed=0.3, jitter=1.0, drop=0.1),
        images=Augmentation(flip=True, brightness=0.2, contrast=0.2, saturation=0.2),
        model=ScorerConfig(backbone="resnet50", pretrained="hub", dropout=0.2, dtype="bfloat16"),
        loss=KeyframeLoss(squared=1.0, rank=0.5),
        optimizer=OptimizerConfig(
            learning_rate=1e-4,
            schedule="constant",
            warmup_steps=20,
            weight_decay=0.05,
            clip_norm=1.0,
        ),
        stages=(Stage(0, blocks=0), Stage(400, blocks=2, backbone_rate=0.1)),
        train=TrainConfig(
            steps=800,
            evaluate_every=40,
            checkpoint_every=40,
            patience=8,
            reduce_patience=3,
        ),
    )
