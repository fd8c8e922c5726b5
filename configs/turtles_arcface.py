r"""Sea turtles by the pattern of their heads, by ArcFace.

Needs: photos of your own; a CPU will do
Score: no score yet

    reid-jax train turtles_arcface --workdir runs/turtles_arcface \
        --data.source csv:PATH/metadata.csv

Split by date: an individual's later days are the queries, its earlier days the gallery. For two CPU
cores: EfficientNet-Lite0 from its published weights, of which all but the first four of eighteen
blocks are trained, in bfloat16 (`--model.dtype float32` where a CPU has none). There is no
projection, so that training starts from the published features.

Plain ArcFace, beside `turtles_triplet` and `turtles_siamese`. It has not been run. What has been is
`turtles_pretrained`: the same with a BNNeck, a projection, mirror images as other individuals and
2,000 steps (Rank-1 0.435).
"""

from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.losses.objectives import MarginSoftmax
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.stages import Stage


def get_config() -> EmbeddingConfig:
    return EmbeddingConfig(
        data=DataConfig(
            source="",
            split="date",
            test_fraction=0.3,
            validation_fraction=0.15,
            image_size=128,
            embed_size=160,
            photos_per_identity=2,
            batch_size=64,
        ),
        augment=Augmentation(
            crop=0.4,
            rotation=25.0,
            brightness=0.3,
            contrast=0.3,
            saturation=0.3,
            hue=0.03,
            underwater=0.3,
            erasing=0.3,
        ),
        model=ModelConfig(
            backbone="tf_efficientnet_lite0",
            pretrained="pypi",
            embedding_dim=0,
            views=8,
            whiten=0.5,
            dtype="bfloat16",
        ),
        loss=MarginSoftmax(kind="arcface", scale=30.0, margin=0.3),
        stages=(Stage(start=0, blocks=14),),
        optimizer=OptimizerConfig(learning_rate=1e-3, weight_decay=1e-3, warmup_steps=100),
        train=TrainConfig(steps=800, log_every=20, evaluate_every=200, checkpoint_every=200),
    )
